"""GET and POST /cube/system/config."""

from typing import Any

import pytest

from tests.support import documents
from tests.support.network import Network, files_of
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/system/config"
HOSTS = ["10.10.31.1", "10.10.31.2", "10.10.31.3"]
PROFILE = documents.document()["systemProfile"]
FLAGS = ("scvm", "ccvm", "wall", "gfs_configure", "local_configure")


def bootstrap(node: NodeUnderTest) -> dict[str, str]:
    flags: dict[str, str] = node.cluster()["systemProfile"]["bootstrap"]
    return flags


@pytest.mark.parametrize("credential", ["bearer", "internal"])
def test_the_bare_profile(node: NodeUnderTest, credential: str) -> None:
    node.write_cluster(documents.document())
    answer = node.call("GET", PATH, headers=getattr(node, credential)())
    assert (answer.status, answer.body) == (200, PROFILE)


def test_its_etag_guards_a_write(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    etag = node.call("GET", PATH).headers["etag"]
    update = {"action": "update", "depth1": "bootstrap", "depth2": "wall", "value": "true"}
    answers = [node.call("POST", PATH, update, headers={**node.bearer(), "If-Match": etag}).status for _ in range(2)]
    assert answers == [200, 412]


def test_values_of_old_files_are_put_right(node: NodeUnderTest) -> None:
    node.write_cluster({"bootstrap": {"scvm": "TRUE", "ccvm": True, "wall": "", "gfs_configure": None}})
    shown = node.call("GET", PATH).body["bootstrap"]
    assert shown == {"scvm": "true", "ccvm": "true", "wall": "false", "gfs_configure": "false", "local_configure": "false"}


@pytest.mark.parametrize(
    ("more", "value"),
    [
        ({}, PROFILE),
        ({"depth1": "bootstrap"}, {"bootstrap": PROFILE["bootstrap"]}),
        ({"depth1": "bootstrap", "depth2": "scvm"}, {"scvm": "false"}),
        ({"depth1": "license", "depth2": "type"}, {"type": ""}),
    ],
    ids=str,
)
@pytest.mark.parametrize("action", ["status", "STATUS"])
def test_status(node: NodeUnderTest, action: str, more: dict[str, str], value: Any) -> None:
    node.write_cluster(documents.document())
    before = files_of(node)
    answer = node.call("POST", PATH, {"action": action, **more})
    assert (answer.status, answer.body) == (200, {"code": 200, "val": value})
    assert files_of(node) == before


@pytest.mark.parametrize(
    ("depth1", "depth2", "value", "stored"),
    [
        *[("bootstrap", flag, "true", "true") for flag in FLAGS],
        ("bootstrap", "scvm", "False", "false"),
        ("bootstrap", "scvm", " TRUE ", "true"),
        ("license", "status", "true", "true"),
        ("license", "type", "시험판 (oem)", "시험판 (oem)"),
        ("security_patch", "status", "true", "true"),
    ],
)
def test_update(node: NodeUnderTest, depth1: str, depth2: str, value: str, stored: str) -> None:
    node.write_cluster(documents.document())
    answer = node.call("POST", PATH, {"action": "Update", "depth1": depth1, "depth2": depth2, "value": value})
    assert (answer.status, answer.body) == (200, {"code": 200, "val": "ok"})
    expected = documents.document()
    expected["systemProfile"][depth1][depth2] = stored
    assert node.cluster() == expected


@pytest.mark.parametrize(
    ("cluster_type", "flags"),
    [
        ("ablestack-hci", {"scvm", "ccvm", "wall"}),
        ("ablestack-hci-filesystem", {"scvm", "gfs_configure", "ccvm", "wall"}),
        ("ablestack-vm", {"gfs_configure", "ccvm", "wall"}),
        ("ablestack-standalone", {"local_configure", "ccvm", "wall"}),
    ],
)
def test_all_update_and_reset(node: NodeUnderTest, cluster_type: str, flags: set[str]) -> None:
    document = documents.document(cluster_type)
    document["systemProfile"]["license"] = {"status": "true", "type": "oem"}
    document["systemProfile"]["bootstrap"]["newer_flag"] = "true"
    node.write_cluster(document)
    assert node.call("POST", PATH, {"action": "allUpdate"}).body == {"code": 200, "val": "ok"}
    assert {name for name, value in bootstrap(node).items() if value == "true"} == flags | {"newer_flag"}
    assert node.call("POST", PATH, {"action": "reset"}).body == {"code": 200, "val": "ok"}
    assert node.cluster() == document


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        ({}, "unsupported action", "action"),
        ({"action": "delete"}, "unsupported action", "action"),
        ({"action": "update"}, "depth1 required", "depth1"),
        ({"action": "update", "depth1": "bootstrap"}, "depth2 required", "depth2"),
        ({"action": "update", "depth1": "bootstrap", "depth2": "scvm"}, "value required", "value"),
        ({"action": "update", "depth1": "bootstrap", "depth2": "scvm", "value": "  "}, "value required", "value"),
        ({"action": "update", "depth1": "security", "depth2": "internal_token", "value": "x"}, "invalid depth1", "depth1"),
        ({"action": "update", "depth1": "bootstrap", "depth2": "pfmp", "value": "true"}, "invalid depth2", "depth2"),
        ({"action": "update", "depth1": "bootstrap", "depth2": "__class__", "value": "true"}, "invalid depth2", "depth2"),
        ({"action": "update", "depth1": "license", "depth2": "scvm", "value": "true"}, "invalid depth2", "depth2"),
        (
            {"action": "update", "depth1": "bootstrap", "depth2": "scvm", "value": "yes"},
            "invalid value: must be true or false",
            "value",
        ),
        ({"action": "status", "depth2": "scvm"}, "depth1 required", "depth1"),
        ({"action": "status", "depth1": "nothing"}, "invalid depth1", "depth1"),
        ({"action": "status", "depth1": "license", "depth2": "nothing"}, "invalid depth2", "depth2"),
    ],
    ids=str,
)
@pytest.mark.parametrize("option", ["", "all"])
def test_bad_input_changes_nothing(node: NodeUnderTest, body: dict[str, Any], message: str, field: str, option: str) -> None:
    node.write_cluster(documents.document())
    before = files_of(node)
    answer = node.call("POST", PATH, body | {"option": option})
    assert (answer.status, answer.body["message"]) == (400, message)
    assert [fault["field"] for fault in answer.body["errors"]] == [field]
    assert files_of(node) == before


@pytest.mark.parametrize("value", ["x" * 101, "a\nb", "a\0b"])
def test_a_free_text_is_short_and_printable(node: NodeUnderTest, value: str) -> None:
    node.write_cluster(documents.document())
    answer = node.call("POST", PATH, {"action": "update", "depth1": "license", "depth2": "type", "value": value})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "value")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"action": 1}', b'{"action": "update", "value": true}'])
def test_what_is_no_request(node: NodeUnderTest, body: bytes) -> None:
    node.write_cluster(documents.document())
    assert node.call("POST", PATH, body).status == 400


# --- on every host ----------------------------------------------------------------------------------------------------

UPDATE = {"action": "update", "option": "all", "depth1": "bootstrap", "depth2": "ccvm", "value": "true"}


@pytest.mark.parametrize("action", ["update", "allUpdate", "reset"])
@pytest.mark.parametrize("option", ["all", "ALL"])
def test_all_hosts_change(network: Network, action: str, option: str) -> None:
    nodes = network.add_hosts(document=documents.document(ccvm="true" if action == "reset" else "false"))
    answer = nodes[1].call("POST", PATH, UPDATE | {"action": action, "option": option})
    assert answer.status == 200, answer.body
    assert answer.body["val"]["message"] == "apply success"
    assert [(entry["target"], entry["code"], entry["message"]) for entry in answer.body["val"]["results"]] == [
        (address, 200, "ok") for address in HOSTS
    ]
    assert [bootstrap(node)["ccvm"] for node in nodes] == ["false" if action == "reset" else "true"] * 3


@pytest.mark.parametrize("status", [500, 401, 200])
@pytest.mark.parametrize("step", ["prepare", "apply"])
def test_all_hosts_or_none(network: Network, step: str, status: int) -> None:
    """W32: 0.1.2 had changed itself before it asked the others."""
    nodes = network.add_hosts(document=documents.document())
    before = network.files()
    network.answers(HOSTS[2], step, status, {"code": 500, "message": "broken"})
    answer = nodes[0].call("POST", PATH, UPDATE)
    assert answer.status == 502
    assert answer.body["message"].startswith("apply failed: ablecube31-3")
    assert network.files() == before
    assert network.open_changes() == []


def test_each_host_marks_what_its_own_type_has(network: Network) -> None:
    nodes = network.add_hosts("ablestack-vm", documents.document("ablestack-vm"))
    nodes[0].call("POST", PATH, {"action": "allUpdate", "option": "all"})
    assert [bootstrap(node)["gfs_configure"] for node in nodes] == ["true"] * 3


def test_the_status_of_all_hosts(network: Network) -> None:
    nodes = network.add_hosts(document=documents.document())
    nodes[1].write_cluster(documents.document(ccvm="true"))
    body = {"action": "status", "option": "all", "depth1": "bootstrap", "depth2": "ccvm"}
    answer = nodes[0].call("POST", PATH, body)
    assert (answer.status, answer.body["val"]["message"]) == (200, "status")
    values = [(entry["target"], entry["code"], entry["val"]) for entry in answer.body["val"]["results"]]
    assert values == [
        (HOSTS[0], 200, {"ccvm": "false"}),
        (HOSTS[1], 200, {"ccvm": "true"}),
        (HOSTS[2], 200, {"ccvm": "false"}),
    ]


def test_the_status_of_all_hosts_when_one_is_off(network: Network) -> None:
    nodes = network.add_hosts(document=documents.document())
    del network.nodes[HOSTS[1]]
    answer = nodes[0].call("POST", PATH, {"action": "status", "option": "all"})
    assert (answer.status, answer.body["val"]["message"]) == (502, "status failed")
    assert [entry["outcome"] for entry in answer.body["val"]["results"]] == ["ok", "unreachable", "ok"]


@pytest.mark.parametrize("action", ["status", "allUpdate"])
def test_a_cluster_without_hosts(node: NodeUnderTest, action: str) -> None:
    node.write_cluster({"clusterConfig": {}})
    answer = node.call("POST", PATH, {"action": action, "option": "all"})
    assert (answer.status, answer.body["message"]) == (400, "no targets to apply")


def test_a_busy_node(network: Network) -> None:
    nodes = network.add_hosts(document=documents.document())
    statuses: list[int] = []
    network.during(HOSTS[1], "apply", lambda: statuses.append(nodes[2].call("POST", PATH, UPDATE).status))
    assert nodes[0].call("POST", PATH, UPDATE).status == 200
    assert statuses == [409]


def test_if_match(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    etag = node.call("GET", "/cube/cluster/config").headers["etag"]
    headers = node.bearer() | {"If-Match": etag}
    body = UPDATE | {"option": ""}
    assert node.call("POST", PATH, body, headers=headers).status == 200
    assert node.call("POST", PATH, body, headers=headers).status == 412


@pytest.mark.parametrize("payload", [{}, {"action": 5}, {"action": "update", "depth1": []}, {"action": "destroy"}])
def test_a_step_with_a_wrong_payload(node: NodeUnderTest, payload: dict[str, Any]) -> None:
    node.write_cluster(documents.document())
    before = files_of(node)
    step = {"id": "11111111-2222-3333-4444-555555555555", "phase": "prepare", "members": HOSTS}
    answer = node.call("POST", PATH, {"transaction": step, "request": payload}, headers=node.internal())
    assert answer.status == 400
    assert files_of(node) == before
