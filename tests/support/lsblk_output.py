"""What `lsblk -J -b -o …` prints of invented devices: `printed(disk("sda", part("sda1", mountpoints=["/boot"])))`."""

import json
from typing import Any

from ablestack_api.tools.lsblk import COLUMNS
from tests.support.doubles import QueuedRunner

ARGV = ["lsblk", "-J", "-b", "-o", COLUMNS]
GIB = 1 << 30
Node = dict[str, Any]


def device(type_: str, name: str, *children: Node, **columns: Any) -> Node:
    """A device as lsblk prints it, with these columns instead of the usual ones (`majmin`: MAJ:MIN)."""
    columns = {"maj:min" if key == "majmin" else key: value for key, value in columns.items()}
    node: Node = {
        "name": name,
        "kname": name,
        "pkname": None,
        "path": f"/dev/{name}",
        "maj:min": None,
        "type": type_,
        "size": 100 * GIB,
        "ro": False,
        "rota": False,
        "model": None,
        "state": None,
        "group": "disk",
        "tran": None,
        "subsystems": "block",
        "vendor": None,
        "wwn": None,
        "fstype": None,
        "uuid": None,
        "parttype": None,
        "partlabel": None,
        "mountpoints": [None],
        **columns,
    }
    if children:
        node["children"] = [{**child, "pkname": node["kname"]} for child in children]
    return node


def disk(name: str, *children: Node, **columns: Any) -> Node:
    usual: Node = {"state": "running", "tran": "sas", "subsystems": "block:scsi:pci", "vendor": "ATA     "}
    return device("disk", name, *children, **{**usual, **columns})


def part(name: str, *children: Node, **columns: Any) -> Node:
    return device("part", name, *children, **columns)


def mapped(type_: str, name: str, kname: str, *children: Node, **columns: Any) -> Node:
    """A device of the device mapper: mpath, lvm, crypt, or a partition of a multipath map."""
    usual: Node = {"kname": kname, "path": f"/dev/mapper/{name}", "state": "running"}
    return device(type_, name, *children, **{**usual, **columns})


def physical_volume(**columns: Any) -> Node:
    return {"fstype": "LVM2_member", **columns}


def printed(*nodes: Node) -> str:
    return json.dumps({"blockdevices": list(nodes)}, indent=3, ensure_ascii=False)


def expect(runner: QueuedRunner, *nodes: Node) -> None:
    """The next program is lsblk, and these are the devices."""
    runner.expect(ARGV, stdout=printed(*nodes))
