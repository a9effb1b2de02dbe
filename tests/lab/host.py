"""This machine as the host of a lab: can it be one, and what has to be installed first."""

import os
import shutil
from pathlib import Path

from tests.lab.command import run
from tests.lab.errors import CannotRunError, CommandFailedError

PACKAGES = ("debootstrap", "systemd-container", "iproute2", "rsync")
PROGRAMS = ("debootstrap", "systemd-nspawn", "systemctl", "ip", "nsenter", "mount", "umount", "rsync")
INSTALL_TIMEOUT = 600.0


def prepare() -> None:
    """Install what a host needs, with this machine's own apt configuration; raises CannotRunError as `check` does."""
    _check_root()
    if _missing():
        _install()
    check()


def check() -> None:
    """Raise CannotRunError, with the first reason found, where no lab can run."""
    _check_root()
    if missing := _missing():
        raise CannotRunError(f"missing {', '.join(missing)}: run 'python3 -m tests.lab prepare' first")
    filesystems = Path("/proc/filesystems").read_text(encoding="ascii")
    if "\toverlay\n" not in filesystems and run(["modprobe", "overlay"], ok=None).code != 0:
        raise CannotRunError("this kernel has no overlay file system")


def _install() -> None:
    if not Path("/etc/debian_version").exists() or shutil.which("apt-get") is None:
        raise CannotRunError(f"missing {', '.join(_missing())}; they can be installed by this program on Debian only")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(["apt-get", "-q", "update"], timeout=INSTALL_TIMEOUT, env=quiet)
        run(["apt-get", "-qy", "--no-install-recommends", "install", *PACKAGES], timeout=INSTALL_TIMEOUT, env=quiet)
    except CommandFailedError as error:
        reason = (error.stderr.strip() or "ran out of time").splitlines()[-1]
        raise CannotRunError(f"cannot install {', '.join(PACKAGES)}: {reason}") from error


def _check_root() -> None:
    if os.geteuid() != 0:
        raise CannotRunError("the lab needs root: it makes namespaces, mounts and machines")


def _missing() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]
