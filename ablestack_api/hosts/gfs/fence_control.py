"""check-stonith: what the fence devices do, and switching them off and on (contract 02 §6.8)."""

from ablestack_api.core.errors import bad_field
from ablestack_api.hosts.gfs import resources
from ablestack_api.hosts.gfs.call import Call, Course
from ablestack_api.hosts.gfs.models import GfsManageRequest
from ablestack_api.hosts.gfs.stonith import PREFIX
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.tools import pcs
from ablestack_api.tools.cib import Primitive

# Each with what it sets maintenance-mode to.
CONTROLS = {"check": "", "enable": "", "disable": "", "security-enable": "false", "security-disable": "true"}


def check(call: Call) -> str:
    """What pcs says of the fence devices."""
    return pcs.stonith_status(pcs.connect(call.env.runner))


def control_of(request: GfsManageRequest) -> str:
    control = request.control.lower() or "check"
    if control not in CONTROLS:
        raise bad_field("control", f"is none of {', '.join(CONTROLS)}", "unsupported stonith control")
    return control


def control_course(call: Call) -> Course:
    """Switch every fence device on or off; the security variants also end or begin maintenance mode."""
    control = control_of(call.request)
    devices = [device for device in resources.facts(call).fence_devices if device.id.startswith(PREFIX)]
    enable = control.endswith("enable")
    steps = [_switch_step(call, device, enable=enable) for device in devices]
    maintenance = CONTROLS[control]
    if maintenance:
        steps.append(
            Step(
                "maintenance-mode",
                f"set maintenance-mode to {maintenance}",
                lambda: pcs.set_properties(pcs.connect(call.env.runner), {"maintenance-mode": maintenance}),
                commands=(["pcs", "property", "set", f"maintenance-mode={maintenance}"],),
            )
        )
    return Course(Plan(f"{control} the fence devices", steps), lambda values: "Stonith Pcs Cluster Success")


def _switch_step(call: Call, device: Primitive, *, enable: bool) -> Step:
    """Undone only where it changes something."""

    def switch(to: Call, on: bool) -> None:
        tool = pcs.connect(to.env.runner)
        (pcs.stonith_enable if on else pcs.stonith_disable)(tool, device.id)

    def undo() -> None:
        if device.disabled == enable:
            switch(call.undoing(), not enable)

    verb = "enable" if enable else "disable"
    commands = (["pcs", "stonith", verb, device.id],)
    return Step(f"{verb}-{device.id}", f"{verb} {device.id}", lambda: switch(call, enable), undo, commands=commands)
