"""Brings a whole lab up, gives it services, updates the product in it, and takes it down without a trace."""

import contextlib
import http.client
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.lab import (
    cache,
    host,
    identity,
    machine,
    mounts,
    network,
    parallel,
    paths,
    product,
    rootfs,
    service_layers,
    service_setup,
    state,
)
from tests.lab.errors import LabError
from tests.lab.lab import Lab
from tests.lab.profile import Node, Profile
from tests.lab.state import State

Say = Callable[[str], None]
ANSWER_TIMEOUT = 30.0
POLL = 0.25
THREAD_TIMEOUT = 60.0


def up(profile: Profile, level: service_setup.Level, say: Say) -> Lab:
    """Bring the lab to `level` (see LEVELS) with the product as it is now; reuses whatever runs already.

    Raises CannotRunError or LabError; what was started then stays, see `abandon`.
    """
    host.check()
    lab = Lab(profile)
    wanted = service_setup.of_level(lab, level)
    with paths.locked(f"profile-{profile.name}"):
        tree, base = product.provide(say), rootfs.provide(say)
        if not state.read(profile.name).tree:
            down(profile.name)  # what an `up` that was killed has left
            layers = str(_provide_layers(lab, wanted, base, say)) if wanted else ""
            state.write(profile.name, State(str(tree), layers, wanted))
        _start_all(lab, tree, base, say)
        _update_product(lab, tree, say)
        service_setup.provide(lab, wanted, say)
    rootfs.remove_outdated()
    service_layers.remove_old()
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


def _provide_layers(lab: Lab, wanted: tuple[str, ...], base: Path, say: Say) -> Path:
    """The folder with a layer for each node on which `wanted` is set up; made first when the cache has none."""
    finished = service_layers.place(lab.profile, wanted)
    with cache.building(finished) as partial:
        if partial is not None:
            say(f"setting up {', '.join(wanted)} (once)")
            _start_all(lab, None, base, say)
            service_setup.provide(lab, wanted, say)
            _shut_down(lab, wanted, say)
            parallel.each(lab.machines.values(), lambda each: service_layers.capture(each, partial / each.node))
            down(lab.profile.name)
    return finished


def _start_all(lab: Lab, tree: Path | None, base: Path, say: Say) -> None:
    """Every node, from whatever state it is in to running; a new disk gets the product of `tree`, if there is one."""
    network.make_switch(lab.profile)
    say(f"starting {len(lab.machines)} nodes")
    parallel.each(lab.profile.nodes.values(), lambda node: _start(lab, node, tree, base))


def _start(lab: Lab, node: Node, tree: Path | None, base: Path) -> None:
    each = lab.machine(node.name)
    if not each.is_on():
        if not each.has_disk():
            _insert_disk(lab, node, tree, base)
        network.plug(lab.profile, node)
        each.power_on()
    each.wait_running()


def _insert_disk(lab: Lab, node: Node, tree: Path | None, base: Path) -> None:
    """A disk of its own for a node over the layers there are: the product, the services, the root file system."""
    services = state.read(lab.profile.name).layers

    def prepare(root: Path) -> None:
        if not services:
            identity.write(root, lab.profile, node)
        if tree is not None:
            product.switch_on(root)

    layers = [layer for layer in (tree, Path(services) / node.name if services else None, base) if layer is not None]
    lab.machine(node.name).insert_disk(layers, prepare)


def _shut_down(lab: Lab, services: tuple[str, ...], say: Say) -> None:
    """Power every node off in order, the storage VMs last: a guest of the hosts has its disk there."""
    started = time.monotonic()
    service_setup.stop(lab, services)
    last = lab.profile.with_role("scvm")
    for group in ([node for node in lab.profile.nodes.values() if node not in last], last):
        parallel.each(group, lambda node: lab.machine(node.name).shut_down())
    say(f"nodes are shut down ({time.monotonic() - started:.0f} s)")


def _update_product(lab: Lab, tree: Path, say: Say) -> None:
    """Deploy where the nodes have another product than `tree`, and wait until every daemon answers."""
    known = state.read(lab.profile.name)
    if known.tree != str(tree):
        say("updating the product in the nodes")
        parallel.each(lab.machines.values(), lambda each: product.deploy(each, tree))
        state.write(lab.profile.name, replace(known, tree=str(tree)))
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


def _prefix(profile: str) -> str:
    return f"{network.switch_name(profile)}-"


def _folders(profile: str) -> list[Path]:
    """The folders of nodes below the run and disk folders of a profile."""
    return [path for top in (paths.run_folder(profile), paths.disks_folder(profile)) for path in top.glob("*/")]
