"""tools.crm_mon: what Pacemaker printed as typed facts, and which failure is which."""

import shutil
import time
from pathlib import Path

import pytest

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, NotSetUp, PacemakerDown, ProgramMissing
from ablestack_api.core.runner import SystemRunner
from ablestack_api.core.settings import Settings
from ablestack_api.tools import crm_mon
from ablestack_api.tools.crm_mon import ClusterState
from tests.support.doubles import QueuedRunner

DATA = Path(__file__).parents[2] / "data/crm_mon"
PROGRAMS = "/usr/sbin:/usr/bin:/sbin:/bin"
ARGV = ["crm_mon", "--one-shot", "--inactive", "--output-as=xml"]
STATES = ("healthy", "two_file_systems", "failed_and_unclean", "maintenance", "locking_only", "named_nodes", "empty", "live")


def text(name: str) -> str:
    return (DATA / f"{name}.xml").read_text()


def state(name: str) -> ClusterState:
    return crm_mon.parse(text(name))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings({"ABLESTACK_SYSROOT": str(tmp_path)})


def set_up(settings: Settings) -> None:
    path = Path(settings.below("etc/corosync/corosync.conf"))
    path.parent.mkdir(parents=True)
    path.touch()


@pytest.mark.parametrize("name", STATES)
def test_every_element_becomes_a_fact(name: str) -> None:
    found, printed = state(name), text(name)
    assert len(found.resources) == printed.count("<resource ")
    assert sum(len(resource.nodes) for resource in found.resources) == printed.count('cached="true"')
    assert len(found.bans) == printed.count("<ban ")
    assert sum(len(part.operations) for part in found.history) == printed.count("<operation_history ")
    assert len(found.history) == printed.count("<resource_history ")


def test_nodes() -> None:
    found = state("failed_and_unclean")
    assert [(node.name, node.online, node.usable, node.is_dc) for node in found.nodes] == [
        ("10.10.31.1", True, True, True),
        ("10.10.31.2", True, True, False),
        ("10.10.31.3", False, False, False),
    ]
    assert (found.dc, found.has_quorum) == ("10.10.31.1", True)
    assert found.nodes[2].attributes["unclean"] == "true"


def test_where_things_are() -> None:
    found = state("healthy")
    dlm = found.instances("glue-dlm")
    assert [(each.clone, each.group, each.nodes, each.healthy) for each in dlm] == [
        ("glue-locking-clone", f"glue-locking:{number}", (f"10.10.31.{number + 1}",), True) for number in range(3)
    ]
    assert found.instances("glue-gfs")[0].agent == "ocf:heartbeat:Filesystem"
    assert found.instances("nobody") == []


def test_a_group_of_its_own_is_read_too() -> None:
    found = state("named_nodes")
    assert [(each.id, each.group, each.clone) for each in found.resources] == [
        ("cloudcenter_res", "", ""),
        ("web-ip", "web", ""),
        ("web-server", "web", ""),
    ]
    assert (found.resources[0].role, found.resources[0].nodes) == ("Stopped", ())
    assert found.resources[0].attributes["target_role"] == "Stopped"


def test_active_on_two_nodes() -> None:
    assert state("maintenance").instances("cloudcenter_res")[0].nodes == ("10.10.31.1", "10.10.31.2")


def test_a_failed_instance_is_not_healthy() -> None:
    found = {each.nodes: each for each in state("failed_and_unclean").instances("glue-gfs")}
    assert [found[nodes].healthy for nodes in (("10.10.31.1",), ("10.10.31.2",), ())] == [True, False, False]
    assert found["10.10.31.2",].failed


def test_five_hundred_resources_are_quick() -> None:
    one = text("two_file_systems")
    start, end = one.index("<resources>") + len("<resources>"), one.index("</resources>")
    inner, history = one[start:end], one[one.index("<node_history>") : one.index("</node_history>")]
    big = one[:start] + inner * 25 + one[end:]
    big = big.replace("</node_history>", history[len("<node_history>") :] * 24 + "</node_history>")
    seconds = []
    for _ in range(5):
        began = time.thread_time()
        found = crm_mon.parse(big)
        seconds.append(time.thread_time() - began)
    assert len(found.resources) >= 500
    assert len(big) > 350_000  # what a real cluster of 500 resources prints
    assert min(seconds) < 0.05


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("", "empty pcs status xml"),
        (" \n", "empty pcs status xml"),
        ("Error: cluster is not currently running", "syntax error"),
        ("<a><b></a>", "mismatched tag"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ("<a>\udce9</a>", "surrogates"),
        ("<a>\0</a>", "not well-formed"),
        ("<a>" + " " * crm_mon.LARGEST, "larger than"),
    ],
)
def test_what_is_no_xml(printed: str, reason: str) -> None:
    with pytest.raises(CommandFailed, match=reason) as caught:
        crm_mon.parse(printed)
    assert len(caught.value.detail) < 500


def test_pacemaker_that_runs(settings: Settings) -> None:
    runner = QueuedRunner()
    runner.expect(ARGV, stdout=text("healthy"), stderr="warning: <not> part of it\n")
    assert crm_mon.read(runner, settings) == state("healthy")


def test_no_cluster_was_ever_made(settings: Settings) -> None:
    runner = QueuedRunner()
    runner.expect(ARGV, stdout=text("not_running"), code=102)
    with pytest.raises(NotSetUp, match="no Pacemaker cluster"):
        crm_mon.read(runner, settings)


def test_a_cluster_that_does_not_run(settings: Settings) -> None:
    set_up(settings)
    runner = QueuedRunner()
    runner.expect(ARGV, stdout=text("not_running"), code=102)
    with pytest.raises(PacemakerDown, match="Connection refused"):
        crm_mon.read(runner, settings)


@pytest.mark.parametrize(
    ("daemon", "told"),
    [("", "it knows of no node yet"), ('<pacemakerd state="starting_daemons"/>', "its daemon is starting_daemons")],
)
def test_no_nodes_at_all(settings: Settings, daemon: str, told: str) -> None:
    """A Pacemaker that is just starting, or whose configuration cannot be read: code 0 all the same."""
    printed = text("no_cib").replace("  <summary>", f"{daemon}  <summary>")
    runner = QueuedRunner()
    runner.expect(ARGV, stdout=printed)
    with pytest.raises(NotSetUp, match="no Pacemaker cluster"):
        crm_mon.read(runner, settings)
    set_up(settings)
    runner.expect(ARGV, stdout=printed)
    with pytest.raises(PacemakerDown, match=told):
        crm_mon.read(runner, settings)


def test_another_code(settings: Settings) -> None:
    runner = QueuedRunner()
    runner.expect(ARGV, stdout=text("not_running").replace('"102"', '"70"'), code=70)
    with pytest.raises(CommandFailed, match="code 70: error: Could not connect"):
        crm_mon.read(runner, settings)


@pytest.mark.parametrize(
    "error", [ProgramMissing("crm_mon is not installed"), CommandTimedOut("crm_mon did not end"), CommandFailed("killed")]
)
def test_missing_and_hanging_programs_are_told_apart(settings: Settings, error: ApiError) -> None:
    runner = QueuedRunner()
    runner.expect(ARGV, raises=error)
    with pytest.raises(type(error)) as caught:
        crm_mon.read(runner, settings)
    assert caught.value is error


@pytest.mark.parametrize("code", [0, 1, 102, 137])
def test_text_instead_of_xml(settings: Settings, code: int) -> None:
    runner = QueuedRunner()
    runner.expect(ARGV, stdout="crm_mon: unknown option\n", code=code)
    with pytest.raises(CommandFailed, match="unknown option"):
        crm_mon.read(runner, settings)


@pytest.mark.skipif(shutil.which("crm_mon", path=PROGRAMS) is None, reason="Pacemaker is not installed")
@pytest.mark.parametrize("name", ["healthy", "two_file_systems"])
def test_the_real_crm_mon(name: str, tmp_path: Path, settings: Settings) -> None:
    """On the CIBs that the recorded output was made from."""
    cib = tmp_path / "cib.xml"
    shutil.copy(DATA / f"{name}.cib", cib)
    program = tmp_path / "crm_mon"
    program.write_text(f'#!/bin/sh\nCIB_file={cib} exec {shutil.which("crm_mon", path=PROGRAMS)} "$@"\n')
    program.chmod(0o755)
    found, recorded = crm_mon.read(SystemRunner(f"{tmp_path}:{PROGRAMS}", "/root"), settings), state(name)
    assert [(each.id, each.nodes, each.role, each.clone) for each in found.resources] == [
        (each.id, each.nodes, each.role, each.clone) for each in recorded.resources
    ]
    assert [(each.name, each.online) for each in found.nodes] == [(each.name, each.online) for each in recorded.nodes]
    assert {(ban.resource, ban.node) for ban in found.bans} == {(ban.resource, ban.node) for ban in recorded.bans}
    assert len(found.history) == len(recorded.history)
    assert (found.dc, found.has_quorum) == (recorded.dc, True)


def test_a_start_that_failed_everywhere() -> None:
    """The history ends with the stop that cleaned up: only the failures tell."""
    state = crm_mon.parse((DATA / "failed_start.xml").read_text())
    told = [(each.node, each.resource, each.task, each.reason) for each in state.failures]
    nodes = ("198.18.20.3", "198.18.20.1", "198.18.20.2")
    assert told == [(node, "cloudcenter_res", "start", "Failed to start virtual domain ccvm.") for node in nodes]
