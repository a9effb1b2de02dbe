"""GET /cube/deploy/status: asked side by side, told apart (contract 01 §9.1)."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ablestack_api.core.errors import CommandTimedOut
from ablestack_api.core.runner import Finished
from tests.support import documents, pacemaker_xml
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/deploy/status"
CCVM = "10.10.31.10"
FLAGS = dict.fromkeys(("ccvm", "wall", "gfs_configure", "local_configure", "scvm"), "true")


def standalone(node: NodeUnderTest, **flags: str) -> None:
    node.write_cluster(documents.document("ablestack-standalone", **{**FLAGS, **flags}))


def test_a_standalone_host_that_is_ready(node: NodeUnderTest) -> None:
    standalone(node)
    node.peers.expect(CCVM, "GET", "/cube/ccvm/status", 200, {"code": 200, "data": {"State": "running"}})
    data = node.call("GET", PATH).body["data"]
    assert (data["stage"], data["stage_order"], data["message_key"]) == ("ready", 12, "ready")
    assert data["raw"]["ccvm_status"] == "RUNNING"
    assert not {"scvm_status", "sc_status", "cc_status", "gfs_configure"} & data["raw"].keys()
    assert data["warnings"] == [{"key": "security_patch_required", "message": "the security patch was not run"}]


def test_a_cloud_vm_that_does_not_answer(node: NodeUnderTest) -> None:
    standalone(node, ccvm="false")
    node.peers.expect_unreachable(CCVM, "GET", "/cube/ccvm/status")
    data = node.call("GET", PATH).body["data"]
    assert (data["stage"], data["raw"]["ccvm_status"]) == ("cloud_vm_deploy", "HEALTH_ERR")


def test_a_cloud_vm_that_is_switched_off(node: NodeUnderTest) -> None:
    standalone(node)
    node.peers.expect(CCVM, "GET", "/cube/ccvm/status", 200, {"code": 200, "data": {"State": "shut off"}})
    data = node.call("GET", PATH).body["data"]
    assert data["raw"]["ccvm_status"] == "SHUT OFF"
    assert "cloud_vm_not_running" in [warning["key"] for warning in data["warnings"]]


def test_one_collection_for_many_and_a_new_one_on_demand(node: NodeUnderTest) -> None:
    standalone(node)
    node.peers.expect(CCVM, "GET", "/cube/ccvm/status", 200, {"code": 200, "val": {}})
    first = node.call("GET", PATH).body["data"]
    assert node.call("GET", PATH).body["data"] == first
    node.peers.expect_unreachable(CCVM, "GET", "/cube/ccvm/status")
    assert node.call("GET", f"{PATH}?refresh=true").body["data"]["raw"]["ccvm_status"] == "HEALTH_ERR"


class AnyOrder:
    """Programs that run side by side, by their name."""

    def __init__(self, **printed: Any) -> None:
        self.printed = printed

    def run(self, argv: Any, **_how: Any) -> Any:
        given = self.printed[argv[0]]
        if isinstance(given, Exception):
            raise given
        return Finished(given, "", 0, 0.01)


@pytest.mark.parametrize(
    ("printed", "sc_status", "cc_status"),
    [
        (
            {"crm_mon": pacemaker_xml.status(), "ceph": json.dumps({"health": {"status": "HEALTH_WARN"}})},
            "HEALTH_WARN",
            "HEALTH_OK",
        ),
        ({"crm_mon": pacemaker_xml.status("Stopped"), "ceph": "{}"}, "UNKNOWN", "HEALTH_ERR2"),
        ({"crm_mon": pacemaker_xml.status(resource=None), "ceph": "rubbish"}, "HEALTH_ERR", "HEALTH_ERR2"),
        ({"crm_mon": pacemaker_xml.status(failed="true"), "ceph": "{}"}, "UNKNOWN", "HEALTH_ERR2"),
        ({"crm_mon": "<pacemaker-result/>", "ceph": "{}"}, "UNKNOWN", "HEALTH_ERR1"),
        (
            {
                "crm_mon": CommandTimedOut("crm_mon did not end", program="crm_mon", seconds=10),
                "ceph": CommandTimedOut("ceph did not end", program="ceph", seconds=10),
            },
            "HEALTH_ERR",
            "UNKNOWN",
        ),
    ],
    ids=["well", "stopped", "no resource", "failed", "no cluster", "hangs"],
)
def test_what_the_clusters_say(node: NodeUnderTest, printed: dict[str, Any], sc_status: str, cc_status: str) -> None:
    node.write_cluster(documents.document(**FLAGS))
    node.env = replace(node.env, runner=AnyOrder(**printed))  # type: ignore[arg-type]
    node.peers.expect(CCVM, "GET", "/cube/ccvm/status", 200, {"code": 200, "data": {"State": "running"}})
    raw = node.call("GET", PATH).body["data"]["raw"]
    assert (raw["sc_status"], raw["cc_status"], raw["scvm_status"]) == (sc_status, cc_status, "HEALTH_ERR")


def test_without_a_cluster_file(node: NodeUnderTest) -> None:
    assert node.call("GET", PATH).body["type"] == "urn:ablestack:error:cluster_file_missing"
