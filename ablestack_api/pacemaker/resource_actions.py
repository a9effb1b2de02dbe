"""Actions on one resource, on the node of the Pacemaker cluster that this is (contract 04 §1.6.5 to §1.6.11, §1.6.15).

Each returns further members of the answer beside `val`, which 0.1.2 fixed. Everything that can be known to go wrong is
refused before pcs is called; what Pacemaker then did is waited for.
"""

from typing import Any

from ablestack_api.core.errors import Conflict, NotFound
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.machines import cloud_resource
from ablestack_api.pacemaker import checked, status_view
from ablestack_api.pacemaker.request import ControlRequest
from ablestack_api.tools import crm_mon, pcs

DOMAIN = "ccvm"
CREATED = "The CloudCenter virtual machine has been successfully created."
NOT_CREATED = "The CloudCenter VM has not been created."
HYPERVISOR, TRANSPORT = "qemu:///system", "ssh"
OPERATIONS = ("start", "timeout=120s", "op", "stop", "timeout=120s", "op", "monitor", "timeout=30", "interval=10")

Told = dict[str, Any]


def create(env: Env, request: ControlRequest) -> Told:
    path = checked.xml_path(env.settings, request.xml)
    state = status_view.state(env)
    if cloud_resource.place_in(state, request.resource) is not None:
        raise Conflict(f"the resource {request.resource} exists already; remove it first. Nothing was changed")
    options = {"hypervisor": HYPERVISOR, "config": path, "migration_transport": TRANSPORT}
    pairs = [f"{key}={value}" for key, value in options.items()]
    meta = ["meta", "allow-migrate=true", "priority=100"]
    disabled = ["--disabled"] if request.disabled else []
    words = ["resource", "create", request.resource, "ocf:heartbeat:VirtualDomain", *pairs, *meta, "op", *OPERATIONS]
    pcs.connect(env.runner).run([*words, *disabled])
    return {"val": {"resource name :": request.resource, **options}}


def enable(env: Env, request: ControlRequest) -> Told:
    _require_cluster(env)
    return {"val": "enable", "started": cloud_resource.enable(env, request.resource)}


def disable(env: Env, request: ControlRequest) -> Told:
    _require_cluster(env)
    cloud_resource.disable(env, request.resource)
    return {"val": "disable"}


def move(env: Env, request: ControlRequest) -> Told:
    _require_cluster(env)
    current, target = cloud_resource.move(env, request.target, request.resource)
    return {"val": {"current host": current, "target host": target}}


def cleanup(env: Env, request: ControlRequest) -> Told:
    _require_resource(env, request.resource)
    tool = pcs.connect(env.runner)
    tool.run(["resource", "cleanup", request.resource])
    tool.run(["stonith", "history", "cleanup"])
    return {"val": "cleanup"}


def remove(env: Env, request: ControlRequest) -> Told:
    """Stopped first: pcs would otherwise leave a VM behind that nobody looks after."""
    _require_resource(env, request.resource)
    tool = pcs.connect(env.runner)
    tool.run(["resource", "cleanup", request.resource])
    cloud_resource.disable(env, request.resource)
    tool.run(["resource", "delete", request.resource])
    return {"val": "remove"}


def status(env: Env, request: ControlRequest) -> Told:
    return {"val": status_view.read(env, request.resource)}


def ccvm_status(env: Env, _request: ControlRequest) -> Told:
    """It is there when Pacemaker has its resource, started or not, whichever node is asked; else this node's libvirt is."""
    if cloud_resource.place_in(status_view.state(env)) is not None:
        return {"val": CREATED}
    if domains.read_state(env.libvirt, DOMAIN) is None:
        raise NotFound(NOT_CREATED)
    return {"val": CREATED}


def _require_cluster(env: Env) -> None:
    status_view.state(env)


def _require_resource(env: Env, resource: str) -> crm_mon.ClusterState:
    state = status_view.state(env)
    if cloud_resource.place_in(state, resource) is None:
        raise NotFound(status_view.NO_RESOURCE)
    return state
