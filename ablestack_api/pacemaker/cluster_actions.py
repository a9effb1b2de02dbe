"""Actions on the whole Pacemaker cluster (contract 04 §1.6.4, §1.6.12 to §1.6.14)."""

import os
from typing import Any

from ablestack_api.core.errors import Conflict, NotFound, bad_field
from ablestack_api.env import Env
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.machines import cloud_resource
from ablestack_api.orchestrator import pacemaker_nodes
from ablestack_api.pacemaker import checked, status_view
from ablestack_api.pacemaker.request import ControlRequest
from ablestack_api.state import cluster_file, pcs_password
from ablestack_api.tools import crm_mon, pcs
from ablestack_api.tools.pcs import Pcs

USER = "hacluster"
COROSYNC_CONF = "etc/corosync/corosync.conf"
SYNCED = "Cloud VM Cluster Sync Mechanism Success"
NO_CLUSTER = "cluster not found."

Told = dict[str, Any]


def config(env: Env, request: ControlRequest, progress: Progress) -> Told:
    """A new cluster; one of the same nodes that runs already is left as it is (contract 04 B-8)."""
    if not _is_there_already(env, request.hosts):
        plan.run(config_plan(env, request), progress)
    return {"val": {"cluster name :": request.cluster, "hosts": request.hosts}}


def config_plan(env: Env, request: ControlRequest) -> Plan:
    """Raises BadInput, Conflict before anything is done."""
    nodes = pacemaker_nodes.list_nodes(env.settings, cluster_file.read(env.settings).document.cluster)
    hosts = checked.members(nodes, request.hosts)
    password = pcs_password.read(env.settings)
    if password is None:
        raise Conflict(
            f"the cluster's password is not known on this node: give {USER} one on every node with /cube/gfs/manage "
            f"set-cluster-password, or write it into {pcs_password.path(env.settings)}. Nothing was done"
        )
    if os.path.exists(env.settings.below(COROSYNC_CONF)) and not _is_there_already(env, hosts):
        raise Conflict("this node is in another cluster already; destroy that one first. Nothing was done")
    tool = pcs.connect(env.runner)

    def setup() -> None:
        tool.run(["cluster", "setup", request.cluster, *hosts])

    return Plan(
        f"Pacemaker cluster {request.cluster} of {', '.join(hosts)}",
        [
            Step("auth", f"let pcs trust {', '.join(hosts)}", lambda: pcs.host_auth(tool, hosts, USER, password)),
            Step("setup", "write the configuration to every node", setup, lambda: _destroy(tool)),
            Step("start", "start it on every node", lambda: tool.run(["cluster", "start", "--all", "--wait=120"])),
            Step("enable", "start it with the nodes", lambda: pcs.cluster_enable(tool)),
            Step(
                "properties",
                "no fencing (the cluster is new and has no fence devices), resources stay where they are",
                lambda: _properties(tool),
            ),
        ],
        warnings=["without fencing a node that hangs is not switched off; configure-stonith adds it"],
    )


def destroy(env: Env, request: ControlRequest, _progress: Progress) -> Told:
    """Raises Conflict while the Cloud Center VM is started, unless `force`: its VM would be killed with the cluster."""
    if not os.path.exists(env.settings.below(COROSYNC_CONF)):
        raise NotFound(NO_CLUSTER)
    _refuse_running(env, request)
    _destroy(pcs.connect(env.runner))
    env.readings.forget(crm_mon.READING)
    return {"val": "destroy"}


def stop(env: Env, _request: ControlRequest, _progress: Progress) -> Told:
    """Resources are stopped in order by Pacemaker itself; what ran is told."""
    if not os.path.exists(env.settings.below(COROSYNC_CONF)):
        raise NotFound(NO_CLUSTER)
    running = _running(env)
    pcs.cluster_stop(pcs.connect(env.runner))
    env.readings.forget(crm_mon.READING)
    return {"val": "stop", "stopped_resources": running}


def sync(env: Env, request: ControlRequest, _progress: Progress) -> Told:
    """A new totem token, in force at once on every node (contract 04 B-44)."""
    if not os.path.exists(env.settings.below(COROSYNC_CONF)):
        raise bad_field("action", "this node is in no cluster", "Cloud VM Cluster Sync Mechanism Failed.")
    tool = pcs.connect(env.runner)
    tool.run(["cluster", "config", "update", "totem", f"token={request.time}"])
    tool.run(["cluster", "reload", "corosync"])
    return {"val": SYNCED}


def _is_there_already(env: Env, hosts: list[str]) -> bool:
    """Does a cluster of just these nodes run here?"""
    if not os.path.exists(env.settings.below(COROSYNC_CONF)):
        return False
    state = status_view.state(env)
    return {node.name.lower() for node in state.nodes} == {host.lower() for host in hosts}


def _properties(tool: Pcs) -> None:
    pcs.set_properties(tool, {"stonith-enabled": "false"})
    tool.run(["resource", "defaults", "update", "resource-stickiness=1"])


def _destroy(tool: Pcs) -> None:
    tool.run(["cluster", "destroy", "--all"])


def _refuse_running(env: Env, request: ControlRequest) -> None:
    if request.force:
        return
    try:
        place = cloud_resource.place_in(status_view.state(env))
    except Conflict:  # it does not run: nothing of it does
        return
    if place is not None and not place.stopped:
        where = ", ".join(place.resource.nodes) or "no node"
        raise Conflict(
            f"the Cloud Center VM is {place.role} on {where}: destroying the cluster would kill it. Disable "
            "cloudcenter_res first, or send force: true. Nothing was done",
            overridable=["cloud center running"],
        )


def _running(env: Env) -> list[str]:
    try:
        state = status_view.state(env)
    except Conflict:
        return []
    return sorted({resource.id for resource in state.resources if resource.nodes})
