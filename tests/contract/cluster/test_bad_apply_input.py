"""Bad input to apply and apply-local: a clear error that names the field, and nothing changed anywhere."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import documents
from tests.support.network import files_of
from tests.support.node_under_test import NodeUnderTest

PATHS = ("/cube/cluster/apply", "/cube/cluster/apply-local")
KIB = 1024

BAD_NAMES = {
    "blank": "able cube",
    "newline": "ablecube31-1\n10.9.9.9 evil",
    "trailing newline in the middle": "a\nb",
    "leading dash": "-rf",
    "trailing dash": "ablecube-",
    "10,000 characters": "a" * 10_000,
    "64 characters in one label": "a" * 64,
    "Korean": "에이블큐브",
    "NUL": "able\0cube",
    "tab": "able\tcube",
    "shell": "$(reboot)",
    "path": "../../etc/passwd",
    "comment": "#host",
    "lone surrogate": "\ud800",
    "full-width digits": "host\uff11",
    "empty label": "a..b",
    "numbers only": "10.10.31.256",
}
BAD_ADDRESSES = {
    "name": "ablecube31-1",
    "prefix": "10.10.31.1/24",
    "leading zeros": "010.010.031.001",
    "too large": "10.10.31.256",
    "port": "10.10.31.1:8090",
    "newline": "10.10.31.1\n10.10.31.9",
    "unspecified": "0.0.0.0",
    "multicast": "224.0.0.1",
    "scoped": "fe80::1%eth0",
    "URL": "http://10.10.31.1/",
    "full-width": "\uff11\uff10.10.31.1",
    "NUL": "10.10.31.1\0",
    "10,000 characters": "1" * 10_000,
}


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> NodeUnderTest:
    """Nothing that a test sends changes anything, so one node serves them all."""
    node = NodeUnderTest(tmp_path_factory.mktemp("node"))
    node.write_cluster(documents.document())
    return node


@pytest.fixture
def configured(one_for_all: NodeUnderTest) -> Iterator[NodeUnderTest]:
    """A configured node; whatever a test sends, its files are the same afterwards and nobody was called."""
    before = files_of(one_for_all)
    yield one_for_all
    assert files_of(one_for_all) == before
    assert one_for_all.peers.made == []


def refused(node: NodeUnderTest, path: str, body: Any, *, status: int = 400) -> dict[str, Any]:
    answer = node.call("POST", path, body)
    assert answer.status == status, answer.body
    assert answer.body["code"] == answer.body["err_code"] == answer.body["status"] == status
    assert len(answer.body["message"]) < 2000
    problem: dict[str, Any] = answer.body
    return problem


def fields(problem: dict[str, Any]) -> list[str]:
    return [fault["field"] for fault in problem["errors"]]


def with_host(number: int, **changes: Any) -> dict[str, Any]:
    body = documents.insert()
    body["hosts"][number - 1] |= changes
    return body


# --- not a request at all ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"not json",
        b"null",
        b"[]",
        b'"insert"',
        b"7",
        b"\0\0\0\0",
        b"\xff\xfe{\0}\0",
        b'{"action": "insert"',
        b"{'action': 'insert'}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"hosts": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: ascii(body[:20]),
)
def test_what_is_no_json_object(configured: NodeUnderTest, path: str, body: bytes) -> None:
    assert refused(configured, path, body)["message"].startswith("invalid request")


@pytest.mark.parametrize("media", ["application/xml", "multipart/form-data; boundary=x", "image/png"])
def test_another_media_type(configured: NodeUnderTest, path: str, media: str) -> None:
    headers = configured.bearer() | {"Content-Type": media}
    assert configured.call("POST", path, documents.insert(), headers=headers).status == 415


@pytest.mark.parametrize("media", ["application/x-www-form-urlencoded", "text/plain", "application/vnd.x+json"])
def test_json_under_another_name_is_read(configured: NodeUnderTest, path: str, media: str) -> None:
    headers = configured.bearer() | {"Content-Type": media}
    answer = configured.call("POST", path, {"action": "destroy"}, headers=headers)
    assert (answer.status, answer.body["message"]) == (400, "unsupported action")


@pytest.mark.parametrize(("size", "status"), [(512 * KIB, 400), (512 * KIB + 1, 413), (2048 * KIB, 413)])
def test_the_largest_body(configured: NodeUnderTest, path: str, size: int, status: int) -> None:
    frame = json.dumps({"action": "destroy", "filler": ""})
    body = frame[:-2] + "x" * (size - len(frame)) + frame[-2:]
    assert len(body) == size
    refused(configured, path, body, status=status)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": 1}, "action"),
        ({"action": ["insert"]}, "action"),
        ({"action": {"insert": True}}, "action"),
        ({"type": True}, "type"),
        ({"ccvm": "10.10.31.10"}, "ccvm"),
        ({"ccvm": {"ip": 10}}, "ccvm.ip"),
        ({"ccvm": None}, "ccvm"),
        ({"mngtNic": []}, "mngtNic"),
        ({"mngtNic": {"cidr": 16}}, "mngtNic.cidr"),
        ({"hosts": {}}, "hosts"),
        ({"hosts": "ablecube31-1"}, "hosts"),
        ({"hosts": [1]}, "hosts.0"),
        ({"hosts": [None]}, "hosts.0"),
        ({"hosts": [{"index": 1}]}, "hosts.0.index"),
        ({"hosts": [documents.host(1)] * 65}, "hosts"),
        ({"pcs_cluster_list": "a,b,c"}, "pcs_cluster_list"),
        ({"pcs_cluster_list": [1, 2, 3]}, "pcs_cluster_list.0"),
        ({"iscsi_storage": False}, "iscsi_storage"),
        ({"security": "token"}, "security"),
        ({"enrolment_codes": []}, "enrolment_codes"),
        ({"enrolment_codes": {"ablecube31-1": 5}}, "enrolment_codes.ablecube31-1"),
        ({"transaction": {}}, "transaction.id"),
        ({"request": []}, "request"),
    ],
    ids=str,
)
def test_wrong_types(configured: NodeUnderTest, path: str, changes: dict[str, Any], field: str) -> None:
    problem = refused(configured, path, documents.insert() | changes)
    assert field in fields(problem)
    assert problem["message"].startswith("invalid request")


# --- what is to be done -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["", " ", "destroy", "insert ed", "insert\0", "-insert", "i" * 10_000, "삽입"])
def test_an_unknown_action(configured: NodeUnderTest, path: str, action: str) -> None:
    problem = refused(configured, path, documents.insert() | {"action": action})
    assert (problem["message"], fields(problem)) == ("unsupported action", ["action"])


def test_half_a_character(configured: NodeUnderTest, path: str) -> None:
    """Python's JSON reader accepts a lone surrogate, which no file and no peer could take."""
    for changes in ({"action": "\ud800"}, {"enrolment_codes": {"\ud800": "x"}}, {"enrolment_codes": {"x": "\ud800"}}):
        refused(configured, path, documents.insert() | changes)


def test_no_action_at_all(configured: NodeUnderTest, path: str) -> None:
    assert refused(configured, path, {})["message"] == "unsupported action"


@pytest.mark.parametrize("missing", [None, "", "  "])
@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("type", "type required"),
        ("ccvm", "ccvm required"),
        ("iscsi_storage", "iscsi_storage required (newer name: storage_network)"),
        ("hosts", "no targets to apply"),
    ],
)
def test_what_an_insert_must_have(
    configured: NodeUnderTest, path: str, field: str, message: str, missing: str | None
) -> None:
    body = documents.insert()
    del body[field]
    if missing is not None:
        body[field] = {"ccvm": {"ip": missing}, "hosts": []}.get(field, missing)
    problem = refused(configured, path, body)
    assert problem["message"] == message
    assert fields(problem)[0].split(".")[0] == field


@pytest.mark.parametrize("name", ["", "   ", None])
def test_remove_without_a_name(configured: NodeUnderTest, path: str, name: str | None) -> None:
    problem = refused(configured, path, {"action": "remove", "remove_hostname": name})
    assert (problem["message"], fields(problem)) == ("target hostname required", ["remove_hostname"])


@pytest.mark.parametrize("type_", ["ablestack", "ablestack-hci2", "hci", "ablestack-hci\0", "에이블", "x" * 10_000])
def test_an_unknown_type(configured: NodeUnderTest, path: str, type_: str) -> None:
    assert "type" in fields(refused(configured, path, documents.insert(type=type_)))


# --- names, addresses, numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
@pytest.mark.parametrize("place", ["hosts", "pcs_cluster_list", "external_timeserver", "exclude_hostname"])
def test_bad_names(configured: NodeUnderTest, place: str, name: str) -> None:
    body = documents.insert()
    if place == "hosts":
        body["hosts"][1]["hostname"] = name
    elif place == "pcs_cluster_list":
        body[place][1] = name
    else:
        body[place] = name
    expected = {"hosts": "hosts.1.hostname", "pcs_cluster_list": "pcs_cluster_list.1"}.get(place, place)
    assert fields(refused(configured, PATHS[0], body)) == [expected]


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_bad_names_to_remove(configured: NodeUnderTest, path: str, name: str) -> None:
    assert fields(refused(configured, path, {"action": "remove", "remove_hostname": name})) == ["remove_hostname"]


@pytest.mark.parametrize("address", BAD_ADDRESSES.values(), ids=BAD_ADDRESSES)
@pytest.mark.parametrize(
    "place", ["ablecube", "scvmMngt", "ablecubePn", "scvm", "scvmCn", "ccvm.ip", "mngtNic.gw", "mngtNic.dns"]
)
def test_bad_addresses(configured: NodeUnderTest, place: str, address: str) -> None:
    body = documents.insert()
    outer, _, inner = place.rpartition(".")
    target = body[outer] if outer else body["hosts"][2]
    target[inner] = address
    expected = place if outer else f"hosts.2.{place}"
    assert set(fields(refused(configured, PATHS[0], body))) == {expected}


@pytest.mark.parametrize("place", ["index", "hostname", "ablecube", "scvmMngt", "ablecubePn", "scvm", "scvmCn"])
def test_a_host_without_what_it_must_have(configured: NodeUnderTest, path: str, place: str) -> None:
    assert fields(refused(configured, path, with_host(2, **{place: ""}))) == [f"hosts.1.{place}"]


@pytest.mark.parametrize("index", ["0", "-1", "1.0", "01", "one", "1\n", "\uff11", "1000", " "])
def test_bad_indexes(configured: NodeUnderTest, path: str, index: str) -> None:
    if index == "1\n":  # blanks around a value are no fault, but then it is the same as another's
        assert "hosts.1.index" in fields(refused(configured, path, with_host(2, index=index)))
    else:
        assert fields(refused(configured, path, with_host(2, index=index))) == ["hosts.1.index"]


@pytest.mark.parametrize("cidr", ["0", "129", "-1", "16.0", "/16", "²", "255.255.0.0", "9" * 5_000])
def test_bad_prefix_lengths(configured: NodeUnderTest, path: str, cidr: str) -> None:
    assert fields(refused(configured, path, documents.insert(mngtNic={"cidr": cidr}))) == ["mngtNic.cidr"]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"index": "1"}, "index"),
        ({"hostname": "ablecube31-1"}, "hostname"),
        ({"hostname": "ABLECUBE31-1"}, "hostname"),
        ({"ablecube": "10.10.31.1"}, "ablecube"),
        ({"ablecube": "10.10.31.11"}, "ablecube"),
        ({"ablecube": "10.10.31.10"}, "ablecube"),
        ({"scvm": "100.100.31.1"}, "scvm"),
        ({"scvmCn": "100.100.31.12"}, "scvmCn"),
    ],
    ids=str,
)
def test_what_comes_twice(configured: NodeUnderTest, path: str, changes: dict[str, str], place: str) -> None:
    problem = refused(configured, path, with_host(2, **changes))
    assert fields(problem) == [f"hosts.1.{place}"]
    assert "is the same as" in problem["errors"][0]["reason"]


def test_an_ipv6_address_in_two_spellings_comes_twice(configured: NodeUnderTest, path: str) -> None:
    body = documents.insert("ablestack-vm")
    body["hosts"][0]["ablecube"] = "fd00::1"
    body["hosts"][1]["ablecube"] = "fd00:0:0::1"
    assert fields(refused(configured, path, body)) == ["hosts.1.ablecube"]


@pytest.mark.parametrize(
    "token", ["short", "with blank inside 0123", "x" * 513, "토큰토큰토큰토큰토큰토큰토큰토큰", "a\nb" * 10, "\0" * 20]
)
def test_bad_internal_tokens_in_the_body(configured: NodeUnderTest, path: str, token: str) -> None:
    problem = refused(configured, path, documents.insert(security={"internal_token": token}))
    assert fields(problem) == ["security.internal_token"]
    assert token not in json.dumps(problem)


def test_all_faults_are_named_at_once(configured: NodeUnderTest, path: str) -> None:
    body = with_host(2, hostname="a b", ablecube="nowhere", index="0") | {"ccvm": {"ip": "x"}, "external_timeserver": "-x"}
    assert set(fields(refused(configured, path, body))) == {
        "ccvm.ip",
        "external_timeserver",
        "hosts.1.index",
        "hosts.1.hostname",
        "hosts.1.ablecube",
    }


# --- targets (D7) -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["check", "reset", "remove"])
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"hosts": [documents.host(1) | {"ablecube": "192.0.2.66"}]}, "hosts.0"),
        ({"hosts": [documents.host(1), documents.host(2) | {"scvmMngt": "192.0.2.66"}]}, "hosts.1"),
        ({"ccvm": {"ip": "192.0.2.66"}}, "ccvm.ip"),
    ],
    ids=["host", "storage VM", "cloud center"],
)
def test_a_target_that_is_not_of_the_cluster(
    configured: NodeUnderTest, path: str, action: str, changes: dict[str, Any], field: str
) -> None:
    problem = refused(configured, path, {"action": action, "remove_hostname": "ablecube31-2", **changes})
    assert fields(problem) == [field]
    assert "192.0.2.66" in problem["message"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\0" * 100, b'{"clusterConfig": 5}', b'{"x": NaN}'])
@pytest.mark.parametrize("action", ["insert", "remove", "reset", "check"])
def test_a_damaged_file_is_never_overwritten(node: NodeUnderTest, path: str, action: str, content: bytes) -> None:
    node.write_cluster(content)
    before = files_of(node)
    body = documents.insert() | {"action": action, "remove_hostname": "ablecube31-2"}
    answer = node.call("POST", path, body)
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:cluster_file_damaged")
    assert answer.body["message"].startswith("failed to read cluster.json")
    assert files_of(node) == before


@pytest.mark.parametrize("deep", [100, 400, 900])
def test_what_is_nested_very_deeply(configured: NodeUnderTest, path: str, deep: int) -> None:
    nested: Any = {}
    for _ in range(deep):
        nested = {"a": nested}
    answer = configured.call("POST", path, {"action": "destroy", "request": nested})
    assert answer.status == 400


def test_a_node_without_a_token_does_not_lead_the_first_insert_of_others(node: NodeUnderTest) -> None:
    """It would make a token that only the others keep, and could never speak to them again."""
    hosts = [documents.host(number) for number in (2, 3, 4)]
    problem = refused(node, "/cube/cluster/apply", documents.insert(hosts=hosts))
    assert fields(problem) == ["hosts"]
    assert node.peers.made == []
    assert not node.cluster_json.exists()


@pytest.mark.parametrize(("levels", "status"), [(60, 404), (70, 400), (900, 400)])
def test_a_body_may_not_be_nested_without_end(configured: NodeUnderTest, path: str, levels: int, status: int) -> None:
    nested: Any = "x"
    for _ in range(levels):
        nested = {"a": nested}
    body = {"action": "remove", "remove_hostname": "nobody", "more": nested}
    assert ("nested" in refused(configured, path, body, status=status)["message"]) == (status == 400)
