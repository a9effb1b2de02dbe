"""Making a volume group on each of some shared disks, seen by every host. Taken back whole when a step fails."""

import contextlib
from dataclasses import dataclass, field

from ablestack_api.core.errors import ApiError, Conflict
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hosts import free_disks, lvm_disks, storage_work
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.clvm import groups, nodes
from ablestack_api.hosts.disk_links import DiskLinks
from ablestack_api.hosts.partitions import LONGEST_LABEL, NewPartition
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.tools import lvm

BY_ID = "/dev/disk/by-id/"
# No system ID: a group that has one belongs to the host that made it (lvmsystemid(7)).
OPTIONS = ("--systemid", "")


@dataclass
class NewGroup:
    """`number` is what to expect until the numbers are reserved; `shown` is the name of the disk on every host."""

    partition: NewPartition
    shown: str
    number: int

    @property
    def name(self) -> str:
        return groups.name(self.number)


@dataclass
class Creation:
    new: list[NewGroup]
    others: list[Target]
    above: int
    alone: bool
    reserved: list[int] = field(default_factory=list)
    announced: bool = False

    @property
    def disks(self) -> list[str]:
        return [group.shown for group in self.new]


def plan_of(env: Env, paths: list[str], *, force: bool) -> Plan:
    """All checks. Raises BadInput, Conflict, PeersFailed, and what LVM and lsblk raise; nothing was changed then."""
    storage_work.require_whole_system(env)
    taken = free_disks.find(env, paths, force=force)
    own = groups.highest(group.name for group in lvm.vgs(env.runner))
    elsewhere, silent = nodes.highest_elsewhere(env)
    if not force:
        nodes.require_good(silent, "every host must see the new group, but one does not answer; nothing was changed")
    reached = [host for host in nodes.others(env) if host not in [outcome.target for outcome in silent]]
    shown = _names_everywhere(env, taken, paths, needed=bool(reached) and not force)
    above = max(own, elsewhere)
    new = [NewGroup(NewPartition(disk, _label(disk)), shown[disk.kname], above + at) for at, disk in enumerate(taken, 1)]
    creation = Creation(new, reached, above, alone=bool(silent))
    steps = [_numbers(env, creation), *(step for group in new for step in _making(env, group, force=force))]
    steps += [_announce(env, creation)] if reached else []
    steps.append(_free_numbers(env, creation))
    overrides = [*free_disks.lost(taken), *(_not_told(outcome) for outcome in silent)]
    return Plan(f"create {', '.join(group.name for group in new)}", steps, overrides=overrides)


def _not_told(outcome: Outcome) -> str:
    return f"{outcome.target.address} does not answer and will not know the group: {outcome.message}"


def _names_everywhere(env: Env, disks: list[Device], paths: list[str], *, needed: bool) -> dict[str, str]:
    """A disk's name below by-id: sdb here is another disk elsewhere. Raises Conflict when one has none and it is needed."""
    links = DiskLinks.read(env.settings).by_id
    devices = BlockDevices.read(env)
    given = {devices.find(path).kname: path for path in paths if path.startswith(BY_ID)}
    found = {disk.kname: given.get(disk.kname) or links.get(disk.kname, "") for disk in disks}
    nameless = [disk.path for disk in disks if not found[disk.kname]]
    if nameless and needed:
        raise Conflict(
            f"{', '.join(nameless)} has no name below {BY_ID}, so the other hosts cannot tell which disk it is. Nothing was "
            "changed; is it a shared disk?"
        )
    return {disk.kname: found[disk.kname] or disk.path for disk in disks}


def _label(disk: Device) -> str:
    return disk.name[:LONGEST_LABEL]


def _numbers(env: Env, creation: Creation) -> Step:
    def do() -> None:
        count = len(creation.new)
        creation.reserved = nodes.reserve(env, above=creation.above, count=count, alone=creation.alone)
        for group, number in zip(creation.new, creation.reserved, strict=True):
            group.number = number

    def undo() -> None:
        """The last thing undone: the other hosts forget what is gone from the disks."""
        nodes.release(env, creation.reserved, alone=creation.alone)
        if creation.announced:
            nodes.forget_disks(env, creation.others, creation.disks)

    return Step("reserve-numbers", "reserve the numbers of the groups in the cluster", do, undo)


def _free_numbers(env: Env, creation: Creation) -> Step:
    """The groups are there to be seen now. At the worst the numbers stay reserved for an hour."""

    def do() -> None:
        with contextlib.suppress(ApiError):
            nodes.release(env, creation.reserved, alone=creation.alone)

    return Step("free-numbers", "end the reservation of the numbers", do)


def _making(env: Env, group: NewGroup, *, force: bool) -> list[Step]:
    disk = group.partition.disk.path
    make = Step(
        f"vgcreate-{group.partition.disk.name}",
        f"make the volume group {group.name} on {disk}",
        lambda: lvm.vgcreate(env.runner, group.name, [group.partition.path], options=OPTIONS),
        lambda: lvm.vgremove(env.runner, group.name),
        commands=(["vgcreate", "--yes", *OPTIONS, group.name, f"<partition 1 of {disk}>"],),
    )
    return [*lvm_disks.making(env, group.partition, force=force), make]


def _announce(env: Env, creation: Creation) -> Step:
    def do() -> None:
        creation.announced = True
        for action in ("partprobe", "lvmdevices-add"):
            nodes.on_disks(env, creation.others, action, creation.disks)
        made = [group.partition.path for group in creation.new]
        nodes.require_seen(env, creation.others, [pv.uuid for pv in lvm.pvs(env.runner) if pv.name in made])

    told = ", ".join(host.address for host in creation.others)
    return Step("tell-other-hosts", f"have {told} see the new partitions and their physical volumes", do)
