"""What a request to /cube/local/manage does."""

from typing import Any

from ablestack_api.env import Env
from ablestack_api.hosts import free_disks, storage_work
from ablestack_api.hosts.local_storage import create, reset, status
from ablestack_api.hosts.local_storage.models import CREATE, RESET, STATUS, LocalRequest
from ablestack_api.hosts.storage_work import HOLD
from ablestack_api.jobs.plan import Plan
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work

SUCCESS = {CREATE: "Create Local Disk Success", RESET: "Success Reset Local Disk"}
FAILURE = {CREATE: "Create Local Disk Failure", RESET: "Failed Local Disk Check"}


def begin(env: Env, request: LocalRequest, *, show: bool = False) -> Work | dict[str, Any]:
    """The work, or the answer where there is none to do: the status, `show`ing a plan. Raises BadInput."""
    action = request.checked_action()
    if action == STATUS:
        return status.read(env, STATUS)
    if action == CREATE:
        free_disks.require_named(request.every_disk)
    if show:
        return {"code": 200, "val": _plan(env, request, action).shape(), "message": "ok", "action": action}
    return Work(
        f"local storage {action}",
        lambda progress: _run(env, request, action, progress),
        (HOLD,),
        cancellable=True,
    )


def _run(env: Env, request: LocalRequest, action: str, progress: Progress) -> dict[str, Any]:
    storage_work.run(env, _plan(env, request, action), progress, FAILURE[action])
    return {"code": 200, "val": SUCCESS[action], "message": "ok", "action": action}


def _plan(env: Env, request: LocalRequest, action: str) -> Plan:
    if action == CREATE:
        return create.plan_of(env, request.every_disk, force=request.force)
    return reset.plan_of(env, force=request.force)
