"""A real sshd on a loopback port with keys of its own; nothing of the machine's own SSH is used or changed."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path="/usr/sbin:/sbin:/usr/bin")
PRIVILEGE_FOLDER = Path("/run/sshd")


@dataclass
class SshServer:
    """`home` is a sysroot whose root knows the server (`trust`) and has a key that it accepts (`give_key`)."""

    folder: Path
    address: str
    port: int

    def trust(self, root: Path, *, kind: str = "ed25519", name: str = "") -> Path:
        """Write the host key into the known_hosts of the root account of a sysroot."""
        path = root / "root/.ssh/known_hosts"
        path.parent.mkdir(parents=True, exist_ok=True)
        key = " ".join((self.folder / f"host_{kind}.pub").read_text().split()[:2])
        with path.open("a") as file:
            file.write(f"{name or f'[{self.address}]:{self.port}'} {key}\n")
        return path

    def give_key(self, root: Path, *, accepted: bool = True) -> None:
        place = root / "root/.ssh/id_ed25519"
        place.parent.mkdir(parents=True, exist_ok=True)
        new_key(place)
        if accepted:
            with (self.folder / "authorized_keys").open("a") as file:
                file.write(place.with_suffix(".pub").read_text())


def new_key(path: Path, kind: str = "ed25519") -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True, timeout=30)


@contextmanager
def running(folder: Path, *, address: str = "127.0.0.1", extra: str = "") -> Iterator[SshServer]:
    """Accepts the keys in its `authorized_keys`, for the account that runs the test."""
    folder.mkdir(parents=True, exist_ok=True)
    server = SshServer(folder, address, _free_port(address))
    for kind in ("ed25519", "ecdsa"):
        new_key(folder / f"host_{kind}", kind)
    (folder / "authorized_keys").touch(0o600)
    (folder / "config").write_text(
        f"ListenAddress {address}:{server.port}\nHostKey {folder}/host_ed25519\nHostKey {folder}/host_ecdsa\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        f"PidFile none\nPermitRootLogin yes\nLogLevel ERROR\n{extra}"
    )
    made = not PRIVILEGE_FOLDER.exists()
    PRIVILEGE_FOLDER.mkdir(mode=0o755, exist_ok=True)
    daemon = subprocess.Popen([str(SSHD), "-D", "-e", "-f", folder / "config"], stderr=subprocess.DEVNULL)
    try:
        _wait(address, server.port)
        yield server
    finally:
        daemon.terminate()
        daemon.wait(10)
        if made:
            PRIVILEGE_FOLDER.rmdir()


def _wait(address: str, port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex((address, port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("sshd did not start")


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port
