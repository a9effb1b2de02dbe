"""Brings a whole lab up, gives it services, updates the product in it, and takes it down without a trace."""

import contextlib
import http.client
import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from tests.lab import host, identity, machine, mounts, network, parallel, paths, product, rootfs, state
from tests.lab.errors import LabError
from tests.lab.lab import Lab
from tests.lab.profile import Node, Profile
from tests.lab.services import ceph, cloud_center, database, pacemaker

Level = Literal["none", "base", "all"]
Say = Callable[[str], None]
LEVELS: dict[Level, tuple[str, ...]] = {
    "none": (),
    "base": (database.NAME,),
    "all": (database.NAME, pacemaker.NAME, ceph.NAME, cloud_center.NAME),
}
ANSWER_TIMEOUT = 30.0
POLL = 0.25
THREAD_TIMEOUT = 60.0


def up(profile: Profile, level: Level, say: Say) -> Lab:
    """Bring the lab to `level` (see LEVELS) with the product as it is now; reuses whatever runs already.

    Raises CannotRunError or LabError; what was started then stays, see `abandon`.
    """
    host.check()
    lab = Lab(profile)
    with paths.locked(f"profile-{profile.name}"):
        tree, base = product.provide(say), rootfs.provide(say)
        network.make_switch(profile)
        say(f"starting {len(profile.nodes)} nodes")
        parallel.each(profile.nodes.values(), lambda node: _start(lab, node, (tree, base)))
        _update_product(lab, tree, say)
        _set_up_services(lab, LEVELS[level], say)
    rootfs.remove_outdated()
    return lab


def deploy(profile: Profile, say: Say) -> Lab:
    """Bring the product in the running nodes to its present state; raises LabError when no lab is up."""
    lab = Lab(profile)
    if not any(each.is_on() for each in lab.machines.values()):
        raise LabError(f"no lab {profile.name} is up")
    with paths.locked(f"profile-{profile.name}"):
        _update_product(lab, product.provide(say), say)
    return lab


def down(profile: str) -> None:
    """Take a lab down: machines, mounts, namespaces, disks. Finds them by name, whatever is recorded."""
    marked = [*network.namespaces(profile), *machine.supervisors(_prefix(profile))]
    marked += [group.name for group in machine.groups(_prefix(profile))]
    names = {name.removeprefix(_prefix(profile)) for name in marked if name.startswith(_prefix(profile))}
    names |= {folder.name for folder in _folders(profile)}
    parallel.each(sorted(names), lambda name: machine.Machine(profile, name).remove())
    network.remove(profile)
    for point in mounts.below(paths.run_folder(profile)):
        mounts.unmount(point)
    shutil.rmtree(paths.run_folder(profile), ignore_errors=True)
    shutil.rmtree(paths.disks_folder(profile), ignore_errors=True)


def abandon(profile: str) -> None:
    """Take a lab down that is still being brought up by threads of this process: they end when their nodes do."""
    down(profile)
    for thread in threading.enumerate():
        if thread.name.startswith("lab"):
            thread.join(THREAD_TIMEOUT)
    down(profile)


def leftovers(profile: str) -> list[str]:
    """What of a lab exists now: machines, namespaces, mounts; empty after `down`."""
    found = [f"machine {name} (process {pid})" for name, pid in machine.supervisors(_prefix(profile)).items()]
    found += [f"namespace {name}" for name in network.namespaces(profile)]
    found += [f"mount {point}" for point in mounts.below(paths.run_folder(profile))]
    found += [f"control group {group}" for group in machine.groups(_prefix(profile))]
    return found


def wait_answering(lab: Lab, timeout: float = ANSWER_TIMEOUT) -> None:
    """Wait until the daemon of every node answers HTTP; raises LabError with its last log lines (seconds)."""
    deadline = time.monotonic() + timeout
    parallel.each(lab.profile.nodes, lambda name: _wait_answer(lab, name, deadline))


def _start(lab: Lab, node: Node, layers: tuple[Path, Path]) -> None:
    """One node, from whatever state it is in to running."""
    each = lab.machine(node.name)
    if not each.is_on():
        if not each.has_disk():
            each.insert_disk(layers, lambda root: identity.write(root, lab.profile, node, units=(product.UNIT,)))
            _remember_tree(lab.profile.name, layers[0])
        network.plug(lab.profile, node)
        each.power_on()
    each.wait_running()


def _remember_tree(profile: str, tree: Path) -> None:
    """Record the product of new disks once; disks that are there already keep theirs until `_update_product`."""
    with paths.locked("state"):
        if not state.read(profile).tree:
            state.write(profile, state.State(tree=str(tree)))


def _update_product(lab: Lab, tree: Path, say: Say) -> None:
    """Deploy where the nodes have another product than `tree`, and wait until every daemon answers."""
    known = state.read(lab.profile.name)
    if known.tree != str(tree):
        say("updating the product in the nodes")
        parallel.each(lab.machines.values(), lambda each: product.deploy(each, tree))
        state.write(lab.profile.name, state.State(str(tree), known.services))
    wait_answering(lab)


def _wait_answer(lab: Lab, name: str, deadline: float) -> None:
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            lab.api(name, "GET", "/health", timeout=5.0)
            return
        if time.monotonic() > deadline:
            log = lab.run(name, ["journalctl", "-u", product.UNIT, "-n", "15", "--no-pager", "-o", "cat"], ok=None)
            raise LabError(f"the daemon of {name} does not answer; its log ends with:\n{log.stdout}")
        time.sleep(POLL)


def _set_up_services(lab: Lab, wanted: tuple[str, ...], say: Say) -> None:
    """Set up what is wanted and not there yet: what stands alone at once, then the cloud VM that needs the others."""
    steps = _steps(lab)
    known = state.read(lab.profile.name).services
    missing = [name for name in wanted if name in steps and name not in known]
    independent = [name for name in missing if name != cloud_center.NAME]
    parallel.each(independent, lambda name: _set_up(lab, name, steps[name], say))
    if cloud_center.NAME in missing:
        _set_up(lab, cloud_center.NAME, steps[cloud_center.NAME], say)


def _set_up(lab: Lab, name: str, step: Callable[[], None], say: Say) -> None:
    started = time.monotonic()
    step()
    with paths.locked("state"):
        state.write(lab.profile.name, state.read(lab.profile.name).with_service(name))
    say(f"{name} is set up ({time.monotonic() - started:.0f} s)")


def _steps(lab: Lab) -> dict[str, Callable[[], None]]:
    """How to set up each service that the profile has."""
    profile, machines = lab.profile, lab.machines
    steps: dict[str, Callable[[], None]] = {}
    if profile.database is not None:
        steps[database.NAME] = partial(database.set_up, machines[profile.database])
    if profile.pacemaker is not None:
        steps[pacemaker.NAME] = partial(pacemaker.set_up, profile, profile.pacemaker, machines)
    if profile.ceph is not None:
        steps[ceph.NAME] = partial(ceph.set_up, profile, profile.ceph, machines)
    if profile.cloud_center is not None:
        steps[cloud_center.NAME] = partial(cloud_center.set_up, profile, profile.cloud_center, machines)
    return steps


def _prefix(profile: str) -> str:
    return f"{network.switch_name(profile)}-"


def _folders(profile: str) -> list[Path]:
    """The folders of nodes below the run and disk folders of a profile."""
    return [path for top in (paths.run_folder(profile), paths.disks_folder(profile)) for path in top.glob("*/")]
