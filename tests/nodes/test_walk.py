"""The product's main job on three real daemons: insert, add, remove, reset; tokens; and what goes wrong on the way."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.convergence import held, settled
from tests.support.answer import Answer
from tests.support.local_nodes import LocalNode, insert_request, make_nodes

APPLY = "/cube/cluster/apply"
MY_ADDRESS = "127.0.0.1"  # the kernel's choice for a call of this test to any 127.x address
Nodes = list[LocalNode]


def hostnames(node: LocalNode) -> list[str]:
    return [host["hostname"] for host in node.cluster()["clusterConfig"]["hosts"]]


def outcomes(answer: Answer) -> dict[str, str]:
    return {entry["hostname"]: entry["outcome"] for entry in answer.body["results"]}


def internal_token(node: LocalNode) -> str:
    return str(node.cluster().get("security", {}).get("internal_token", ""))


@pytest.mark.parametrize("cluster_type", ["ablestack-vm", "ablestack-hci"])
def test_insert_add_remove_reset(nodes: Nodes, cluster_type: str) -> None:
    first, _, third = nodes
    if cluster_type == "ablestack-hci":
        inserted = first.api("POST", APPLY, insert_request(nodes, cluster_type))
    else:
        inserted = first.api("POST", APPLY, insert_request(nodes[:2], cluster_type))
        assert outcomes(inserted) == {"cube1": "ok", "cube2": "ok"}
        assert internal_token(third) == ""
        entry = {"index": "3", "hostname": "cube3", "ablecube": third.address}
        more = {"option": "add", "hosts": [entry], "pcs_cluster_list": [node.address for node in nodes]}
        inserted = first.api("POST", APPLY, {**insert_request(nodes, cluster_type), **more})
    assert inserted.status == 200, inserted.body
    assert hostnames(third) == ["cube1", "cube2", "cube3"]
    settled(nodes)

    removed = first.api("POST", APPLY, {"action": "remove", "remove_hostname": "cube2"})
    assert removed.status == 200, removed.body
    assert [hostnames(node) for node in nodes] == [["cube1", "cube3"]] * 3
    assert [host["index"] for host in first.cluster()["clusterConfig"]["hosts"]] == ["1", "3"]
    assert nodes[1].address not in first.hosts_file.read_text()

    token = internal_token(first)
    reset = first.api("POST", APPLY, {"action": "reset"})
    assert outcomes(reset) == {"cube1": "ok", "cube3": "ok"}
    assert hostnames(first) == hostnames(third) == []
    assert internal_token(first) == internal_token(third) == token


def test_check_asks_every_node_whether_it_reaches_every_host(nodes: Nodes) -> None:
    first = nodes[0]
    first.api("POST", APPLY, insert_request(nodes))
    assert outcomes(first.api("POST", APPLY, {"action": "check", "option": "hostOnly"})) == dict.fromkeys(
        ("cube1", "cube2", "cube3"), "ok"
    )
    nodes[2].kill()
    answer = first.api("POST", APPLY, {"action": "check", "option": "hostOnly"})
    assert answer.status == 502
    assert outcomes(answer) == {"cube1": "failed", "cube2": "failed", "cube3": "unreachable"}
    assert nodes[2].address in answer.body["results"][0]["message"]


def test_a_stopped_node_means_no_node_changes(nodes: Nodes) -> None:
    first, second, third = nodes
    first.api("POST", APPLY, insert_request(nodes))
    before = settled(nodes)
    third.kill()
    answer = first.api("POST", APPLY, insert_request(nodes, external_timeserver="new.example"))
    assert answer.status == 502
    assert outcomes(answer) == {"cube1": "skipped", "cube2": "skipped", "cube3": "unreachable"}
    assert "previous revision" in answer.body["message"]
    assert held(first) == held(second) == held(third) == before
    third.start()
    assert first.api("POST", APPLY, insert_request(nodes, external_timeserver="new.example")).status == 200
    assert "new.example" in settled(nodes)


def test_a_stopped_host_can_be_removed(nodes: Nodes) -> None:
    first, second, third = nodes
    first.api("POST", APPLY, insert_request(nodes))
    third.kill()
    answer = first.api("POST", APPLY, {"action": "remove", "remove_hostname": "cube3"})
    assert answer.status == 200, answer.body
    assert outcomes(answer) == {"cube1": "ok", "cube2": "ok", "cube3": "skipped", "ccvm": "skipped"}
    assert hostnames(first) == hostnames(second) == ["cube1", "cube2"]


def test_a_node_with_another_token_refuses_and_nothing_changes(nodes: Nodes) -> None:
    first, second, third = nodes
    document = third.cluster()
    document["security"] = {"internal_token": "a-token-of-its-own-0123456789"}
    third.cluster_json.write_text(json.dumps(document))
    before = held(second)
    answer = first.api("POST", APPLY, insert_request(nodes))
    assert answer.status == 502
    assert outcomes(answer)["cube3"] == "refused"
    assert held(second) == before
    assert internal_token(first) == ""


def test_a_node_that_asks_for_an_enrolment_code_gets_in_with_it_only(nodes: Nodes) -> None:
    first, _, third = nodes
    auth_json = third.root / "etc/ablestack/auth.json"
    auth_json.write_text(json.dumps({**json.loads(auth_json.read_text()), "enrolment": "code"}))
    refused = first.api("POST", APPLY, insert_request(nodes))
    assert (refused.status, outcomes(refused)["cube3"]) == (502, "refused")
    argv = [sys.executable, "-m", "ablestack_api", "enrol", "--json"]
    printed = subprocess.run(argv, env=third.full_environ, capture_output=True, check=True, timeout=20).stdout
    code = json.loads(printed)["code"]
    assert first.api("POST", APPLY, insert_request(nodes, enrolment_codes={"cube3": "WRONG-22222"})).status == 502
    accepted = first.api("POST", APPLY, insert_request(nodes, enrolment_codes={"cube3": code}))
    assert accepted.status == 200, accepted.body
    assert not (third.state / "enrolment.json").exists(), "the code is used up"


def test_rotation_reaches_every_node_and_the_old_token_ends(nodes: Nodes) -> None:
    first = nodes[0]
    first.api("POST", APPLY, insert_request(nodes))
    old = internal_token(first)
    answer = first.api("POST", "/auth/internal-token/rotate")
    assert (answer.status, answer.body["val"]["target_cnt"]) == (200, 3)
    assert outcomes(answer) == {"cube2": "ok", "cube3": "ok", "ccvm": "skipped"}
    new = {internal_token(node) for node in nodes}
    assert len(new) == 1
    assert new != {old}
    for node in nodes:
        assert node.call("GET", "/cube/cluster/config", headers={"X-Cube-Internal-Token": old}).status == 401
        assert node.call("GET", "/cube/cluster/config", headers={"X-Cube-Internal-Token": new.copy().pop()}).status == 200


def test_rotation_with_a_stopped_node_changes_nothing_and_can_be_repeated(nodes: Nodes) -> None:
    first, _, third = nodes
    first.api("POST", APPLY, insert_request(nodes))
    old = internal_token(first)
    third.kill()
    answer = first.api("POST", "/auth/internal-token/rotate")
    assert answer.status == 502
    assert outcomes(answer)["cube3"] == "unreachable"
    assert {internal_token(node) for node in nodes} == {old}
    assert first.api("GET", "/cube/cluster/health?option=host&target_hostname=cube2").status == 200
    third.start()
    assert first.api("POST", "/auth/internal-token/rotate").status == 200
    assert len({internal_token(node) for node in nodes} | {old}) == 2


def test_after_sync_a_token_of_one_node_is_good_on_all(nodes: Nodes) -> None:
    first, second, _ = nodes
    first.api("POST", APPLY, insert_request(nodes))
    older = second.token()
    headers = {"Authorization": first.token()}
    assert second.call("GET", "/auth/me", headers=headers).status == 401
    answer = first.call("POST", "/auth/sync?option=all", headers=headers)
    assert (answer.status, answer.body["val"]["success_cnt"], answer.body["val"]["fail_cnt"]) == (200, 3, 0)
    assert all(node.call("GET", "/auth/me", headers=headers).status == 200 for node in nodes)
    assert second.call("GET", "/auth/me", headers={"Authorization": older}).status == 200, "its own old token stays good"


def test_logout_counts_on_every_node(nodes: Nodes) -> None:
    first = nodes[0]
    first.api("POST", APPLY, insert_request(nodes))
    headers = {"Authorization": first.token()}
    first.call("POST", "/auth/sync", headers=headers)
    assert first.call("POST", "/auth/logout", headers=headers).status == 200
    assert [node.call("GET", "/auth/me", headers=headers).status for node in nodes] == [401, 401, 401]


def test_of_two_applies_at_once_one_is_told_who_holds_it(nodes: Nodes) -> None:
    """cube3 hangs in its first step, so that the first apply is still running when the second one comes."""
    first, _, third = nodes
    first.api("POST", APPLY, insert_request(nodes))
    answers: list[Answer] = []
    with _frozen(third):
        slow = threading.Thread(
            target=lambda: answers.append(first.api("POST", APPLY, insert_request(nodes, external_timeserver="one.example")))
        )
        slow.start()
        _wait_for_record(nodes[1])
        second = first.api("POST", APPLY, insert_request(nodes, external_timeserver="two.example"))
        from_another = nodes[1].api("POST", APPLY, insert_request(nodes, external_timeserver="three.example"))
    slow.join(60)
    for refused in (second, from_another):
        assert refused.status == 409
        assert refused.body["holder"].endswith(f"@{MY_ADDRESS}")
        assert refused.body["age_seconds"] >= 0
    assert answers[0].status == 200, answers[0].body
    assert "one.example" in settled(nodes)


def test_a_full_disk_on_one_node_changes_no_node(tmp_path: Path) -> None:
    made = make_nodes(tmp_path, 3, network="127.77.1")
    with _small_disk(made[2]):
        try:
            for node in made:
                node.start()
            assert made[0].api("POST", APPLY, insert_request(made)).status == 200
            before = settled(made)
            with _filled(made[2]):
                answer = made[0].api("POST", APPLY, insert_request(made, external_timeserver="new.example"))
                assert answer.status == 502
                assert "space" in next(e["message"] for e in answer.body["results"] if e["hostname"] == "cube3")
                assert [held(node) for node in made] == [before] * 3
            assert settled(made) == before
            assert made[0].api("POST", APPLY, insert_request(made, external_timeserver="new.example")).status == 200
        finally:
            for node in made:
                node.kill()


def test_sigterm_ends_within_five_seconds_even_while_calls_run(nodes: Nodes) -> None:
    first, _, third = nodes
    first.api("POST", APPLY, insert_request(nodes))
    with _frozen(third):
        waiting = threading.Thread(target=lambda: _ignore(lambda: first.api("GET", "/cube/cluster/health?option=host")))
        waiting.start()
        time.sleep(0.3)
        assert first.stop() < 5
        waiting.join(10)


def test_several_workers_share_everything(tmp_path: Path) -> None:
    made = make_nodes(tmp_path, 2, network="127.77.2")
    try:
        for node in made:
            node.environ["ABLESTACK_API_WORKERS"] = "3"
            node.start()
        assert made[0].api("POST", APPLY, insert_request(made)).status == 200
        headers = {"Authorization": made[0].token()}
        assert made[0].call("POST", "/auth/logout", headers=headers).status == 200
        assert {made[0].call("GET", "/auth/me", headers=headers).status for _ in range(12)} == {401}
        answers = [made[0].call("POST", "/auth/login", {"id": "nobody", "password": "x"}).status for _ in range(7)]
        assert answers == [401] * 5 + [429] * 2
    finally:
        for node in made:
            node.kill()


@contextmanager
def _frozen(node: LocalNode) -> Iterator[None]:
    """The node's processes are stopped: its connections open, its answers never come."""
    assert node.process is not None
    group = node.process.pid
    os.killpg(group, 19)
    try:
        yield
    finally:
        os.killpg(group, 18)


@contextmanager
def _small_disk(node: LocalNode) -> Iterator[None]:
    """The whole node on a tmpfs of one MiB; without root only its writes are made to fail (see `_filled`)."""
    if os.geteuid() != 0:
        yield
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(node.root)], check=True)
    try:
        node.lay_out()
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(node.root)], check=True)


@contextmanager
def _filled(node: LocalNode) -> Iterator[None]:
    if os.geteuid() != 0:
        usual = node.program
        node.stop()
        node.program = (sys.executable, "-m", "tests.nodes.full_disk_daemon")
        node.start()
        yield
        node.stop()
        node.program = usual
        node.start()
        return
    ballast = node.root / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    yield
    ballast.unlink()


def _wait_for_record(node: LocalNode) -> None:
    path = node.state / "transaction" / "participant.json"
    end = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < end, "the first apply never began"
        time.sleep(0.02)


def _ignore(work: Any) -> None:
    try:
        work()
    except OSError:
        return
