"""`/cube/ccvm/backup` and `/cube/ccvm/restore`: from the request to the node that does it (contract 04 §4.3, §5)."""

import os
from dataclasses import replace
from functools import partial
from typing import Any

from ablestack_api.backup import (
    backup_request,
    backup_view,
    disk_backup,
    disk_files,
    disk_restore,
    roots,
    schedule_file,
    where,
)
from ablestack_api.backup.backup_request import (
    BACKUP,
    LIST,
    OVERVIEW,
    READS,
    SCHEDULE,
    SCHEDULE_DELETE,
    STATUS,
    UNSCHEDULE,
)
from ablestack_api.backup.models import BackupRequest, RestoreRequest
from ablestack_api.backup.schedule_file import Schedules, Section
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hypervisor import backup_job, domains
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.machines import cloud_resource
from ablestack_api.orchestrator import pacemaker_nodes
from ablestack_api.state import cluster_file, json_file, own_node
from ablestack_api.state.cluster_document import ClusterConfig

PATH, RESTORE_PATH = "/cube/ccvm/backup", "/cube/ccvm/restore"
LOCAL_HEADER, RESOLVE_HEADER = "X-Cube-CCVM-Backup-Local", "X-Cube-CCVM-Backup-Resolve"
SECONDS = disk_backup.COPY_SECONDS + 1800.0
STANDALONE = "ablestack-standalone"
FILE_TYPES = ("ablestack-vm", STANDALONE)
HOLD = "vm:ccvm"
SET, UNSET = "정기 백업 설정 완료", "정기 백업 비활성화 완료"
POLICY_SET, POLICY_UNSET = "삭제 관리 설정 완료", "삭제 관리 비활성화 완료"
NO_HOST = "ccvm running host not found"

Told = dict[str, Any]


def work(env: Env, request: BackupRequest, deadline: Deadline, *, local: bool, resolve: bool) -> Work:
    """Raises BadInput."""
    asked = backup_request.check(request)
    config = cluster_file.read(env.settings).document.cluster
    _refuse_other_types(config)
    reads = asked.action in READS
    kind = f"disk backup: {asked.action}"
    do = partial(resolved, env, config, asked, deadline)
    if local or _is_standalone(config):
        do = partial(_here, env, config, asked)
    elif not (resolve or where.is_member(env, config)):
        do = partial(_ask_a_member, env, config, asked, PATH, RESOLVE_HEADER, deadline)
    return Work(kind, do, (HOLD,) if asked.action == BACKUP else (), cancellable=True, reads_only=reads)


def restore_work(env: Env, request: RestoreRequest, deadline: Deadline, *, local: bool) -> Work:
    """Raises BadInput, Conflict."""
    name = request.target_file
    if not name or os.path.basename(name) != name or "\\" in name or name in (".", ".."):
        text = "target_file must be a file name" if name else "target_file required"
        raise bad_field("target_file", "a file name", text)
    config = cluster_file.read(env.settings).document.cluster
    _refuse_other_types(config)
    if local or _is_standalone(config) or where.is_member(env, config):
        return Work("disk restore", partial(_restore, env, config, name), (HOLD,), cancellable=True)
    do = partial(_ask_a_member, env, config, request, RESTORE_PATH, LOCAL_HEADER, deadline)
    return Work("disk restore", do)


def resolved(env: Env, config: ClusterConfig, asked: BackupRequest, deadline: Deadline, progress: Progress) -> Told:
    """On a node of the Pacemaker cluster: where the VM runs for what needs it, here for the rest."""
    if asked.action not in (BACKUP, STATUS):
        return _here(env, config, asked, progress)
    node = where.started_on(env, config, cloud_resource.read(env))
    if node is None:
        if asked.action == STATUS:
            return _answer(env, config, asked.action, {"active": False, "message": NO_HOST, "fields": {}, "raw": ""})
        raise Conflict(f"{NO_HOST}: start the Cloud Center VM first; nothing was done")
    if node.target.local:
        return _here(env, config, asked, progress)
    return where.hand_on(env, node.target, PATH, asked.model_dump(), LOCAL_HEADER, deadline)


def default_folder(env: Env, config: ClusterConfig) -> str:
    """Where backups and their schedule are when a request names nothing (contract 04 §4.4)."""
    if config.backup_path:
        return roots.checked(env.settings, "clusterConfig.backup_path", config.backup_path)
    below = env.settings.below
    if _is_standalone(config) or (os.path.isdir(below("mnt/glue")) and not os.path.isdir(below("mnt/glue-gfs"))):
        return below("mnt/glue/backup/ccvm")
    return below("mnt/glue-gfs/backup/ccvm")


def _folder(env: Env, config: ClusterConfig, asked: BackupRequest) -> str:
    if asked.target_dir:
        return roots.checked(env.settings, "target_dir", asked.target_dir)
    folder = default_folder(env, config)
    return schedule_file.read(folder).target_dir or folder


def _here(env: Env, config: ClusterConfig, asked: BackupRequest, progress: Progress) -> Told:
    if asked.action == BACKUP:
        value: Any = disk_backup.make(env, _folder(env, config, asked), progress)
    elif asked.action == STATUS:
        value = _status(env)
    elif asked.action == LIST:
        value = backup_view.listed(_folder(env, config, asked))
    elif asked.action == OVERVIEW:
        folder = default_folder(env, config)
        schedules = schedule_file.read(folder)
        wanted = roots.checked(env.settings, "target_dir", asked.target_dir) if asked.target_dir else schedules.target_dir
        value = backup_view.overview(folder, replace(schedules, target_dir=wanted))
    else:
        value = _schedule(env, config, asked)
    return _answer(env, config, asked.action, value)


def _status(env: Env) -> Told:
    """A libvirt that fails is a failure, not "no job" (contract 04 B-34)."""
    if domains.read_state(env.libvirt, disk_backup.DOMAIN) != domains.RUNNING:
        return {"active": False, "message": "ccvm does not run on this node", "fields": {}, "raw": ""}
    job = backup_job.read(env.libvirt, disk_backup.DOMAIN)
    fields = job.fields()
    raw = "".join(f"{key + ':':<17}{value}\n" for key, value in fields.items())
    message = "" if job.active else "no active job"
    return {"active": job.active, "message": message, "fields": fields if job.active else {}, "raw": raw}


def _schedule(env: Env, config: ClusterConfig, asked: BackupRequest) -> str:
    """The file always lies in the default folder, where every node looks for it (contract 04 B-31)."""
    folder = default_folder(env, config)
    target = roots.checked(env.settings, "target_dir", asked.target_dir) if asked.target_dir else ""
    now = env.clock.now()

    def edit(schedules: Schedules) -> Schedules:
        kept = replace(schedules, target_dir=target or schedules.target_dir)
        if asked.action in (SCHEDULE, SCHEDULE_DELETE):
            section = replace(backup_request.section(asked, asked.action), since=now.isoformat(timespec="seconds"))
        else:
            section = Section()
        if asked.action in (SCHEDULE, UNSCHEDULE):
            return replace(kept, backup=section)
        return replace(kept, delete=section)

    schedule_file.change(folder, now, edit)
    return {SCHEDULE: SET, UNSCHEDULE: UNSET, SCHEDULE_DELETE: POLICY_SET}.get(asked.action, POLICY_UNSET)


def _restore(env: Env, config: ClusterConfig, name: str, progress: Progress) -> Told:
    folder = default_folder(env, config)
    folder = schedule_file.read(folder).target_dir or folder
    standalone = _is_standalone(config)
    disk = disk_restore.disk_path(env, standalone=standalone)
    with json_file.locked(os.path.join(folder, ".ccvm_backup")):
        found = disk_files.find(folder, name)
        value = disk_restore.run(env, disk_restore.Restore(found, disk, standalone), progress)
    return _answer(env, config, "restore", value)


def _ask_a_member(
    env: Env,
    config: ClusterConfig,
    asked: BackupRequest | RestoreRequest,
    path: str,
    header: str,
    deadline: Deadline,
    _progress: Progress,
) -> Told:
    def ask(target: Target) -> Told:
        return where.hand_on(env, target, path, asked.model_dump(), header, deadline)

    return where.first_answering(env, config, ask)


def _refuse_other_types(config: ClusterConfig) -> None:
    if config.type.lower() not in FILE_TYPES:
        raise bad_field(
            "action",
            f"not for {config.type or 'an unconfigured cluster'}",
            "file backups are for ablestack-vm and ablestack-standalone; HCI types have snapshots (/cube/ccvm/snap)",
        )


def _is_standalone(config: ClusterConfig) -> bool:
    return config.type.lower() == STANDALONE


def _answer(env: Env, config: ClusterConfig, action: str, value: Any) -> Told:
    return {"code": 200, "val": value, "message": "ok", "target": _label(env, config), "action": action}


def _label(env: Env, config: ClusterConfig) -> str:
    own = own_node.find_self(env.settings, config)
    if own is not None and own.ablecube:
        return own.ablecube
    node = pacemaker_nodes.own(env.settings, pacemaker_nodes.list_nodes(env.settings, config))
    return node.target.address if node else own_node.hostname(env.settings) or "local"
