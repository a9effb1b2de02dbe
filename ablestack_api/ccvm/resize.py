"""POST /cube/ccvm/secondary/resize: a larger disk for the Cloud Center VM, and /nfs on it (contract 03 §9)."""

from typing import Any

from ablestack_api.ccvm import executor, resize_guest, resize_plan, status
from ablestack_api.ccvm.models import ResizeRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.jobs import plan as plans
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.machines import own_hypervisor
from ablestack_api.orchestrator import hand_on
from ablestack_api.state import cluster_file, own_node
from ablestack_api.state.cluster_document import CLUSTER_TYPES, ClusterConfig

PATH = "/cube/ccvm/secondary/resize"
LOCAL_MODE = resize_guest.LOCAL_MODE
HOLD = "vm:ccvm"
RETNAME = "CCVM Secondary Resize"
SUCCESS = "CCVM secondary filesystem expansion success."
SIZE_FAULT = "please enter additional capacity size between 1 and 500 GiB"
MOST_GIB = 500
# Ten minutes to stop, twenty-five to start, ten until the guest answers, ten to grow.
SECONDS = 3600.0
PLAN_SECONDS = 60.0


def work(env: Env, request: ResizeRequest, *, here: bool) -> Work:
    """Raises BadInput, PeersFailed."""
    config = _checked(env, request, here)
    own_hypervisor.require(env.settings)
    if here and request.part:
        return Work("ccvm resize", lambda _progress: {"code": 200, "val": resize_guest.take(env, request.part)})
    target = None if here else executor.choose(env, config)
    if target is not None and not target.local:
        return Work("ccvm resize", lambda progress: _elsewhere(env, request, target, progress))
    return Work(
        "ccvm resize",
        lambda progress: _here(env, config, request, progress),
        holds=(HOLD,),
        cancellable=True,
        look_at="pcs status; virsh dominfo ccvm",
    )


def show_plan(env: Env, request: ResizeRequest, *, here: bool) -> dict[str, Any]:
    """The steps, none of them done. Raises as the work itself would before its first step."""
    config = _checked(env, request, here)
    target = None if here else executor.choose(env, config)
    if target is not None and not target.local:
        return hand_on.call(
            env, target, f"{PATH}?plan=true", request.model_dump(), Deadline(env.clock, PLAN_SECONDS), LOCAL_MODE
        )
    return {"code": 200, "val": resize_plan.build(env, config, request).shape()}


def _checked(env: Env, request: ResizeRequest, here: bool) -> ClusterConfig:
    config = cluster_file.read(env.settings).document.cluster
    if config.type.lower() not in CLUSTER_TYPES:
        raise bad_field("clusterConfig.type", f"is {config.type or 'empty'}", "unsupported cluster type")
    if not (here and request.part) and not 1 <= request.add_size <= MOST_GIB:
        raise bad_field("add_size", f"must be a whole number from 1 to {MOST_GIB} (GiB)", SIZE_FAULT)
    return config


def _here(env: Env, config: ClusterConfig, request: ResizeRequest, progress: Progress) -> dict[str, Any]:
    told = {"retname": RETNAME, "target": _own_address(env, config), "os_type": config.type.lower()}
    try:
        plans.run(resize_plan.build(env, config, request), progress)
    except ApiError as error:
        error.members |= {"val": error.detail, **told}
        raise
    finally:
        status.forget(env)
    return {"code": 200, "val": SUCCESS, "message": "ok", **told}


def _elsewhere(env: Env, request: ResizeRequest, target: Target, progress: Progress) -> dict[str, Any]:
    with progress.step("hand-on", f"{target.hostname} ({target.address}) does it"):
        return hand_on.call(env, target, PATH, request.model_dump(), Deadline(env.clock, SECONDS), LOCAL_MODE)


def _own_address(env: Env, config: ClusterConfig) -> str:
    if executor.is_standalone(config):
        return "local"
    own = own_node.find_self(env.settings, config)
    return own.ablecube if own is not None and own.ablecube else "local"
