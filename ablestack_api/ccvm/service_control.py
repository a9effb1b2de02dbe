"""POST /cube/ccvm/service/control: a service of systemd inside the Cloud Center VM (contract 03 §10)."""

import re
from collections.abc import Callable
from typing import Any

from ablestack_api.ccvm.models import ServiceRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, CommandFailed, Conflict, bad_field
from ablestack_api.core.runner import Runner
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.machines import own_hypervisor
from ablestack_api.orchestrator import hand_on, targets
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import Bootstrap
from ablestack_api.tools import systemctl

PATH = "/cube/ccvm/service/control"
LOCAL_MODE = "X-Cube-CCVM-Service-Local"
# Longer than systemd gives a unit to start or stop (DefaultTimeoutStartSec=90s), and the way there and back.
SECONDS = 100.0
PROXY_SECONDS = SECONDS + 10
ACTIONS = ("start", "restart", "stop", "status")
# systemd.unit(5): what a unit's name may hold; the first character keeps it from being an option.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,239}")
SUFFIX = ".service"
OTHER_SUFFIXES = (
    ".socket", ".device", ".mount", ".automount", ".swap", ".target", ".path", ".timer", ".slice", ".scope", ".snapshot",
)  # fmt: skip
OWN_UNIT = "ablestack-api.service"


def work(env: Env, request: ServiceRequest, *, here: bool) -> Work:
    """Raises BadInput: then nothing was done, nor sent."""
    unit = _checked(request)
    kind = f"ccvm service {request.action}"
    target = None if here else _target(env)
    if target is not None and not target.local:
        return Work(kind, lambda _progress: _elsewhere(env, request, target))
    holds = () if request.action == "status" else (f"unit:{unit}",)
    return Work(kind, lambda progress: _here(env, request, unit, progress), holds=holds, look_at=f"systemctl status {unit}")


def unit_name(text: str) -> str:
    """The full name of a service. Raises BadInput for what is none: an option, another kind of unit, a path."""
    if not text:
        raise bad_field("service_name", "required", "service_name required")
    if not NAME.fullmatch(text) or text.endswith(OTHER_SUFFIXES) or text == SUFFIX:
        raise bad_field("service_name", "is not the name of a service: letters, digits and : _ . @ \\ -, no dash in front")
    return text if text.endswith(SUFFIX) else f"{text}{SUFFIX}"


def _checked(request: ServiceRequest) -> str:
    request.action = request.action.lower()
    if request.action not in ACTIONS:
        raise bad_field("action", f"is none of {', '.join(ACTIONS)}", "unsupported action")
    unit = unit_name(request.service_name)
    if unit == OWN_UNIT and request.action in ("stop", "restart"):
        raise Conflict(f"{unit} serves this very request; use systemctl in the VM")
    return unit


def _target(env: Env) -> Target:
    config = cluster_file.read(env.settings).document.cluster
    target = next(iter(targets.ccvm(env.settings, config, Bootstrap())), None)
    if target is None:
        raise bad_field("ccvm.ip", "cluster.json has no address of the Cloud Center VM", "ccvm ip required")
    return target


def _here(env: Env, request: ServiceRequest, unit: str, progress: Progress) -> dict[str, Any]:
    action = request.action
    try:
        own_hypervisor.require_guest(env.settings)
        if not systemctl.has_unit(env.runner, unit):
            raise bad_field("service_name", f"there is no service {unit} in the Cloud Center VM")
        with progress.step(action, f"{action} {unit}"):
            COMMANDS[action](env.runner, unit)
    except ApiError as error:
        error.members["val"] = f"{request.service_name} service {action} control error"
        raise
    return {"code": 200, "val": f"{request.service_name} service {action} control success"}


def _require_active(runner: Runner, unit: str) -> None:
    """0.1.2 answered a service that is not active with an error; now it says what it is."""
    state = systemctl.read_states(runner, [unit])[0]
    if state != "active":
        raise CommandFailed(f"{unit} is {state}", program="systemctl", exit_code=3, state=state)


COMMANDS: dict[str, Callable[[Runner, str], None]] = {
    "start": lambda runner, unit: systemctl.control(runner, "start", unit, seconds=SECONDS),
    "stop": lambda runner, unit: systemctl.control(runner, "stop", unit, seconds=SECONDS),
    "restart": lambda runner, unit: systemctl.control(runner, "restart", unit, seconds=SECONDS),
    "status": _require_active,
}


def _elsewhere(env: Env, request: ServiceRequest, target: Target) -> dict[str, Any]:
    """The marker keeps a VM that does not know its own address from calling itself without end."""
    body = {"action": request.action, "service_name": request.service_name}
    try:
        return hand_on.call(env, target, PATH, body, Deadline(env.clock, PROXY_SECONDS), LOCAL_MODE)
    except ApiError as error:
        error.members.setdefault("val", f"{request.service_name} service {request.action} control error")
        error.detail = f"ccvm service control failed: {error.detail}"
        raise
