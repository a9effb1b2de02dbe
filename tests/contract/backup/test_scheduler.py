"""backup.scheduler: what is due is begun once, by the node that Pacemaker made its coordinator (contract 04 §3.4, §4.7)."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from ablestack_api.backup import scheduler
from ablestack_api.jobs.job_runner import JobRunner
from ablestack_api.state import error_list
from tests.support import documents
from tests.support.doubles import SEOUL
from tests.support.node_under_test import NodeUnderTest
from tests.support.pacemaker_xml import status

CRM_MON = ["crm_mon", "--one-shot", "--inactive", "--output-as=xml"]
NAMES = [documents.document()["clusterConfig"]["pcsCluster"][f"hostname{number}"] for number in (1, 2, 3)]


class Begun(JobRunner):
    """Takes down what would be begun; nothing runs."""

    def __init__(self, node: NodeUnderTest) -> None:
        super().__init__(node.env)
        self.kinds: list[str] = []

    def accept(self, work: Any, **_more: Any) -> Any:
        self.kinds.append(work.kind)

    def enqueue(self, accepted: Any) -> None:
        return


def look(node: NodeUnderTest, when: str) -> list[str]:
    node.clock.time = datetime.fromisoformat(when).replace(tzinfo=SEOUL)
    jobs = Begun(node)
    scheduler.look(node.env, jobs)
    return jobs.kinds


@pytest.fixture
def hci(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document(ccvm="true"))
    return node


def coordinator(node: NodeUnderTest, number: int = 1, **more: Any) -> None:
    names = [NAMES[number - 1], *(name for name in NAMES if name != NAMES[number - 1])]
    node.runner.expect(CRM_MON, stdout=status(nodes=names, where=names[0], **more))


def test_the_nightly_snapshot(hci: NodeUnderTest) -> None:
    assert look(hci, "2026-07-01 00:59:59") == []
    coordinator(hci)
    assert look(hci, "2026-07-01 01:00:05") == ["snapshot: backup"]
    assert look(hci, "2026-07-01 01:00:25") == [], "once a day"
    coordinator(hci)
    assert look(hci, "2026-07-02 01:00:01") == ["snapshot: backup"]


def snapshots_are(node: NodeUnderTest, *names: str) -> None:
    entries = [{"id": number, "name": name, "protected": "false"} for number, name in enumerate(names)]
    argv = ["rbd", "--client-mount-timeout", "5", "snap", "list", "--format", "json", "--", "rbd/ccvm"]
    node.runner.expect(argv, stdout=json.dumps(entries))


def test_a_night_that_was_missed_is_made_up_for_and_told(hci: NodeUnderTest) -> None:
    coordinator(hci)
    snapshots_are(hci, "auto-2026-06-30")
    assert look(hci, "2026-07-01 08:00") == ["snapshot: backup"]
    assert "was due at 2026-07-01 01:00; it was missed" in error_list.listed(hci.settings)[-1]["error"]


def test_a_new_coordinator_does_not_call_missed_what_the_old_one_made(hci: NodeUnderTest) -> None:
    coordinator(hci)
    snapshots_are(hci, "auto-2026-07-01")
    assert look(hci, "2026-07-01 08:00") == []
    assert look(hci, "2026-07-01 08:01") == []
    assert error_list.listed(hci.settings) == []


@pytest.mark.parametrize("seen", [{"number": 2}, {"quorum": False}])
def test_other_nodes_and_a_part_without_quorum_do_nothing(hci: NodeUnderTest, seen: dict[str, Any]) -> None:
    coordinator(hci, **seen)
    assert look(hci, "2026-07-01 01:00") == []


def test_nothing_before_the_cloud_vm_is_set_up(node: NodeUnderTest) -> None:
    assert look(node, "2026-07-01 01:00") == []
    node.write_cluster(documents.document())
    assert look(node, "2026-07-01 01:00") == []


@pytest.fixture
def standalone(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document("ablestack-standalone"))
    (node.root / "mnt/glue").mkdir(parents=True)
    for body in (
        {"action": "schedule", "repeat": "daily", "time": "02:30"},
        {"action": "schedule-delete", "repeat": "monthly", "time": "04:00", "day": 31, "retain_months": 2},
    ):
        assert node.call("POST", "/cube/ccvm/backup", body).status == 200
    return node


def test_backups_and_deletions_by_schedule(standalone: NodeUnderTest) -> None:
    assert look(standalone, "2026-07-01 23:00") == [], "set at 10:00: what was due before is not missed"
    assert look(standalone, "2026-07-02 02:30") == ["disk backup: backup"]
    assert look(standalone, "2026-07-02 02:30:20") == []
    assert look(standalone, "2026-07-04 02:31") == ["disk backup: backup"], "the 3rd was missed: made up for once"
    assert look(standalone, "2026-07-31 12:00") == ["disk backup: backup", "disk backup: delete old ones"]
    assert look(standalone, "2026-07-31 12:01") == []


def test_a_clock_that_goes_back_does_not_run_it_twice(standalone: NodeUnderTest) -> None:
    assert look(standalone, "2026-07-02 02:30") == ["disk backup: backup"]
    standalone.clock.advance(-timedelta(hours=1).total_seconds())
    assert look(standalone, "2026-07-02 02:29") == []
    assert look(standalone, "2026-07-02 02:30") == []
