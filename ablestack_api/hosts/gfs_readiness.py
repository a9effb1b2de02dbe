"""Can GFS2 be used on every node? Told by what Pacemaker runs, whatever the file systems are called."""

from collections.abc import Iterable, Sequence

from ablestack_api.hosts.gfs_status_models import Part, Readiness
from ablestack_api.tools.crm_mon import ClusterState, Resource

DLM, LVMLOCKD = "glue-dlm", "glue-lvmlockd"
LOCKING = (DLM, LVMLOCKD)
LOCKING_CLONE = "glue-locking-clone"
PREFIX = "glue-gfs"
FILE_SYSTEM, VOLUME = "ocf:heartbeat:Filesystem", "ocf:heartbeat:LVM-activate"
VOLUME_SUFFIX = "_res"


def is_gfs(resource: Resource) -> bool:
    """A file system, or its volume, that Pacemaker starts on every node: only GFS2 is mounted on several at once."""
    return resource.id.startswith(PREFIX) or (bool(resource.clone) and resource.agent in (FILE_SYSTEM, VOLUME))


def readiness(state: ClusterState) -> Readiness:
    """Of the nodes that may run resources now; one that is off or on standby keeps nobody waiting."""
    locking = _part(state, "glue-locking", LOCKING)
    names = dict.fromkeys(each.id for each in state.resources if is_gfs(each) and each.agent == FILE_SYSTEM)
    known = {each.id for each in state.resources}
    parts = [_part(state, name, [name, *({name + VOLUME_SUFFIX} & known)]) for name in names]
    reasons = [] if state.has_quorum else ["the cluster has no quorum"]
    reasons += [] if names else ["there is no GFS2 file system in the cluster"]
    reasons += [reason for part in [locking, *parts] for reason in part.reasons]
    return Readiness(ready=not reasons, locking=locking, file_systems=parts, reasons=reasons)


def _part(state: ClusterState, name: str, resources: Sequence[str]) -> Part:
    """Ready where every one of its resources is started and healthy."""
    wanted = [node.name for node in state.nodes if node.usable]
    found = [_healthy(state.instances(resource)) for resource in resources]
    nodes = [node for node in wanted if all(node in healthy for healthy in found)]
    missing = [node for node in wanted if node not in nodes and not _is_banned(state, resources, node)]
    reasons = [reason for resource in resources for reason in _reasons(state.instances(resource), resource)]
    if not wanted:
        reasons.append(f"{name}: no node may run resources")
    if missing:
        reasons.append(f"{name} does not run on {', '.join(missing)}")
    return Part(id=name, ready=not reasons, nodes=nodes, missing=missing, reasons=reasons)


def _healthy(instances: Iterable[Resource]) -> set[str]:
    return {node for instance in instances if instance.healthy for node in instance.nodes}


def _is_banned(state: ClusterState, resources: Sequence[str], node: str) -> bool:
    names = {*resources, *(each.clone for resource in resources for each in state.instances(resource))}
    return any(ban.node == node and ban.resource in names for ban in state.bans)


def _reasons(instances: Sequence[Resource], resource: str) -> list[str]:
    if not instances:
        return [f"{resource} does not exist"]
    failed = [node for instance in instances if instance.failed for node in instance.nodes]
    blocked = [node for instance in instances if instance.attributes.get("blocked") == "true" for node in instance.nodes]
    told = [f"{resource} failed on {', '.join(failed)}"] if failed else []
    return told + ([f"{resource} is blocked on {', '.join(blocked)}"] if blocked else [])
