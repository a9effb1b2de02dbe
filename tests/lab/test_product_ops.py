"""Licences, an update that restarts the daemon, and the SSH port of real nodes."""

import base64
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import first_apply
from tests.lab.cluster import expect, hosts, make_complete, until
from tests.lab.errors import LabError
from tests.lab.lab import Lab
from tests.lab.services import ssh_trust
from tests.support import licenses, update_medium

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("product_as_new")]

LICENSE = "/api/v1/cube/license/apply"
PATCH = "/api/v1/cube/security/patch"
UPDATE = "/api/v1/cube/version/update"
MEDIUM = "/root/update-medium"
NEW_PORT = 2222
PATCH_SECONDS = 300.0


@pytest.fixture
def cluster(lab: Lab) -> Lab:
    make_complete(lab)
    return lab


@pytest.fixture
def trusting(cluster: Lab) -> Iterator[Lab]:
    """Root logs in from host to host; afterwards SSH is on its old port everywhere."""
    ssh_trust.set_up(cluster.profile, cluster.machines)
    yield cluster
    for host in hosts(cluster):
        cluster.run(host, ["/etc/ablestack/shell/security_patch.sh", "-P", "22", "--port-change"])
        cluster.run(host, ["rm", "-f", "/root/.ssh/config"])


def ports(lab: Lab, node: str) -> set[int]:
    """Where sshd of a node listens."""
    lines = lab.run(node, ["ss", "-Hltnp"]).stdout.splitlines()
    return {int(line.split()[3].rsplit(":", 1)[1]) for line in lines if '"sshd"' in line}


def test_a_licence_for_every_node(cluster: Lab) -> None:
    token = first_apply.log_in(cluster)
    content = base64.b64encode(licenses.make(expired="2099-12-31").encode()).decode()
    body: dict[str, Any] = {"license_content": content, "roles": ["all"]}
    told = expect(cluster.api("cube1", "POST", LICENSE, body, token=token, timeout=120))
    assert {entry["hostname"] for entry in told["results"]} == set(cluster.profile.nodes)
    told = expect(cluster.api("cube1", "POST", LICENSE, {"action": "status", "roles": ["all"]}, token=token))
    assert {entry["val"]["status"] for entry in told["results"]} == {"active"}


def test_an_update_that_restarts_the_daemon_goes_on(cluster: Lab) -> None:
    """As a real one does when it installs a newer package of the API."""
    machine = cluster.machine("cube1")
    script = "systemctl restart ablestack-api.service; sleep 5; echo went on"
    place = machine.root / MEDIUM.lstrip("/")
    cluster.run("cube1", ["rm", "-rf", MEDIUM])
    update_medium.add_checksums(update_medium.lay_out(place, script))
    token = first_apply.log_in(cluster)
    body = {"action": "run", "mount_path": MEDIUM}
    with contextlib.suppress(OSError, LabError):  # the daemon ends while it answers
        cluster.api("cube1", "POST", UPDATE, body, token=token, timeout=60)
    last = until(lambda: _ended(cluster, token), "the script has ended", 60, poll=1.0)
    assert last["exit_code"] == 0
    assert "went on" in cluster.run("cube1", ["cat", last["log"]]).stdout
    cluster.run("cube1", ["rm", "-rf", MEDIUM, "/opt/ABLESTACK_UPDATE"])


def _ended(lab: Lab, token: str) -> dict[str, Any] | None:
    """What `info` tells of the last run, once it has an exit code."""
    try:
        reply = lab.api("cube1", "POST", UPDATE, {"action": "info", "mount_path": MEDIUM}, token=token)
    except (OSError, LabError):
        return None
    last = reply.json()["val"].get("last_run") if reply.status == 200 else None
    return last if last and last.get("exit_code") is not None else None


def test_the_ssh_port_moves_on_every_host(trusting: Lab) -> None:
    token = first_apply.log_in(trusting)
    body: dict[str, Any] = {"targets": ["ablecube"], "new_port": NEW_PORT, "port_change": True}
    reply = trusting.api("cube1", "POST", PATCH, body, token=token, timeout=PATCH_SECONDS)
    assert reply.status == 200, reply.text
    assert {host: ports(trusting, host) for host in hosts(trusting)} == {host: {NEW_PORT} for host in hosts(trusting)}
    again = expect(trusting.api("cube1", "POST", PATCH, body, token=token, timeout=PATCH_SECONDS))
    assert [entry.get("changes") for entry in again["val"]["targets"]] == [None] * len(hosts(trusting))


def test_a_host_that_is_not_trusted_is_told_and_left_alone(trusting: Lab) -> None:
    trusting.run("cube1", ["sh", "-c", ": >/root/.ssh/known_hosts"])
    token = first_apply.log_in(trusting)
    body = {"targets": ["ablecube"], "new_port": NEW_PORT, "port_change": True}
    reply = trusting.api("cube1", "POST", PATCH, body, token=token, timeout=PATCH_SECONDS)
    assert reply.status == 502
    assert "not trusted unseen" in reply.text
    assert ports(trusting, "cube2") == {22}
