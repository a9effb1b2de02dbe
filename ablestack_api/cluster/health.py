"""Do the nodes of the cluster answer? (contract 01 §6.4)"""

import re
from typing import Any

from ablestack_api.cluster.models import ApplyRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import BadInput, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import Bootstrap, ClusterConfig, ClusterDocument

# Every release has this path, and without a query it is open or needs the internal token, which we send.
PROBE = "/cube/cluster/health"
PROBE_SECONDS = 5.0
ROLES = (targets.HOST, targets.SCVM, targets.CCVM)


def check(env: Env, option: str, target_hostname: str, deadline: Deadline) -> dict[str, Any]:
    """Probe the nodes of some roles, or some nodes by name, side by side. Raises BadInput, PeersFailed."""
    names = [name.strip().lower() for name in target_hostname.split(",") if name.strip()]
    roles = _roles(option, names)
    document = cluster_file.read(env.settings).document
    _refuse_impossible(document.cluster, roles)
    members = [target for target in _of_roles(env, document, roles) if not names or target.hostname.lower() in names]
    if not members:
        raise BadInput(
            "target_hostname not found" if names else "no targets to apply",
            fields=[("target_hostname" if names else "option", "the cluster has no such node")],
        )
    outcomes = fanout.at_once(members, lambda target: probe(env, target, deadline))
    results = [outcome.entry() for outcome in outcomes]
    if any(outcome.bad for outcome in outcomes):
        told = ", ".join(f"{outcome.target.hostname} ({outcome.message})" for outcome in outcomes if outcome.bad)
        raise PeersFailed(f"health check failed: {told}", results=results)
    return {"code": 200, "message": "health check success", "results": results}


def probe(env: Env, target: Target, deadline: Deadline) -> Outcome:
    if target.local:
        return Outcome(target, fanout.OK, 200)
    return fanout.call(env, target, "GET", PROBE, deadline=deadline)


def ping_hosts(env: Env, request: ApplyRequest, deadline: Deadline) -> None:
    """Does this node reach every host of the request? Raises PeersFailed naming the first that it does not."""
    if not request.hosts:
        raise bad_field("hosts", "required", "json string required")
    config = cluster_file.read(env.settings).document.cluster
    wanted = {host.ablecube for host in request.hosts}
    members = [target for target in targets.hosts(env.settings, config) if target.address in wanted]
    limit = Deadline(env.clock, min(PROBE_SECONDS, deadline.remaining()))
    outcomes = fanout.at_once(members, lambda target: probe(env, target, limit))
    failed = next((outcome for outcome in outcomes if outcome.bad), None)
    if failed is not None:
        raise PeersFailed(
            "The ping test failed. Check ablecube hosts network IPs. : "
            f"{failed.target.address} ({failed.target.hostname}: {failed.message})",
            results=[outcome.entry() for outcome in outcomes],
        )


def _roles(option: str, names: list[str]) -> list[str]:
    """The roles asked for, or those that the names belong to."""
    roles = list(dict.fromkeys(part.strip().lower() for part in option.split(",") if part.strip()))
    unknown = [role for role in roles if role not in ROLES]
    if unknown or (option and not roles):
        raise bad_field("option", "is none of host, scvm, ccvm", "invalid option")
    return roles or list(dict.fromkeys(_role_of(name) for name in names))


def _role_of(name: str) -> str:
    if name == targets.CCVM:
        return targets.CCVM
    return targets.SCVM if re.fullmatch(r"scvm[0-9]+", name) else targets.HOST


def _refuse_impossible(config: ClusterConfig, roles: list[str]) -> None:
    if targets.SCVM in roles and not config.is_hci:
        raise bad_field("option", f"{config.type or 'an unconfigured node'} has no storage VMs", "unsupported cluster type")
    if targets.CCVM in roles and not config.ccvm.ip:
        raise bad_field("option", "cluster.json has no ccvm.ip", "ccvm ip required")


def _of_roles(env: Env, document: ClusterDocument, roles: list[str]) -> list[Target]:
    # Whoever asks for a guest wants to know that it does not answer: none is optional here.
    config, deployed = document.cluster, Bootstrap(scvm="true", ccvm="true")
    every = {
        targets.HOST: targets.hosts(env.settings, config),
        targets.SCVM: targets.scvms(env.settings, config, deployed),
        targets.CCVM: targets.ccvm(env.settings, config, deployed),
    }
    return [target for role in ROLES if role in roles for target in every[role]]
