"""/cube/hosts (and its old name /cube/test), /neighbor."""

from flask import Blueprint, Response

from ablestack_api.core.errors import BadInput, FileUnusable, StateFileDamaged
from ablestack_api.hosts import hosts_view, neighbors
from ablestack_api.hosts.models import HostsAnswer, Neighbor, NeighborInfoAnswer, NeighborsAnswer
from ablestack_api.web import read, reply
from ablestack_api.web.context import deadline, describe, env
from ablestack_api.web.endpoint import endpoint

blueprint = Blueprint("hosts", __name__)

LIST_ERRORS = (BadInput, StateFileDamaged)


@blueprint.get("/cube/hosts")
@blueprint.get("/cube/test", endpoint="get_test")
@endpoint("/etc/hosts by network and role", returns=HostsAnswer, errors=(FileUnusable,))
def get_hosts() -> Response:
    return reply.ok(hosts_view.list_hosts(env()))


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
