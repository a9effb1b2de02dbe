"""The one partition of a disk: made over all of it, awaited, taken away again. The kernel is told of every change."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from ablestack_api.core.errors import CommandFailed, CommandTimedOut, ProgramMissing
from ablestack_api.env import Env
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.jobs.plan import Step
from ablestack_api.tools import parted, udev

WAIT_SECONDS = 30.0
POLL_SECONDS = 1.0
# GPT keeps 36 characters of a partition's name.
LONGEST_LABEL = 36


@dataclass
class NewPartition:
    """On a free disk. `path` is the partition's, once it is there."""

    disk: Device
    label: str
    path: str = ""

    @property
    def step_name(self) -> str:
        return f"partition-{self.disk.name}"


def making(env: Env, new: NewPartition, undoing: Callable[[], Env] | None = None) -> Step:
    """The step returns the partition's path. Undone, the disk has no partition table, as before.

    `undoing` gives what undoing may use, where the work itself has a deadline.
    """
    disk = new.disk.path

    def do() -> str:
        parted.new_partition(env.runner, disk, new.label)
        probe(env, disk)
        new.path = await_first(env, disk).path
        return new.path

    words = ["mklabel", "gpt", "mkpart", new.label, "0%", "100%", "set", "1", "lvm", "on"]
    return Step(
        new.step_name,
        f"write a new partition table to {disk}, with one partition over all of it",
        do,
        lambda: _unmake(undoing() if undoing else env, new),
        undo_if_failed=True,
        commands=(["parted", "-s", disk, *words], ["partprobe", disk]),
    )


def await_first(env: Env, path: str) -> Device:
    """The first partition of a disk, once the kernel, udev and multipathd have made it. Raises CommandTimedOut."""
    end = env.clock.monotonic() + WAIT_SECONDS
    while True:
        found = first(BlockDevices.read(env), path)
        if found is not None:
            return found
        if env.clock.monotonic() >= end:
            told = f"partition not found for {path} within {WAIT_SECONDS:g} s: this node's kernel or udev does not show it"
            raise CommandTimedOut(told, program="udev", seconds=WAIT_SECONDS)
        env.clock.sleep(POLL_SECONDS)


def first(devices: BlockDevices, path: str) -> Device | None:
    """Of the disk, or of the multipath map that it is a path of. Raises BadInput."""
    return devices.partition(devices.parent_disk(devices.find(path, "disks")), 1)


def remove(env: Env, disk: str, number: int = 1) -> None:
    parted.remove_partition(env.runner, disk, number)
    probe(env, disk)


def remove_if_there(env: Env, disk: str) -> None:
    """The first one; a disk without one is as it should be."""
    if parted.partition_table(env.runner, disk).partition(1) is not None:
        remove(env, disk)


def probe(env: Env, disk: str) -> None:
    """parted has told the kernel already where it could; whether the partition is there is looked at anyway."""
    with contextlib.suppress(CommandFailed):
        parted.partprobe(env.runner, disk)
    with contextlib.suppress(CommandFailed, ProgramMissing):
        udev.settle(env.runner)


def _unmake(env: Env, new: NewPartition) -> None:
    """Only a partition that bears our label: the step may have failed before it wrote anything."""
    disk = new.disk.path
    found = parted.partition_table(env.runner, disk).partition(1)
    if found is not None and found.name == new.label:
        parted.wipe_table(env.runner, disk)
        probe(env, disk)
