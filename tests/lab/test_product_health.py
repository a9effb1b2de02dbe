"""The health of the cluster as one host sees it: by role, by name, with a node off, with a node cut off."""

import time

import pytest

from tests.lab import api, first_apply, product
from tests.lab.cluster import HEALTH, frozen, guests, hosts, outcomes
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

# The daemon's own limit is 5 s.
IN_TIME = 8.0


def ask(lab: Lab, query: str) -> api.Reply:
    """The health of the nodes of `query`; fails when the answer takes longer than it may."""
    token = first_apply.log_in(lab)
    started = time.monotonic()
    reply = lab.api("cube1", "GET", f"{HEALTH}?{query}", token=token)
    assert time.monotonic() - started < IN_TIME
    return reply


def scvms(lab: Lab) -> list[str]:
    return [name for name in guests(lab) if name != "ccvm"]


def everybody(lab: Lab) -> str:
    """The roles that the profile has, as the option wants them."""
    return "option=host,scvm,ccvm" if scvms(lab) else "option=host,ccvm"


def last_host(lab: Lab) -> str:
    if len(hosts(lab)) < 2:
        pytest.skip(f"profile {lab.profile.name} has one host")
    return hosts(lab)[-1]


def test_every_role_answers(cluster_lab: Lab) -> None:
    reply = ask(cluster_lab, everybody(cluster_lab))
    assert reply.status == 200
    assert outcomes(reply) == dict.fromkeys(cluster_lab.profile.nodes, "ok")
    assert outcomes(ask(cluster_lab, "option=host")) == dict.fromkeys(hosts(cluster_lab), "ok")
    assert outcomes(ask(cluster_lab, "option=ccvm")) == {"ccvm": "ok"}
    assert cluster_lab.api("ccvm", "GET", HEALTH).json() == {"status": "ok"}


def test_storage_vms_by_role_and_by_name(cluster_lab: Lab) -> None:
    if not scvms(cluster_lab):
        assert ask(cluster_lab, "option=scvm").json()["message"] == "unsupported cluster type"
        return
    assert outcomes(ask(cluster_lab, "option=scvm")) == dict.fromkeys(scvms(cluster_lab), "ok")
    assert outcomes(ask(cluster_lab, "target_hostname=SCVM2,ccvm")) == {"scvm2": "ok", "ccvm": "ok"}


def test_a_name_that_nobody_has(cluster_lab: Lab) -> None:
    reply = ask(cluster_lab, "target_hostname=nobody")
    assert (reply.status, reply.json()["message"]) == (400, "target_hostname not found")


def test_a_node_without_power(cluster_lab: Lab) -> None:
    cluster_lab.kill("ccvm")
    reply = ask(cluster_lab, everybody(cluster_lab))
    assert reply.status == 502
    assert outcomes(reply) == {**dict.fromkeys(cluster_lab.profile.nodes, "ok"), "ccvm": "unreachable"}
    cluster_lab.boot("ccvm")
    assert outcomes(ask(cluster_lab, "target_hostname=ccvm")) == {"ccvm": "ok"}


def test_a_node_that_is_cut_off(cluster_lab: Lab) -> None:
    lost = last_host(cluster_lab)
    assert ask(cluster_lab, "option=host").status == 200
    cluster_lab.cut(lost, "management")
    reply = ask(cluster_lab, "option=host")
    assert reply.status == 502
    assert outcomes(reply) == {**dict.fromkeys(hosts(cluster_lab), "ok"), lost: "unreachable"}
    assert outcomes(ask(cluster_lab, "target_hostname=cube2" if lost != "cube2" else "target_hostname=cube1"))
    cluster_lab.heal(lost)
    assert ask(cluster_lab, f"target_hostname={lost}").status == 200


def test_a_daemon_that_hangs(cluster_lab: Lab) -> None:
    lost = last_host(cluster_lab)
    with frozen(cluster_lab, lost):
        reply = ask(cluster_lab, "option=host")
    assert (reply.status, outcomes(reply)[lost]) == (502, "unreachable")
    assert ask(cluster_lab, "option=host").status == 200


def test_a_daemon_that_is_stopped(cluster_lab: Lab) -> None:
    cluster_lab.run("ccvm", ["systemctl", "stop", product.UNIT])
    try:
        reply = ask(cluster_lab, "option=ccvm")
        assert (reply.status, outcomes(reply)) == (502, {"ccvm": "unreachable"})
        assert "no connection" in reply.json()["results"][0]["message"]
    finally:
        cluster_lab.run("ccvm", ["systemctl", "start", product.UNIT])
