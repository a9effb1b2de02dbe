"""The Flask application: blueprints, guard, errors, request log, description."""

from collections.abc import Callable
from typing import Any

from flask import Flask

from ablestack_api.auth import routes as auth
from ablestack_api.auth.verify import Verifier
from ablestack_api.backup import routes as backup
from ablestack_api.ccvm import routes as ccvm
from ablestack_api.cloudinit import routes as cloudinit
from ablestack_api.cluster import routes as cluster
from ablestack_api.env import Env
from ablestack_api.glue import routes as glue
from ablestack_api.hosts import routes as hosts
from ablestack_api.jobs import answer as job_answer
from ablestack_api.jobs import routes as jobs
from ablestack_api.ops import license_routes, patch_routes, ssh_key_routes, update_routes
from ablestack_api.ops import routes as ops
from ablestack_api.pcs import routes as pcs
from ablestack_api.scvm import routes as scvm
from ablestack_api.state import internal_token
from ablestack_api.web import context, cors, guard, openapi, problems, request_log

PREFIX = "/api/v1"
MAX_BODY = 512 * 1024
BLUEPRINTS = (
    auth.blueprint,
    backup.blueprint,
    ccvm.blueprint,
    cloudinit.blueprint,
    cluster.blueprint,
    glue.blueprint,
    hosts.blueprint,
    jobs.blueprint,
    ops.blueprint,
    license_routes.blueprint,
    patch_routes.blueprint,
    ssh_key_routes.blueprint,
    update_routes.blueprint,
    pcs.blueprint,
    scvm.blueprint,
)


class Application(Flask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """None of our functions is async; Flask looks at six of them in every request."""
        return func


def create_app(env: Env) -> Flask:
    """The order matters: the request gets its id before the guard may refuse it, and CORS headers go on refusals too."""
    app = Application("ablestack_api", static_folder=None, template_folder="web/templates")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.extensions[context.EXTENSION] = env
    job_answer.install(app, env)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    request_log.install(app)
    cors.install(app)
    guard.install(app, _credentials(env))
    problems.install(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint, url_prefix=PREFIX)
    app.register_blueprint(ops.root_blueprint)
    openapi.install(app)
    return app


def _credentials(env: Env) -> guard.Credentials:
    return guard.Credentials(
        bearer=Verifier(env).bearer,
        accepts_internal=lambda offered: internal_token.accepts(env.settings, env.clock, offered),
    )
