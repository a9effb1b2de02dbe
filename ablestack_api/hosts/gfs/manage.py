"""Which action runs where, and how it is answered (contract 02 §6.2, §6.3)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ablestack_api.core.errors import ApiError, bad_field
from ablestack_api.env import Env
from ablestack_api.hosts import disks as disk_inventory
from ablestack_api.hosts.gfs import (
    alerts,
    create,
    delete,
    everywhere,
    extend,
    ipmi,
    listing,
    node_cluster,
    node_disks,
    pcs_cluster,
    stonith,
)
from ablestack_api.hosts.gfs.call import Call, Course, require_whole_system
from ablestack_api.hosts.gfs.everywhere import Local
from ablestack_api.hosts.gfs.models import GfsManageRequest
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress, Quiet
from ablestack_api.jobs.work import Work
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import ClusterConfig

# Clients wait 900 s (contract 02 §6.14): what is not done by then is undone, and they are told.
SECONDS = 840.0
HOLDS = ("storage",)
ALIASES = {"init": "init-pcs-cluster"}
LOCAL_HEADER = everywhere.LOCAL_HEADER


class Where(Enum):
    """`ALL`: every node does `node`. `ONE`: the executing node walks `course`. `HERE`: the answering node does."""

    ALL = "all"
    ONE = "one"
    HERE = "here"


@dataclass(frozen=True)
class Action:
    """`node` does all of it on one node; `course` is a plan of several steps. `internal`: for other nodes only.

    `writes` False: nothing is changed.
    """

    where: Where
    node: Local | None = None
    course: Callable[[Call], Course] | None = None
    check: Callable[[GfsManageRequest], None] = lambda request: None
    internal: bool = False
    writes: bool = True


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
    return _on_all_course(call, node_cluster.set_password, cluster_password=password)


def _alert_course(call: Call) -> Course:
    def do() -> str:
        return alerts.set_up(call)

    return Course(
        Plan("have Pacemaker write its events to a file", [Step("set-up", "make the alert in the cluster", do)]),
        lambda values: values["set-up"],
    )


ACTIONS: dict[str, Action] = {
    "init-pcs-cluster": Action(Where.ONE, course=pcs_cluster.course),
    "create-gfs": Action(Where.ONE, course=create.course, check=_require_disks),
    "delete-gfs": Action(Where.ONE, course=delete.course),
    "extend": Action(Where.ONE, course=extend.extend_course, check=_require_volume),
    "add-extend": Action(Where.ONE, course=extend.add_course),
    "set-alert": Action(Where.ONE, course=_alert_course),
    "configure-stonith": Action(Where.HERE, course=stonith.configure_course),
    "check-stonith": Action(Where.HERE, node=stonith.check, writes=False),
    "check-ipmi": Action(Where.HERE, node=ipmi.check, writes=False),
    "list-gfs": Action(Where.HERE, node=listing.list_gfs, writes=False),
    "check-host": Action(Where.HERE, node=listing.list_hosts, writes=False),
    "scan": Action(Where.ALL, node_disks.scan),
    "rescan": Action(Where.ALL, node_disks.rescan, check=_require_volume),
    "partprobe": Action(Where.ALL, node_disks.partprobe),
    "lvmdevices-add": Action(Where.ALL, node_disks.add_to_devices_file, check=_require_disks),
    "prepare-gfs-node": Action(Where.ALL, node_disks.prepare, check=_require_disks),
    "modify-lvm-conf": Action(Where.ALL, node_cluster.modify_lvm_conf),
    "set-cluster-password": Action(Where.ALL, node_cluster.set_password, course=_with_password),
    "resource-cleanup": Action(Where.ALL, node_cluster.cleanup),
    "prepare-alert-file": Action(Where.ALL, node_cluster.prepare_alert_files),
    "release-gfs-node": Action(Where.ALL, node_disks.release, check=_require_disks, internal=True),
    "see-physical-volumes": Action(Where.ALL, node_disks.see_volumes, internal=True, writes=False),
    "stop-lockspace": Action(Where.ALL, node_disks.stop_lockspace, internal=True),
    "destroy-cluster-node": Action(Where.ALL, node_cluster.destroy, internal=True),
    "store-fence-passwords": Action(Where.ALL, node_cluster.store_fence_passwords, internal=True),
    "forget-fence-passwords": Action(Where.ALL, node_cluster.forget_fence_passwords, internal=True),
}


def begin(
    env: Env, request: GfsManageRequest, *, local: bool, show: bool = False, seconds: float = SECONDS
) -> Work | dict[str, Any]:
    """The work, or the answer where nothing is changed: what only looks, or `show`ing a plan.

    `local`: another node handed this out; nothing is handed on. Raises BadInput, ClusterFileMissing, Conflict.
    """
    name = ALIASES.get(request.action.lower(), request.action.lower())
    action = ACTIONS.get(name)
    if action is None or (action.internal and not local):
        raise bad_field("action", f"is none of {', '.join(_public())}", "unsupported action")
    action.check(request)
    if name == "check-stonith" and stonith.control_of(request) != "check":
        action = Action(Where.HERE, course=stonith.control_course)
    serving = _Serving(env, request.model_copy(update={"action": name}), name, action, local)
    if show:
        return serving.plan(seconds)
    if not action.writes:
        return serving.answer(Quiet(), seconds)
    return Work(
        f"gfs {name}",
        lambda progress: serving.answer(progress, seconds),
        serving.holds,
        cancellable=True,
        look_at="pcs status, lvs, lsblk",
    )


def _public() -> list[str]:
    return [name for name, action in ACTIONS.items() if not action.internal]


class _Serving:
    """One request on this node."""

    def __init__(self, env: Env, request: GfsManageRequest, name: str, action: Action, local: bool) -> None:
        self._env = env
        self._request = request
        self._name = name
        self._action = action
        self._local = local
        orchestrates = not local and (action.where is not Where.HERE or name == "check-host")
        read = cluster_file.read if orchestrates else cluster_file.read_or_empty
        self._config: ClusterConfig = read(env.settings).document.cluster
        self._executor = everywhere.executor(env, self._config) if orchestrates and action.where is Where.ONE else None

    @property
    def _forwards(self) -> bool:
        return self._executor is not None and not self._executor.local

    @property
    def holds(self) -> tuple[str, ...]:
        """A node that only hands the work on writes nothing itself."""
        return () if self._forwards or not self._action.writes else HOLDS

    def answer(self, progress: Progress, seconds: float) -> dict[str, Any]:
        call = self._call(progress, seconds)
        try:
            return self._done(call)
        except ApiError as error:
            error.members = {"action": self._name, "target": self._target, "val": error.detail, **error.members}
            raise
        finally:
            if self._action.writes:
                self._env.readings.forget(disk_inventory.READING)

    def plan(self, seconds: float) -> dict[str, Any]:
        call = self._call(Quiet(), seconds)
        if self._forwards and self._executor is not None:
            return everywhere.forward(call, self._executor, plan=True)
        course = self._course(call)
        shape = course.plan.shape() if course else Plan(self._name, ()).shape()
        return self._told(shape, message="plan")

    def _call(self, progress: Progress, seconds: float) -> Call:
        return Call.begin(self._env, self._request, self._config, seconds, progress, self._name)

    def _done(self, call: Call) -> dict[str, Any]:
        prepared = self._prepared_everywhere(call)
        if self._forwards and self._executor is not None:
            told = everywhere.forward(call, self._executor)
        else:
            course = self._course(call)
            told = self._walked(course, call.progress) if course else self._told(self._node(call))
        if prepared is None:
            return told
        return {**told, "val": {"prepare": prepared, "setup": told["val"]}, "results": prepared}

    def _prepared_everywhere(self, call: Call) -> list[dict[str, Any]] | None:
        """Before an alert is made every node has the files that it writes."""
        if self._name != "set-alert" or self._local:
            return None
        everywhere.require_hosts(call)
        outcomes = everywhere.on_all(call, "prepare-alert-file", node_cluster.prepare_alert_files)
        return [everywhere.entry(outcome) for outcome in outcomes]

    def _course(self, call: Call) -> Course | None:
        """The plan of this node; None for what is one deed on one node."""
        if self._action.where is Where.ALL and not self._local:
            everywhere.require_hosts(call)
            assert self._action.node is not None
            return self._action.course(call) if self._action.course else _on_all_course(call, self._action.node)
        if self._action.course is None or self._action.where is Where.ALL:
            return None
        require_whole_system(call)
        return self._action.course(call)

    def _walked(self, course: Course, progress: Progress) -> dict[str, Any]:
        try:
            values = _run(course.plan, progress)
            val = course.val(values)
        except ApiError as error:
            told = error.members.get("results")
            error.members["results"] = course.results + (told if isinstance(told, list) else [])
            _end_failed(course, error)
            raise
        except BaseException:
            _end_failed(course, ApiError(""))
            raise
        steps = [{"step": step.name, "text": step.text, "outcome": plan.DONE} for step in course.plan.steps]
        results = {"results": course.results} if course.results else {}
        return {**self._told(val), **results, "steps": steps}

    def _node(self, call: Call) -> Any:
        assert self._action.node is not None
        return self._action.node(call)

    def _told(self, val: Any, message: str = "ok") -> dict[str, Any]:
        return {"code": 200, "val": val, "message": message, "action": self._name, "target": self._target}

    @property
    def _target(self) -> str:
        if self._action.where is Where.ALL and not self._local:
            return "fanout"
        return self._executor.address if self._executor is not None else "local"


def _on_all_course(call: Call, node: Local, **changes: Any) -> Course:
    """One deed on every node, as a plan of one step."""
    secrets = {"cluster_password": call.request.cluster_password, "stonith": call.request.stonith}
    results: list[dict[str, Any]] = []

    def do() -> None:
        outcomes = everywhere.on_all(call, call.action, node, **{**secrets, **changes})
        results.extend(everywhere.entry(outcome) for outcome in outcomes)

    names = ", ".join(target.hostname for target in everywhere.members(call.env, call.config))
    plan_of_one = Plan(call.action, [Step(call.action, f"{call.action} on {names}", do)])
    return Course(plan_of_one, lambda values: "ok", results)


def _run(steps: Plan, progress: Progress) -> dict[str, Any]:
    """One deed on its own needs no telling of what was done before it."""
    if len(steps.steps) != 1 or steps.steps[0].undo is not None:
        return plan.run(steps, progress)
    only = steps.steps[0]
    with progress.step(only.name, only.text):
        return {only.name: only.do()}


def _end_failed(course: Course, error: ApiError) -> None:
    if course.if_failed is None:
        return
    try:
        course.if_failed()
    except ApiError as second:
        error.detail += f"; and then {second.detail}"
