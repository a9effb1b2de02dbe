"""GET /dashboard (contract 06 §9.1): always an answer, whatever cannot be told."""

import json
from dataclasses import replace
from typing import Any

from ablestack_api.core.errors import CommandTimedOut, ProgramMissing
from ablestack_api.core.runner import Finished
from tests.support import documents
from tests.support.doubles import QueuedRunner
from tests.support.node_under_test import NodeUnderTest

STATUS = {
    "health": {"status": "HEALTH_WARN", "checks": {"OSDMAP_FLAGS": {"summary": {"message": "noout flag(s) set"}}}},
    "osdmap": {"num_osds": 3, "num_up_osds": 2, "num_in_osds": 3},
    "monmap": {"num_mons": 3},
    "quorum_names": ["scvm1", "scvm2"],
}
DAEMONS = [{"daemon_type": "mon", "hostname": "scvm1"}, {"daemon_type": "keepalived"}]


class Ceph(QueuedRunner):
    """Its commands run side by side, in any order."""

    def __init__(self, **printed: Any) -> None:
        super().__init__()
        self.printed = printed

    def run(self, argv: Any, **_how: Any) -> Finished:
        given = next(
            value for word, value in self.printed.items() if word in " ".join(map(str, argv)).replace(" -s", " status")
        )
        if isinstance(given, Exception):
            raise given
        return Finished(given, "", 0, 0.01)


def test_both_halves(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    runner = Ceph(status=json.dumps(STATUS), orch=json.dumps(DAEMONS), df='{"stats": {"total_bytes": 9}, "pools": []}')
    node.env = replace(node.env, runner=runner)
    card = {"Name": "ccvm", "State": "running", "MOLD_SERVICE_STATUE": "active", "MOLD_DB_STATUE": "active"}
    node.peers.expect("10.10.31.2", "GET", "/cube/ccvm/status", 200, {"code": 200, "data": card})
    body = node.call("GET", "/dashboard").body
    storage, cloud = body["StorageCenterCluster"], body["CloudCenterVM"]
    assert storage["cluster-status"] == {"status": "HEALTH_WARN", "message": ["noout flag(s) set"]}
    assert storage["disks"] == {"up": 2, "total": 3, "in": 3}
    assert storage["gateways"] == {"up": 2, "total": 3, "quorum": ["scvm1", "scvm2"]}
    assert (storage["daemons"]["mon"], storage["daemons"]["other"]) == (DAEMONS[:1], DAEMONS[1:])
    assert storage["storage-pools"]["stats"] == {"total_bytes": 9}
    assert cloud["vm-status"]["running"] is True
    assert cloud["service-status"]["mold_db_service"] == {"active": "active"}


def test_nothing_can_be_told(node: NodeUnderTest) -> None:
    hangs = CommandTimedOut("ceph did not end within 4 s", program="ceph", seconds=4)
    missing = ProgramMissing("ceph is not installed", program="ceph", package="ceph-common")
    node.env = replace(node.env, runner=Ceph(status=hangs, df=missing, orch=hangs))
    answer = node.call("GET", "/dashboard")
    assert answer.status == 200
    assert answer.body["StorageCenterCluster"]["daemons"] is None
    assert answer.body["StorageCenterCluster"]["error"] == "ceph did not end within 4 s; ceph is not installed"
    assert "does not name" in answer.body["CloudCenterVM"]["error"]
