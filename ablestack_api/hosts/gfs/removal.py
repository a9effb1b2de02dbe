"""Taking away what LVM made for a file system."""

from collections.abc import Sequence

from ablestack_api.core.errors import CommandFailed, Conflict
from ablestack_api.core.runner import Runner
from ablestack_api.hosts.gfs.volumes import Volume
from ablestack_api.tools import lvm


def remove_group(runner: Runner, vg: str) -> None:
    """A volume group with everything in it; one that is gone already is fine.

    A shared one is made a local one first (lvmlockd(8), "changing a shared VG to a local VG"): the caller has seen to it
    that no other node uses it. Raises CommandFailed also when it is still there afterwards.
    """
    group = _find(runner, vg)
    if group is None:
        return
    if group.lock_type not in ("", "none"):
        _stop_locks_quietly(runner, vg)
        lvm.vgchange(runner, vg, ["--lock-type", "none", "--lock-opt", "force"])
    for volume in lvm.lvs(runner):
        if volume.vg == vg:
            lvm.lvremove(runner, vg, volume.name)
    lvm.vgremove(runner, vg)
    if _find(runner, vg) is not None:
        raise CommandFailed(f"vgremove ended well, but {vg} is still there", program="vgremove", exit_code=0)


def remove_physical_volumes(runner: Runner, partitions: Sequence[str]) -> None:
    """Those that are none any more are fine."""
    present = {pv.name: pv.vg for pv in lvm.pvs(runner)}
    for partition in partitions:
        if present.get(partition):
            raise Conflict(f"{partition} belongs to the volume group {present[partition]}; it was left alone")
        if partition in present:
            lvm.pvremove(runner, partition, force=True)


def require_alone(found: Volume, *, force: bool) -> None:
    """Removing a group removes every volume in it. Raises Conflict unless forced."""
    if found.others and not force:
        others = ", ".join(found.others)
        raise Conflict(
            f"{found.group.name} also holds {others}, which would be lost; nothing was changed. "
            "Move them away first, or repeat with force: true to lose them",
            reasons=[f"holds {others}"],
            force=True,
        )


def _find(runner: Runner, vg: str) -> lvm.VolumeGroup | None:
    return next((group for group in lvm.vgs(runner) if group.name == vg), None)


def _stop_locks_quietly(runner: Runner, vg: str) -> None:
    """Its lock manager may be gone already, with the cluster."""
    try:
        lvm.vgchange(runner, vg, ["--lock-stop"])
    except CommandFailed:
        return
