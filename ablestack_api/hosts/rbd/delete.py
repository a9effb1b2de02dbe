"""Deleting images: only those that nobody uses, on any node."""

from collections.abc import Sequence
from dataclasses import dataclass
from errno import EBUSY
from typing import Any

from ablestack_api.core.errors import CommandFailed, Conflict, NotFound
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hosts import cluster_hosts
from ablestack_api.hosts.rbd import nodes, pool
from ablestack_api.hosts.rbd.names import CHECK, CREATE, DELETE, Wanted
from ablestack_api.hosts.rbd.node import Usage
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.tools import rbd


@dataclass(frozen=True)
class Found:
    """Which of the images exist, what each node answered, and what it has of them (by its address)."""

    existing: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    usages: dict[str, list[Usage]]

    @property
    def asked(self) -> list[Target]:
        return [outcome.target for outcome in self.outcomes if outcome.good]

    def mapped(self, image: str) -> int:
        """How many devices show the image, over all nodes."""
        return sum(len(usage.devices) for usages in self.usages.values() for usage in usages if usage.image == image)


def run(env: Env, wanted: Wanted, progress: Progress) -> dict[str, Any]:
    """`val` and `results` of the answer. When an image cannot be removed, the nodes get back what is still there."""
    found = find(env, wanted)
    plan.run(plan_of(env, wanted, found, progress), progress)
    return {"val": list(found.existing), "results": [nodes.entry(outcome, wanted.names) for outcome in found.outcomes]}


def find(env: Env, wanted: Wanted) -> Found:
    """Raises NotFound, and PeersFailed for a node that cannot be asked; with force neither."""
    present = set(pool.images(env, wanted.pool))
    existing = tuple(image for image in wanted.names if image.split("/")[1] in present)
    missing = [image for image in wanted.names if image not in existing]
    if missing and not wanted.force:
        raise NotFound(
            f"there is no image {', '.join(missing)}; nothing was changed. force=true removes what the nodes have of it"
        )
    outcomes = nodes.each(env, cluster_hosts.every(env), nodes.part(wanted, CHECK, wanted.names))
    if not wanted.force:
        nodes.require_good(outcomes, "whether the images are used there is unknown, nothing was changed")
    return Found(existing, tuple(outcomes), {it.target.address: _usages(it) for it in outcomes if it.good})


def plan_of(env: Env, wanted: Wanted, found: Found, progress: Progress | None = None) -> Plan:
    """Raises Conflict when an image is in use."""
    overrides = _require_unused(found, force=wanted.force)
    _require_unwatched(env, found)
    removed: list[str] = []
    where = ", ".join(target.address for target in found.asked)
    detach = Step(
        "detach-everywhere",
        f"unmap {', '.join(wanted.names)} and take them out of /etc/ceph/rbdmap on {where}",
        lambda: _detach(env, wanted, found, progress),
        lambda: _attach_again(env, wanted, found, removed),
        undo_if_failed=True,
    )
    overrides += [f"{image} does not exist" for image in wanted.names if image not in found.existing]
    silent = [f"{it.target.address} was not asked and keeps its lines: {it.message}" for it in found.outcomes if not it.good]
    steps = [detach, *(_removing(env, image, removed) for image in found.existing)]
    return Plan(f"delete {len(found.existing)} RBD images of pool {wanted.pool}", steps, silent, overrides)


def _require_unused(found: Found, *, force: bool) -> list[str]:
    """What stands on the images; with force it is only told."""
    held = [
        f"{usage.image} on {address}: {', '.join(usage.uses)}"
        for address, usages in found.usages.items()
        for usage in usages
        if usage.uses
    ]
    if held and not force:
        raise Conflict(f"in use: {'; '.join(held)}. Nothing was changed; stop what uses it first", reasons=held)
    return held


def _require_unwatched(env: Env, found: Found) -> None:
    """Every mapping is one watcher; any further one is a program that has the image open (a virtual machine …)."""
    held = []
    for image in found.existing:
        watchers = rbd.watchers(env.runner, image)
        if len(watchers) > found.mapped(image):
            held.append(f"{image} is open on {', '.join(sorted({watcher.address for watcher in watchers}))}")
    if held:
        raise Conflict(
            f"in use: {'; '.join(held)}. Nothing was changed; stop what has it open, or wait 30 s when that crashed",
            reasons=held,
        )


def _detach(env: Env, wanted: Wanted, found: Found, progress: Progress | None) -> None:
    mine = nodes.part(wanted, DELETE, wanted.names, force=wanted.force)
    nodes.require_good(nodes.each(env, found.asked, mine, progress), "rbdmap update failed")


def _attach_again(env: Env, wanted: Wanted, found: Found, removed: Sequence[str]) -> None:
    """What each node had of the images that are still there. Repeating it changes nothing on a node that kept it."""
    outcomes = []
    for target in found.asked:
        kept = [usage for usage in found.usages[target.address] if usage.image not in removed]
        for mapped in (True, False):
            again = [usage.image for usage in kept if usage.listed and bool(usage.devices) is mapped]
            part = nodes.part(wanted, CREATE, again, map_now=mapped)
            outcomes += nodes.each(env, [target], part) if again else []
    nodes.require_good(outcomes, "the images could not be put back into rbdmap")


def _removing(env: Env, image: str, removed: list[str]) -> Step:
    def do() -> None:
        try:
            rbd.remove(env.runner, image)
        except CommandFailed as error:
            if error.members.get("exit_code") != EBUSY:
                raise
            raise Conflict(f"{image} was opened by somebody a moment ago and was not removed: {error.detail}") from error
        removed.append(image)

    return Step(f"remove-{image}", f"remove {image} and all data on it", do, commands=(rbd.remove_argv(image),))


def _usages(outcome: Outcome) -> list[Usage]:
    told = outcome.value if isinstance(outcome.value, list) else []
    return [Usage.of_peer(each) for each in told if isinstance(each, dict)]
