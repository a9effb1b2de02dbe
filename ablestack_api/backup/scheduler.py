"""What is done by itself: the nightly snapshot (HCI types), backups and their deletion by schedule (contract 04 §3.4, §4.7).

Every node looks three times a minute; only the one that Pacemaker has made its coordinator acts, and what it does is done
once in the whole cluster whoever thinks it is that one: the name of a snapshot and the claim of a run can be made once.
A run that was missed (daemon down, power cut) is made up for once, and told.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ablestack_api.backup import ccvm_backup, ccvm_snap, disk_files, schedule_file, snapshots
from ablestack_api.backup.backup_request import BACKUP
from ablestack_api.backup.models import BackupRequest, SnapshotRequest
from ablestack_api.backup.schedule_file import Schedules
from ablestack_api.backup.snapshots import AUTOMATIC
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.jobs.job_runner import JobRunner
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.orchestrator import pacemaker_nodes
from ablestack_api.state import cluster_file, error_list, json_file
from ablestack_api.state.cluster_document import ClusterConfig, ClusterDocument
from ablestack_api.tools import crm_mon

log = logging.getLogger(__name__)

LOOK_SECONDS = 20.0
SNAPSHOT_HOUR = 1
# A run that begins so much later than it was due is told as one that was missed.
LATE = timedelta(minutes=5)
MONTH_SECONDS = 30 * 86400.0
HOLDER = "schedule"


def run_for_ever(env: Env, jobs: JobRunner, goes_on: Callable[[], bool]) -> None:
    """Body of the daemon's schedule thread; one worker process at a time acts."""
    while goes_on():
        try:
            with json_file.locked(os.path.join(env.settings.state_root, "scheduler"), timeout=0.1):
                look(env, jobs)
        except ApiError as error:
            log.info("schedules were not looked at: %s", error.detail)
        except Exception:
            log.exception("looking at the schedules failed")
        time.sleep(LOOK_SECONDS)


def look(env: Env, jobs: JobRunner) -> None:
    """Begin what is due now."""
    document = cluster_file.read_or_empty(env.settings).document
    if not document.is_configured:
        return
    if document.cluster.is_hci:
        _look_at_snapshots(env, jobs, document)
    elif document.cluster.type.lower() in ccvm_backup.FILE_TYPES:
        _look_at_backups(env, jobs, document.cluster)


def is_owner(env: Env, config: ClusterConfig) -> bool:
    """Is this node Pacemaker's coordinator, with a quorum behind it? A standalone host always owns its schedules."""
    if config.type.lower() == ccvm_backup.STANDALONE:
        return True
    state = crm_mon.read(env.runner, env.settings)
    node = pacemaker_nodes.find(pacemaker_nodes.list_nodes(env.settings, config), state.dc)
    return state.has_quorum and node is not None and node.target.local


def _look_at_snapshots(env: Env, jobs: JobRunner, document: ClusterDocument) -> None:
    if document.profile.bootstrap.ccvm.lower() != "true":
        return
    now = env.clock.now()
    due = now.replace(hour=SNAPSHOT_HOUR, minute=0, second=0, microsecond=0)
    name = f"{AUTOMATIC}{due:%Y-%m-%d}"
    if now < due or _tried(env) == name or not is_owner(env, document.cluster):
        return
    # Another coordinator may have made it in time: then nothing was missed.
    made = now - due > LATE and name in [snapshot.name for snapshot in snapshots.list_all(env)]
    json_file.write_json(_tried_path(env), {"snapshot": name})
    if made:
        return
    _tell_if_late(env, f"the nightly snapshot {name}", due, now)
    asked = SnapshotRequest(action=ccvm_snap.BACKUP, snap_name=name)
    limit = Deadline(env.clock, ccvm_snap.SECONDS)
    _begin(env, jobs, ccvm_snap.work(env, asked, limit, local=False, resolve=True))


def _look_at_backups(env: Env, jobs: JobRunner, config: ClusterConfig) -> None:
    folder = ccvm_backup.default_folder(env, config)
    schedules = schedule_file.read(folder)
    now = env.clock.now()
    for sort, section in (("backup", schedules.backup), ("delete", schedules.delete)):
        due = section.due(now)
        if due is None or not is_owner(env, config):
            continue
        key = section.key(due)
        mine = schedule_file.claim(folder, sort, f"{key}-{section.time.replace(':', '')}")
        schedule_file.change(folder, now, partial(_ran, sort=sort, key=key))
        if mine:
            _tell_if_late(env, f"the {section.repeat} {sort} of the cloud VM's disk", due, now)
            _begin(env, jobs, _work(env, schedules, folder, sort))


def _work(env: Env, schedules: Schedules, folder: str, sort: str) -> Work:
    target = schedules.target_dir or folder
    if sort == "backup":
        asked = BackupRequest(action=BACKUP, target_dir=target)
        return ccvm_backup.work(env, asked, Deadline(env.clock, ccvm_backup.SECONDS), local=False, resolve=True)
    age = max(1, schedules.delete.retention_months) * MONTH_SECONDS
    now = env.clock.now().timestamp()
    return Work(
        "disk backup: delete old ones",
        lambda _progress: {"code": 200, "val": disk_files.remove_older(target, age, now), "message": "ok"},
    )


def _ran(schedules: Schedules, sort: str, key: str) -> Schedules:
    if sort == "backup":
        return replace(schedules, backup=replace(schedules.backup, last_run_key=key))
    return replace(schedules, delete=replace(schedules.delete, last_run_key=key))


def _begin(env: Env, jobs: JobRunner, work: Work) -> None:
    """As a job, in a thread of its own. What it raises is in the job's record, and in the list of errors."""

    def do(progress: Progress) -> dict[str, Any]:
        try:
            return work.do(progress)
        except ApiError as error:
            error_list.record(env.settings, env.clock, f"scheduled {work.kind} failed: {error.detail}")
            raise

    try:
        jobs.enqueue(jobs.accept(replace(work, do=do), holder=HOLDER, account=HOLDER, later=True))
    except ApiError as error:
        error_list.record(env.settings, env.clock, f"scheduled {work.kind} could not begin: {error.detail}")


def _tell_if_late(env: Env, what: str, due: datetime, now: datetime) -> None:
    if now - due > LATE:
        error_list.record(env.settings, env.clock, f"{what} was due at {due:%Y-%m-%d %H:%M}; it was missed and is made now")


def _tried_path(env: Env) -> str:
    return os.path.join(env.settings.state_root, "snapshot-schedule.json")


def _tried(env: Env) -> str:
    value = json_file.read_json(_tried_path(env))
    return str(value.get("snapshot", "")) if isinstance(value, dict) else ""
