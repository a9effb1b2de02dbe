"""One request to /cube/gfs/manage: done here, on every host or by another one, and answered (contract 02 §6.2, §6.3)."""

from typing import Any

from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.hosts import cluster_hosts, storage_readings, storage_work
from ablestack_api.hosts.gfs import actions, everywhere, node_cluster
from ablestack_api.hosts.gfs.actions import Action, Where, on_all_course
from ablestack_api.hosts.gfs.call import Call, Course
from ablestack_api.hosts.gfs.models import GfsManageRequest
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan
from ablestack_api.jobs.progress import Progress, Quiet
from ablestack_api.jobs.work import Work
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import ClusterConfig

# Clients wait 900 s (contract 02 §6.14): what is not done by then is undone, and they are told.
SECONDS = 840.0
HOLDS = (storage_work.HOLD,)
LOCAL_HEADER = everywhere.LOCAL_HEADER


def begin(
    env: Env, request: GfsManageRequest, *, local: bool, show: bool = False, seconds: float = SECONDS
) -> Work | dict[str, Any]:
    """The work, or the answer where nothing is changed: what only looks, or `show`ing a plan.

    `local`: another node handed this out; nothing is handed on. Raises BadInput, ClusterFileMissing, Conflict.
    """
    name, action = actions.named(request, local=local)
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
        needs = self._action.writes and self._action.holds
        return HOLDS if needs and not self._forwards else ()

    def answer(self, progress: Progress, seconds: float) -> dict[str, Any]:
        call = self._call(progress, seconds)
        try:
            return self._done(call)
        except ApiError as error:
            error.members = {"action": self._name, "target": self._target, "val": error.detail, **error.members}
            raise
        finally:
            if self._action.writes:
                storage_readings.forget(self._env)

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
        cluster_hosts.required(cluster_hosts.of(call.env, call.config))
        outcomes = everywhere.on_all(call, "prepare-alert-file", node_cluster.prepare_alert_files)
        return [everywhere.entry(outcome) for outcome in outcomes]

    def _course(self, call: Call) -> Course | None:
        """The plan of this node; None for what is one deed on one node."""
        if self._action.where is Where.ALL and not self._local:
            cluster_hosts.required(cluster_hosts.of(call.env, call.config))
            assert self._action.node is not None
            return self._action.course(call) if self._action.course else on_all_course(call, self._action.node)
        if self._action.course is None or self._action.where is Where.ALL:
            return None
        storage_work.require_whole_system(self._env)
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
