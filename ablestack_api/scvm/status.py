"""The state of the Storage Center VM of this host: libvirt and the guest agent in it (contract 03 §12)."""

from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, Conflict, PeersFailed, bad_field
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.hypervisor.domains import Domain
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.scvm import guest, guest_nics
from ablestack_api.scvm.guest import TIMED_OUT, UNKNOWN
from ablestack_api.state import cluster_file, own_node
from ablestack_api.state.cluster_document import ClusterConfig, Host

NAME = "scvm"
READING = "scvm status"
PATH = "/cube/scvm/status"
LOCAL_MODE = "X-Cube-SCVM-Status-Local"
PROXY_SECONDS = 15.0
MIB_PER_GIB = 1024
DEFAULTS = {
    "scvm_status": "HEALTH_ERR",
    **dict.fromkeys(("vcpu", "socket", "core", "memory", *guest.ROOT_KEYS), UNKNOWN),
    **dict.fromkeys(("manageNicType", "manageNicParent", "manageNicIp", *guest.ROUTE_KEYS), UNKNOWN),
    **dict.fromkeys(("storageServerNicType", "storageServerNicParent", "storageServerNicIp"), UNKNOWN),
    **dict.fromkeys(("storageReplicationNicType", "storageReplicationNicParent", "storageReplicationNicIp"), UNKNOWN),
}


def read(env: Env, *, refresh: bool, here: bool) -> dict[str, Any]:
    """The answer; `here`: another node asks for what this one knows itself.

    Raises BadInput (no HCI cluster), Conflict (this node is no host of the cluster), LibvirtFailed, LibvirtTimedOut,
    PeersFailed; their member `data` is the card of 0.1.2 for a storage VM that cannot be seen.
    """
    reading = env.readings.get(READING, lambda: _collect(env, here), refresh=refresh)
    return {"code": 200, **reading.value, **reading.freshness()}


def forget(env: Env) -> None:
    env.readings.forget(READING)


def memory_text(kib: int) -> str:
    """Whole MiB, GiB or TiB, the largest that gives at least one."""
    amount, unit = kib // MIB_PER_GIB, "MiB"
    for larger in ("GiB", "TiB"):
        if amount >= MIB_PER_GIB:
            amount, unit = amount // MIB_PER_GIB, larger
    return f"{amount} {unit}"


def _collect(env: Env, here: bool) -> dict[str, Any]:
    config = cluster_file.read(env.settings).document.cluster
    try:
        own = _own_host(env, config)
        if not here and not own_node.has_address(env.settings, own.ablecube):
            return _from_host(env, config, own)
        domain = domains.read(env.libvirt, NAME)
    except ApiError as error:
        error.members.setdefault("data", DEFAULTS)
        raise
    if domain is None:
        return {"data": DEFAULTS, "message": f"there is no domain {NAME} on this host"}
    return {"data": DEFAULTS | _machine(domain) | _inside(env, own, domain)}


def _own_host(env: Env, config: ClusterConfig) -> Host:
    if not config.is_hci:
        reason = f"a cluster of type {config.type or 'none'} has no storage VMs"
        raise bad_field("clusterConfig.type", reason, "unsupported cluster type")
    own = own_node.find_self(env.settings, config)
    if own is None:
        raise Conflict("self host not found in cluster.json; ask a host of the cluster, or apply the cluster to this one")
    return own


def _from_host(env: Env, config: ClusterConfig, own: Host) -> dict[str, Any]:
    """Inside the storage VM there is no libvirt: its host knows."""
    target = next(target for target in targets.hosts(env.settings, config) if target.address == own.ablecube)
    deadline = Deadline(env.clock, PROXY_SECONDS)
    outcome = fanout.call(env, target, "GET", PATH, deadline=deadline, local_mode=LOCAL_MODE)
    data = outcome.value.get("data") if outcome.good and isinstance(outcome.value, dict) else None
    if not isinstance(data, dict):
        told = outcome.message or "it told no data"
        raise PeersFailed(f"scvm status failed: {own.hostname} ({own.ablecube}): {told}", results=[outcome.entry()])
    return {"data": DEFAULTS | data}


def _machine(domain: Domain) -> dict[str, str]:
    memory = memory_text(domain.max_memory_kib or domain.memory_kib)
    return {"scvm_status": domain.state, "vcpu": str(domain.vcpus), "memory": memory}


def _inside(env: Env, own: Host, domain: Domain) -> dict[str, str]:
    """What the guest agent tells; one that is silent was waited for once, then nothing more is asked."""
    if domain.state != domains.RUNNING:
        return guest_nics.describe(env, own, domain, [])
    told = guest.ask(env, NAME)
    nics = guest_nics.describe(env, own, domain, told.nics)
    if told.timed_out:
        silent = {key: TIMED_OUT for key, value in nics.items() if value == UNKNOWN and not key.endswith("Ip")}
        return dict.fromkeys((*guest.ROOT_KEYS, *guest.ROUTE_KEYS), TIMED_OUT) | nics | silent
    return {**told.facts, **nics}
