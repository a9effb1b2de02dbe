"""GET /cube/hosts and its old name /cube/test (contract 01 §7.1)."""

from typing import Any

import pytest

from tests.support import documents
from tests.support.node_under_test import NodeUnderTest

LOOPBACK = "127.0.0.1 localhost\n"
EXAMPLE = """\
127.0.0.1\tlocalhost
10.10.31.10\tccvm-mngt ccvm
10.10.31.1\tablecube31-1 ablecube
10.10.31.11\tscvm1-mngt scvm-mngt
100.100.31.1\tpn-ablecube1
100.100.31.11\tscvm1 scvm
"""


def hosts(node: NodeUnderTest, text: str | bytes) -> dict[str, Any]:
    """The answer for this file, without `refresh_time`."""
    node.hosts_file.write_bytes(text if isinstance(text, bytes) else text.encode())
    answer = node.call("GET", "/cube/hosts")
    assert answer.status == 200
    body: dict[str, Any] = answer.body
    assert body.pop("refresh_time") == "2026-07-01T10:00:00+09:00"
    return body


def line(address: str, *names: str) -> dict[str, Any]:
    return {"ip": address, "hostnames": list(names)}


@pytest.mark.parametrize("configured", [True, False])
@pytest.mark.parametrize("path", ["/cube/hosts", "/cube/test"])
def test_the_example_of_the_contract(node: NodeUnderTest, path: str, configured: bool) -> None:
    if configured:
        node.write_cluster(documents.document("ablestack-hci"))
    node.hosts_file.write_text(EXAMPLE)
    answer = node.call("GET", path)
    assert (answer.status, answer.body) == (
        200,
        {
            "localhost": [line("127.0.0.1", "localhost")],
            "management-network": {
                "ccvm": line("10.10.31.10", "ccvm-mngt", "ccvm"),
                "ablecube": [line("10.10.31.1", "ablecube31-1")],
                "scvm": [line("10.10.31.11", "scvm1-mngt", "scvm-mngt")],
                "self": line("10.10.31.1", "ablecube31-1"),
            },
            "public-network": {
                "ablecube": [line("100.100.31.1", "pn-ablecube1")],
                "scvm": [line("100.100.31.11", "scvm1")],
                "self": line("100.100.31.11", "scvm1"),
            },
            "refresh_time": "2026-07-01T10:00:00+09:00",
        },
    )


@pytest.mark.parametrize("cluster_type", documents.TYPES)
def test_the_file_that_an_apply_writes(node: NodeUnderTest, cluster_type: str) -> None:
    assert node.call("POST", "/cube/cluster/apply-local", documents.insert(cluster_type)).status == 200
    body = node.call("GET", "/cube/hosts").body
    count = documents.count(cluster_type)
    assert body["management-network"]["ccvm"] == line("10.10.31.10", "ccvm-mngt", "ccvm")
    assert [entry["ip"] for entry in body["management-network"]["ablecube"]] == [
        f"10.10.31.{number}" for number in range(1, count + 1)
    ]
    assert body["management-network"]["self"]["ip"] == "10.10.31.1"
    if documents.is_hci(cluster_type):
        assert len(body["public-network"]["ablecube"]) == len(body["public-network"]["scvm"]) == 3
        assert len(body["client-network"]["scvm"]) == 3
        assert body["client-network"]["self"] == line("100.200.31.11", "cn-scvm1")
    else:
        assert "public-network" not in body
    assert "others" not in body


def test_cluster_json_wins_over_names_and_prefixes(node: NodeUnderTest) -> None:
    """Sites choose their own addresses and names."""
    document = documents.document("ablestack-hci")
    first = document["clusterConfig"]["hosts"][0]
    first |= {"hostname": "node-a", "ablecube": "192.0.2.1", "ablecubePn": "198.51.100.1", "scvmCn": "203.0.113.1"}
    node.write_cluster(document)
    body = hosts(node, "192.0.2.1 node-a\n198.51.100.1 storage-a\n203.0.113.1 replica-a\n")
    assert body["management-network"]["ablecube"] == [line("192.0.2.1", "node-a")]
    assert body["public-network"]["ablecube"] == [line("198.51.100.1", "storage-a")]
    assert body["client-network"]["scvm"] == [line("203.0.113.1", "replica-a")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.9.9.9 open-pnp-1 my-cname\n", {"others": [line("10.9.9.9", "open-pnp-1", "my-cname")]}),
        ("10.9.9.9 localhost-backup\n", {"others": [line("10.9.9.9", "localhost-backup")]}),
        ("10.9.9.9 plain\n", {"others": [line("10.9.9.9", "plain")]}),
        ("100.100.9.9 plain\n", {"others": [line("100.100.9.9", "plain")]}),
        ("100.101.9.9 ablecube9\n", {"management-network": {"ablecube": [line("100.101.9.9", "ablecube9")]}}),
        ("10.9.9.9 ablecube9-pn\n", {"public-network": {"ablecube": [line("10.9.9.9", "ablecube9-pn")]}}),
        ("10.9.9.9 cn-scvm9\n", {"client-network": {"scvm": [line("10.9.9.9", "cn-scvm9")]}}),
        (
            "10.9.9.9 ablecube\n",
            {
                "management-network": {
                    "ablecube": [line("10.9.9.9", "ablecube")],
                    "self": line("10.9.9.9", "ablecube"),
                }
            },
        ),
        (
            "10.9.9.1 ccvm\n10.9.9.2 ccvm-mngt\n",
            {"management-network": {"ccvm": line("10.9.9.1", "ccvm")}, "others": [line("10.9.9.2", "ccvm-mngt")]},
        ),
        ("::1 localhost ip6-localhost\n", {"localhost": [line("::1", "localhost", "ip6-localhost")]}),
        ("127.0.1.1 localhost.localdomain\n", {"localhost": [line("127.0.1.1", "localhost.localdomain")]}),
        ("10.9.9.9 관리노드\n", {"others": [line("10.9.9.9", "관리노드")]}),
    ],
)
def test_classification_without_cluster_json(node: NodeUnderTest, text: str, expected: dict[str, Any]) -> None:
    assert hosts(node, text) == expected


def test_lines_that_are_no_entries(node: NodeUnderTest) -> None:
    lines = ("", "\n\n", "# 10.9.9.9 commented\n", "   # indented\n", "10.9.9.9\n", "10.9.9.9   # only a comment\n")
    assert [hosts(node, text) for text in (*lines, "".join(lines))] == [{}] * 7


def test_a_comment_behind_names_is_no_name(node: NodeUnderTest) -> None:
    assert hosts(node, "10.9.9.9 plain # the scvm of old\n") == {"others": [line("10.9.9.9", "plain")]}


def test_a_file_without_a_newline_at_its_end_and_with_tabs(node: NodeUnderTest) -> None:
    assert hosts(node, "\t10.9.9.9\t plain\tother") == {"others": [line("10.9.9.9", "plain", "other")]}


def test_bytes_that_are_no_utf_8_break_nothing(node: NodeUnderTest) -> None:
    body = hosts(node, b"10.9.9.8 caf\xe9\n10.9.9.9 plain\n")
    assert [entry["ip"] for entry in body["others"]] == ["10.9.9.8", "10.9.9.9"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_a_damaged_cluster_json_does_not_hide_the_file(node: NodeUnderTest, content: bytes) -> None:
    node.write_cluster(content)
    assert hosts(node, LOOPBACK) == {"localhost": [line("127.0.0.1", "localhost")]}


def test_a_file_that_cannot_be_read(node: NodeUnderTest) -> None:
    node.hosts_file.unlink()
    node.hosts_file.mkdir()
    answer = node.call("GET", "/cube/hosts")
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:file_unusable")
    assert str(node.hosts_file) in answer.body["message"]


def test_hosts_wants_a_credential_and_is_read_only(node: NodeUnderTest) -> None:
    for path in ("/cube/hosts", "/cube/test"):
        assert node.call("GET", path, headers={}).status == 401
        assert node.call("POST", path).status == 405
