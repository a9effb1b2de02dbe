"""What the root file system of every node is made of. A change of anything in RECIPE makes a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SUITE = "bookworm"
BASE = ("systemd", "systemd-sysv", "dbus", "iproute2", "python3")
PACKAGES = (
    *("libvirt-daemon-system", "libvirt-clients", "libvirt-daemon-driver-qemu", "libvirt-daemon-driver-storage-rbd"),
    *("qemu-system-x86", "qemu-utils", "qemu-block-extra", "genisoimage"),
    *("pcs", "pacemaker", "pacemaker-cli-utils", "corosync", "resource-agents", "fence-agents"),
    *("ceph-mon", "ceph-mgr", "ceph-osd", "ceph-common"),
    *("mariadb-server", "mariadb-client"),
    *("openssh-server", "openssh-client", "network-manager", "firewalld", "chrony", "cron", "at"),
    *("cockpit-ws", "cockpit-bridge", "cockpit-system"),
    *("lvm2", "curl", "iputils-ping", "pciutils", "procps", "kmod", "less", "rpm", "python3-venv", "libfaketime"),
)

# Units that fail, or wait for something, on a machine without a kernel of its own.
MASKED = (
    "systemd-networkd-wait-online.service",
    "systemd-networkd.service",
    "systemd-remount-fs.service",
    "libvirtd-tls.socket",
    "libvirtd-tcp.socket",
    "nvmf-autoconnect.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "man-db.timer",
)

# Units that Debian starts on every machine they are installed on; here each role starts its own.
DISABLED = (
    *("libvirtd.service", "libvirt-guests.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket"),
    *("pcsd.service", "pcsd-ruby.service", "corosync.service", "pacemaker.service", "mariadb.service"),
    *("ceph.target", "ceph-mon.target", "ceph-mgr.target", "ceph-osd.target", "ceph-crash.service", "rbdmap.service"),
    *("firewalld.service", "smartmontools.service", "blk-availability.service", "lvm2-monitor.service"),
    *("ssh.service", "chrony.service", "cron.service", "atd.service", "NetworkManager.service", "cockpit.socket"),
    *("virtlockd.socket", "virtlockd-admin.socket", "e2scrub_reap.service"),
)

# Chrony answers and measures, but never sets a clock: there is only one, and it belongs to the host machine.
CHRONY_UNIT = "[Unit]\nConditionCapability=\n"
CHRONY_OPTIONS = 'DAEMON_OPTS="-x -F 1"\n'
SSH_UNIT = "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n"
# Told to end while it starts its workers, pcsd never does; it has nothing to lose.
PCSD_UNIT = "[Service]\nTimeoutStopSec=5\n"
# Cgroups are read-only in a node, and its root has no other user to hand a disk to.
QEMU = """\
cgroup_controllers = [ ]
user = "root"
group = "root"
security_driver = "none"
namespaces = []
remember_owner = 0
"""

FILES = {
    "etc/systemd/system/chrony.service.d/lab.conf": CHRONY_UNIT,
    "etc/default/chrony": CHRONY_OPTIONS,
    "etc/systemd/system/ssh.service.d/lab.conf": SSH_UNIT,
    "etc/systemd/system/pcsd.service.d/lab.conf": PCSD_UNIT,
    "etc/libvirt/qemu.conf": QEMU,
    "etc/machine-id": "",
    "etc/resolv.conf": "",
}

# Identities and clusters that the packages made while being installed, and what a node never reads again.
REMOVED = (
    "etc/ssh/ssh_host_*",
    "etc/corosync/corosync.conf",
    "etc/hosts",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/cache/apt/archives/*.deb",
    "var/lib/apt/lists/*_*",
    "usr/share/man/*",
    "usr/share/locale/*",
)

# What the product's environment needs to be built with the nodes' own Python; never part of a node.
BUILD_PACKAGES = ("gcc", "libc6-dev", "python3-dev", "python3-venv", "libvirt-dev", "pkg-config")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what the root file system looks like; file names are relative to its root."""

    suite: str = SUITE
    base: tuple[str, ...] = BASE
    packages: tuple[str, ...] = PACKAGES
    masked: tuple[str, ...] = MASKED
    disabled: tuple[str, ...] = DISABLED
    removed: tuple[str, ...] = REMOVED
    files: Mapping[str, str] = field(default_factory=lambda: FILES)
    version: int = 1


RECIPE = Recipe()
