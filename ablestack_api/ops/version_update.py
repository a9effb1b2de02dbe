"""`POST /cube/version/update`: what a mounted update medium holds, and running it (contract 06 §2.2).

Everything is checked before the first step; one update at a time runs in the whole cluster.
"""

import os
from functools import partial
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, Conflict, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.jobs import lookup, plan
from ablestack_api.jobs.models import JobsQuery
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress, Quiet
from ablestack_api.jobs.work import Work
from ablestack_api.ops import update_copy, update_media, update_run, versions
from ablestack_api.ops.update_media import Medium
from ablestack_api.ops.update_models import UpdateInfo, UpdateRequest
from ablestack_api.ops.update_run import Finished
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import cluster_file, jobs_db

PATH = "/cube/version/update"
LOCAL_HEADER = "X-Cube-Version-Update-Local"
KIND = "version update"
INFO, RUN, LOOK = "info", "run", "look"
RETNAMES = {INFO: "ABLESTACK Version Update Info", RUN: "ABLESTACK Version Update", LOOK: "Look"}
LOOK_SECONDS = 20.0

Told = dict[str, Any]


def work(env: Env, request: UpdateRequest, *, local: bool) -> Work:
    """Raises BadInput, NotFound, Conflict; for `run` everything that can be known before is checked here."""
    action = request.action.lower()
    if action == LOOK and local:
        return Work(KIND, lambda _: _answer(LOOK, {"running": is_running_here(env)}), reads_only=True)
    if action not in (INFO, RUN):
        raise bad_field("action", "is neither info nor run", "unsupported action")
    update_media.kind_of(request.update_type)
    if action == INFO:
        return Work(KIND, lambda _: _told_as_0_1_2(action, partial(_info_answer, env, request)), reads_only=True)
    return Work(
        KIND,
        lambda progress: _told_as_0_1_2(action, partial(_run, env, request, progress)),
        holds=("version-update",),
        cancellable=True,
        look_at="POST /api/v1/cube/version/update with action info: last_run tells whether the script runs, and its log",
    )


def show_plan(env: Env, request: UpdateRequest) -> Told:
    """Raises what `run` would be refused with."""
    medium = update_media.read(env.settings, request.mount_path, request.update_type)
    _require_runnable(env, request, medium)
    return _answer(RUN, _plan(env, request, medium, Quiet()).shape())


def info(env: Env, medium: Medium) -> UpdateInfo:
    current = versions.current_os(env)
    copy = update_copy.path(env)
    return UpdateInfo(
        mount_path=_shown(env, medium.root),
        copy_path=_shown(env, copy),
        current_os_version=current,
        current_mold_version=versions.current_mold(env),
        target_os_version=medium.target_version,
        target_mold_version=update_media.mold_version(medium),
        current_ablestack_version=current,
        target_ablestack_version=medium.target_version,
        update_type=medium.kind,
        update_label=update_media.LABELS[medium.kind],
        update_script=_shown(env, os.path.join(medium.root, medium.script)),
        work_update_script=_shown(env, os.path.join(copy, medium.script)),
        checksum_file=medium.checksums or None,
        last_run=update_run.last(env),
    )


def is_running_here(env: Env) -> bool:
    """As a job, or as a script that goes on since the daemon was restarted."""
    last = update_run.last(env)
    if last is not None and last.running:
        return True
    jobs = lookup.listed(env, jobs_db.JobsDb(jobs_db.path_of(env.settings)), JobsQuery(kind=KIND, limit=20))
    return any(job.status in jobs_db.UNENDED for job in jobs)


def _info_answer(env: Env, request: UpdateRequest) -> Told:
    medium = update_media.read(env.settings, request.mount_path, request.update_type)
    return _answer(INFO, info(env, medium).model_dump(exclude_none=True))


def _run(env: Env, request: UpdateRequest, progress: Progress) -> Told:
    with progress.step("check", "look at the medium, this node and the other hosts"):
        medium = update_media.read(env.settings, request.mount_path, request.update_type)
        _require_runnable(env, request, medium)
        before = info(env, medium)
    done: Finished = plan.run(_plan(env, request, medium, progress), progress)["run"]
    told = before.model_dump(include=set(RESULT_KEYS)) | {
        "message": f"{before.update_label} is done",
        "update_script": before.work_update_script,
        "stdout": done.stdout,
        "log": done.run.log,
    }
    return _answer(RUN, told | ({"stderr": done.stderr} if done.stderr else {}))


RESULT_KEYS = (
    *("mount_path", "copy_path", "current_os_version", "current_mold_version", "target_os_version", "target_mold_version"),
    *("update_type", "update_label"),
)


def _plan(env: Env, request: UpdateRequest, medium: Medium, progress: Progress) -> Plan:
    copy = update_copy.path(env)

    def run() -> Finished:
        progress.check_cancelled()
        return update_run.wait(env, update_run.start(env, medium, medium.kind), progress)

    # A copy is not taken back when its script has failed: it may be looked at, and something of it may still run.
    steps = [
        Step("copy", f"copy {medium.root} to {copy}", lambda: update_copy.make(env, medium)),
        Step(
            "verify", "compare the copy with the checksums of the medium", lambda: update_copy.verify(env, medium, progress)
        ),
        Step("run", f"run {medium.script} in {copy}", run, commands=[["bash", f"./{medium.script}"]]),
    ]
    warnings = [] if medium.checksums else ["the medium has no checksum file: its files are run as they are"]
    overrides = _objections(medium) if request.force else []
    return Plan(f"{update_media.LABELS[medium.kind]} to {medium.target_version}", steps, warnings, overrides)


def _require_runnable(env: Env, request: UpdateRequest, medium: Medium) -> None:
    if not env.settings.is_whole_system:
        raise Conflict("this node lives in a folder: the system around it is not updated")
    last = update_run.last(env)
    if last is not None and last.running:
        raise Conflict(f"{last.script} of {last.started} still runs on this node ({last.unit}); its output is in {last.log}")
    update_copy.require_place(env, medium)
    busy, silent = _others(env)
    if busy:
        raise Conflict(f"an update runs on {', '.join(busy)} already; one at a time runs in a cluster. Nothing was begun")
    objections = [*_objections(medium), *silent]
    if objections and not request.force:
        raise Conflict(f"{'; '.join(objections)}. Nothing was begun", overridable=objections)


def _objections(medium: Medium) -> list[str]:
    return update_media.writable_by_others(medium)


def _others(env: Env) -> tuple[list[str], list[str]]:
    """(hosts on which an update runs, what is said of hosts that do not tell). This node holds its lock by now: of two
    that begin at once, at least one sees the other."""
    config = cluster_file.read_or_empty(env.settings).document.cluster
    others = [target for target in targets.hosts(env.settings, config) if not target.local]
    outcomes = fanout.at_once(others, lambda target: _look_at(env, target))
    busy = [each.target.hostname for each in outcomes if each.good and (each.value or {}).get("running")]
    silent = [
        f"{each.target.hostname} does not tell whether an update runs there: {each.message}" for each in outcomes if each.bad
    ]
    return busy, silent


def _look_at(env: Env, target: Target) -> Outcome:
    limit = Deadline(env.clock, LOOK_SECONDS)
    return fanout.call(env, target, "POST", PATH, body={"action": LOOK}, deadline=limit, local_mode=LOCAL_HEADER)


def _answer(action: str, value: Told) -> Told:
    return {"code": 200, "val": value, "retname": RETNAMES[action], "message": "ok", "action": action}


def _told_as_0_1_2(action: str, do: Any) -> Told:
    """Its errors had the text in `val` too."""
    try:
        answer: Told = do()
    except ApiError as error:
        error.members = {"val": error.detail, "action": action, "retname": RETNAMES[action], **error.members}
        raise
    return answer


def _shown(env: Env, path: str) -> str:
    """As the operator calls it: a node in a folder has its own root."""
    if env.settings.is_whole_system:
        return path
    root = os.path.realpath(env.settings.sysroot)
    return "/" + os.path.relpath(path, root) if path.startswith(root + os.sep) else path
