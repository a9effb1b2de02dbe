"""Which services a profile has, how each is set up, and how to tell that it serves again after its nodes were off."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from tests.lab import parallel, paths, state
from tests.lab.lab import Lab
from tests.lab.services import ceph, cloud_center, database, pacemaker

Level = Literal["none", "base", "all"]
Say = Callable[[str], None]
LEVELS: dict[Level, tuple[str, ...]] = {
    "none": (),
    "base": (database.NAME,),
    "all": (database.NAME, pacemaker.NAME, ceph.NAME, cloud_center.NAME),
}


@dataclass(frozen=True)
class Step:
    """One service: `set_up` makes it on running nodes, `wait` returns when a service that was made serves."""

    set_up: Callable[[], None]
    wait: Callable[[], object]


def of_level(lab: Lab, level: Level) -> tuple[str, ...]:
    """The services of a level that the profile has."""
    return tuple(name for name in LEVELS[level] if name in _steps(lab))


def provide(lab: Lab, wanted: Sequence[str], say: Say) -> None:
    """Set up what is not there yet, wait for what is: what stands alone at once, then the cloud VM that needs it."""
    independent = [name for name in wanted if name != cloud_center.NAME]
    parallel.each(independent, lambda name: _provide(lab, name, say))
    if cloud_center.NAME in wanted:
        _provide(lab, cloud_center.NAME, say)


def stop(lab: Lab, names: Sequence[str]) -> None:
    """Stop what must not learn of it node by node when the nodes are shut down."""
    if pacemaker.NAME in names and lab.profile.pacemaker is not None:
        pacemaker.stop(lab.profile, lab.profile.pacemaker, lab.machines)


def _provide(lab: Lab, name: str, say: Say) -> None:
    started, step = time.monotonic(), _steps(lab)[name]
    if name in state.read(lab.profile.name).services:
        step.wait()
        say(f"{name} serves ({time.monotonic() - started:.0f} s)")
        return
    step.set_up()
    with paths.locked("state"):
        state.write(lab.profile.name, state.read(lab.profile.name).with_service(name))
    say(f"{name} is set up ({time.monotonic() - started:.0f} s)")


def _steps(lab: Lab) -> dict[str, Step]:
    """Every service that the profile has."""
    profile, machines = lab.profile, lab.machines
    steps: dict[str, Step] = {}
    if profile.database is not None:
        held = machines[profile.database]
        steps[database.NAME] = Step(partial(database.set_up, held), partial(database.wait_ready, held))
    if profile.pacemaker is not None:
        first, members = machines[profile.pacemaker.members[0]], profile.pacemaker.members
        steps[pacemaker.NAME] = Step(
            partial(pacemaker.set_up, profile, profile.pacemaker, machines),
            partial(pacemaker.wait_online, first, len(members)),
        )
    if profile.ceph is not None:
        steps[ceph.NAME] = Step(
            partial(ceph.set_up, profile, profile.ceph, machines),
            partial(ceph.wait_ready, profile.ceph, machines),
        )
    if profile.cloud_center is not None and profile.pacemaker is not None:
        steps[cloud_center.NAME] = Step(
            partial(cloud_center.set_up, profile, profile.cloud_center, machines),
            partial(cloud_center.wait_started, machines[profile.pacemaker.members[0]]),
        )
    return steps
