"""Making images of a size, and having every host map them."""

from dataclasses import dataclass, field
from typing import Any

from ablestack_api.core.errors import Conflict
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hosts import cluster_hosts
from ablestack_api.hosts.rbd import names, nodes, pool
from ablestack_api.hosts.rbd.names import CREATE, DELETE, Wanted
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.orchestrator import fanout
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.tools import rbd

# Somebody else who makes images at the same time takes the number we chose at most so often in a row.
TRIES = 20


@dataclass
class Made:
    """What a running create has made so far, and what the nodes said."""

    images: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


def run(env: Env, wanted: Wanted, progress: Progress) -> dict[str, Any]:
    """`val` and `results` of the answer. When a step fails all images are removed again, on all nodes."""
    made = Made()
    plan.run(plan_of(env, wanted, made, progress), progress)
    return {"val": made.images, "results": [nodes.entry(outcome, made.images) for outcome in made.outcomes]}


def plan_of(env: Env, wanted: Wanted, made: Made, progress: Progress | None = None) -> Plan:
    """Raises BadInput when there is no such pool, Conflict when the cluster has no hosts."""
    hosts = cluster_hosts.every(env)
    first = names.next_number(pool.images(env, wanted.pool), wanted.prefix)
    steps = [_creating(env, wanted, gib, first + position, made) for position, gib in enumerate(wanted.pieces)]
    attach = Step(
        "attach-everywhere",
        f"list {'and map ' if wanted.map else ''}the images on {', '.join(host.address for host in hosts)}",
        lambda: _attach(env, wanted, hosts, made, progress),
        lambda: _detach_again(env, wanted, made),
        undo_if_failed=True,
    )
    return Plan(f"create {len(wanted.pieces)} RBD images in pool {wanted.pool}", [*steps, attach])


def _creating(env: Env, wanted: Wanted, gib: int, number: int, made: Made) -> Step:
    mine: list[str] = []

    def do() -> None:
        mine.append(_create_next(env, wanted, gib, number))
        made.images.extend(mine)

    def undo() -> None:
        rbd.remove(env.runner, mine[0])
        made.images.remove(mine[0])

    image = _image(wanted, number)
    return Step(f"create-{image}", f"create {image}, {gib} GiB", do, undo, commands=(rbd.create_argv(image, gib),))


def _create_next(env: Env, wanted: Wanted, gib: int, number: int) -> str:
    """Creating is the check: when somebody else took the number meanwhile, the next free one is tried."""
    for _ in range(TRIES):
        if rbd.create(env.runner, _image(wanted, number), gib):
            return _image(wanted, number)
        number = max(number + 1, names.next_number(pool.images(env, wanted.pool), wanted.prefix))
    raise Conflict(f"{TRIES} names in a row were taken by others, up to {_image(wanted, number)}; try again")


def _image(wanted: Wanted, number: int) -> str:
    return f"{wanted.pool}/{names.numbered(wanted.prefix, number)}"


def _attach(env: Env, wanted: Wanted, hosts: list[Target], made: Made, progress: Progress | None) -> None:
    made.outcomes = nodes.each(env, hosts, nodes.part(wanted, CREATE, made.images), progress)
    nodes.require_good(made.outcomes, "rbdmap update failed")


def _detach_again(env: Env, wanted: Wanted, made: Made) -> None:
    """On every node that did it, or may have done it; one that answered with an error has undone it itself."""
    touched = [it.target for it in made.outcomes if it.good or (it.outcome == fanout.UNREACHABLE and it.sent)]
    outcomes = nodes.each(env, touched, nodes.part(wanted, DELETE, made.images, force=True))
    nodes.require_good(outcomes, "the images could not be taken out of rbdmap")
