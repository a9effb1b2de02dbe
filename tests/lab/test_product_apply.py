"""One cluster out of new nodes over the real network: first trust, insert, add, remove, reset, check."""

import json
import time
from typing import Any

import pytest

from tests.lab import first_apply
from tests.lab.cluster import (
    APPLY,
    APPLY_LOCAL,
    CLUSTER_JSON,
    CONFIG,
    INTERNAL_TOKEN,
    apply,
    document,
    expect,
    guests,
    held,
    hosts,
    internal_token,
    outcomes,
    settled,
)
from tests.lab.lab import Lab

TIMEOUT = first_apply.APPLY_TIMEOUT
CHECK_SECONDS = 15.0
INVENTED = "a-token-that-a-stranger-made-up"
NAMES = {
    "hci": {
        **{f"cube{n}": f"198.18.10.{n}" for n in (1, 2, 3)},
        **{f"scvm{n}-mngt": f"198.18.10.1{n}" for n in (1, 2, 3)},
        **{f"pn-ablecube{n}": f"198.18.20.{n}" for n in (1, 2, 3)},
        **{f"scvm{n}": f"198.18.20.1{n}" for n in (1, 2, 3)},
        **{f"cn-scvm{n}": f"198.18.30.1{n}" for n in (1, 2, 3)},
        "ccvm": "198.18.10.21",
        "ccvm-mngt": "198.18.10.21",
    },
    "vm": {**{f"cube{n}": f"198.18.10.{n}" for n in (1, 2, 3)}, "ccvm": "198.18.10.21"},
    "standalone": {"cube1": "198.18.10.1", "ccvm": "198.18.10.21"},
}

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("product_as_new")]


def needs_several_hosts(lab: Lab) -> None:
    if len(hosts(lab)) < 3:
        pytest.skip(f"profile {lab.profile.name} has one host")


def named(lab: Lab, node: str) -> list[str]:
    return [host["hostname"] for host in document(lab, node)["clusterConfig"]["hosts"]]


def resolved(lab: Lab, node: str, name: str) -> str:
    """The first address the node's name service has for a name."""
    return (lab.run(node, ["getent", "ahostsv4", name], ok=None).stdout.split() or [""])[0]


def test_insert_makes_one_cluster_of_new_nodes(fresh_lab: Lab) -> None:
    lab, names = fresh_lab, hosts(fresh_lab)
    answer = first_apply.apply(lab)
    assert {entry["hostname"]: entry["outcome"] for entry in answer["results"]} == dict.fromkeys(names, "ok")
    settled(lab)
    assert len({(lab.machine(name).root / CLUSTER_JSON).read_bytes() for name in names}) == 1
    assert len(internal_token(lab, "cube1")) == 43
    modes = {lab.run(name, ["stat", "-c", "%a %U", f"/{CLUSTER_JSON}"]).stdout.strip() for name in names}
    assert modes == {"600 root"}
    for name in names:
        assert {wanted: resolved(lab, name, wanted) for wanted in NAMES[lab.profile.name]} == NAMES[lab.profile.name]
    assert resolved(lab, "cube1", "ablecube") == lab.node("cube1").management
    assert internal_token(lab, "ccvm") == "", "a guest is no part of an insert"


def test_insert_again_changes_nothing(fresh_lab: Lab) -> None:
    first_apply.apply(fresh_lab)
    before = settled(fresh_lab)
    first_apply.apply(fresh_lab)
    assert settled(fresh_lab) == before


def test_a_third_host_is_added_while_the_guests_are_not_there_yet(fresh_lab: Lab) -> None:
    needs_several_hosts(fresh_lab)
    lab, token = fresh_lab, first_apply.log_in(fresh_lab)
    whole = first_apply.request(lab.profile)
    two = {**whole, "hosts": whole["hosts"][:2]}
    assert outcomes(apply(lab, token, hosts=two["hosts"])) == {"cube1": "ok", "cube2": "ok"}
    assert internal_token(lab, "cube3") == ""
    for name in guests(lab):
        lab.cut(name)
    added = lab.api("cube1", "POST", APPLY, _adding(whole), token=token, timeout=TIMEOUT)
    expect(added)
    told = outcomes(added)
    assert {name: told[name] for name in hosts(lab)} == dict.fromkeys(hosts(lab), "ok")
    assert {told[name] for name in told if name not in hosts(lab)} == {"skipped"}
    settled(lab)
    assert [named(lab, name) for name in hosts(lab)] == [["cube1", "cube2", "cube3"]] * 3
    assert resolved(lab, "cube2", "cube3") == lab.node("cube3").management


def _adding(whole: dict[str, Any]) -> dict[str, Any]:
    """The request that takes the third host into a cluster of the first two."""
    added = {key: whole[key] for key in ("type", "pcs_cluster_list")}
    return {**added, "action": "insert", "option": "add", "hosts": whole["hosts"][2:]}


def test_check_remove_and_reset_on_every_node(cluster_lab: Lab) -> None:
    needs_several_hosts(cluster_lab)
    lab, token = cluster_lab, first_apply.log_in(cluster_lab)
    checked = lab.api("cube1", "POST", APPLY, {"action": "check"}, token=token, timeout=TIMEOUT)
    assert (checked.status, set(outcomes(checked).values())) == (200, {"ok"})
    assert set(outcomes(checked)) == set(lab.profile.nodes)

    removed = lab.api("cube1", "POST", APPLY, {"action": "remove", "remove_hostname": "cube3"}, token=token, timeout=TIMEOUT)
    assert removed.status == 200, removed.text
    assert set(outcomes(removed)) == set(lab.profile.nodes), "the removed host and every guest take part"
    left = ["cube1", "cube2", *guests(lab)]
    settled(lab, ["cube1", "cube2"])
    assert [named(lab, name) for name in left] == [["cube1", "cube2"]] * len(left)
    assert resolved(lab, "cube1", "cube3") == resolved(lab, "ccvm", "cube3") == ""

    before = internal_token(lab, "cube1")
    reset = lab.api("cube1", "POST", APPLY, {"action": "reset"}, token=token, timeout=TIMEOUT)
    assert outcomes(reset) == {"cube1": "ok", "cube2": "ok"}
    assert [named(lab, name) for name in ("cube1", "cube2")] == [[], []]
    assert internal_token(lab, "cube1") == internal_token(lab, "cube2") == before


def test_a_check_names_the_host_that_is_cut_off(cluster_lab: Lab) -> None:
    needs_several_hosts(cluster_lab)
    lab, token = cluster_lab, first_apply.log_in(cluster_lab)
    lab.cut("cube3", "management")
    started = time.monotonic()
    reply = lab.api("cube1", "POST", APPLY, {"action": "check", "option": "hostOnly"}, token=token, timeout=TIMEOUT)
    assert reply.status == 502
    assert outcomes(reply) == {"cube1": "failed", "cube2": "failed", "cube3": "unreachable"}
    assert lab.node("cube3").management in reply.json()["results"][0]["message"]
    assert time.monotonic() - started < CHECK_SECONDS


def test_a_given_configuration_takes_every_guest_in(cluster_lab: Lab) -> None:
    lab = cluster_lab
    configuration = [[document(lab, name)[key] for key in ("clusterConfig", "security")] for name in lab.profile.nodes]
    assert all(each == configuration[0] for each in configuration)
    assert resolved(lab, "ccvm", "cube1") == lab.node("cube1").management
    headers = {INTERNAL_TOKEN: internal_token(lab, "cube1")}
    assert {lab.api(name, "GET", CONFIG, headers=headers).status for name in lab.profile.nodes} == {200}


def test_a_code_of_the_new_node_opens_it_and_nothing_else(fresh_lab: Lab) -> None:
    needs_several_hosts(fresh_lab)
    lab, token = fresh_lab, first_apply.log_in(fresh_lab)
    path = lab.machine("cube2").root / "etc/ablestack/auth.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "enrolment": "code"}), encoding="utf-8")
    before = [held(lab, name) for name in hosts(lab)]

    refused = apply(lab, token)
    assert (refused.status, outcomes(refused)["cube2"]) == (502, "refused")
    printed = lab.run("cube2", ["ablestack-api", "enrol", "--json"])
    code = json.loads(printed.stdout)["code"]
    assert apply(lab, token, enrolment_codes={"cube2": "WRONG-22222"}).status == 502
    assert [held(lab, name) for name in hosts(lab)] == before

    expect(apply(lab, token, enrolment_codes={"cube2": code}))
    settled(lab)
    assert not (lab.machine("cube2").root / "var/lib/ablestack/enrolment.json").exists(), "the code is used up"


def test_a_stranger_is_not_believed(fresh_lab: Lab) -> None:
    """Neither an address of the network that is no host, nor a machine that is not listed among the hosts."""
    lab = fresh_lab
    body = {**first_apply.request(lab.profile), "security": {"internal_token": INVENTED}}
    before = held(lab, "cube1")
    from_the_gate = lab.api("cube1", "POST", APPLY_LOCAL, body, headers={INTERNAL_TOKEN: INVENTED})
    assert from_the_gate.status == 401
    assert "does not come from another of hosts" in from_the_gate.json()["message"]
    assert _curl(lab, "ccvm", "cube1", body) == "401"
    for action in ("remove", "reset", "check"):
        other = lab.api("cube1", "POST", APPLY_LOCAL, {**body, "action": action}, headers={INTERNAL_TOKEN: INVENTED})
        assert other.status == 401
    assert held(lab, "cube1") == before
    audit = (lab.machine("cube1").root / "var/log/ablestack/audit.log").read_text(encoding="utf-8")
    told = [json.loads(line) for line in audit.splitlines() if '"first trust"' in line]
    assert {entry["client_ip"] for entry in told} == {"198.18.10.254", lab.node("ccvm").management}
    assert INVENTED not in audit


def test_a_configured_node_believes_nobody_any_more(fresh_lab: Lab) -> None:
    needs_several_hosts(fresh_lab)
    lab = fresh_lab
    first_apply.apply(lab)
    before = settled(lab)
    body = {**first_apply.request(lab.profile), "security": {"internal_token": INVENTED}}
    assert _curl(lab, "cube2", "cube3", body) == "401"
    assert settled(lab) == before


def _curl(lab: Lab, source: str, target: str, body: dict[str, Any]) -> str:
    """Post an insert with an invented token from one node to another; the HTTP status."""
    url = f"http://{lab.node(target).management}:8090{APPLY_LOCAL}"
    headers = ["-H", f"{INTERNAL_TOKEN}: {INVENTED}", "-H", "Content-Type: application/json"]
    argv = ["curl", "-sS", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", *headers, "--data-binary", "@-", url]
    return lab.run(source, argv, stdin=json.dumps(body)).stdout
