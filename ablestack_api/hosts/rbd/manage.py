"""What a request to /cube/rbd/manage does: on this node alone, in the whole cluster, or not at all (a plan)."""

from typing import Any

from ablestack_api.env import Env
from ablestack_api.hosts import storage_readings
from ablestack_api.hosts.rbd import create, delete, nodes
from ablestack_api.hosts.rbd.create import Made
from ablestack_api.hosts.rbd.models import RbdRequest
from ablestack_api.hosts.rbd.names import CHECK, CREATE, Wanted, checked
from ablestack_api.hosts.storage_work import HOLD
from ablestack_api.jobs.plan import Plan
from ablestack_api.jobs.progress import Progress, Quiet
from ablestack_api.jobs.work import Work
from ablestack_api.orchestrator import fanout
from ablestack_api.state import own_node


def begin(env: Env, request: RbdRequest, *, local: bool = False, show: bool = False) -> Work | dict[str, Any]:
    """The work, or the answer where there is none to do: what another node asks about images, `show`ing a plan.

    `local`: another node asks for this node's part. Raises BadInput.
    """
    wanted = checked(request, local=local)
    if wanted.action == CHECK:
        return _local(env, wanted, Quiet())
    if show:
        return _body(wanted, {"val": _plan(env, wanted).shape()})
    if local:  # holds nothing: what it writes is locked by itself, and two nodes may make images at the same time
        return Work(f"rbd {wanted.action} of this node", lambda progress: _local(env, wanted, progress))
    return Work(f"rbd {wanted.action}", lambda progress: _everywhere(env, wanted, progress), (HOLD,), cancellable=True)


def _plan(env: Env, wanted: Wanted) -> Plan:
    if wanted.action == CREATE:
        return create.plan_of(env, wanted, Made())
    return delete.plan_of(env, wanted, delete.find(env, wanted))


def _everywhere(env: Env, wanted: Wanted, progress: Progress) -> dict[str, Any]:
    try:
        told = create.run(env, wanted, progress) if wanted.action == CREATE else delete.run(env, wanted, progress)
    finally:
        storage_readings.forget(env)
    return _body(wanted, told)


def _local(env: Env, wanted: Wanted, progress: Progress) -> dict[str, Any]:
    try:
        value = nodes.own_part(env, wanted, progress)
    finally:
        if wanted.action != CHECK:
            storage_readings.forget(env)
    own = own_node.hostname(env.settings)
    entry = {"hostname": own, "target": "local", "code": 200, "outcome": fanout.OK, "message": "ok"}
    return _body(wanted, {"val": value, "results": [{**entry, "images": list(wanted.names)}]})


def _body(wanted: Wanted, told: dict[str, Any]) -> dict[str, Any]:
    fixed = {"retname": "RBD Manage", "message": "rbd manage success", "action": wanted.action, "pool": wanted.pool}
    return {"code": 200, "val": told["val"], **fixed, **told}
