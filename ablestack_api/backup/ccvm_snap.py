"""`/cube/ccvm/snap`: from the request to the node that does it (contract 04 §3.1 to §3.3)."""

from functools import partial
from typing import Any

from ablestack_api.backup import snapshots, where
from ablestack_api.backup.models import SnapshotRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.machines import cloud_resource
from ablestack_api.orchestrator import pacemaker_nodes
from ablestack_api.state import cluster_file, own_node
from ablestack_api.state.cluster_document import ClusterConfig

PATH = "/cube/ccvm/snap"
LOCAL_HEADER, RESOLVE_HEADER = "X-Cube-CCVM-Snap-Local", "X-Cube-CCVM-Snap-Resolve"
SECONDS = 2100.0
LIST, BACKUP, ROLLBACK = "list", "backup", "rollback"
CREATED = "CCVM Snapshot Backup Create Success"
LISTED = "CCVM Snapshot List Success"
ROLLED_BACK = "CCVM Snapshot Rollback Success"
HOLD = "snapshots:ccvm"
LOOK_AT = f"rbd snap list {snapshots.IMAGE}"


def work(env: Env, request: SnapshotRequest, deadline: Deadline, *, local: bool, resolve: bool) -> Work:
    """Raises BadInput."""
    action = request.action.lower()
    if action not in (LIST, BACKUP, ROLLBACK):
        raise bad_field("action", "unsupported", "unsupported action")
    if action == ROLLBACK and not request.snap_name:
        raise bad_field("snap_name", "required", "snap_name required")
    if request.snap_name:
        snapshots.check_name(request.snap_name)
    config = cluster_file.read(env.settings).document.cluster
    if not config.is_hci:
        raise bad_field("action", f"not for {config.type or 'an unconfigured cluster'}", "unsupported cluster type")
    asked = SnapshotRequest(action=action, snap_name=request.snap_name, require_running=request.require_running)
    do = partial(_here if local else _resolved, env, config, asked, deadline)
    if not (local or resolve or where.is_member(env, config)):
        do = partial(_ask_a_member, env, config, asked, deadline)
    reads = action == LIST
    return Work(f"snapshot: {action}", do, () if reads else (HOLD,), reads_only=reads, look_at=LOOK_AT)


def _resolved(
    env: Env, config: ClusterConfig, asked: SnapshotRequest, deadline: Deadline, progress: Progress
) -> dict[str, Any]:
    """On a node of the Pacemaker cluster: do it here, or where the VM runs."""
    if asked.action == LIST:
        return do(env, asked, progress)
    place = cloud_resource.read(env)
    if asked.action == ROLLBACK:
        if place is not None and not (place.role == cloud_resource.STOPPED and place.disabled):
            raise Conflict(
                f"{snapshots.ROLLBACK_FAILED}: {cloud_resource.RESOURCE} is {place.role}; disable it first, so that "
                "Pacemaker does not start it meanwhile. Nothing was done"
            )
        return do(env, asked, progress)
    node = where.started_on(env, config, place)
    if node is None:
        return do(env, asked, progress)
    running = asked.model_copy(update={"require_running": True})
    if node.target.local:
        return do(env, running, progress)
    return where.hand_on(env, node.target, PATH, running.model_dump(), LOCAL_HEADER, deadline)


def do(env: Env, asked: SnapshotRequest, progress: Progress) -> dict[str, Any]:
    """Here, whatever Pacemaker says: the answer's body."""
    if asked.action == LIST:
        raw = [snapshot.raw for snapshot in snapshots.list_all(env)]
        return _answer(env, asked, raw, LISTED)
    if asked.action == ROLLBACK:
        safety = snapshots.roll_back(env, asked.snap_name, progress)
        told = {"snap_name": asked.snap_name, "safety_snapshot": safety}
        return _answer(env, asked, ROLLED_BACK, ROLLED_BACK) | told
    name = asked.snap_name or f"{env.clock.now():%Y-%m-%d-%H:%M:%S}"
    made = snapshots.create(env, name, progress, must_run=asked.require_running)
    consistency = "file systems" if made.frozen else "crash"
    more: dict[str, Any] = {"snap_name": name, "consistency": consistency, "existed": made.existed}
    for key, names in (("deleted_snapshots", made.deleted), ("warnings", made.warnings)):
        more |= {key: names} if names else {}
    return _answer(env, asked, CREATED, CREATED) | more


def _here(
    env: Env, _config: ClusterConfig, asked: SnapshotRequest, _deadline: Deadline, progress: Progress
) -> dict[str, Any]:
    return do(env, asked, progress)


def _ask_a_member(
    env: Env, config: ClusterConfig, asked: SnapshotRequest, deadline: Deadline, _progress: Progress
) -> dict[str, Any]:
    return where.first_answering(
        env, config, lambda target: where.hand_on(env, target, PATH, asked.model_dump(), RESOLVE_HEADER, deadline)
    )


def _answer(env: Env, asked: SnapshotRequest, value: Any, message: str) -> dict[str, Any]:
    return {"code": 200, "val": value, "message": message, "target": _own_label(env), "action": asked.action}


def _own_label(env: Env) -> str:
    config = cluster_file.read_or_empty(env.settings).document.cluster
    own = pacemaker_nodes.own(env.settings, pacemaker_nodes.list_nodes(env.settings, config))
    return own.target.address if own else own_node.hostname(env.settings) or "local"
