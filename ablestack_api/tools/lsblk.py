"""lsblk(8): the block devices of this node as a graph of facts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

SECONDS = 10.0
# Columns by name, not -O: that one also asks every mounted file system for its fill level, and a hung one never answers.
COLUMNS = (
    "NAME,KNAME,PKNAME,PATH,MAJ:MIN,TYPE,SIZE,RO,ROTA,MODEL,STATE,GROUP,TRAN,SUBSYSTEMS,VENDOR,WWN,"
    "FSTYPE,UUID,PARTTYPE,PARTLABEL,MOUNTPOINTS"
)
UNKNOWN_COLUMN = "unknown column"
LETTERS = "BKMGTPE"
SWAP = "[SWAP]"


@dataclass(eq=False, slots=True)
class Device:
    """One block device; texts are as lsblk prints them, empty for null. `size` is in bytes.

    `children` are built upon it (partitions, maps, volumes), `parents` is what it is built upon. One device is one
    object, however many parents it is printed under.
    """

    name: str
    kname: str
    pkname: str = ""
    path: str = ""
    numbers: str = ""  # MAJ:MIN
    type: str = ""
    size: int = 0
    ro: bool = False
    rota: bool | None = None
    model: str = ""
    state: str = ""
    group: str = ""
    tran: str = ""
    subsystems: str = ""
    vendor: str = ""
    wwn: str = ""
    fstype: str = ""
    uuid: str = ""  # of the file system or member signature
    parttype: str = ""
    partlabel: str = ""
    mountpoints: tuple[str, ...] = ()
    children: list["Device"] = field(default_factory=list, repr=False)
    parents: list["Device"] = field(default_factory=list, repr=False)

    @property
    def node(self) -> str:
        """The kernel's own name below /dev; `!` stands for `/` in sysfs (`cciss!c0d0`)."""
        return "/dev/" + self.kname.replace("!", "/")

    @property
    def is_multipath_map(self) -> bool:
        return self.type == "mpath"

    @property
    def is_partition(self) -> bool:
        return self.type == "part"

    def family(self) -> Iterator["Device"]:
        """This device and everything built upon it, each once, parents first."""
        seen: set[int] = set()
        stack = [self]
        while stack:
            device = stack.pop()
            if id(device) not in seen:
                seen.add(id(device))
                yield device
                stack += reversed(device.children)

    def foundations(self) -> Iterator["Device"]:
        """Everything this device is built upon, each once, nearest first."""
        seen: set[int] = set()
        queue = list(self.parents)
        while queue:
            device = queue.pop(0)
            if id(device) not in seen:
                seen.add(id(device))
                yield device
                queue += device.parents


def read(runner: Runner) -> list[Device]:
    """The top-level devices. Raises CommandFailed (also for output that is no JSON), CommandTimedOut, ProgramMissing."""
    try:
        printed = runner.run(["lsblk", "-J", "-b", "-o", COLUMNS], timeout=SECONDS).stdout
    except CommandFailed as error:
        if UNKNOWN_COLUMN not in error.detail:
            raise
        # util-linux before 2.37 has no MOUNTPOINTS; -O is every column that it does have.
        printed = runner.run(["lsblk", "-J", "-b", "-O"], timeout=SECONDS).stdout
    return parse(printed)


def parse(printed: str) -> list[Device]:
    """The tree that `lsblk -J` printed; repeated devices are joined and circles cut. Raises CommandFailed."""
    try:
        nodes = json.loads(printed)["blockdevices"]
        return _joined(nodes)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CommandFailed("lsblk did not print JSON that can be understood", program="lsblk", exit_code=0) from error


def human_size(count: int) -> str:
    """Bytes as lsblk prints them without -b (`1.8T`): size_to_human_string() of util-linux."""
    exponent = min(max(count.bit_length() - 1, 0) // 10, len(LETTERS) - 1)
    whole, rest = divmod(count, 1 << 10 * exponent)
    tenths = (rest * 1000 // (1 << 10 * exponent) + 50) // 100
    if tenths == 10:
        whole, tenths = whole + 1, 0
    return f"{whole}.{tenths}{LETTERS[exponent]}" if tenths else f"{whole}{LETTERS[exponent]}"


def _joined(nodes: list[dict[str, Any]]) -> list[Device]:
    known: dict[str, Device] = {}
    roots: list[Device] = []
    stack: list[tuple[dict[str, Any], Device | None]] = [(node, None) for node in reversed(nodes)]
    while stack:
        node, parent = stack.pop()
        kname = node.get("kname") or f" {len(known)}"
        device = known.get(kname) or known.setdefault(kname, _device(node))
        if parent is None:
            roots.append(device)
        elif device not in parent.children and device not in (parent, *parent.foundations()):
            parent.children.append(device)
            device.parents.append(parent)
        stack += [(child, device) for child in reversed(node.get("children") or [])]
    return list({id(root): root for root in roots}.values())


def _device(node: dict[str, Any]) -> Device:
    return Device(
        name=_text(node.get("name")),
        kname=_text(node.get("kname")),
        pkname=_text(node.get("pkname")),
        path=_text(node.get("path")),
        numbers=_text(node.get("maj:min")),
        type=_text(node.get("type")),
        size=int(node.get("size") or 0),
        ro=_truth(node.get("ro")) or False,
        rota=_truth(node.get("rota")),
        model=_text(node.get("model")),
        state=_text(node.get("state")),
        group=_text(node.get("group")),
        tran=_text(node.get("tran")),
        subsystems=_text(node.get("subsystems")),
        vendor=_text(node.get("vendor")),
        wwn=_text(node.get("wwn")),
        fstype=_text(node.get("fstype")),
        uuid=_text(node.get("uuid")),
        parttype=_text(node.get("parttype")),
        partlabel=_text(node.get("partlabel")),
        mountpoints=_mountpoints(node),
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _truth(value: Any) -> bool | None:
    """true or false; util-linux before 2.33 prints them as "1" and "0"."""
    return None if value is None else value in (True, "1", "true")


def _mountpoints(node: dict[str, Any]) -> tuple[str, ...]:
    told = node.get("mountpoints", [node.get("mountpoint")])
    return tuple(str(place) for place in told or () if place)
