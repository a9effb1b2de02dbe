"""ceph(8). Always with --connect-timeout: without a monitor it would wait for ever."""

import json
from typing import Any

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner
from ablestack_api.core.secret import Secret

CONNECT_SECONDS = 5
SECONDS = 10.0


def read_mgr_services(runner: Runner) -> dict[str, str]:
    """Name -> URL of what the active manager serves (`dashboard`, `prometheus`)."""
    argv = ["ceph", "--connect-timeout", str(CONNECT_SECONDS), "mgr", "services", "--format", "json"]
    answer = runner.run(argv, timeout=SECONDS).stdout
    try:
        services = json.loads(answer)
    except ValueError as error:
        raise CommandFailed("ceph mgr services did not print JSON", program="ceph", exit_code=0) from error
    return {str(name): str(url) for name, url in services.items()} if isinstance(services, dict) else {}


def read_status(runner: Runner) -> dict[str, Any]:
    """What `ceph -s` tells, as it is."""
    argv = ["ceph", "--connect-timeout", str(CONNECT_SECONDS), "-s", "--format", "json"]
    try:
        status = json.loads(runner.run(argv, timeout=SECONDS).stdout)
    except ValueError as error:
        raise CommandFailed("ceph -s did not print JSON", program="ceph", exit_code=0) from error
    return status if isinstance(status, dict) else {}


def read_key(runner: Runner, entity: str) -> Secret:
    """The key of a Ceph user (`client.admin`), base64."""
    argv = ["ceph", "--connect-timeout", str(CONNECT_SECONDS), "auth", "get-key", entity]
    return Secret(runner.run(argv, timeout=SECONDS).stdout.strip())
