"""/cube/cluster, /cube/system/config, /cube/url, /cube/time-server, /cube/deploy/status."""

from flask import Blueprint, Response, request

from ablestack_api.cluster import apply, config, deploy_status, health, local_apply, system_config, time_server, urls
from ablestack_api.cluster.models import (
    ApplyAnswer,
    ApplyRequest,
    ConfigQuery,
    DeployAnswer,
    DeployQuery,
    HealthQuery,
    LocalAnswer,
    SystemConfigRequest,
    TimeServerRequest,
    UrlQuery,
    ValueAnswer,
)
from ablestack_api.core.errors import (
    BadInput,
    Busy,
    Conflict,
    DiskFull,
    NotFound,
    PeersFailed,
    RevisionChanged,
)
from ablestack_api.state.cluster_document import ClusterConfig, SystemProfile
from ablestack_api.web import envelope, read, reply
from ablestack_api.web.context import caller, deadline, describe, env
from ablestack_api.web.endpoint import Access, endpoint
from ablestack_api.web.envelope import Envelope, StepModel
from ablestack_api.web.error_groups import CLUSTER_FILE_ERRORS, TOOL_ERRORS

blueprint = Blueprint("cluster", __name__)

CHANGE_ERRORS = (*CLUSTER_FILE_ERRORS, BadInput, NotFound, Busy, Conflict, RevisionChanged, PeersFailed, DiskFull)


@blueprint.get("/cube/cluster/config")
@endpoint("The cluster configuration", query=ConfigQuery, returns=ClusterConfig, errors=CLUSTER_FILE_ERRORS)
def get_config() -> Response:
    shape, etag = config.read(env(), caller(), download=read.query(ConfigQuery).download)
    return reply.ok(shape, headers={"ETag": f'"{etag}"', "Cache-Control": "no-store"}, pretty=True)


@blueprint.post("/cube/cluster/apply")
@endpoint(
    "Apply, remove, reset or check the cluster configuration on every node: all change or none",
    body=ApplyRequest,
    returns=ApplyAnswer,
    errors=CHANGE_ERRORS,
)
def post_apply() -> Response:
    asked = read.body(ApplyRequest)
    describe(action=asked.action, option=asked.option, removed=asked.remove_hostname)
    if_match, limit = request.headers.get("If-Match"), deadline(apply.APPLY_SECONDS)
    return reply.ok(apply.apply(env(), asked, caller().name, if_match, limit))


@blueprint.post("/cube/cluster/apply-local")
@endpoint(
    "The same on this node alone; between nodes also one step of a change of all",
    body=ApplyRequest,
    returns=LocalAnswer,
    access=Access.FIRST_TRUST,
    errors=(*CHANGE_ERRORS, *TOOL_ERRORS),
)
def post_apply_local() -> Response:
    asked = read.body(ApplyRequest)
    if asked.transaction is not None:
        return _apply_step(asked.transaction, asked)
    describe(action=asked.action, option=asked.option, removed=asked.remove_hostname)
    if caller().unproven_token is not None:
        local_apply.require_first_trust(env(), caller(), asked.model_dump(by_alias=True))
    if_match, limit = request.headers.get("If-Match"), deadline(apply.APPLY_SECONDS)
    return reply.ok(apply.apply_here(env(), asked, caller().name, if_match, limit))


def _apply_step(step: StepModel, asked: ApplyRequest) -> Response:
    describe(change=step.id, phase=step.phase, holder=step.holder)
    proven = False
    if caller().unproven_token is not None and step.phase == "prepare":
        local_apply.require_first_trust(env(), caller(), asked.request)
        proven = True
    taken = envelope.take(
        env(), local_apply.KIND, Envelope(transaction=step, request=asked.request), caller(), proven=proven
    )
    return reply.ok(taken)


@blueprint.get("/cube/cluster/transactions/<uuid:transaction_id>")
@endpoint("How a change of all nodes ended (between nodes)", returns=ValueAnswer, access=Access.INTERNAL)
def get_transaction(transaction_id: object) -> Response:
    return reply.ok(config.outcome(env(), str(transaction_id)))


@blueprint.get("/cube/cluster/health")
@endpoint(
    "This node is alive; with option or target_hostname: do those nodes answer?",
    query=HealthQuery,
    returns=ValueAnswer,
    access=Access.OPEN_WITHOUT_QUERY,
    errors=(BadInput, PeersFailed, *CLUSTER_FILE_ERRORS),
)
def get_cluster_health() -> Response:
    asked = read.query(HealthQuery)
    if not asked.option and not asked.target_hostname:
        return reply.ok({"status": "ok"})
    return reply.ok(health.check(env(), asked.option, asked.target_hostname, deadline(health.PROBE_SECONDS)))


@blueprint.get("/cube/system/config")
@endpoint("The node's profile", returns=SystemProfile, errors=CLUSTER_FILE_ERRORS)
def get_system_config() -> Response:
    shape, etag = system_config.read(env())
    return reply.ok(shape, headers={"ETag": f'"{etag}"'})


@blueprint.post("/cube/system/config")
@endpoint(
    "Read or change the profile here or on every host",
    body=SystemConfigRequest,
    returns=ValueAnswer,
    errors=CHANGE_ERRORS,
)
def post_system_config() -> Response:
    asked = read.body(SystemConfigRequest)
    describe(action=asked.action, option=asked.option, name=f"{asked.depth1}.{asked.depth2}".strip("."))
    if asked.transaction is not None:
        step = Envelope(transaction=asked.transaction, request=asked.request)
        return reply.ok(envelope.take(env(), system_config.KIND, step, caller()))
    if_match, limit = request.headers.get("If-Match"), deadline(system_config.SECONDS)
    return reply.ok(system_config.control(env(), asked, caller().name, if_match, limit))


@blueprint.get("/cube/url")
@endpoint(
    "Where the cluster's web pages are",
    query=UrlQuery,
    returns=ValueAnswer,
    errors=(BadInput, Conflict, *CLUSTER_FILE_ERRORS, *TOOL_ERRORS),
)
def get_url() -> Response:
    return reply.ok(urls.read(env(), read.query(UrlQuery).option.strip()))


@blueprint.post("/cube/time-server")
@endpoint(
    "Configure chrony on this node",
    body=TimeServerRequest,
    returns=ValueAnswer,
    errors=(BadInput, *CLUSTER_FILE_ERRORS, *TOOL_ERRORS),
)
def post_time_server() -> Response:
    value = time_server.configure(env(), read.body(TimeServerRequest, optional=True))
    return reply.ok({"code": 200, "val": value, "message": "ok"})


@blueprint.get("/cube/deploy/status")
@endpoint(
    "How far the cluster is set up, and what comes next", query=DeployQuery, returns=DeployAnswer, errors=CLUSTER_FILE_ERRORS
)
def get_deploy_status() -> Response:
    return reply.ok(deploy_status.read(env(), refresh=read.query(DeployQuery).refresh))
