"""GET /cube/cluster/config."""

import json
from typing import Any

import pytest

from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

PATH = "/cube/cluster/config"
SHOWN = documents.document()["clusterConfig"]


@pytest.mark.parametrize("cluster_type", documents.TYPES)
@pytest.mark.parametrize("credential", ["bearer", "internal"])
def test_the_bare_configuration(node: NodeUnderTest, cluster_type: str, credential: str) -> None:
    document = documents.document(cluster_type)
    node.write_cluster(document)
    answer = node.call("GET", PATH, headers=getattr(node, credential)())
    assert (answer.status, answer.body) == (200, document["clusterConfig"])
    assert list(answer.body) == list(document["clusterConfig"])


def test_it_is_laid_out_for_people(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    response = node.client.get(f"/api/v1{PATH}", headers=node.bearer())
    assert response.get_data(as_text=True) == json.dumps(SHOWN, indent=4)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["ETag"].startswith('"')


def test_reading_changes_nothing(node: NodeUnderTest) -> None:
    """W30: not even a token is made by a GET."""
    content = b'{"clusterConfig": {"iscsi_storage": true}}'
    node.write_cluster(content)
    for query in ("", "?download=true"):
        assert node.call("GET", PATH + query).status == 200
    assert node.cluster_json.read_bytes() == content
    assert [path.name for path in node.cluster_json.parent.iterdir()] == ["cluster.json"]


def test_empty_addresses_and_an_empty_host_type_are_left_out(node: NodeUnderTest) -> None:
    document = documents.document()
    document["clusterConfig"]["hostType"] = ""
    document["clusterConfig"]["hosts"] = [{**documents.host(1), "scvm": "", "scvmCn": "", "ablecubePn": "", "scvmMngt": ""}]
    node.write_cluster(document)
    body = node.call("GET", PATH).body
    assert body["hosts"] == [documents.host(1, "ablestack-vm")]
    assert "hostType" not in body


def test_a_newer_files_host_type_is_shown(node: NodeUnderTest) -> None:
    document = documents.document()
    document["clusterConfig"]["hostType"] = "add"
    node.write_cluster(document)
    assert node.call("GET", PATH).body["hostType"] == "add"


def test_an_old_shape_is_shown_in_the_new_one(node: NodeUnderTest) -> None:
    node.write_cluster({"clusterConfig": {"ccvm": {"ip": "10.10.31.10", "gw": "10.10.0.1"}, "iscsi_storage": "TRUE"}})
    body = node.call("GET", PATH).body
    assert body["ccvm"] == {"ip": "10.10.31.10"}
    assert body["mngtNic"]["gw"] == "10.10.0.1"
    assert (body["storage_network"], body["iscsi_storage"]) == ("true", "true")
    assert body["pcsCluster"] == {"hostname1": "", "hostname2": "", "hostname3": ""}


# --- download ---------------------------------------------------------------------------------------------------------


def test_a_person_downloads_what_further_nodes_need(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    answer = node.call("GET", f"{PATH}?download=true")
    assert (answer.status, answer.body) == (200, {"clusterConfig": SHOWN, "security": {"internal_token": INTERNAL_TOKEN}})


def test_the_download_is_not_for_nodes(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    answer = node.call("GET", f"{PATH}?download=true", headers=node.internal())
    assert answer.status == 401
    assert INTERNAL_TOKEN not in json.dumps(answer.body)


@pytest.mark.parametrize("path", ["/cube/cluster/apply-local", "/cube/cluster/apply"])
def test_the_download_configures_another_node(node: NodeUnderTest, path: str) -> None:
    """Contract 01 §5.6: the way to install node by node."""
    node.write_cluster(documents.document())
    download = node.call("GET", f"{PATH}?download=true").body
    config = download["clusterConfig"]
    names = [name for name in config.pop("pcsCluster").values() if name]
    node.cluster_json.unlink()
    body = {**config, "security": download["security"], "action": "insert", "option": "local", "pcs_cluster_list": names}
    assert node.call("POST", path, body).status == 200
    assert node.cluster()["security"] == download["security"]
    assert node.cluster()["clusterConfig"] == SHOWN


@pytest.mark.parametrize("value", ["true", "1", "TRUE", "false", "0"])
def test_spellings_of_download(node: NodeUnderTest, value: str) -> None:
    node.write_cluster(documents.document())
    answer = node.call("GET", f"{PATH}?download={value}")
    assert answer.status == 200
    assert ("security" in answer.body) is (value.lower() in ("true", "1"))


def test_an_unclear_download_is_bad_input(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    answer = node.call("GET", f"{PATH}?download=perhaps")
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "download")


# --- files that cannot be read ----------------------------------------------------------------------------------------


def test_a_missing_file(node: NodeUnderTest) -> None:
    answer = node.call("GET", PATH)
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:cluster_file_missing")
    assert answer.body["message"].startswith("failed to read cluster.json")
    assert not node.cluster_json.exists()


DAMAGED = {
    "empty": b"",
    "blank": b" \n",
    "NUL": b"\0" * 500,
    "cut off": b'{"clusterConfig": {"type": "ablestack-h',
    "list": b"[]",
    "null": b"null",
    "NaN": b'{"clusterConfig": {}, "x": NaN}',
    "Infinity": b'{"x": -Infinity}',
    "latin-1": '{"x": "é"}'.encode("latin-1"),
    "utf-16": '{"clusterConfig": {}}'.encode("utf-16"),
    "hosts no list": b'{"clusterConfig": {"hosts": {}}}',
    "host no object": b'{"clusterConfig": {"hosts": ["ablecube31-1"]}}',
    "text an object": b'{"clusterConfig": {"type": {}}}',
    "text a list": b'{"clusterConfig": {"external_timeserver": ["a"]}}',
    "config a text": b'{"clusterConfig": "x"}',
    "ccvm a list": b'{"clusterConfig": {"ccvm": []}}',
    "pcs name an object": b'{"clusterConfig": {"pcsCluster": {"hostname1": {}}}}',
    "number too large": b'{"clusterConfig": {}, "x": 1e999}',
    "deep": b"[" * 50_000,
    "deep object": b'{"x":' * 50_000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file(node: NodeUnderTest, content: bytes) -> None:
    node.write_cluster(content)
    answer = node.call("GET", PATH)
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:cluster_file_damaged")
    assert answer.body["message"].startswith("failed to read cluster.json")
    assert str(node.cluster_json) in answer.body["message"]
    assert node.cluster_json.read_bytes() == content


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/cube/system/config", None),
        ("POST", "/cube/system/config", {"action": "status"}),
        ("POST", "/cube/system/config", {"action": "allUpdate"}),
        ("GET", "/cube/cluster/health?option=host", None),
        ("GET", "/cube/url", None),
        ("POST", "/cube/time-server", None),
    ],
)
@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_every_other_endpoint_says_the_same(
    node: NodeUnderTest, method: str, path: str, body: Any, content: bytes | None
) -> None:
    if content is not None:
        node.write_cluster(content)
    answer = node.call(method, path, body)
    assert answer.status == 500
    assert answer.body["message"].startswith("failed to read cluster.json")
    assert (node.cluster_json.read_bytes() if node.cluster_json.exists() else None) == content
