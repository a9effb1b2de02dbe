"""LVM: reports as typed facts, and the changes (lvm(8), vgs(8), lvmlockd(8), lvmdevices(8))."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

REPORT_SECONDS = 30.0
CHANGE_SECONDS = 300.0
# Sizes as whole numbers of bytes: `<100.00g` tells nobody whether something fits.
REPORT = ["--reportformat", "json", "--units", "b", "--nosuffix"]


@dataclass(frozen=True)
class VolumeGroup:
    """`lock_type` is empty for a local group, `dlm` for a shared one; sizes are bytes."""

    name: str
    uuid: str
    size: int
    free: int
    extent_size: int
    lv_count: int
    lock_type: str
    missing_pvs: int = 0


@dataclass(frozen=True)
class PhysicalVolume:
    """`vg` is empty for one that belongs to no group. `name` is `[unknown]` where the device is missing."""

    name: str
    uuid: str
    vg: str
    size: int
    free: int


@dataclass(frozen=True)
class LogicalVolume:
    """`path` is empty for a hidden one; `active` is what LVM says of this node."""

    vg: str
    name: str
    path: str
    size: int
    active: str


def vgs(runner: Runner) -> list[VolumeGroup]:
    """Raises CommandFailed (also for output that is no report), CommandTimedOut, ProgramMissing."""
    columns = "vg_name,vg_uuid,vg_size,vg_free,vg_extent_size,lv_count,vg_lock_type,vg_missing_pv_count"
    rows = _rows(runner.run(["vgs", *REPORT, "-o", columns], timeout=REPORT_SECONDS).stdout, "vg", "vgs")
    return [
        VolumeGroup(
            name=row["vg_name"],
            uuid=row["vg_uuid"],
            size=int(row["vg_size"]),
            free=int(row["vg_free"]),
            extent_size=int(row["vg_extent_size"]),
            lv_count=int(row["lv_count"]),
            lock_type=row["vg_lock_type"],
            missing_pvs=int(row["vg_missing_pv_count"] or 0),
        )
        for row in rows
    ]


def pvs(runner: Runner) -> list[PhysicalVolume]:
    columns = "pv_name,pv_uuid,vg_name,pv_size,pv_free"
    rows = _rows(runner.run(["pvs", *REPORT, "-o", columns], timeout=REPORT_SECONDS).stdout, "pv", "pvs")
    return [
        PhysicalVolume(row["pv_name"], row["pv_uuid"], row["vg_name"], int(row["pv_size"]), int(row["pv_free"]))
        for row in rows
    ]


def lvs(runner: Runner) -> list[LogicalVolume]:
    columns = "vg_name,lv_name,lv_path,lv_size,lv_active"
    rows = _rows(runner.run(["lvs", *REPORT, "-o", columns], timeout=REPORT_SECONDS).stdout, "lv", "lvs")
    return [
        LogicalVolume(row["vg_name"], row["lv_name"], row["lv_path"], int(row["lv_size"]), row["lv_active"]) for row in rows
    ]


def vg_tags(runner: Runner) -> dict[str, tuple[str, ...]]:
    """The tags of every group, by its name."""
    printed = runner.run(["vgs", *REPORT, "-o", "vg_name,vg_tags"], timeout=REPORT_SECONDS).stdout
    return {row["vg_name"]: tuple(filter(None, row["vg_tags"].split(","))) for row in _rows(printed, "vg", "vgs")}


def pvcreate(runner: Runner, device: str, *, force: bool = False) -> None:
    """`force` also where a signature of something else is left on the device: the caller has looked that it is free."""
    runner.run(["pvcreate", *(["-ff"] if force else []), "--yes", "--", device], timeout=CHANGE_SECONDS)


def pvremove(runner: Runner, device: str, *, force: bool = False) -> None:
    runner.run(["pvremove", *(["-ff"] if force else []), "--yes", "--", device], timeout=CHANGE_SECONDS)


def pvresize(runner: Runner, device: str) -> None:
    runner.run(["pvresize", "--", device], timeout=CHANGE_SECONDS)


def vgcreate(
    runner: Runner, name: str, devices: Sequence[str], *, shared: bool = False, options: Sequence[str] = ()
) -> None:
    kind = ["--shared"] if shared else []
    runner.run(["vgcreate", "--yes", *kind, *options, "--", name, *devices], timeout=CHANGE_SECONDS)


def vgextend(runner: Runner, name: str, devices: Sequence[str]) -> None:
    runner.run(["vgextend", "--yes", "--", name, *devices], timeout=CHANGE_SECONDS)


def vgreduce(runner: Runner, name: str, devices: Sequence[str]) -> None:
    """Take out physical volumes that hold nothing."""
    runner.run(["vgreduce", "--yes", "--", name, *devices], timeout=CHANGE_SECONDS)


def vgchange(runner: Runner, name: str, options: Sequence[str]) -> None:
    runner.run(["vgchange", *options, "--yes", "--", name], timeout=CHANGE_SECONDS)


def vgremove(runner: Runner, name: str) -> None:
    runner.run(["vgremove", "--yes", "--", name], timeout=CHANGE_SECONDS)


def lvcreate(runner: Runner, vg: str, name: str, *, extents: str = "100%FREE", activate: str = "y") -> None:
    """`activate`: y for this node, sy for shared among the nodes (lvmlockd(8)). Old signatures are wiped."""
    options = ["--yes", "--activate", activate, "--extents", extents, "--name", name]
    runner.run(["lvcreate", *options, "--", vg], timeout=CHANGE_SECONDS)


def lvextend(runner: Runner, vg: str, name: str, *, extents: str = "+100%FREE") -> None:
    runner.run(["lvextend", "--extents", extents, "--", f"{vg}/{name}"], timeout=CHANGE_SECONDS)


def lvremove(runner: Runner, vg: str, name: str, *, options: Sequence[str] = ()) -> None:
    runner.run(["lvremove", *options, "--yes", "--", f"{vg}/{name}"], timeout=CHANGE_SECONDS)


def add_to_devices_file(runner: Runner, device: str) -> None:
    """Raises ProgramMissing where LVM is built without a devices file (Debian 12): it then sees every device anyway."""
    runner.run(["lvmdevices", "--yes", "--adddev", device], timeout=REPORT_SECONDS)


def remove_from_devices_file(runner: Runner, device: str) -> None:
    """Raises CommandFailed also when the device is not in the file."""
    runner.run(["lvmdevices", "--yes", "--deldev", device], timeout=REPORT_SECONDS)


def read_settings(runner: Runner, names: Sequence[str]) -> dict[str, str]:
    """What LVM makes of its configuration: `read_settings(runner, ["global/use_lvmlockd"])` -> {…: "1"}."""
    printed = runner.run(["lvmconfig", "--typeconfig", "full", *names], timeout=REPORT_SECONDS).stdout
    pairs = [line.split("=", 1) for line in printed.splitlines() if "=" in line]
    values = {key.strip(): value.strip().strip('"') for key, value in pairs}
    return {name: values.get(name.rsplit("/", 1)[-1], "") for name in names}


def _rows(printed: str, kind: str, program: str) -> list[dict[str, Any]]:
    """The rows of a report. LVM writes warnings to stderr, which is not looked at here."""
    try:
        return [row for report in json.loads(printed)["report"] for row in report[kind]]
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(
            f"{program} did not print a report that can be understood", program=program, exit_code=0
        ) from error
