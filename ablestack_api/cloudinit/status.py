"""POST /cube/cloudinit/status: how far is the first start of a machine; does it answer (contract 03 §16).

Only addresses of cluster.json are asked: another one would be handed the internal token. A ping goes from this node to the
machine.
"""

from dataclasses import replace
from typing import Any

from ablestack_api.cloudinit.models import StatusRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import BadInput, CommandFailed, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import ClusterDocument
from ablestack_api.tools import cloud_init, ping

PATH = "/cube/cloudinit/status"
LOCAL_HEADER = "X-Cube-CloudInit-Local"
STATUS, PING = "status", "ping"
CUSTOM = "custom"
SELF = ("local", "localhost", "127.0.0.1")
SECONDS = 20.0
WITH_WARNINGS = "done with warnings: see `cloud-init status --long` there"


def check(env: Env, request: StatusRequest, deadline: Deadline) -> dict[str, Any]:
    """Ask every machine meant, side by side. Raises BadInput; PeersFailed with all results when one failed."""
    action = _action(request)
    machines = _machines(env, request)
    outcomes = fanout.at_once(machines, lambda target: _one(env, target, action, deadline))
    results = [_entry(outcome) for outcome in outcomes]
    failed = [outcome for outcome in outcomes if outcome.bad]
    if failed:
        told = "; ".join(f"{outcome.target.hostname}: {outcome.message}" for outcome in failed)
        raise PeersFailed(f"cloud-init {action} check failed: {told}", val=results, results=results, action=action)
    return _answer(action, results)


def check_here(env: Env, request: StatusRequest) -> dict[str, Any]:
    """This node's own answer to another one."""
    action = _action(request)
    return _answer(action, [_entry(_here(env, targets.this_node(env.settings), action))])


def _action(request: StatusRequest) -> str:
    action = request.action.lower()
    if action not in (STATUS, PING):
        raise bad_field("action", "must be status or ping", "unsupported action")
    if not request.target:
        raise bad_field("target", "required", "target required")
    return action


def _answer(action: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "code": 200,
        "val": results,
        "retname": "CloudInit Status",
        "message": f"cloud-init {action} check success",
        "action": action,
        "results": results,
    }


def _one(env: Env, target: Target, action: str, deadline: Deadline) -> Outcome:
    if target.local or action == PING:
        return _here(env, target, action)
    body = {"action": action, "target": target.address}
    outcome = fanout.call(env, target, "POST", PATH, body=body, deadline=deadline, local_mode=LOCAL_HEADER)
    if not outcome.good:
        return outcome
    own = outcome.value[0] if isinstance(outcome.value, list) and outcome.value else {}
    lines, message = (own.get("val"), own.get("message")) if isinstance(own, dict) else (None, None)
    return replace(outcome, value=lines, message=str(message or ""))


def _here(env: Env, target: Target, action: str) -> Outcome:
    if action == PING:
        if not (target.local or ping.answers(env.runner, target.address)):
            raise CommandFailed(f"{target.address} does not answer a ping", program="ping", exit_code=1)
        return Outcome(target, fanout.OK, 200, value={"host": target.address, "ping": "OK"})
    lines, warned = cloud_init.read_status(env.runner)
    return Outcome(target, fanout.OK, 200, WITH_WARNINGS if warned else "", lines)


def _entry(outcome: Outcome) -> dict[str, Any]:
    entry = {"message": "ok", **outcome.entry()}
    return entry | ({"val": outcome.value} if outcome.good else {})


def _machines(env: Env, request: StatusRequest) -> list[Target]:
    wanted = request.target.lower()
    if wanted in SELF:
        return [replace(targets.this_node(env.settings), role=CUSTOM)]
    document = cluster_file.read(env.settings).document
    if wanted == targets.CCVM:
        found = targets.ccvm(env.settings, document.cluster, document.profile.bootstrap)
        if not found:
            raise bad_field("target", "cluster.json has no ccvm.ip", "ccvm ip required")
        return found
    if wanted == targets.SCVM:
        return _scvms(env, document, request.target_hostname)
    return [_at_address(env, document, request.target)]


def _scvms(env: Env, document: ClusterDocument, hostnames: str) -> list[Target]:
    """All of them, or those of the named hosts."""
    config = document.cluster
    if not config.is_hci:
        raise bad_field("target", "the cluster has no storage VMs", "unsupported cluster type")
    found = targets.scvms(env.settings, config, document.profile.bootstrap)
    names = [name.strip() for name in hostnames.split(",") if name.strip()]
    if names:
        hosts = [config.host_named(name) for name in names]
        if None in hosts:
            raise bad_field("target_hostname", "the cluster has no such host", "target_hostname not found")
        addresses = {host.scvm_mngt for host in hosts if host is not None}
        found = [target for target in found if target.address in addresses]
    if not found:
        raise BadInput("no targets to apply", fields=[("target", "no host of the cluster has scvmMngt")])
    return found


def _at_address(env: Env, document: ClusterDocument, address: str) -> Target:
    """The machine that an address of the cluster belongs to, called by its management address."""
    config, bootstrap = document.cluster, document.profile.bootstrap
    everyone = {target.address: target for target in targets.everyone(env.settings, config, bootstrap)}
    places: dict[str, str | None] = {}
    for host in config.hosts:
        places |= dict.fromkeys([host.ablecube, host.ablecube_pn or ""], host.ablecube)
        places |= dict.fromkeys([host.scvm_mngt or "", host.scvm or "", host.scvm_cn or ""], host.scvm_mngt)
    found = everyone.get(address) or everyone.get(places.get(address) or "")
    if found is None or not address:
        raise bad_field("target", "must be ccvm, scvm, local or an address of cluster.json; nobody else is called")
    return replace(found, role=CUSTOM)
