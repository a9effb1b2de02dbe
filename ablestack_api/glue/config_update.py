"""`POST /cube/glue/config/update`: every host and storage VM gets the storage cluster's client files (contract 05 §4).

The files come from the monitors. A node that cannot reach them hands the whole work on to a node of the Pacemaker cluster.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, BadInput, CommandFailed, CommandTimedOut, ProgramMissing, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.glue import ceph_files
from ablestack_api.glue.ceph_files import Client
from ablestack_api.glue.models import ConfigRequest
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.orchestrator import fanout, hand_on, targets, transaction
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.orchestrator.transaction import Change
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import ClusterConfig, Host

ACTION = "update"
SUCCESS = "Glue Config All cube host and scvm update Success"
FAILURE = "Glue Config copy Failed"
HEALTH_FAILURE = "health check failed"
LOCAL_DONE = "local target already updated"
LOCAL = "local"
HOLD = "storage configuration"
LOCAL_HEADER = "X-Cube-Glue-Config-Local"
SECONDS = 180.0
# 0.1.2's name of the role `host`.
ABLECUBE = "ablecube"
HEALTH, COPY = "health", "copy"
SOURCE_ERRORS = (CommandFailed, CommandTimedOut, ProgramMissing)

Shape = dict[str, Any]


def work(env: Env, request: ConfigRequest, holder: str, deadline: Deadline, *, handed_on: bool) -> Work:
    """Raises BadInput."""
    if request.action.strip().lower() not in ("", ACTION):
        raise bad_field("action", f"is not {ACTION}", "unsupported action")
    return Work(
        "storage configuration update",
        lambda progress: update(env, request, holder, deadline, progress, handed_on=handed_on),
        holds=(HOLD,),
        look_at="ablestack-api change",
    )


def update(
    env: Env, request: ConfigRequest, holder: str, deadline: Deadline, progress: Progress, *, handed_on: bool
) -> Shape:
    """All nodes get the files or none does. An error has 0.1.2's members beside its own."""
    try:
        config = cluster_file.read(env.settings).document.cluster
        members = _members(env)
        try:
            with progress.step("source", "get the configuration from the monitors and try it out"):
                client = ceph_files.read_from_cluster(env)
        except SOURCE_ERRORS as error:
            if handed_on:
                raise
            return _elsewhere(env, config, request, deadline, progress, error)
        with progress.step("distribute", f"give it to {len(members)} nodes"):
            return _distributed(env, client, members, request, holder, deadline)
    except ApiError as error:
        error.members.setdefault("val", error.detail)
        error.members["action"] = ACTION
        raise


def _members(env: Env) -> list[Target]:
    """Every host, then every storage VM; compared by address only: a storage VM bears its host's name in cluster.json."""
    document = cluster_file.read(env.settings).document
    hosts = [replace(target, role=ABLECUBE) for target in targets.hosts(env.settings, document.cluster)]
    members = [*hosts, *targets.scvms(env.settings, document.cluster, document.profile.bootstrap)]
    if not members:
        raise BadInput(
            "hosts[].ablecube or hosts[].scvmMngt required",
            fields=[("hosts", "cluster.json names neither hosts nor storage VMs")],
        )
    return members


def _distributed(
    env: Env, client: Client, members: Sequence[Target], request: ConfigRequest, holder: str, deadline: Deadline
) -> Shape:
    change = Change(ceph_files.KIND, client.payload(force=request.force), members, holder, FAILURE)
    try:
        outcomes = transaction.run(env, change, deadline)
    except ApiError as error:
        raise _explained(error) from None
    healthy = [_entry(HEALTH, outcome, "ok") for outcome in outcomes if not outcome.target.local]
    copied = [_entry(COPY, outcome, LOCAL_DONE if outcome.target.local else "ok") for outcome in outcomes]
    told = {"code": 200, "val": SUCCESS, "message": SUCCESS, "action": ACTION, "source": LOCAL}
    return {**told, "results": [*healthy, *copied]}


def _entry(step: str, outcome: Outcome, message: str) -> Shape:
    return {"step": step, **outcome.entry(), "message": outcome.message or message}


def _explained(error: ApiError) -> ApiError:
    """Results as 0.1.2 had them: a node that was not reached had not passed its health check."""
    results = error.members.get("results")
    if isinstance(results, list):
        lost = (fanout.UNREACHABLE, fanout.REFUSED)
        error.members["results"] = [{"step": HEALTH if each.get("outcome") in lost else COPY, **each} for each in results]
        unhealthy = any(each.get("outcome") in lost for each in results)
        error.members["val"] = HEALTH_FAILURE if unhealthy else FAILURE
    error.members["source"] = LOCAL
    return error


def _elsewhere(
    env: Env, config: ClusterConfig, request: ConfigRequest, deadline: Deadline, progress: Progress, reason: ApiError
) -> Shape:
    """The first node of the Pacemaker cluster that has a source does the whole work, this node's part included."""
    failures = []
    body = {"action": ACTION, "force": request.force}
    for name, target in _sources(env, config):
        if target is None:
            failures.append(f"{name}: no host of cluster.json")
        elif target.local:
            failures.append(f"{name}: fallback source points to local host")
        else:
            try:
                with progress.step(f"ask-{target.hostname}", f"let {target.hostname} do it, which may reach the monitors"):
                    told = hand_on.call(env, target, ceph_files.PATH, body, deadline, LOCAL_HEADER)
            except ApiError as error:
                if "source" in error.members:  # it had a source; what failed then would fail again
                    error.members["source"] = f"pcsCluster:{target.address}"
                    raise
                failures.append(error.detail)
            else:
                return {**told, "source": f"pcsCluster:{target.address}"}
    told_failures = "; ".join(failures) or "pcsCluster hostname required"
    reason.detail = f"local ceph config prepare failed: {reason.detail}; fallback failed: {told_failures}"
    raise reason


def _sources(env: Env, config: ClusterConfig) -> list[tuple[str, Target | None]]:
    """The hosts behind the names of the Pacemaker cluster; only nodes of cluster.json are ever called (D7)."""
    by_address = {target.address: target for target in targets.hosts(env.settings, config)}
    found = [(name, _named(config.hosts, name)) for name in config.pcs_cluster if name]
    return [(name, by_address.get(host.ablecube) if host is not None else None) for name, host in found]


def _named(hosts: Sequence[Host], name: str) -> Host | None:
    wanted = name.lower()
    return next((host for host in hosts if wanted in (host.ablecube_pn or "", host.ablecube, host.hostname.lower())), None)
