"""A small real Debian for a virtual machine: kernel, systemd, cloud-init, sshd. Made once and kept in the lab's cache.

It plays the image of the appliances, so it has the accounts and units these have and cloud-init does not make.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import cache, guest_report, paths, rootfs
from tests.lab.command import run
from tests.lab.rootfs import DIES_WITH_US

KEPT = 2
DISK, KERNEL, INITRD = "disk.raw", "vmlinuz", "initrd.img"
ROOM_MIB = 192  # what a first start writes
MKFS_TIMEOUT = 300.0

BASE = ("systemd", "systemd-sysv", "dbus", "udev", "iproute2", "python3", "kmod", "sudo", "ca-certificates")
PACKAGES = (
    *("linux-image-amd64", "initramfs-tools", "zstd"),
    *("cloud-init", "openssh-server", "systemd-resolved", "network-manager"),
)
# Programs of an operator: the accounts that packages of the appliances bring.
COMMANDS = (
    ("groupadd", "--system", "wheel"),
    ("useradd", "--system", "--home-dir", "/var/cloudstack/management", "--create-home", "--shell", "/bin/false", "cloud"),
)
# Which of the two brings the network up is told on the kernel's command line (guest.py).
DISABLED = ("NetworkManager.service", "systemd-networkd.service", "systemd-networkd.socket")
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer", "dpkg-db-backup.timer"),
    *("systemd-networkd-wait-online.service", "NetworkManager-wait-online.service", "e2scrub_reap.service"),
)

# Without translations there is one locale; one host key is quicker than four.
CLOUD_CONFIG = """\
datasource_list: [NoCloud, None]
locale: C.UTF-8
ssh_genkeytypes: [ed25519]
"""
REPORT_UNIT = """\
[Unit]
Description=Report of the lab's guest
After=cloud-final.service

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /usr/local/lib/lab/report.py

[Install]
WantedBy=cloud-init.target
"""
# The product's own unit decides when it may start; what it starts is not in this guest.
API_DROP_IN = """\
[Service]
ExecStart=
ExecStart=/usr/bin/sleep infinity
"""
COCKPIT_SOCKET = """\
[Unit]
Description=Stands for Cockpit's socket

[Socket]
ListenStream=9090

[Install]
WantedBy=sockets.target
"""
COCKPIT = """\
[Unit]
Description=Stands for Cockpit
Requires=cockpit.socket

[Service]
ExecStart=/usr/bin/sleep infinity
"""
FILES = {
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
    "etc/hostname": "image\n",
    "etc/cloud/cloud.cfg.d/20-lab.cfg": CLOUD_CONFIG,
    "etc/machine-id": "",
    "etc/systemd/system/lab-report.service": REPORT_UNIT,
    "etc/systemd/system/ablestack-api.service.d/lab.conf": API_DROP_IN,
    "etc/systemd/system/cockpit.socket": COCKPIT_SOCKET,
    "etc/systemd/system/cockpit.service": COCKPIT,
}
# There before the kernel's package, which makes its initial file system when it is installed. cloud-init looks for its
# drive before devices that are not in there are found.
FILES_FIRST = {
    "usr/share/initramfs-tools/modules.d/lab": "virtio_pci\nvirtio_blk\next4\nahci\nsr_mod\nisofs\n",
    "etc/initramfs-tools/conf.d/lab": "MODULES=list\nCOMPRESS=zstd\n",
}
LINKS = {"etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf"}
COPIED = {
    "etc/systemd/system/ablestack-api.service": "packaging/ablestack-api.service",
    "usr/local/lib/lab/report.py": str(Path(guest_report.__file__).relative_to(paths.SOURCE)),
}
# Identities, and what no guest of the lab has a device for or reads.
REMOVED = (
    *("etc/ssh/ssh_host_*", "var/lib/systemd/random-seed", "var/cache/apt/*", "var/lib/apt/lists/*_*"),
    *("usr/share/man/*", "usr/share/doc/*", "usr/share/locale/*", "usr/share/info/*"),
    *(f"usr/lib/modules/*/kernel/{name}" for name in ("sound", "drivers/media", "drivers/gpu", "drivers/infiniband")),
    *(f"usr/lib/modules/*/kernel/drivers/{name}" for name in ("staging", "isdn", "iio", "hwmon", "usb", "net/wireless")),
    "usr/lib/modules/*/kernel/drivers/net/ethernet",
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what the image is; file names are relative to its root."""

    suite: str = "bookworm"
    base: tuple[str, ...] = BASE
    packages: tuple[str, ...] = PACKAGES
    commands: tuple[tuple[str, ...], ...] = COMMANDS
    disabled: tuple[str, ...] = DISABLED
    masked: tuple[str, ...] = MASKED
    removed: tuple[str, ...] = REMOVED
    files_first: Mapping[str, str] = field(default_factory=lambda: FILES_FIRST)
    files: Mapping[str, str] = field(default_factory=lambda: FILES | _copied())
    links: Mapping[str, str] = field(default_factory=lambda: LINKS)
    version: int = 1


@dataclass(frozen=True)
class GuestImage:
    """`disk` is one ext4 file system without a partition table; nobody writes to it."""

    disk: Path
    kernel: Path
    initrd: Path


def provide(say: Callable[[str], None]) -> GuestImage:
    """The finished image, made first when the cache has none; safe to call from several processes."""
    recipe = Recipe()
    finished = paths.cache() / f"guest-{key(recipe)}"
    with cache.building(finished) as partial:
        if partial is not None:
            say("building the guest's disk (once; about three minutes)")
            started = time.monotonic()
            _build(partial, recipe)
            size = (partial / DISK).stat().st_blocks * 512 // 2**20
            say(f"the guest's disk is built: {size} MiB in {time.monotonic() - started:.0f} s")
    cache.keep_newest("guest-*", KEPT)
    return GuestImage(finished / DISK, finished / KERNEL, finished / INITRD)


def key(recipe: Recipe) -> str:
    """Twelve hexadecimal digits that change with anything in the recipe."""
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]


def _copied() -> dict[str, str]:
    return {place: (paths.SOURCE / source).read_text(encoding="utf-8") for place, source in COPIED.items()}


def _build(folder: Path, recipe: Recipe) -> None:
    """Every step from an empty folder to one with the disk, the kernel and its initial file system."""
    root = folder / "root"
    rootfs.bootstrap(root, recipe.suite, recipe.base)
    _write(root, recipe.files_first)
    rootfs.install(root, recipe.packages)
    for command in recipe.commands:
        rootfs.inside(root, command)
    _write(root, recipe.files)
    for name, target in recipe.links.items():
        rootfs.link(root / name, target)
    _choose_units(root, recipe)
    rootfs.remove(root, recipe.removed)
    for name in (KERNEL, INITRD):
        [found] = (root / "boot").glob(f"{name}-*")
        shutil.move(found, folder / name)
    _make_disk(root, folder / DISK)
    shutil.rmtree(root)


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        rootfs.write(root / name, content)


def _choose_units(root: Path, recipe: Recipe) -> None:
    run(["systemctl", f"--root={root}", "disable", *recipe.disabled])
    run(["systemctl", f"--root={root}", "mask", *recipe.masked])
    run(["systemctl", f"--root={root}", "enable", "lab-report.service"])


def _make_disk(root: Path, disk: Path) -> None:
    """The folder as a file system in a sparse file; needs no mount."""
    used = int(run(["du", "-sm", str(root)]).stdout.split()[0])
    size = f"{used + used // 8 + ROOM_MIB}M"
    run([*DIES_WITH_US, "mkfs.ext4", "-q", "-d", str(root), str(disk), size], timeout=MKFS_TIMEOUT)
