"""/health, /version, /err."""

from flask import Blueprint, Response

from ablestack_api.ops import versions
from ablestack_api.ops.models import ErrorsAnswer, HealthAnswer, VersionAnswer
from ablestack_api.state import error_list
from ablestack_api.web import reply
from ablestack_api.web.context import env
from ablestack_api.web.endpoint import Access, endpoint

blueprint = Blueprint("ops", __name__)
root_blueprint = Blueprint("root", __name__)


@root_blueprint.get("/health")
@blueprint.get("/health")
@endpoint("This daemon is alive", returns=HealthAnswer, access=Access.OPEN)
def get_health() -> Response:
    return reply.ok({"status": "ok", "code": 200, "message": "ok"})


@blueprint.get("/version")
@endpoint("Versions of what runs on this node", returns=VersionAnswer)
def get_version() -> Response:
    return reply.ok(versions.read(env()), pretty=True)


@blueprint.get("/err")
@endpoint("What went wrong on this node lately (at most 200 entries)", returns=ErrorsAnswer)
def get_errors() -> Response:
    return reply.ok({"errors": error_list.listed(env().settings) or None}, pretty=True)


@blueprint.delete("/err")
@endpoint("Empty the list", returns=ErrorsAnswer)
def delete_errors() -> Response:
    error_list.clear(env().settings)
    return reply.ok({"errors": None}, pretty=True)
