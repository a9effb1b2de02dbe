"""The actions of POST /cube/gfs/manage: what each is made of, and where it runs (contract 02 §6.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ablestack_api.core.errors import bad_field
from ablestack_api.hosts import cluster_hosts
from ablestack_api.hosts.gfs import (
    alerts,
    create,
    delete,
    everywhere,
    extend,
    fence_control,
    ipmi,
    listing,
    node_cluster,
    node_disks,
    pcs_cluster,
    stonith,
)
from ablestack_api.hosts.gfs.call import Call, Course
from ablestack_api.hosts.gfs.everywhere import Local
from ablestack_api.hosts.gfs.models import GfsManageRequest
from ablestack_api.jobs.plan import Plan, Step

ALIASES = {"init": "init-pcs-cluster"}


class Where(Enum):
    """`ALL`: every node does `node`. `ONE`: the executing node walks `course`. `HERE`: the answering node does."""

    ALL = "all"
    ONE = "one"
    HERE = "here"


@dataclass(frozen=True)
class Action:
    """`node` does all of it on one node; `course` is a plan of several steps. `internal`: for other nodes only.

    `writes` False: nothing is changed. `holds` False: the kernel or LVM is told of what is on the disks already, safe at any
    time and guarded by their own locks. Another host whose work needs it is not refused because this one is at work too.
    """

    where: Where
    node: Local | None = None
    course: Callable[[Call], Course] | None = None
    check: Callable[[GfsManageRequest], None] = lambda request: None
    internal: bool = False
    writes: bool = True
    holds: bool = True


def _require_disks(request: GfsManageRequest) -> None:
    if not request.every_disk:
        raise bad_field("disks", "required", "disks required")


def _require_volume(request: GfsManageRequest) -> None:
    missing = [name for name in ("vg_name", "lv_name", "mount_point") if not getattr(request, name)]
    if missing:
        raise bad_field(missing[0], "required", "vg_name, lv_name and mount_point required")


def _with_password(call: Call) -> Course:
    """One password for all nodes: the one given, the one stored here, else a new one."""
    password = node_cluster.chosen_password(call).reveal()
    return on_all_course(call, node_cluster.set_password, cluster_password=password)


def _alert_course(call: Call) -> Course:
    def do() -> str:
        return alerts.set_up(call)

    return Course(
        Plan("have Pacemaker write its events to a file", [Step("set-up", "make the alert in the cluster", do)]),
        lambda values: values["set-up"],
    )


def on_all_course(call: Call, node: Local, **changes: Any) -> Course:
    """One deed on every node, as a plan of one step."""
    secrets = {"cluster_password": call.request.cluster_password, "stonith": call.request.stonith}
    results: list[dict[str, Any]] = []

    def do() -> None:
        outcomes = everywhere.on_all(call, call.action, node, **{**secrets, **changes})
        results.extend(everywhere.entry(outcome) for outcome in outcomes)

    names = ", ".join(target.hostname for target in cluster_hosts.of(call.env, call.config))
    plan_of_one = Plan(call.action, [Step(call.action, f"{call.action} on {names}", do)])
    return Course(plan_of_one, lambda values: "ok", results)


ACTIONS: dict[str, Action] = {
    "init-pcs-cluster": Action(Where.ONE, course=pcs_cluster.course),
    "create-gfs": Action(Where.ONE, course=create.course, check=_require_disks),
    "delete-gfs": Action(Where.ONE, course=delete.course),
    "extend": Action(Where.ONE, course=extend.extend_course, check=_require_volume),
    "add-extend": Action(Where.ONE, course=extend.add_course),
    "set-alert": Action(Where.ONE, course=_alert_course),
    "configure-stonith": Action(Where.HERE, course=stonith.configure_course),
    "check-stonith": Action(Where.HERE, node=fence_control.check, writes=False),
    "check-ipmi": Action(Where.HERE, node=ipmi.check, writes=False),
    "list-gfs": Action(Where.HERE, node=listing.list_gfs, writes=False),
    "check-host": Action(Where.HERE, node=listing.list_hosts, writes=False),
    "scan": Action(Where.ALL, node_disks.scan, holds=False),
    "rescan": Action(Where.ALL, node_disks.rescan, check=_require_volume, holds=False),
    "partprobe": Action(Where.ALL, node_disks.partprobe, holds=False),
    "lvmdevices-add": Action(Where.ALL, node_disks.add_to_devices_file, check=_require_disks, holds=False),
    "prepare-gfs-node": Action(Where.ALL, node_disks.prepare, check=_require_disks),
    "modify-lvm-conf": Action(Where.ALL, node_cluster.modify_lvm_conf),
    "set-cluster-password": Action(Where.ALL, node_cluster.set_password, course=_with_password),
    "resource-cleanup": Action(Where.ALL, node_cluster.cleanup),
    "prepare-alert-file": Action(Where.ALL, node_cluster.prepare_alert_files),
    "release-gfs-node": Action(Where.ALL, node_disks.release, check=_require_disks, internal=True, holds=False),
    "see-physical-volumes": Action(Where.ALL, node_disks.see_volumes, internal=True, writes=False),
    "stop-lockspace": Action(Where.ALL, node_disks.stop_lockspace, internal=True),
    "destroy-cluster-node": Action(Where.ALL, node_cluster.destroy, internal=True),
    "store-fence-passwords": Action(Where.ALL, node_cluster.store_fence_passwords, internal=True),
    "forget-fence-passwords": Action(Where.ALL, node_cluster.forget_fence_passwords, internal=True),
}


def named(request: GfsManageRequest, *, local: bool) -> tuple[str, Action]:
    """The action in its normal form. Raises BadInput, also when what it needs is not given."""
    name = ALIASES.get(request.action.lower(), request.action.lower())
    action = ACTIONS.get(name)
    if action is None or (action.internal and not local):
        public = [name for name, action in ACTIONS.items() if not action.internal]
        raise bad_field("action", f"is none of {', '.join(public)}", "unsupported action")
    action.check(request)
    if name == "check-stonith" and fence_control.control_of(request) != "check":
        action = Action(Where.HERE, course=fence_control.control_course)
    return name, action
