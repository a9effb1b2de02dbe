"""Chrony of the hosts after an apply: its configuration, whom it really follows, and what happens when it cannot start."""

from functools import partial

import pytest

from tests.lab import first_apply
from tests.lab.cluster import apply, guests, hosts, outcomes, settled, until
from tests.lab.identity import CHRONY, CHRONY_FILE
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("product_as_new")]

# Four quick measurements of two seconds each, then one every 16 s.
FOLLOW_SECONDS = 90.0
LOCAL_CLOCK = "7F7F0101"
# Each apply that is undone restarts chrony twice; systemd lets a unit start five times in ten seconds.
TOO_OFTEN = 4
UNIT_FILE = "etc/systemd/system/chrony.service"


def needs_several_hosts(lab: Lab) -> None:
    if len(hosts(lab)) < 3:
        pytest.skip(f"profile {lab.profile.name} has one host")


def configuration(lab: Lab, node: str) -> str:
    return (lab.machine(node).root / CHRONY_FILE).read_text(encoding="utf-8")


def tracked(lab: Lab, node: str) -> tuple[str, int]:
    """What a node's time comes from, and its stratum."""
    fields = lab.run(node, ["chronyc", "-c", "-n", "tracking"]).stdout.split(",")
    return fields[1] or fields[0], int(fields[2])


def follows(lab: Lab, node: str, server: str) -> bool:
    """Whether a node's time comes from a server that leads the cluster."""
    return tracked(lab, node) == (server, 11)


def active(lab: Lab, node: str) -> str:
    return lab.run(node, ["systemctl", "is-active", "chrony"], ok=None).stdout.strip()


def test_the_hosts_follow_the_first_two_and_the_guests_are_left_alone(fresh_lab: Lab) -> None:
    needs_several_hosts(fresh_lab)
    lab = fresh_lab
    started = {name: lab.run(name, ["systemctl", "show", "-P", "MainPID", "chrony"]).stdout for name in guests(lab)}
    first_apply.apply(lab)
    first, second = (lab.node(name).management for name in ("cube1", "cube2"))
    rates = "iburst minpoll 4 maxpoll 6"
    wanted = {
        "cube1": [f"server {second} {rates}"],
        "cube2": [f"server {first} {rates}"],
        "cube3": [f"server {first} {rates}", f"server {second} prefer {rates}"],
    }
    for name in hosts(lab):
        lines = configuration(lab, name).splitlines()
        assert [line for line in lines if line.startswith("server ")] == wanted[name]
        assert {"local stratum 10 orphan", "allow 198.18.10.0/24", "rtcsync"} <= set(lines)
        lab.run(name, ["chronyd", "-p", "-f", f"/{CHRONY_FILE}"])
        assert active(lab, name) == "active"

    # The first two name each other; the one with the lower address leads, and all others follow it.
    for name in ("cube2", "cube3"):
        until(partial(follows, lab, name, first), f"{name} follows cube1", FOLLOW_SECONDS)
    assert tracked(lab, "cube1") == (LOCAL_CLOCK, 10)

    for name in guests(lab):
        assert configuration(lab, name) == CHRONY
        assert lab.run(name, ["systemctl", "show", "-P", "MainPID", "chrony"]).stdout == started[name]


def test_one_host_alone_has_no_server_but_the_external_one(fresh_lab: Lab) -> None:
    lab, token = fresh_lab, first_apply.log_in(fresh_lab)
    alone = first_apply.request(lab.profile)
    changes = {"type": "ablestack-standalone", "hosts": alone["hosts"][:1], "pcs_cluster_list": []}
    assert apply(lab, token, **changes).status == 200
    lines = configuration(lab, "cube1").splitlines()
    assert not [line for line in lines if line.startswith("server ")]
    assert "#local stratum 10 orphan" in lines
    external = lab.node("ccvm").management
    assert apply(lab, token, **changes, external_timeserver=external).status == 200
    assert f"server {external} iburst" in configuration(lab, "cube1").splitlines()
    assert active(lab, "cube1") == "active"


def test_a_chrony_that_cannot_start_undoes_the_apply_everywhere(fresh_lab: Lab) -> None:
    needs_several_hosts(fresh_lab)
    lab = fresh_lab
    first_apply.apply(lab)
    before, token = settled(lab), first_apply.log_in(lab)
    files = {name: configuration(lab, name) for name in hosts(lab)}
    mask = lab.machine("cube3").root / UNIT_FILE
    lab.run("cube3", ["systemctl", "stop", "chrony"])
    mask.symlink_to("/dev/null")
    try:
        lab.run("cube3", ["systemctl", "daemon-reload"])
        for _ in range(TOO_OFTEN):
            refused = apply(lab, token, external_timeserver=lab.node("ccvm").management)
            assert refused.status == 502, refused.text
            assert outcomes(refused) == {"cube1": "skipped", "cube2": "skipped", "cube3": "failed"}, refused.text
            assert "Failed to restart chronyd.service" in refused.json()["message"]
            assert settled(lab) == before
        assert {name: configuration(lab, name) for name in hosts(lab)} == files
    finally:
        mask.unlink()
        lab.run("cube3", ["systemctl", "daemon-reload"])
        lab.run("cube3", ["systemctl", "start", "chrony"])
    assert {name: active(lab, name) for name in hosts(lab)} == dict.fromkeys(hosts(lab), "active")
    assert apply(lab, token, external_timeserver=lab.node("ccvm").management).status == 200
    settled(lab)
