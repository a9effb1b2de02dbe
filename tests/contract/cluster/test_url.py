"""GET /cube/url."""

from typing import Any

import pytest

from ablestack_api.core.errors import CommandTimedOut, ProgramMissing
from tests.support import documents
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/url"
CEPH = ["ceph", "--connect-timeout", "3", "--mon-client-hunt-interval=1", "-s", "--format", "json"]
CLOUD = {"cloudCenter": "http://10.10.31.10:8080"}
WALL = {"wallCenter": "https://10.10.31.10:8081/login"}
STORAGE = {"storageCenter": "https://100.100.31.11:8443"}
SERVICES = (
    '{"mgrmap": {"services": {"dashboard": "https://100.100.31.11:8443/", "prometheus": "http://100.100.31.11:9283/"}}}'
)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("cloudCenter", CLOUD),
        ("CLOUDCENTER", CLOUD),
        (" wallcenter ", WALL),
        ("storageCenter", STORAGE),
        ("", CLOUD | WALL | STORAGE),
    ],
)
def test_pages_of_a_cluster_with_storage(node: NodeUnderTest, option: str, value: dict[str, str]) -> None:
    node.write_cluster(documents.document())
    if "storageCenter" in value:
        node.runner.expect(CEPH, stdout=SERVICES)
    answer = node.call("GET", f"{PATH}?option={option}")
    assert (answer.status, answer.body) == (200, {"code": 200, "val": value})


@pytest.mark.parametrize("cluster_type", ["ablestack-vm", "ablestack-standalone"])
def test_all_pages_of_a_cluster_without(node: NodeUnderTest, cluster_type: str) -> None:
    node.write_cluster(documents.document(cluster_type))
    assert node.call("GET", PATH).body == {"code": 200, "val": CLOUD | WALL}


def test_an_ipv6_cloud_center(node: NodeUnderTest) -> None:
    node.write_cluster({"clusterConfig": {"ccvm": {"ip": "fd00::10"}}})
    assert node.call("GET", f"{PATH}?option=cloudCenter").body["val"] == {"cloudCenter": "http://[fd00::10]:8080"}


@pytest.mark.parametrize("option", ["moldCenter", "cloudCenter2", "%00", "a" * 5000])
def test_an_unknown_page(node: NodeUnderTest, option: str) -> None:
    node.write_cluster(documents.document())
    answer = node.call("GET", f"{PATH}?option={option}")
    assert (answer.status, answer.body["message"], answer.body["errors"][0]["field"]) == (400, "invalid option", "option")


@pytest.mark.parametrize("option", ["cloudCenter", "wallCenter"])
def test_without_a_cloud_center(node: NodeUnderTest, option: str) -> None:
    node.write_cluster({"clusterConfig": {}})
    answer = node.call("GET", f"{PATH}?option={option}")
    assert answer.status == 409
    assert answer.body["message"].startswith("ccvm ip required")


def test_storage_of_a_type_that_has_none(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    answer = node.call("GET", f"{PATH}?option=storageCenter")
    assert answer.status == 409
    assert answer.body["message"].startswith("unsupported cluster type")


CEPH_FAILURES: list[tuple[dict[str, Any], int, str]] = [
    ({"code": 1, "stderr": "[errno 110] RADOS timed out\n"}, 502, "RADOS timed out"),
    ({"stdout": "no json"}, 502, "did not print JSON"),
    ({"stdout": "[]"}, 502, "did not print a JSON object"),
    ({"raises": ProgramMissing("ceph is not installed", program="ceph", package="ceph-common")}, 503, "not installed"),
    ({"raises": CommandTimedOut("ceph did not end within 10 s", program="ceph", seconds=10)}, 504, "did not end"),
]


@pytest.mark.parametrize(("printed", "status", "text"), CEPH_FAILURES, ids=[case[2] for case in CEPH_FAILURES])
def test_a_storage_center_that_cannot_be_told(node: NodeUnderTest, printed: dict[str, Any], status: int, text: str) -> None:
    node.write_cluster(documents.document())
    node.runner.expect(CEPH, **printed)
    alone = node.call("GET", f"{PATH}?option=storageCenter")
    assert alone.status == status
    assert text in alone.body["message"]
    node.runner.expect(CEPH, **printed)
    among_all = node.call("GET", PATH)
    assert among_all.status == 200
    assert among_all.body["val"] | {"storageCenter": ""} == CLOUD | WALL | {"storageCenter": ""}
    assert text in among_all.body["val"]["storageCenter"]


@pytest.mark.parametrize(
    "printed",
    ["{}", '{"mgrmap": []}', '{"mgrmap": {"services": []}}', '{"mgrmap": {"services": {"dashboard": ""}}}'],
)
def test_a_manager_without_a_dashboard(node: NodeUnderTest, printed: str) -> None:
    node.write_cluster(documents.document())
    node.runner.expect(CEPH, stdout=printed)
    answer = node.call("GET", f"{PATH}?option=storageCenter")
    assert answer.status == 409
    assert "no dashboard" in answer.body["message"]


def test_the_storage_center_while_no_monitor_answers(node: NodeUnderTest) -> None:
    """Where it was a moment ago is better than nothing."""
    node.write_cluster(documents.document())
    node.runner.expect(CEPH, stdout=SERVICES)
    assert node.call("GET", f"{PATH}?option=storageCenter").body["val"] == STORAGE
    node.clock.advance(60)
    node.runner.expect(CEPH, code=1, stderr="timed out\n")
    assert node.call("GET", f"{PATH}?option=storageCenter").body["val"] == STORAGE


def test_reading_runs_nothing_else(node: NodeUnderTest) -> None:
    """W36: 0.1.2 scanned SSH keys on every call."""
    node.write_cluster(documents.document("ablestack-vm"))
    before = sorted(path for path in node.root.rglob("*"))
    assert node.call("GET", f"{PATH}?option=cloudCenter").status == 200
    made = {path.name for path in node.root.rglob("*")} - {path.name for path in before}
    assert made <= {"api.log"}
