"""/mold as 0.1.2 had it: Ceph's status and the libvirt state of the Cloud Center VM (contract 06 §9)."""

from typing import Any

from ablestack_api.ccvm import whereabouts
from ablestack_api.ccvm.whereabouts import Sighting
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import PeersFailed
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.state import cluster_file
from ablestack_api.tools import ceph

DOMAIN_READING = "ccvm whereabouts"


def read_storage(env: Env, *, refresh: bool) -> dict[str, Any]:
    """The object of `ceph -s` itself with its age beside it; 0.1.2 had no envelope around it."""
    reading = env.readings.get(
        ceph.READING,
        lambda: ceph.read_status(env.runner),
        refresh=refresh,
        keep=ceph.KEEP_SECONDS,
        patience=ceph.QUICK.seconds,
    )
    return {**reading.value, **reading.freshness()}


def read_domain(env: Env, *, refresh: bool) -> dict[str, Any]:
    """Name, whether it runs, its network cards and disks with their counters, wherever in the cluster it is.

    Raises PeersFailed when that cannot be known because hosts do not answer.
    """
    reading = env.readings.get(DOMAIN_READING, lambda: _find(env), refresh=refresh)
    found: Sighting = reading.value
    shape: dict[str, Any] = {"name": whereabouts.NAME, "running": False, "nic": [], "disk": []}
    domain = found.domain
    if domain is not None:
        nics = [
            {"mac": nic.mac, "type": nic.kind, "source": nic.source, "dev": nic.target, **nic.traffic} for nic in domain.nics
        ]
        disks = [{"dev": disk.target, "type": disk.kind, "source": disk.source, **disk.requests} for disk in domain.disks]
        running = domain.state == domains.RUNNING
        shape |= {
            "running": running,
            "state": domain.state,
            "host": found.host,
            "uuid": domain.uuid,
            "nic": nics,
            "disk": disks,
        }
    return {**shape, **reading.freshness()}


def _find(env: Env) -> Sighting:
    config = cluster_file.read(env.settings).document.cluster
    found = whereabouts.find(env, config, Deadline(env.clock, whereabouts.SECONDS))
    if found.problem:
        raise PeersFailed(f"where the Cloud Center VM runs cannot be told: {found.problem}")
    return found
