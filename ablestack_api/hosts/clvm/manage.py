"""What a request to /cube/clvm/manage does."""

from typing import Any

from ablestack_api.env import Env
from ablestack_api.hosts import free_disks, storage_work
from ablestack_api.hosts.clvm import create, delete, groups, inventory
from ablestack_api.hosts.clvm.models import CREATE, DELETE, LIST, RELEASE, RESERVE, ClvmRequest
from ablestack_api.jobs.plan import Plan
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.state import clvm_numbers

SUCCESS = {CREATE: "Create CLVM Disk Success", DELETE: "Success to clvm delete"}
FAILURE = {CREATE: "Create CLVM Disk Failure", DELETE: "Failed to clvm delete"}


def begin(env: Env, request: ClvmRequest, *, local: bool = False, show: bool = False) -> Work | dict[str, Any]:
    """The work, or the answer where there is none to do: reading, keeping numbers for another node, `show`ing a plan.

    Raises BadInput.
    """
    action = request.checked_action(local=local)
    if action == LIST:
        return _body(action, inventory.read(env)) | {"refresh_time": env.clock.now().isoformat(timespec="seconds")}
    if action in (RESERVE, RELEASE):
        return _body(action, _numbers(env, request, action))
    _require_fields(request, action)
    if show:
        return _body(action, _plan(env, request, action).shape())
    return Work(
        f"clvm {action}", lambda progress: _run(env, request, action, progress), (storage_work.HOLD,), cancellable=True
    )


def _numbers(env: Env, request: ClvmRequest, action: str) -> list[int]:
    now = env.clock.now().timestamp()
    if action == RESERVE:
        return clvm_numbers.reserve(env.settings, above=request.above, count=request.count, now=now)
    clvm_numbers.release(env.settings, request.numbers, now=now)
    return request.numbers


def _run(env: Env, request: ClvmRequest, action: str, progress: Progress) -> dict[str, Any]:
    storage_work.run(env, _plan(env, request, action), progress, FAILURE[action])
    return _body(action, SUCCESS[action])


def _require_fields(request: ClvmRequest, action: str) -> None:
    """What is wrong with the request itself is told at once, also to who does not wait for the work."""
    if action == DELETE:
        groups.require_names(request.pairs)
    else:
        free_disks.require_named(request.every_disk)


def _plan(env: Env, request: ClvmRequest, action: str) -> Plan:
    if action == CREATE:
        return create.plan_of(env, request.every_disk, force=request.force)
    return delete.plan_of(env, request.pairs, request.every_disk, force=request.force)


def _body(action: str, value: Any) -> dict[str, Any]:
    return {"code": 200, "val": value, "message": "ok", "action": action}
