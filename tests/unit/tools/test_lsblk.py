"""tools.lsblk: what lsblk(8) prints, of new and of old releases."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import SystemRunner
from ablestack_api.core.settings import DEFAULT_PROGRAM_PATH
from ablestack_api.tools import lsblk
from tests.support.doubles import QueuedRunner
from tests.support.lsblk_output import ARGV, GIB, device, disk, expect, mapped, part, printed

EVERYTHING = ["lsblk", "-J", "-b", "-O"]
# Our name of a column, where it is not lsblk's.
COLUMNS = {"numbers": "maj:min"}


def test_one_device(runner: QueuedRunner) -> None:
    expect(runner, disk("sda", model="INTEL SSDSC2KB48", size=480103981056, rota=False, wwn="0x55cd2e41"))
    (found,) = lsblk.read(runner)
    assert (found.name, found.node, found.path, found.size) == ("sda", "/dev/sda", "/dev/sda", 480103981056)
    assert (found.model, found.tran, found.vendor, found.rota, found.ro) == (
        "INTEL SSDSC2KB48",
        "sas",
        "ATA     ",
        False,
        False,
    )
    assert (found.fstype, found.mountpoints, found.children, found.parents) == ("", (), [], [])


def test_no_devices(runner: QueuedRunner) -> None:
    expect(runner)
    assert lsblk.read(runner) == []


@pytest.mark.parametrize(
    ("columns", "rota", "size", "mountpoints"),
    [
        ({"rota": True, "size": 5, "mountpoints": ["/a", "/b"]}, True, 5, ("/a", "/b")),
        ({"rota": "1", "size": "5", "mountpoints": [None]}, True, 5, ()),
        ({"rota": "0", "size": "0", "mountpoints": []}, False, 0, ()),
        ({"rota": None, "size": None, "mountpoints": None}, None, 0, ()),
        ({"mountpoints": ["/메모 리", "[SWAP]"]}, False, 100 * GIB, ("/메모 리", "[SWAP]")),
    ],
)
def test_values(columns: dict[str, Any], rota: bool | None, size: int, mountpoints: tuple[str, ...]) -> None:
    (found,) = lsblk.parse(printed(disk("sda", **columns)))
    assert (found.rota, found.size, found.mountpoints) == (rota, size, mountpoints)


def test_util_linux_before_2_37_has_one_mount_point_a_device_and_texts_for_truths(runner: QueuedRunner) -> None:
    node = {"name": "sda", "kname": "sda", "mountpoint": "/", "rota": "1", "ro": "0", "size": "256060514304"}
    runner.expect(ARGV, code=1, stderr="lsblk: unknown column: MOUNTPOINTS\n")
    runner.expect(EVERYTHING, stdout=json.dumps({"blockdevices": [node]}))
    (found,) = lsblk.read(runner)
    assert (found.mountpoints, found.rota, found.ro, found.size) == (("/",), True, False, 256060514304)


def test_another_failure_is_told_at_once(runner: QueuedRunner) -> None:
    runner.expect(ARGV, code=1, stderr="lsblk: failed to access sysfs directory: /sys/dev/block: No such file\n")
    with pytest.raises(CommandFailed, match="sysfs"):
        lsblk.read(runner)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "{}",
        '{"blockdevices": 5}',
        '{"blockdevices": null}',
        '{"blockdevices": ["sda"]}',
        '{"blockdevices": [{"name": "sda", "size": "1.8T"}]}',
        '{"blockdevices": [{"name": "sda", "children": 5}]}',
        '{"blockdevices": [{"name": "sda", "mountpoints": 5}]}',
        "lsblk: warning\n" + '{"blockdevices": []}',
        '{"blockdevices":' + "[" * 100_000,
    ],
)
def test_what_is_no_such_json(text: str) -> None:
    with pytest.raises(CommandFailed, match="lsblk did not print JSON"):
        lsblk.parse(text)


def test_a_device_below_two_parents_is_one() -> None:
    map_ = mapped("mpath", "mpatha", "dm-0", mapped("part", "mpatha1", "dm-1"))
    first, second = lsblk.parse(printed(disk("sda", map_), disk("sdb", map_)))
    assert first.children[0] is second.children[0]
    assert [parent.name for parent in first.children[0].parents] == ["sda", "sdb"]
    assert [child.name for child in first.children[0].children] == ["mpatha1"]
    assert [each.name for each in first.family()] == ["sda", "mpatha", "mpatha1"]
    assert [each.name for each in first.children[0].children[0].foundations()] == ["mpatha", "sda", "sdb"]


def test_circles_are_cut() -> None:
    (root,) = lsblk.parse(printed(disk("sda", part("sda1", disk("sda", part("sda1"))))))
    assert [each.name for each in root.family()] == ["sda", "sda1"]
    assert list(root.foundations()) == []


def test_devices_without_a_kernel_name_stay_apart() -> None:
    assert len(lsblk.parse(printed(device("disk", "a", kname=None), device("disk", "b", kname="")))) == 2


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0B"),
        (1, "1B"),
        (1023, "1023B"),
        (1024, "1K"),
        (1025, "1K"),
        (1536, "1.5K"),
        (1024 * 1024 - 1, "1024K"),
        (1_000_204_886_016, "931.5G"),
        (2_000_398_934_016, "1.8T"),
        (480_103_981_056, "447.1G"),
        (512 << 20, "512M"),
        (1 << 60, "1E"),
        (1 << 70, "1024E"),
    ],
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert lsblk.human_size(count) == text


# The real program


def real(*argv: str) -> Any:
    done = subprocess.run(["lsblk", "-J", *argv], capture_output=True, text=True, timeout=20, check=False)
    return json.loads(done.stdout)["blockdevices"]


def flattened(nodes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for node in nodes:
        found |= {node["kname"]: node} | flattened(node.get("children", []))
    return found


def as_we_read(node: dict[str, Any]) -> dict[str, Any]:
    """What lsblk told of a device, with our names and our empty values."""
    fields = [field for field in lsblk.Device.__dataclass_fields__ if field not in ("children", "parents", "mountpoints")]
    told = {field: node[COLUMNS.get(field, field)] for field in fields}
    return {field: "" if value is None else value for field, value in told.items()} | {
        "mountpoints": tuple(place for place in node["mountpoints"] if place),
        "children": [child["kname"] for child in node.get("children", [])],
    }


def all_as_we_read() -> dict[str, dict[str, Any]]:
    return {kname: as_we_read(node) for kname, node in flattened(real("-b", "-O")).items()}


@pytest.mark.skipif(shutil.which("lsblk") is None, reason="lsblk is not installed")
def test_this_machine_field_by_field() -> None:
    """The reading agrees with what `lsblk -J -b -O` says of the same devices at the same moment."""
    for _ in range(10):
        before = all_as_we_read()
        roots = lsblk.read(SystemRunner(DEFAULT_PROGRAM_PATH, "/"))
        if before == all_as_we_read():  # nobody attached a loop device meanwhile
            break
    ours = {device.kname: device for root in roots for device in root.family()}
    assert sorted(ours) == sorted(before)
    for kname, expected in before.items():
        device = ours[kname]
        found = {field: getattr(device, field) for field in expected if field != "children"}
        assert found | {"children": [child.kname for child in device.children]} == expected


@pytest.mark.skipif(shutil.which("lsblk") is None, reason="lsblk is not installed")
def test_sizes_of_this_machine_as_lsblk_prints_them() -> None:
    printed_sizes = flattened(real("-o", "KNAME,SIZE"))
    counted = flattened(real("-b", "-o", "KNAME,SIZE"))
    assert {kname: lsblk.human_size(node["size"]) for kname, node in counted.items()} == {
        kname: node["size"] for kname, node in printed_sizes.items()
    }


@pytest.fixture
def runner() -> QueuedRunner:
    return QueuedRunner()
