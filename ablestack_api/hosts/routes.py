"""/cube/hosts (and its old name /cube/test), disks, network devices, storage, /neighbor."""

from typing import Any

from flask import Blueprint, Response

from ablestack_api.core.errors import (
    BadInput,
    Busy,
    Conflict,
    DiskFull,
    FileUnusable,
    NotFound,
    NotSetUp,
    PacemakerDown,
    PeersFailed,
    StateFileDamaged,
)
from ablestack_api.hosts import (
    disks,
    gfs_disk_status,
    gfs_resource_status,
    hba,
    hosts_view,
    multipath_sync,
    neighbors,
    nics,
)
from ablestack_api.hosts.clvm import manage as clvm
from ablestack_api.hosts.clvm import nodes as clvm_nodes
from ablestack_api.hosts.clvm.models import ClvmAnswer, ClvmRequest
from ablestack_api.hosts.gfs import manage as gfs
from ablestack_api.hosts.gfs.models import GfsManageAnswer, GfsManageRequest
from ablestack_api.hosts.gfs_status_models import GfsDiskStatusAnswer, GfsResourceStatusAnswer, RefreshQuery
from ablestack_api.hosts.hba import HbaAnswer, HbaRequest
from ablestack_api.hosts.local_storage import manage as local_storage
from ablestack_api.hosts.local_storage.models import LocalAnswer, LocalRequest
from ablestack_api.hosts.models import (
    DiskQuery,
    DisksAnswer,
    HostsAnswer,
    Neighbor,
    NeighborInfoAnswer,
    NeighborsAnswer,
)
from ablestack_api.hosts.multipath_models import MultipathSyncAnswer, MultipathSyncRequest
from ablestack_api.hosts.nic_models import NicsAnswer, NicsQuery
from ablestack_api.hosts.rbd import manage as rbd
from ablestack_api.hosts.rbd import nodes as rbd_nodes
from ablestack_api.hosts.rbd.models import RbdAnswer, RbdRequest
from ablestack_api.jobs.answer import long_work
from ablestack_api.jobs.work import Work
from ablestack_api.web import read, reply
from ablestack_api.web.context import deadline, describe, env, is_local_mode
from ablestack_api.web.endpoint import endpoint
from ablestack_api.web.error_groups import CLUSTER_FILE_ERRORS, TOOL_ERRORS
from ablestack_api.web.plan_query import PlanQuery

blueprint = Blueprint("hosts", __name__)

LIST_ERRORS = (BadInput, StateFileDamaged)
STORAGE_ERRORS = (BadInput, NotFound, Busy, Conflict, PeersFailed, *TOOL_ERRORS)


@blueprint.get("/cube/hosts")
@blueprint.get("/cube/test", endpoint="get_test")
@endpoint("/etc/hosts by network and role", returns=HostsAnswer, errors=(FileUnusable,))
def get_hosts() -> Response:
    return reply.ok(hosts_view.list_hosts(env()))


@blueprint.get("/cube/disk")
@endpoint(
    "Disks, multipath maps and RAID controllers of this node",
    query=DiskQuery,
    returns=DisksAnswer,
    errors=(BadInput, *TOOL_ERRORS),
)
def get_disks() -> Response:
    return reply.prepared(disks.print_disks(env(), read.query(DiskQuery)))


@blueprint.get("/cube/nics")
@endpoint("Network devices of this node", query=NicsQuery, returns=NicsAnswer, errors=(BadInput, *TOOL_ERRORS))
def get_nics() -> Response:
    return reply.ok(nics.list_nics(env(), read.query(NicsQuery)), pretty=True)


@blueprint.get("/cube/gfs/disk/status")
@endpoint(
    "GFS2 file systems mounted on this node and the disks below them",
    query=RefreshQuery,
    returns=GfsDiskStatusAnswer,
    errors=(BadInput, NotSetUp, *TOOL_ERRORS),
)
def get_gfs_disk_status() -> Response:
    return reply.ok(gfs_disk_status.read(env(), read.query(RefreshQuery)), pretty=True)


@blueprint.get("/cube/gfs/resource/status")
@endpoint(
    "Fencing, locks and GFS2 file systems as Pacemaker sees them, and whether they can be used",
    query=RefreshQuery,
    returns=GfsResourceStatusAnswer,
    errors=(BadInput, NotSetUp, PacemakerDown, *TOOL_ERRORS),
)
def get_gfs_resource_status() -> Response:
    return reply.ok(gfs_resource_status.read(env(), read.query(RefreshQuery)), pretty=True)


@blueprint.get("/neighbor")
@endpoint("The neighbour list", returns=NeighborsAnswer, errors=(StateFileDamaged,))
def get_neighbors() -> Response:
    return reply.ok({"neighbors": neighbors.list_neighbors(env())})


@blueprint.route("/neighbor", methods=["POST", "PUT"])
@endpoint("Add a neighbour (form fields or JSON)", body=Neighbor, returns=NeighborsAnswer, errors=LIST_ERRORS)
def post_neighbor() -> Response:
    neighbor = read.form_or_body(Neighbor)
    describe(ip=neighbor.ip, hostname=neighbor.hostname)
    return reply.ok({"neighbors": neighbors.add(env(), neighbor)})


@blueprint.delete("/neighbor")
@endpoint(
    "Remove matching neighbours; all when nothing is given", body=Neighbor, returns=NeighborsAnswer, errors=LIST_ERRORS
)
def delete_neighbor() -> Response:
    neighbor = read.body(Neighbor, optional=True)
    describe(ip=neighbor.ip, hostname=neighbor.hostname)
    return reply.ok({"neighbors": neighbors.remove(env(), neighbor)})


@blueprint.get("/neighbor/info")
@endpoint("The neighbour list of every neighbour that is a host of this cluster", returns=NeighborInfoAnswer)
def get_neighbor_info() -> Response:
    return reply.ok(neighbors.read_info(env(), deadline(neighbors.SECONDS)))


@blueprint.post("/cube/gfs/manage")
@endpoint(
    "GFS2 file systems, the Pacemaker cluster under them, fencing and LVM's locks; plan=true shows the steps",
    body=GfsManageRequest,
    query=PlanQuery,
    returns=GfsManageAnswer,
    errors=(*STORAGE_ERRORS, FileUnusable, DiskFull, *CLUSTER_FILE_ERRORS),
)
def post_gfs_manage() -> Response:
    asked = read.body(GfsManageRequest)
    describe(action=asked.action, disks=",".join(asked.every_disk), group=asked.vg_name, gfs=asked.gfs_name)
    local, show = is_local_mode(gfs.LOCAL_HEADER), read.query(PlanQuery).plan
    begun = gfs.begin(env(), asked, local=local, show=show, seconds=deadline(gfs.SECONDS).remaining())
    return _answered(begun)


@blueprint.post("/cube/clvm/manage")
@endpoint(
    "Volume groups on shared disks: create, list, delete; plan=true shows the steps",
    body=ClvmRequest,
    query=PlanQuery,
    returns=ClvmAnswer,
    errors=STORAGE_ERRORS,
)
def post_clvm_manage() -> Response:
    asked = read.body(ClvmRequest)
    describe(action=asked.action, disks=",".join(asked.every_disk), groups=",".join([*asked.vg_names, asked.vg_name]))
    local, show = is_local_mode(clvm_nodes.LOCAL_MODE), read.query(PlanQuery).plan
    begun = clvm.begin(env(), asked, local=local, show=show)
    return _answered(begun)


@blueprint.post("/cube/local/manage")
@endpoint(
    "The local volume of a standalone node: create, status, reset; plan=true shows the steps",
    body=LocalRequest,
    query=PlanQuery,
    returns=LocalAnswer,
    errors=(*STORAGE_ERRORS, NotSetUp),
)
def post_local_manage() -> Response:
    asked = read.body(LocalRequest)
    describe(action=asked.action, disks=",".join(asked.every_disk))
    begun = local_storage.begin(env(), asked, show=read.query(PlanQuery).plan)
    return _answered(begun)


@blueprint.post("/cube/rbd/manage")
@endpoint(
    "RBD images that every host maps: create, delete; plan=true shows the steps",
    body=RbdRequest,
    query=PlanQuery,
    returns=RbdAnswer,
    errors=STORAGE_ERRORS,
)
def post_rbd_manage() -> Response:
    asked = read.body(RbdRequest)
    describe(action=asked.action, images=",".join([*asked.images, asked.image_name]), pool=asked.pool_name)
    local, show = is_local_mode(rbd_nodes.LOCAL_MODE), read.query(PlanQuery).plan
    begun = rbd.begin(env(), asked, local=local, show=show)
    return _answered(begun)


@blueprint.post("/cube/hba/manage")
@endpoint(
    "World wide names of the Fibre Channel adapters of every host",
    body=HbaRequest,
    returns=HbaAnswer,
    errors=(BadInput, Conflict, FileUnusable, PeersFailed, *CLUSTER_FILE_ERRORS),
)
def post_hba_manage() -> Response:
    hba.check(read.body(HbaRequest, optional=True))
    if is_local_mode(hba.LOCAL_MODE):
        return reply.ok(hba.list_here(env()))
    return reply.ok(hba.list_everywhere(env(), deadline(hba.SECONDS)))


@blueprint.post("/cube/multipath/sync")
@endpoint(
    "Rescan SCSI devices and give multipath maps the same names on every host; plan=true shows the steps",
    body=MultipathSyncRequest,
    query=PlanQuery,
    returns=MultipathSyncAnswer,
    errors=(*STORAGE_ERRORS, FileUnusable, DiskFull, *CLUSTER_FILE_ERRORS),
)
def post_multipath_sync() -> Response:
    asked = read.body(MultipathSyncRequest, optional=True)
    describe(action=asked.wanted, targets=",".join([*asked.addresses, *asked.hostnames]))
    local, show = is_local_mode(multipath_sync.LOCAL_MODE), read.query(PlanQuery).plan
    begun = multipath_sync.begin(env(), asked, deadline(multipath_sync.SECONDS), local=local, show=show)
    return _answered(begun)


def _answered(begun: Work | dict[str, Any]) -> Response:
    """What a storage endpoint has begun, or its answer where nothing is to be done."""
    return long_work(begun) if isinstance(begun, Work) else reply.ok(begun)
