"""Everything the environment decides, read in this module only. The README has the same list as a table."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT = 8090
DEFAULT_BACKUP_ROOTS = "/home:/mnt:/media:/srv:/backup:/var/backups"
DEFAULT_PROGRAM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
LOOPBACK = ("::1", "localhost")
LONGEST_NUMBER = 12


class SettingsError(Exception):
    """A variable holds something that cannot be used; the daemon does not start."""


class Settings:
    """Where things are and how the daemon behaves. Paths are absolute texts, times are seconds.

    Not a dataclass on purpose: `ablestack-auth-token` reads it, and importing dataclasses would double its start.
    """

    def __init__(self, environ: "Mapping[str, str]") -> None:
        self._environ = environ
        self.sysroot = os.path.abspath(self._text("ABLESTACK_SYSROOT", "/"))
        self.config_root = self._text("ABLESTACK_CONFIG_PATH", self.below("etc/ablestack"))
        self.vm_config_root = self._text("ABLESTACK_STATE_PATH", os.path.join(self.config_root, "vmconfig"))
        self.cluster_json = self._text(
            "ABLESTACK_CLUSTER_JSON", os.path.join(self.config_root, "properties", "cluster.json")
        )
        self.auth_json = self._text("ABLESTACK_AUTH_CONFIG", os.path.join(self.config_root, "auth.json"))
        self.neighbor_json = self._text("CUBE_CONFIG_PATH", os.path.join(self.config_root, "config.json"))
        self.security_patch_script = self._text(
            "ABLESTACK_SECURITY_PATCH_SCRIPT", os.path.join(self.config_root, "shell", "security_patch.sh")
        )
        self.ssh_key_folder = self._text(
            "ABLESTACK_SSH_KEY_DIR", self.below(os.path.join(self._text("HOME", "/root"), ".ssh"))
        )
        self.ssh_key_bundle_secret = self._text("ABLESTACK_SSH_KEY_BUNDLE_SECRET", "")
        self.license_public_key = self._text("ABLESTACK_LICENSE_PUBLIC_KEY", "")
        self.db_option_file = self._text(
            "ABLESTACK_DB_OPTION_FILE", os.path.join(self.config_root, "properties", "ccvm-db.cnf")
        )
        self.backup_roots = self._text("ABLESTACK_BACKUP_ROOTS", DEFAULT_BACKUP_ROOTS).split(":")
        self.state_root = self.below("var/lib/ablestack")
        self.request_log = self._text("ABLESTACK_API_LOG", self.below("var/log/ablestack/api.log"))
        self.audit_log = self._text("ABLESTACK_AUDIT_LOG", self.below("var/log/ablestack/audit.log"))

        self.listen_host, self.listen_port = self._listen()
        self.peer_scheme = self._choice("ABLESTACK_API_SCHEME", ("http", "https"))
        self.peer_port = self._number("ABLESTACK_API_PORT", DEFAULT_PORT, 1, 65535)
        self.tls_certificate = self._text("ABLESTACK_API_TLS_CERT", "")
        self.tls_key = self._text("ABLESTACK_API_TLS_KEY", "")
        self.tls_ca = self._text("ABLESTACK_API_TLS_CA", "")
        self.workers = self._number("ABLESTACK_API_WORKERS", 1, 1, 64)
        self.threads = self._number("ABLESTACK_API_THREADS", 16, 1, 256)
        self.cors_origins = frozenset(self._text("ABLESTACK_API_CORS_ORIGINS", "").replace(",", " ").split())

        self.signing_value_override = self._text("ABLESTACK_AUTH_TOKEN_SECRET", "")
        self.internal_token_override = self._text("CUBE_INTERNAL_TOKEN", "") or self._text("ABLESTACK_INTERNAL_TOKEN", "")
        self.access_token_ttl_override = self._number("ABLESTACK_ACCESS_TOKEN_TTL_SECONDS", 0, 0, 10**9)
        self.auth_required = not self._switched_off("ABLESTACK_AUTH_REQUIRED") or not self.listens_on_loopback

        self.libvirt_uri = self._text("ABLESTACK_LIBVIRT_URI", "qemu:///system")
        self.home = self._text("HOME", "/root")
        self.program_path = self._text("ABLESTACK_PROGRAM_PATH", DEFAULT_PROGRAM_PATH)

    @classmethod
    def of_process(cls) -> "Settings":
        """What this process was started with. Raises SettingsError."""
        return cls(os.environ)

    def below(self, path: str) -> str:
        """A system file's place below the sysroot: `below("etc/hosts")`."""
        return os.path.join(self.sysroot, path.lstrip("/"))

    @property
    def is_whole_system(self) -> bool:
        """False for a node in a folder: files are written, but no service is restarted and no kernel setting touched."""
        return self.sysroot == "/"

    @property
    def listens_on_loopback(self) -> bool:
        is_address = self.listen_host.replace(".", "").isdecimal()
        return self.listen_host in LOOPBACK or (is_address and self.listen_host.startswith("127."))

    @property
    def listens_everywhere(self) -> bool:
        return self.listen_host in ("0.0.0.0", "::", "")  # noqa: S104  a comparison, not a bind

    def _text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def _choice(self, name: str, allowed: "tuple[str, ...]") -> str:
        value = self._text(name, allowed[0]).lower()
        if value not in allowed:
            raise SettingsError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        return value

    def _number(self, name: str, default: int, low: int, high: int) -> int:
        text = self._text(name, str(default))
        if not _is_number(text) or not low <= int(text) <= high:
            raise SettingsError(f"{name} must be a whole number from {low} to {high}, not {text!r}")
        return int(text)

    def _switched_off(self, name: str) -> bool:
        return self._text(name, "on").lower() in ("0", "false", "no", "off")

    def _listen(self) -> tuple[str, int]:
        text = self._text("ABLESTACK_API_LISTEN", f"0.0.0.0:{DEFAULT_PORT}")
        host, separator, port = text.rpartition(":")
        if not separator or not _is_number(port) or not 1 <= int(port) <= 65535:
            raise SettingsError(f"ABLESTACK_API_LISTEN must be ADDRESS:PORT, not {text!r}")
        return host.strip("[]"), int(port)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
