"""POST /cube/ccvm/lifecycle: who does it, and the answer (contract 03 §6)."""

from typing import Any

from ablestack_api.ccvm import executor, lifecycle_node, lifecycle_pacemaker, lifecycle_standalone, status
from ablestack_api.ccvm.models import LifecycleRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, BadInput, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.jobs import plan as plans
from ablestack_api.jobs.plan import Plan
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.machines import own_hypervisor
from ablestack_api.orchestrator import hand_on
from ablestack_api.state import cluster_file, own_node
from ablestack_api.state.cluster_document import CLUSTER_TYPES, ClusterConfig

PATH, PCS_PATH = "/cube/ccvm/lifecycle", "/cube/pcs/control"
LOCAL_MODE = "X-Cube-CCVM-Lifecycle-Local"
HOLD = "vm:ccvm"
RETNAME = "CCVM Lifecycle"
ACTIONS = ("initialize", "setup", "reset", "copy", "start", "stop", "restart", "delete")
# A start may take Pacemaker 25 minutes; a set-up copies an image before.
SECONDS = 5400.0
PLAN_SECONDS = 60.0
# Steps whose failure is a stop that failed, also within a restart.
STOP_STEPS = ("stop",)


def work(env: Env, request: LifecycleRequest, *, here: bool) -> Work:
    """What is asked for, with the machine held on the host that does it. Raises BadInput, PeersFailed."""
    config = _checked(env, request)
    own_hypervisor.require(env.settings)
    kind = f"ccvm {request.action}"
    if here and request.part:
        return Work(kind, lambda progress: lifecycle_node.take(env, request, progress), holds=(HOLD,))
    target = executor.choose(env, config) if not here else None
    if request.action == "setup" and not executor.is_standalone(config):
        # /cube/pcs/control holds the machine itself.
        return Work(kind, lambda progress: _set_up_under_pacemaker(env, request, config, target, progress))
    if target is not None and not target.local:
        return Work(kind, lambda progress: _elsewhere(env, request, target, progress))
    do = lambda progress: _here(env, request, config, progress)  # noqa: E731
    return Work(kind, do, holds=(HOLD,), cancellable=True, look_at="virsh dominfo ccvm; pcs status")


def show_plan(env: Env, request: LifecycleRequest, *, here: bool) -> dict[str, Any]:
    """The steps, none of them done. Raises as the work itself would before its first step."""
    config = _checked(env, request)
    target = executor.choose(env, config) if not here else None
    limit = Deadline(env.clock, PLAN_SECONDS)
    if request.action == "setup" and not executor.is_standalone(config):
        host = target or executor.choose(env, config)
        return hand_on.call(env, host, f"{PCS_PATH}?plan=true", {"action": "setup"}, limit, "")
    if target is not None and not target.local:
        return hand_on.call(env, target, f"{PATH}?plan=true", _body(request), limit, LOCAL_MODE)
    return {"code": 200, "val": _plan(env, request, config).shape(), "action": request.action}


def _checked(env: Env, request: LifecycleRequest) -> ClusterConfig:
    if request.action is None:
        raise BadInput("request required", fields=[("action", "required")])
    request.action = request.action.lower()
    if request.action not in ACTIONS:
        raise bad_field("action", f"is none of {', '.join(ACTIONS)}", "unsupported action")
    config = cluster_file.read(env.settings).document.cluster
    if config.type.lower() not in CLUSTER_TYPES:
        raise bad_field("clusterConfig.type", f"is {config.type or 'empty'}", "unsupported cluster type")
    standalone = executor.is_standalone(config)
    if request.action == "copy" and not standalone:
        raise bad_field("action", config.type, "copy action supports ablestack-standalone only")
    if request.action == "initialize" and standalone:
        raise bad_field("action", config.type, "initialize action supports Pacemaker clusters only; use reset")
    return config


def _plan(env: Env, request: LifecycleRequest, config: ClusterConfig, progress: Progress | None = None) -> Plan:
    if executor.is_standalone(config):
        return lifecycle_standalone.build(env, request, config, progress)
    return lifecycle_pacemaker.build(env, request, config)


def _here(env: Env, request: LifecycleRequest, config: ClusterConfig, progress: Progress) -> dict[str, Any]:
    action, told = str(request.action), _told(request, config)
    try:
        done = plans.run(_plan(env, request, config, progress), progress)
    except ApiError as error:
        error.members |= {"val": _phrase(config, _failed_half(action, error), "fail"), **told}
        raise
    finally:
        status.forget(env)
    results = [{"target": _own_address(env, config), "code": 200, "message": "ok"}, *_results(done)]
    value = _phrase(config, action, "success")
    if action == "initialize":
        value += f": resource_removed={str(bool(done.get('resource'))).lower()} removed_files={done['files']}"
        results[0]["message"] = "cloudcenter_res removed" if done.get("resource") else "cloudcenter_res not found; skipped"
    return {"code": 200, "val": value, "message": "ok", **told, "results": results}


def _elsewhere(env: Env, request: LifecycleRequest, target: Target, progress: Progress) -> dict[str, Any]:
    with progress.step("hand-on", f"{target.hostname} ({target.address}) does it"):
        return hand_on.call(env, target, PATH, _body(request), Deadline(env.clock, SECONDS), LOCAL_MODE)


def _set_up_under_pacemaker(
    env: Env, request: LifecycleRequest, config: ClusterConfig, target: Target | None, progress: Progress
) -> dict[str, Any]:
    """Disk, cluster and resource are /cube/pcs/control's work; every host has its definition before that begins."""
    told = _told(request, config)
    try:
        if config.is_hci:
            with progress.step("definitions", "every host has the definition"):
                lifecycle_node.require_definitions(env, config)
        host = target or executor.choose(env, config)
        with progress.step("set-up", f"{host.hostname} ({host.address}) sets it up"):
            hand_on.call(env, host, PCS_PATH, {"action": "setup"}, Deadline(env.clock, SECONDS), "")
    except ApiError as error:
        error.members |= {"val": _phrase(config, "setup", "fail"), **told}
        raise
    finally:
        status.forget(env)
    results = [{"target": host.address, "code": 200, "message": "ok"}]
    return {"code": 200, "val": _phrase(config, "setup", "success"), "message": "ok", **told, "results": results}


def _told(request: LifecycleRequest, config: ClusterConfig) -> dict[str, Any]:
    return {"retname": RETNAME, "action": request.action, "os_type": config.type.lower()}


def _phrase(config: ClusterConfig, action: str, outcome: str) -> str:
    """0.1.2's words, which clients compare."""
    gfs = config.type.lower() in (executor.VM, executor.HCI_FILES)
    disk = " and gfs disk" if gfs else (" and local disk" if executor.is_standalone(config) else "")
    return f"cloud center{disk if action == 'reset' else ''} {action} {outcome}"


def _failed_half(action: str, error: ApiError) -> str:
    """A restart reports the half that failed."""
    steps = error.members.get("steps")
    failed = [each["step"] for each in steps if each["outcome"] == "failed"] if isinstance(steps, list) else []
    if action != "restart" or not failed:
        return action
    return "stop" if failed[0] in STOP_STEPS else "start"


def _results(done: dict[str, Any]) -> list[dict[str, Any]]:
    """What the other hosts told, in steps that ask all of them."""
    return [entry for value in done.values() if isinstance(value, list) for entry in value if isinstance(entry, dict)]


def _body(request: LifecycleRequest) -> dict[str, Any]:
    return request.model_dump(exclude={"part"}, exclude_defaults=True)


def _own_address(env: Env, config: ClusterConfig) -> str:
    own = own_node.find_self(env.settings, config)
    return own.ablecube if own is not None and own.ablecube else "local"
