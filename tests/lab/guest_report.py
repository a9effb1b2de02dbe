"""Runs inside the guest of the lab when cloud-init has ended: what it made of the drive, as one line of JSON.

Copied into the guest's disk as it is; its own Python and nothing else.
"""

import base64
import grp
import json
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

PORT = "/dev/virtio-ports/org.ablestack.lab"
SHOWN = ("/root", "/home", "/var/lib/ceph", "/var/cloudstack", "/etc/ablestack", "/usr/local", "/etc/hosts")
VARIABLE = ("/var/lib/cloud", "/var/lib/ceph", "/var/cloudstack", "/var/log", "/var/tmp")
SEARCHED = ("/etc", "/home", "/root", "/run", "/tmp", "/usr/local", *VARIABLE)
UNITS = ("ablestack-api.service", "cockpit.socket", "cockpit.service", "ssh.service")
LARGEST = 4 * 1024 * 1024


def main() -> None:
    """Write the report to the port that the host reads."""
    addresses = json.loads(said("ip", "-j", "addr"))
    report = {
        "hostname": said("hostname").strip(),
        "links": {link["ifname"]: link for link in addresses},
        "routes": json.loads(said("ip", "-j", "route")),
        "dns": servers("/run/systemd/resolve/resolv.conf"),
        "cloud_init": json.loads(said("cloud-init", "status", "--format", "json")),
        "result": json.loads(Path("/run/cloud-init/result.json").read_text(encoding="utf-8")),
        "warnings": [line for line in lines("/var/log/cloud-init.log") if "WARNING" in line or "Traceback" in line],
        "shadow": dict(line.split(":")[:2] for line in lines("/etc/shadow")),
        "groups": {name: said("id", "-Gn", name).split() for name in ("root", "ablecloud", "ceph")},
        "sudoers": [line for path in Path("/etc/sudoers.d").iterdir() for line in lines(path)],
        "files": {str(path): facts(path) for path in files(SHOWN)},
        "key_readable_by_others": exposed(Path("/root/.ssh/id_rsa").read_bytes().strip()),
        "units": {unit: [said("systemctl", verb, unit).strip() for verb in ("is-enabled", "is-active")] for unit in UNITS},
        "failed": said("systemctl", "--failed", "--plain", "--no-legend").split("\n"),
    }
    with open(PORT, "w", encoding="utf-8") as port:
        port.write(json.dumps(report) + "\n")


def said(*argv: str) -> str:
    """What a program wrote, whatever its exit status; no error output."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120, check=False)
    return done.stdout


def lines(path: str | Path) -> list[str]:
    return Path(path).read_text(encoding="utf-8", errors="replace").splitlines() if Path(path).exists() else []


def servers(path: str) -> list[str]:
    return [line.split()[1] for line in lines(path) if line.startswith("nameserver ")]


def files(places: tuple[str, ...]) -> list[Path]:
    """The regular files at or below `places`, no links."""
    found = [path for place in map(Path, places) for path in ([place] if place.is_file() else place.rglob("*"))]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def facts(path: Path) -> dict[str, Any]:
    """Mode, owner, content, and the mode of the folder it lies in."""
    status, folder = path.stat(), path.parent.stat()
    return {
        "mode": f"{status.st_mode & 0o7777:04o}",
        "owner": f"{name_of(pwd.getpwuid, status.st_uid)}:{name_of(grp.getgrgid, status.st_gid)}",
        "folder_mode": f"{folder.st_mode & 0o7777:04o}",
        "folder_owner": f"{name_of(pwd.getpwuid, folder.st_uid)}:{name_of(grp.getgrgid, folder.st_gid)}",
        "content": base64.b64encode(path.read_bytes()).decode() if status.st_size < LARGEST else "",
    }


def name_of(find: Any, number: int) -> str:
    try:
        return str(find(number)[0])
    except KeyError:
        return str(number)


def exposed(secret: bytes) -> list[str]:
    """Files that hold the private key, or its base64 form, and that its group or others may read."""
    # The end of a base64 text depends on what follows, so its last characters are left out.
    forms = (secret, base64.b64encode(secret)[:-8])
    found = []
    for path in files(SEARCHED):
        status = path.stat()
        if status.st_mode & 0o077 and status.st_size < LARGEST:
            content = path.read_bytes()
            found += [f"{path} {status.st_mode & 0o7777:04o}" for form in forms if form in content]
    return found


if __name__ == "__main__":
    os.umask(0o077)
    main()
