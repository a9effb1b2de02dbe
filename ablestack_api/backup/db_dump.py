"""`/cube/db/dump`: on the Cloud Center VM itself, or handed on to it (contract 04 §6.3)."""

from typing import Any

from ablestack_api.backup import dump, dump_files, dump_request, dump_schedule, dump_verify, roots, where
from ablestack_api.backup.dump_request import CHECK, DEACTIVE, INSTANT, VERIFY, Asked
from ablestack_api.backup.models import DbDumpRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ClusterFileMissing, NotFound
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.orchestrator import targets
from ablestack_api.state import cluster_file, own_node

LOCAL_HEADER = "X-Cube-DB-Dump-Local"
PATH = "/cube/db/dump"
SECONDS = dump.DUMP_SECONDS + dump_verify.LOAD_SECONDS
CCVM_NAME = "ccvm"
DONE = "Creation of mysqldump of ccvm is completed"


def work(env: Env, request: DbDumpRequest, deadline: Deadline, *, local: bool) -> Work:
    """What to do for a request, here or on the Cloud Center VM. Raises BadInput, NotFound."""
    asked = dump_request.check(request)
    kind = f"database dump: {asked.action}"
    target = _handed_to(env, local=local)
    if target is not None:
        return Work(kind, lambda _progress: _hand_on(env, target, request, deadline), reads_only=asked.action == CHECK)
    if asked.action == CHECK:
        return Work(kind, lambda progress: _do(env, asked, progress), reads_only=True)
    return Work(kind, lambda progress: _do(env, asked, progress), ("db-dump",), look_at=asked.path)


def _handed_to(env: Env, *, local: bool) -> Target | None:
    """The Cloud Center VM; None when this node is it. Raises NotFound when cluster.json does not name one."""
    if local or own_node.is_own_name(env.settings, CCVM_NAME):
        return None
    try:
        document = cluster_file.read(env.settings).document
    except ClusterFileMissing:
        raise NotFound("this node has no cluster.json and is not the Cloud Center VM; nothing was done") from None
    found = targets.ccvm(env.settings, document.cluster, document.profile.bootstrap)
    if not found:
        raise NotFound("cluster.json does not name the Cloud Center VM (clusterConfig.ccvm.ip); nothing was done")
    return None if found[0].local else found[0]


def _hand_on(env: Env, target: Target, request: DbDumpRequest, deadline: Deadline) -> dict[str, Any]:
    """Let the Cloud Center VM do it; its answer, with its address as the target. Raises PeersFailed."""
    return where.hand_on(env, target, PATH, request.model_dump(by_alias=True), LOCAL_HEADER, deadline)


def _do(env: Env, asked: Asked, progress: Progress) -> dict[str, Any]:
    """The body of the answer, when this is the Cloud Center VM."""
    return {"code": 200, "val": _value(env, asked, progress), "message": "ok", "action": asked.action, "target": "local"}


def _value(env: Env, asked: Asked, progress: Progress) -> Any:
    if asked.action == CHECK:
        return dump_schedule.show(env, asked.sort)
    if asked.action == DEACTIVE:
        dump_schedule.remove(env, asked.sort)
        return "deactive"
    folder = roots.checked(env.settings, "path", asked.path)
    if asked.action == INSTANT:
        return dump.make(env, folder, progress)
    if asked.action == VERIFY:
        return dump_verify.verify(env, dump_files.find(folder, asked.file), progress)
    dump_schedule.put(env, asked, folder)
    return DONE
