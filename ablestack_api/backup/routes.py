"""/cube/db/dump, /cube/ccvm/snap, /cube/ccvm/backup, /cube/ccvm/restore."""

from flask import Blueprint, Response

from ablestack_api.backup import ccvm_backup, ccvm_snap, db_dump
from ablestack_api.backup.models import (
    BackupAnswer,
    BackupRequest,
    DbDumpAnswer,
    DbDumpRequest,
    RestoreRequest,
    SnapshotAnswer,
    SnapshotRequest,
)
from ablestack_api.core.errors import (
    BadInput,
    Busy,
    ClusterFileDamaged,
    Conflict,
    DiskFull,
    FileUnusable,
    NotFound,
    PeersFailed,
    StateFileDamaged,
)
from ablestack_api.jobs.answer import long_work
from ablestack_api.web import read
from ablestack_api.web.context import deadline, describe, env, is_local_mode
from ablestack_api.web.endpoint import endpoint
from ablestack_api.web.error_groups import LIBVIRT_ERRORS, PACEMAKER_ERRORS, TOOL_ERRORS

blueprint = Blueprint("backup", __name__)

MACHINE_ERRORS = (*PACEMAKER_ERRORS, *LIBVIRT_ERRORS, StateFileDamaged)
FILE_ERRORS = (ClusterFileDamaged, FileUnusable, DiskFull)


@blueprint.post("/cube/db/dump")
@endpoint(
    "Dump the Cloud Center's database, schedule dumps and their deletion, prove a dump by restoring it",
    body=DbDumpRequest,
    returns=DbDumpAnswer,
    errors=(BadInput, NotFound, Busy, Conflict, PeersFailed, *FILE_ERRORS, *TOOL_ERRORS),
)
def post_db_dump() -> Response:
    asked = read.body(DbDumpRequest)
    describe(action=asked.action, path=asked.path, repeat=asked.repeat, file=asked.file)
    local = is_local_mode(db_dump.LOCAL_HEADER)
    return long_work(db_dump.work(env(), asked, deadline(db_dump.SECONDS), local=local))


@blueprint.post("/cube/ccvm/snap")
@endpoint(
    "Snapshots of the Cloud Center VM's disk: list, make one, roll back to one (HCI types)",
    body=SnapshotRequest,
    returns=SnapshotAnswer,
    errors=(BadInput, NotFound, Busy, Conflict, PeersFailed, *PACEMAKER_ERRORS, *FILE_ERRORS, *TOOL_ERRORS),
)
def post_ccvm_snap() -> Response:
    asked = read.body(SnapshotRequest)
    describe(action=asked.action, snap_name=asked.snap_name)
    local, resolve = is_local_mode(ccvm_snap.LOCAL_HEADER), is_local_mode(ccvm_snap.RESOLVE_HEADER)
    limit = deadline(ccvm_snap.SECONDS)
    return long_work(ccvm_snap.work(env(), asked, limit, local=local, resolve=resolve))


@blueprint.post("/cube/ccvm/backup")
@endpoint(
    "Backups of the Cloud Center VM's disk into files: make, watch, list, schedule (ablestack-vm, ablestack-standalone)",
    body=BackupRequest,
    returns=BackupAnswer,
    errors=(BadInput, NotFound, Busy, Conflict, PeersFailed, *MACHINE_ERRORS, *FILE_ERRORS, *TOOL_ERRORS),
)
def post_ccvm_backup() -> Response:
    asked = read.body(BackupRequest)
    describe(action=asked.action, target_dir=asked.target_dir, repeat=asked.repeat)
    local, resolve = is_local_mode(ccvm_backup.LOCAL_HEADER), is_local_mode(ccvm_backup.RESOLVE_HEADER)
    limit = deadline(ccvm_backup.SECONDS)
    return long_work(ccvm_backup.work(env(), asked, limit, local=local, resolve=resolve))


@blueprint.post("/cube/ccvm/restore")
@endpoint(
    "Give the Cloud Center VM the disk of a backup; the old disk is kept until it runs again",
    body=RestoreRequest,
    returns=BackupAnswer,
    errors=(BadInput, NotFound, Busy, Conflict, PeersFailed, *MACHINE_ERRORS, *FILE_ERRORS, *TOOL_ERRORS),
)
def post_ccvm_restore() -> Response:
    asked = read.body(RestoreRequest)
    describe(target_file=asked.target_file)
    local = is_local_mode(ccvm_backup.LOCAL_HEADER)
    return long_work(ccvm_backup.restore_work(env(), asked, deadline(ccvm_backup.SECONDS), local=local))
