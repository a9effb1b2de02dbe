"""`POST /cube/gluecluster/update`: storage maintenance on and off (contract 05 §3).

On: Ceph neither marks a stopped OSD as out nor moves data because of it. Checked before, looked at again afterwards; what
this call changed is put back when it fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ablestack_api.core.errors import ApiError, CommandFailed, Conflict, bad_field
from ablestack_api.env import Env
from ablestack_api.glue import maintenance_record, stop_check, storage_status
from ablestack_api.glue.maintenance_record import FLAGS, Record
from ablestack_api.glue.models import MaintenanceRequest
from ablestack_api.glue.stop_check import Finding
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.state import own_node
from ablestack_api.tools import ceph, ceph_osd

SET, UNSET = "set_noout", "unset_noout"
RETNAMES = {SET: "Maintenance Mode On", UNSET: "Maintenance Mode Off"}
HOLD = "storage maintenance"
VERIFY, RECORD = "verify", "record"


@dataclass(frozen=True)
class Checked:
    """How things are before, and what is to be done about it."""

    action: str
    by: str
    before: frozenset[str]
    findings: tuple[Finding, ...]
    overrides: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def verb(self) -> str:
        return "set" if self.action == SET else "unset"

    @property
    def to_change(self) -> list[str]:
        return _to_change(self.action, self.before)


def work(env: Env, request: MaintenanceRequest, caller: str) -> Work:
    """Raises BadInput."""
    action = _action(request)
    return Work(
        f"storage {RETNAMES[action].lower()}",
        lambda progress: change(env, request, caller, progress),
        holds=(HOLD,),
        look_at="ceph osd dump | grep ^flags",
    )


def show_plan(env: Env, request: MaintenanceRequest, caller: str) -> dict[str, Any]:
    """What would be done now. The checks are made, nothing is changed."""
    checked = _checked(env, request, caller)
    return {"code": 200, "val": _plan(env, checked).shape(), "action": checked.action}


def change(env: Env, request: MaintenanceRequest, caller: str, progress: Progress) -> dict[str, Any]:
    """Raises Conflict when a storage host could not be taken off, and what ceph raises; the flags are then as before."""
    action = _action(request)
    try:
        with progress.step("check", "check that storage hosts may be taken off" if action == SET else "look at the cluster"):
            checked = _checked(env, request, caller)
        _changed(env, checked, progress)
    except ApiError as error:
        error.members.setdefault("val", "check ERROR")
        error.members |= {"retname": RETNAMES[action], "action": action}
        raise
    told = {"changed": checked.to_change, "checks": [finding.entry() for finding in checked.findings]}
    told |= {"overrides": list(checked.overrides), "warnings": list(checked.warnings)}
    return {"code": 200, "val": "success", "retname": RETNAMES[action], "message": "success", "action": action, **told}


def _changed(env: Env, checked: Checked, progress: Progress) -> None:
    try:
        plan.run(_plan(env, checked), progress)
    finally:
        storage_status.look_again(env)


def _action(request: MaintenanceRequest) -> str:
    action = request.action.strip().lower()
    if action not in RETNAMES:
        raise bad_field("action", f"is none of {', '.join(RETNAMES)}", "unsupported action")
    return action


def _to_change(action: str, before: frozenset[str]) -> list[str]:
    return [flag for flag in FLAGS if (flag in before) != (action == SET)]


def _checked(env: Env, request: MaintenanceRequest, caller: str) -> Checked:
    action, status = _action(request), ceph.read_status(env.runner)
    before = ceph_osd.read_flags(env.runner)
    if action == UNSET:
        return Checked(action, caller, before, (), (), _warnings(status))
    if not _to_change(action, before):  # hosts may be off already: that is what it is for
        return Checked(action, caller, before, (), (), ())
    names = [name.strip() for name in request.target_hostname.split(",") if name.strip()]
    findings = tuple(stop_check.check(env.runner, status, names))
    refused = tuple(f"{finding.group.host}: {finding.reason}" for finding in findings if not finding.ok)
    if refused and not request.force:
        raise Conflict(_refusal(findings, refused), checks=[finding.entry() for finding in findings])
    return Checked(action, caller, before, findings, refused, ())


def _refusal(findings: tuple[Finding, ...], refused: tuple[str, ...]) -> str:
    fine = ", ".join(finding.group.host for finding in findings if finding.ok)
    narrower = f" Only {fine} could; name the hosts you will take off as target_hostname." if fine else ""
    return (
        f"storage hosts could not be taken off now: {' / '.join(refused)}. Nothing was changed.{narrower} "
        "force: true sets the flags all the same"
    )


def _warnings(status: dict[str, Any]) -> tuple[str, ...]:
    osdmap = status.get("osdmap")
    total, up = (osdmap.get(name) if isinstance(osdmap, dict) else None for name in ("num_osds", "num_up_osds"))
    down = total - up if isinstance(total, int) and isinstance(up, int) else 0
    return (f"{down} OSDs are down: Ceph will move their data elsewhere when they stay so",) if down > 0 else ()


def _plan(env: Env, checked: Checked) -> Plan:
    """The record comes last: it never tells of a maintenance that did not come about."""
    steps = [_flag_step(env, checked, flag) for flag in checked.to_change]
    steps += [_verify(env, checked), _record(env, checked)]
    return Plan(RETNAMES[checked.action], steps, checked.warnings, checked.overrides)


def _flag_step(env: Env, checked: Checked, flag: str) -> Step:
    setting, taking_back = ceph_osd.set_flag, ceph_osd.unset_flag
    there, back = (setting, taking_back) if checked.action == SET else (taking_back, setting)
    return Step(
        f"{checked.verb}-{flag}",
        f"{checked.verb} the flag {flag}",
        lambda: _told_as(f"{checked.verb} {flag} ERROR", lambda: there(env.runner, flag)),
        undo=lambda: back(env.runner, flag),
        undo_if_failed=True,  # ceph may have been killed after the monitors did it
        commands=[["ceph", "osd", checked.verb, flag]],
    )


def _verify(env: Env, checked: Checked) -> Step:
    def look() -> None:
        present = ceph_osd.read_flags(env.runner)
        wrong = [flag for flag in FLAGS if (flag in present) != (checked.action == SET)]
        if wrong:
            state = "not set" if checked.action == SET else "still set"
            told = f"{', '.join(wrong)} {state} in the OSD map afterwards: somebody else changes the flags too"
            raise CommandFailed(told, program="ceph", exit_code=0, val=f"{checked.verb} {wrong[0]} ERROR")

    return Step(VERIFY, "look at the flags of the OSD map", look)


def _record(env: Env, checked: Checked) -> Step:
    """Who asks again for what is there already does not become the one who set it."""

    def write() -> None:
        if checked.action == UNSET:
            maintenance_record.remove(env.runner)
        elif checked.to_change or maintenance_record.read(env.runner) is None:
            node, at = own_node.hostname(env.settings), env.clock.now().isoformat(timespec="seconds")
            maintenance_record.write(env.runner, Record(checked.by, at, node, list(checked.overrides)))

    text = "remember who asked, and when" if checked.action == SET else "forget who set them"
    return Step(RECORD, text, write)


def _told_as(val: str, do: Callable[[], None]) -> None:
    """`val` is the text 0.1.2 had for it."""
    try:
        do()
    except ApiError as error:
        error.members["val"] = val
        raise
