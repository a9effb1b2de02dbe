"""Names that become words of storage programs: each passes a typed check first (D19).

Every check returns the name, or raises BadInput naming the field.
"""

import ipaddress
import posixpath
import re

from ablestack_api.core.errors import bad_field

# lvm(8), VALID NAMES; device-mapper joins both with every dash doubled, 127 characters at most.
LVM_NAME = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]*")
LONGEST_LVM = 127
LVM_RESERVED = re.compile(
    r"^(snapshot|pvmove)|_(cdata|cmeta|corig|cvol|wcorig|iorig|imeta|mlog|mimage|pmspare|rimage|rmeta|tdata|tmeta|vdata|vorigin)"
)
# A group's folder is /dev/<name>.
DEVICE_FOLDERS = frozenset(
    {
        *("block", "bsg", "bus", "char", "cpu", "disk", "dri", "fd", "hugepages", "input", "mapper", "mqueue", "net"),
        *("null", "pts", "rbd", "shm", "snd", "vfio", "zero"),
    }
)
# mkfs.gfs2(8): LockTableName is CLUSTER:FSNAME, of 32 and 30 characters. The file system's name becomes a resource id of
# Pacemaker (an XML id) and the name of a partition too.
DEFAULT_CLUSTER = "cloudcenter_cluster"
CLUSTER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,31}")
GFS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,29}")
PATH = re.compile(r"(/[A-Za-z0-9_.+-]+)+")
LONGEST_PATH = 255
# What the system itself lives in: nothing is mounted over or below it.
SYSTEM_FOLDERS = frozenset(
    {
        *("bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "lost+found", "opt", "proc", "root", "run"),
        *("sbin", "sys", "tmp", "usr", "var"),
    }
)
# Nothing is mounted over these, only below them.
PARENTS = frozenset(("mnt", "media", "srv"))
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*")
LONGEST_HOSTNAME = 64


def vg_name(value: str, field: str = "vg_name") -> str:
    _lvm(value, field)
    if value in DEVICE_FOLDERS:
        raise bad_field(field, f"/dev/{value} is something else")
    return value


def lv_name(value: str, field: str = "lv_name", *, vg: str = "") -> str:
    _lvm(value, field)
    if LVM_RESERVED.search(value):
        raise bad_field(field, f"{value!r} is a name that LVM keeps for itself")
    if len(f"{vg}-{value}") + vg.count("-") + value.count("-") > LONGEST_LVM:
        raise bad_field(field, f"is too long together with the volume group's name ({LONGEST_LVM} characters, dashes twice)")
    return value


def gfs_name(value: str, field: str = "gfs_name") -> str:
    return _matching(GFS_NAME, value, field, "must be 1 to 30 letters, digits, - and _, and begin with a letter or _")


def cluster_name(value: str, field: str = "cluster_name") -> str:
    if not CLUSTER_NAME.fullmatch(value):
        raise bad_field(
            field, "must be 1 to 32 letters, digits, - and _ (what GFS2 takes), no dash in front", "invalid cluster_name"
        )
    return value


def cluster_user(value: str, field: str = "cluster_user") -> str:
    """The account of pcsd. Its password is set, so it is never the system's own."""
    if not USER.fullmatch(value):
        raise bad_field(field, "is no name of a Linux account", "invalid cluster_user")
    if value == "root":
        raise bad_field(field, "the password of root is not set here; use hacluster", "invalid cluster_user")
    return value


def mount_point(value: str, field: str = "mount_point") -> str:
    """An absolute path outside of the folders of the system."""
    _matching(PATH, value, field, "must be an absolute path of letters, digits and . _ + -")
    if len(value) > LONGEST_PATH or posixpath.normpath(value) != value:
        raise bad_field(field, "must be a plain path, without . and .. in it, of at most 255 characters")
    parts = value.strip("/").split("/")
    if parts[0] in SYSTEM_FOLDERS or (parts[0] in PARENTS and len(parts) == 1):
        raise bad_field(field, f"{value} belongs to the system; take a folder like /mnt/glue-gfs")
    return value


def hostname(value: str, field: str, message: str | None = None) -> str:
    if len(value) > LONGEST_HOSTNAME or not HOSTNAME.fullmatch(value):
        raise bad_field(field, "is no host name", message)
    return value


def address(value: str, field: str) -> str:
    """An IP address, or the name of a host."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return hostname(value, field)


def port(value: str, field: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 5 and 1 <= int(value) <= 65535):
        raise bad_field(field, "is no port number (1 to 65535)")
    return int(value)


def one_line(value: str, field: str, message: str | None = None) -> str:
    """A text that fits into one line of input: no NUL, no line breaks."""
    if any(character in value for character in "\0\r\n"):
        raise bad_field(field, "must not hold NUL or line breaks", message)
    return value


def login(value: str, field: str) -> str:
    one_line(value, field)
    if not value.isprintable() or value.startswith("-") or len(value) > 64:
        raise bad_field(field, "is no login name")
    return value


def _lvm(value: str, field: str) -> str:
    if len(value) > LONGEST_LVM or not LVM_NAME.fullmatch(value) or value in (".", ".."):
        raise bad_field(field, "must be letters, digits and + _ . -, no dash in front (lvm(8))")
    return value


def _matching(pattern: re.Pattern[str], value: str, field: str, reason: str) -> str:
    if not pattern.fullmatch(value):
        raise bad_field(field, reason)
    return value
