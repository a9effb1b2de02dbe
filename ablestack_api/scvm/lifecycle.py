"""POST /cube/scvm/lifecycle: which host does it, and the answer (contract 03 §14)."""

from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, BadInput, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.jobs import plan as plans
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.machines import own_hypervisor
from ablestack_api.orchestrator import hand_on, targets
from ablestack_api.scvm import lifecycle_plans, status
from ablestack_api.scvm.models import LifecycleRequest
from ablestack_api.state import cluster_file, own_node
from ablestack_api.state.cluster_document import ClusterConfig

PATH = "/cube/scvm/lifecycle"
LOCAL_MODE = "X-Cube-SCVM-Update-Local"
HOLD = "vm:scvm"
# A storage node may take minutes to hand its daemons over; setting one up copies an image.
SECONDS = 2400.0
PLAN_SECONDS = 30.0
RETNAMES = {
    "start": "Start", "stop": "Stop", "delete": "Delete", "resource": "UPDATE", "setup": "Setup", "reset": "Reset",
}  # fmt: skip
# Actions that 0.1.2 answered with a text instead of true and ok.
TEXTS = {"setup": "storage center setup success", "reset": "storage center reset success"}
MOST_CPUS, MOST_MEMORY_GIB = 255, 65536


def work(env: Env, request: LifecycleRequest, *, here: bool) -> Work:
    """What the request asks for, with this host's machine held while it is done; another host holds its own.

    Raises BadInput.
    """
    target = _checked(env, request, here)
    own_hypervisor.require(env.settings)
    kind = f"scvm {request.action}"
    if not target.local:
        return Work(kind, lambda progress: _elsewhere(env, request, target, progress))
    return Work(
        kind,
        lambda progress: _here(env, request, progress),
        holds=(HOLD,),
        cancellable=True,
        look_at="virsh dominfo scvm",
    )


def show_plan(env: Env, request: LifecycleRequest, *, here: bool) -> dict[str, Any]:
    """The steps, none of them done. Raises as the work itself would before its first step."""
    target = _checked(env, request, here)
    if not target.local:
        limit = Deadline(env.clock, PLAN_SECONDS)
        return hand_on.call(env, target, f"{PATH}?plan=true", _body(request), limit, LOCAL_MODE)
    return {"code": 200, "val": lifecycle_plans.build(env, request).shape(), "action": request.action}


def _checked(env: Env, request: LifecycleRequest, here: bool) -> Target:
    """The host that is meant, which is one of the cluster's (D7)."""
    request.action = request.action.lower()
    if request.action not in RETNAMES:
        raise bad_field("action", f"is none of {', '.join(RETNAMES)}", "unsupported action")
    if request.action == "resource":
        _check_size(request)
    config = cluster_file.read(env.settings).document.cluster
    if not config.is_hci:
        raise bad_field(
            "action", f"a cluster of type {config.type or 'none'} has no storage VMs", "unsupported cluster type"
        )
    if here:
        return targets.this_node(env.settings)
    return _target(env, config, request)


def _check_size(request: LifecycleRequest) -> None:
    for field, value, most in (("cpu", request.cpu, MOST_CPUS), ("memory", request.memory, MOST_MEMORY_GIB)):
        if value is not None and not 0 <= value <= most:
            raise bad_field(field, f"must be from 1 to {most}", f"invalid {field}")
    if not request.cpu and not request.memory:
        raise BadInput("cpu or memory required", fields=[("cpu", "0 or missing"), ("memory", "0 or missing")])


def _target(env: Env, config: ClusterConfig, request: LifecycleRequest) -> Target:
    hosts = targets.hosts(env.settings, config)
    if request.target:
        if own_node.has_address(env.settings, request.target):
            return targets.this_node(env.settings)
        found = next((host for host in hosts if host.address == request.target), None)
        if found is None:
            raise bad_field(
                "target", "is no address (ablecube) of a host of this cluster", "target not found in cluster.json"
            )
        return found
    if not request.target_hostname:
        return targets.this_node(env.settings)
    host = config.host_named(request.target_hostname)
    found = next((each for each in hosts if host is not None and each.address == host.ablecube), None)
    if found is None:
        raise bad_field("target_hostname", "the cluster has no such host", "target_hostname not found")
    return found


def _here(env: Env, request: LifecycleRequest, progress: Progress) -> dict[str, Any]:
    action = request.action
    told = {"retname": f"Storage Center VM {RETNAMES[action]}", "target": _own_name(env), "action": action}
    try:
        done = plans.run(lifecycle_plans.build(env, request, progress), progress)
    except ApiError as error:
        error.members |= {"val": False, **told}
        raise
    finally:
        status.forget(env)
    text = TEXTS.get(action)
    return {"code": 200, "val": text or True, "message": text or "ok", **told, **lifecycle_plans.remarks(done)}


def _elsewhere(env: Env, request: LifecycleRequest, target: Target, progress: Progress) -> dict[str, Any]:
    with progress.step("hand-on", f"{target.hostname} ({target.address}) does it"):
        return hand_on.call(env, target, PATH, _body(request), Deadline(env.clock, SECONDS), LOCAL_MODE)


def _body(request: LifecycleRequest) -> dict[str, Any]:
    return request.model_dump(exclude={"target", "target_hostname"}, exclude_none=True)


def _own_name(env: Env) -> str:
    config = cluster_file.read(env.settings).document.cluster
    own = own_node.find_self(env.settings, config)
    return "local" if own is None else own.ablecube or own.hostname or "local"
