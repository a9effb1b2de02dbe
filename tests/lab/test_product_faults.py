"""What a cluster survives: cables pulled and power lost in the middle of a change, restarts under load.

A change is watched on the nodes' disks. The leader is frozen for a moment so that the fault comes at the phase it is
meant for; the moment may be missed on a busy machine, then the test tries again.
"""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from tests.lab import api, first_apply, lifecycle, parallel, product
from tests.lab.cluster import (
    APPLY,
    DEADLINE,
    INTERNAL_TOKEN,
    QUICK_POLL,
    SYSTEM_CONFIG,
    document,
    frozen,
    guests,
    held,
    hosts,
    internal_token,
    open_records,
    outcomes,
    phase,
    settled,
    signing_value,
    unread_bytes,
    until,
)
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

LEADER = "cube1"
LOST = "cube3"
ROTATE = "/api/v1/auth/internal-token/rotate"
SYNC = "/api/v1/auth/sync?option=all"
ME = "/api/v1/auth/me"
PREPARED, APPLIED = "prepared", "applied"
ANY_PHASE = ("prepared", "applying", "applied")
# How long the leader gives a change in these tests: less than it would take by itself.
CHANGE_SECONDS = 15
ANSWER_SECONDS = 60.0
SHORT_SECONDS = 8.0
TRIES = 4
names_of_servers = (f"time{number}.example" for number in itertools.count())


@pytest.fixture
def three_hosts(cluster_lab: Lab) -> Lab:
    """A complete cluster of several hosts."""
    if len(hosts(cluster_lab)) < 3:
        pytest.skip(f"profile {cluster_lab.profile.name} has one host")
    return cluster_lab


def change(lab: Lab, server: str, patience: float = ANSWER_SECONDS) -> api.Reply:
    """Apply the cluster with another external time server, with a deadline as a calling node gives one."""
    body = {**first_apply.request(lab.profile), "external_timeserver": server}
    headers = {INTERNAL_TOKEN: internal_token(lab, LEADER), DEADLINE: str(CHANGE_SECONDS)}
    return lab.api(LEADER, "POST", APPLY, body, headers=headers, timeout=patience)


def wait_back(lab: Lab, node: str) -> None:
    """Wait until a healed node answers the leader on every network, and every node has ended its part in a change."""
    for address in map(str, lab.node(node).addresses.values()):
        until(partial(_pings, lab, address), f"{node} answers at {address}")
    until(lambda: not any(open_records(lab, name) for name in lab.profile.nodes), "no record is open")


def _pings(lab: Lab, address: str) -> bool:
    return lab.run(LEADER, ["ping", "-c", "1", "-W", "1", address], ok=None).code == 0


@contextmanager
def changing(lab: Lab, server: str, patience: float = ANSWER_SECONDS) -> Iterator["Future[api.Reply]"]:
    """The same in the background; the future's result is the answer, or how the connection ended."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(change, lab, server, patience)


def reach(lab: Lab, node: str, wanted: tuple[str, ...], answer: "Future[api.Reply]") -> bool:
    """Wait for the moment a node's part in the change is in one of these phases; False when the change ended first."""
    found = until(lambda: phase(lab, node) in wanted or answer.done(), f"{node} is {wanted}", poll=QUICK_POLL)
    return bool(found) and not answer.done()


def cut_at(lab: Lab, wanted: str, answer: "Future[api.Reply]") -> bool:
    """Cut LOST off once it is in this phase and the leader's next step has not reached it; False when that failed."""
    if not reach(lab, LOST, (wanted,), answer):
        return False
    with frozen(lab, LEADER):
        until(lambda: unread_bytes(lab, LEADER, LOST) or phase(lab, LOST) != wanted, f"{LOST} answers that it is {wanted}")
        if phase(lab, LOST) != wanted:
            return False
        lab.cut(LOST)
    return True


def change_cut_at(lab: Lab, wanted: str) -> tuple[str, str, api.Reply]:
    """A change in which LOST was cut off at a phase: what the hosts held before, the new time server, the answer."""
    for _ in range(TRIES):
        before, server = settled(lab), next(names_of_servers)
        with changing(lab, server) as answer:
            cut = cut_at(lab, wanted, answer)
            reply = answer.result(ANSWER_SECONDS)
        if cut:
            return before, server, reply
    pytest.fail(f"{LOST} could not be cut off at {wanted}: the moment was missed every time")


def test_nothing_changes_while_a_host_is_cut_off(three_hosts: Lab) -> None:
    lab, before = three_hosts, settled(three_hosts)
    lab.cut(LOST)
    refused = change(lab, next(names_of_servers))
    assert refused.status == 502
    assert outcomes(refused) == {"cube1": "skipped", "cube2": "skipped", LOST: "unreachable"}
    assert "previous revision" in refused.json()["message"]
    assert [held(lab, name) for name in hosts(lab)] == [before] * 3
    lab.heal(LOST)
    assert settled(lab) == before
    server = next(names_of_servers)
    assert change(lab, server).status == 200
    assert server in settled(lab)


def test_a_host_that_is_cut_off_after_it_prepared_is_put_back(three_hosts: Lab) -> None:
    lab = three_hosts
    before, server, reply = change_cut_at(lab, PREPARED)
    assert reply.status == 502, reply.text
    assert outcomes(reply)[LOST] == "unreachable"
    assert [held(lab, name) for name in hosts(lab)] == [before] * 3
    assert open_records(lab, LOST), "it still takes part: nobody could tell it"
    lab.heal(LOST)
    assert settled(lab) == before
    assert change(lab, server).status == 200
    assert server in settled(lab)


def test_a_host_that_is_cut_off_after_it_applied_is_told_later(three_hosts: Lab) -> None:
    lab = three_hosts
    _, server, reply = change_cut_at(lab, APPLIED)
    told = next(entry for entry in reply.json()["results"] if entry["hostname"] == LOST)
    assert (reply.status, told["outcome"]) == (200, "ok"), reply.text
    assert "finishing is tried again" in told["message"]
    assert phase(lab, LOST) == APPLIED
    lab.heal(LOST)
    assert server in settled(lab)


@pytest.mark.parametrize("wanted", [(PREPARED,), (APPLIED,)], ids=["prepared", "applied"])
def test_a_host_that_loses_power_in_a_change_ends_like_the_others(three_hosts: Lab, wanted: tuple[str, ...]) -> None:
    lab, before, server = three_hosts, settled(three_hosts), next(names_of_servers)
    with changing(lab, server) as answer:
        assert reach(lab, LOST, wanted, answer)
        lab.kill(LOST)
        reply = answer.result(ANSWER_SECONDS)
    assert reply.status in (200, 502), reply.text
    lab.boot(LOST)
    now = settled(lab)
    assert (server in now) is (reply.status == 200)
    assert now == before or reply.status == 200


@pytest.mark.parametrize("wanted", [(PREPARED,), (APPLIED,)], ids=["prepared", "applied"])
def test_a_leader_that_loses_power_leaves_one_revision_everywhere(three_hosts: Lab, wanted: tuple[str, ...]) -> None:
    lab, before, server = three_hosts, settled(three_hosts), next(names_of_servers)
    with changing(lab, server, patience=SHORT_SECONDS) as answer:
        assert reach(lab, LOST, wanted, answer)
        lab.kill(LEADER)
        lab.boot(LEADER)
        now = settled(lab)
        assert now == before or server in now
        with pytest.raises((OSError, http.client.HTTPException)):
            answer.result(ANSWER_SECONDS)
    assert change(lab, next(names_of_servers)).status == 200
    settled(lab)


@pytest.mark.parametrize("lost", [LOST, "ccvm"])
def test_a_rotation_with_a_node_cut_off_changes_nothing_and_can_be_repeated(three_hosts: Lab, lost: str) -> None:
    lab, everyone = three_hosts, list(three_hosts.profile.nodes)
    token, old = first_apply.log_in(lab), internal_token(lab, LEADER)
    lab.cut(lost)
    refused = lab.api(LEADER, "POST", ROTATE, token=token, timeout=ANSWER_SECONDS)
    assert (refused.status, outcomes(refused)[lost]) == (502, "unreachable"), refused.text
    assert {internal_token(lab, name) for name in everyone} == {old}
    lab.heal(lost)
    wait_back(lab, lost)
    assert lab.api(LEADER, "GET", "/api/v1/cube/cluster/health?option=host,ccvm", token=token).status == 200

    rotated = lab.api(LEADER, "POST", ROTATE, token=token, timeout=ANSWER_SECONDS)
    assert rotated.status == 200, rotated.text
    assert outcomes(rotated) == dict.fromkeys((name for name in everyone if name != LEADER), "ok")
    settled(lab)
    new = {internal_token(lab, name) for name in everyone}
    assert len(new) == 1
    assert new != {old}
    statuses = [lab.api(name, "GET", SYSTEM_CONFIG, headers={INTERNAL_TOKEN: old}).status for name in everyone]
    assert set(statuses) == {401}, "the old token has ended everywhere"
    assert old not in refused.text + rotated.text
    assert new.pop() not in refused.text + rotated.text


def test_a_sync_with_a_guest_cut_off_changes_nothing_and_can_be_repeated(three_hosts: Lab) -> None:
    lab, everyone, lost = three_hosts, list(three_hosts.profile.nodes), guests(three_hosts)[0]
    token, elsewhere = first_apply.log_in(lab), first_apply.log_in(lab, LOST)
    before = {name: signing_value(lab, name) for name in everyone}
    lab.cut(lost)
    refused = lab.api(LEADER, "POST", SYNC, token=token, timeout=ANSWER_SECONDS)
    assert (refused.status, outcomes(refused)[lost]) == (502, "unreachable"), refused.text
    assert {name: signing_value(lab, name) for name in everyone} == before
    lab.heal(lost)
    wait_back(lab, lost)
    synced = lab.api(LEADER, "POST", SYNC, token=token, timeout=ANSWER_SECONDS)
    assert synced.status == 200, synced.text
    assert {name: lab.api(name, "GET", ME, token=token).status for name in everyone} == dict.fromkeys(everyone, 200)
    assert lab.api(LOST, "GET", ME, token=elsewhere).status == 200, "a token of before stays good for its lifetime"


# --- restarts under load ---------------------------------------------------------------------------------------------


class Writer(threading.Thread):
    """Writes one value after another to one place of the profile, again and again; remembers what was answered 200.

    After a write without an answer either value may be there. `stale` are reads that showed another value than that.
    """

    def __init__(self, lab: Lab, token: str, place: tuple[str, str], values: Iterator[str], option: str = "") -> None:
        super().__init__(daemon=True)
        self.place = place
        self.possible: set[str] = set()
        self.written = 0
        self.unanswered = 0
        self.stale: list[str] = []
        self.statuses: set[int] = set()
        self._call: Callable[[dict[str, str]], api.Reply] = lambda body: lab.api(
            LEADER, "POST", SYSTEM_CONFIG, body, token=token, timeout=ANSWER_SECONDS
        )
        self._values, self._option = values, option
        self._stop_asked = threading.Event()

    def run(self) -> None:
        for value in self._values:
            if self._stop_asked.is_set():
                return
            self._write(value)
            self._read()

    def end(self) -> None:
        """Stop after the request that runs now."""
        self._stop_asked.set()
        self.join(ANSWER_SECONDS)

    def _write(self, value: str) -> None:
        depth1, depth2 = self.place
        try:
            reply = self._call(
                {"action": "update", "option": self._option, "depth1": depth1, "depth2": depth2, "value": value}
            )
        except (OSError, http.client.HTTPException):
            self.possible.add(value)
            self.unanswered += 1
            time.sleep(0.05)
            return
        self.statuses.add(reply.status)
        if reply.status == 200:
            self.possible = {value}
            self.written += 1
        elif reply.status != 409:
            self.possible.add(value)

    def _read(self) -> None:
        try:
            reply = self._call({"action": "status", "depth1": self.place[0], "depth2": self.place[1]})
        except (OSError, http.client.HTTPException):
            return
        shown = str(reply.json()["val"][self.place[1]]) if reply.status == 200 else ""
        if shown and self.possible and shown not in self.possible:
            self.stale.append(f"{shown} instead of {self.possible}")


def numbered(prefix: str) -> Iterator[str]:
    return (f"{prefix}-{number}" for number in itertools.count())


def _have_written(writers: list[Writer], wanted: list[int]) -> bool:
    return all(writer.written >= number for writer, number in zip(writers, wanted, strict=True))


def stops(lab: Lab, since: str) -> list[float]:
    """How long systemd waited for the daemon to end, for each stop since then, in seconds."""
    argv = ["journalctl", "-u", product.UNIT, "--since", since, "-o", "json", "--no-pager"]
    entries = [json.loads(line) for line in lab.run(LEADER, argv).stdout.splitlines()]
    assert not [entry for entry in entries if "SIGKILL" in str(entry["MESSAGE"])]
    begun = [int(entry["__REALTIME_TIMESTAMP"]) for entry in entries if str(entry["MESSAGE"]).startswith("Stopping ")]
    ended = [int(entry["__REALTIME_TIMESTAMP"]) for entry in entries if str(entry["MESSAGE"]).startswith("Stopped ")]
    return [(end - begin) / 1e6 for begin, end in zip(begun, ended, strict=True)]


def test_no_answered_write_is_lost_in_restarts_under_load(cluster_lab: Lab) -> None:
    lab, token = cluster_lab, first_apply.log_in(cluster_lab)
    since = lab.run(LEADER, ["date", "+%Y-%m-%d %H:%M:%S"]).stdout.strip()
    flips = itertools.cycle(("false", "true"))
    writers = [
        Writer(lab, token, ("license", "type"), numbered("here")),
        Writer(lab, token, ("security_patch", "status"), flips),
        Writer(lab, token, ("bootstrap", "gfs_configure"), itertools.cycle(("true", "false")), "all"),
    ]
    for writer in writers:
        writer.start()
    for _ in range(3):
        enough = [writer.written + 2 for writer in writers]
        until(partial(_have_written, writers, enough), "writes go on")
        lab.run(LEADER, ["systemctl", "restart", product.UNIT])
    until(lambda: lab.run(LEADER, ["systemctl", "is-active", product.UNIT], ok=None).code == 0, "it runs again")
    lifecycle.wait_answering(lab)
    parallel.each(writers, Writer.end)
    settled(lab)

    assert [writer.stale for writer in writers] == [[], [], []]
    profiles = {name: document(lab, name)["systemProfile"] for name in hosts(lab)}
    for writer in writers:
        depth1, depth2 = writer.place
        assert profiles[LEADER][depth1][depth2] in writer.possible, f"{writer.place}: {writer.written} written"
        assert writer.statuses <= {200, 409, 502, 503}, writer.statuses
    assert len({profiles[name]["bootstrap"]["gfs_configure"] for name in hosts(lab)}) == 1
    assert sum(writer.unanswered for writer in writers) > 0, "no restart met a request"
    seconds = stops(lab, since)
    assert len(seconds) == 3
    assert max(seconds) < 5
