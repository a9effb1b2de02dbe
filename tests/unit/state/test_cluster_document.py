"""state.cluster_document: every older shape of cluster.json (contract 01 §5.3).

tests/data/cluster_json holds files as releases wrote them, and in normal/ what a write makes of each.
"""

import json
from pathlib import Path

import pytest

from ablestack_api.state.cluster_document import NotAClusterDocument, parse

DATA = Path(__file__).parents[2] / "data/cluster_json"
SHAPES = sorted(path.name for path in DATA.glob("*.json"))


@pytest.mark.parametrize("name", SHAPES)
def test_the_normal_form(name: str) -> None:
    assert parse((DATA / name).read_bytes()).to_bytes().decode() == (DATA / "normal" / name).read_text()


@pytest.mark.parametrize("name", SHAPES)
def test_the_normal_form_is_stable(name: str) -> None:
    normal = (DATA / "normal" / name).read_bytes()
    assert parse(normal).to_bytes() == normal


def test_the_packaged_skeleton_is_the_one_in_the_package() -> None:
    packaged = Path(__file__).parents[3] / "configs/properties/cluster.json"
    assert (DATA / "skeleton.json").read_bytes() == packaged.read_bytes()
    assert not parse(packaged.read_bytes()).is_configured


@pytest.mark.parametrize(("name", "configured"), [("full_hci", True), ("full_vm", True), ("no_cluster_config", False)])
def test_configured_is_who_has_hosts(name: str, configured: bool) -> None:
    assert parse((DATA / f"{name}.json").read_bytes()).is_configured is configured


@pytest.mark.parametrize("name", ["full_hci.json", "full_vm.json"])
def test_a_file_in_normal_form_is_not_changed(name: str) -> None:
    content = (DATA / name).read_bytes()
    assert parse(content).to_bytes() == content


@pytest.mark.parametrize(
    ("old", "new", "stored"),
    [("", "true", "true"), ("true", "", "true"), ("true", "false", "false"), (True, None, "true"), (" False ", "", "false")],
)
def test_the_storage_network_by_either_name(old: object, new: object, stored: str) -> None:
    content = json.dumps({"clusterConfig": {"iscsi_storage": old, "storage_network": new}}).encode()
    config = json.loads(parse(content).to_bytes())["clusterConfig"]
    assert (config["storage_network"], config["iscsi_storage"]) == (stored, stored)


@pytest.mark.parametrize(
    ("raw", "place", "value"),
    [
        ({"clusterConfig": {"extenal_timeserver": "old", "external_timeserver": "new"}}, "external_timeserver", "new"),
        ({"clusterConfig": {"extenal_timeserver": "old", "external_timeserver": ""}}, "external_timeserver", "old"),
        ({"clusterConfig": {"ccvm": {"gw": "old"}, "mngtNic": {"gw": "new"}}}, "gw", "new"),
        ({"bootstrap": {"scvm": "true"}, "systemProfile": {"bootstrap": {"scvm": "false"}}}, "scvm", "false"),
        ({"monitoring": {"wall": "true"}, "bootstrap": {"wall": "false"}}, "wall", "false"),
        (
            {"security": {"internal_token": "new"}, "systemProfile": {"security": {"internal_token": "old"}}},
            "internal_token",
            "new",
        ),
        (
            {"security": {"internal_token": ""}, "systemProfile": {"security": {"internal_token": "old"}}},
            "internal_token",
            "old",
        ),
    ],
)
def test_the_newer_place_wins_where_both_are_filled(raw: object, place: str, value: str) -> None:
    text = parse(json.dumps(raw).encode()).to_bytes().decode()
    assert f'"{place}": "{value}"' in text


@pytest.mark.parametrize("security", [None, {}, {"internal_token": None}, {"internal_token": ""}])
def test_a_missing_token_is_empty_and_never_a_word(security: object) -> None:
    """W25: null became the acceptable token `<nil>`."""
    assert parse(json.dumps({"security": security}).encode()).security.internal_token == ""


@pytest.mark.parametrize("key", ["cluster", "profile", "model_extra", "to_bytes", "__dict__", "is_configured"])
def test_an_unknown_root_key_may_have_any_name(key: str) -> None:
    """Also the names that our own code uses inside."""
    written = json.loads(
        parse(json.dumps({key: {"type": 5}, "clusterConfig": {"type": "ablestack-vm"}}).encode()).to_bytes()
    )
    assert written[key] == {"type": 5}
    assert written["clusterConfig"]["type"] == "ablestack-vm"


@pytest.mark.parametrize("key", ["mngt_nic", "pcs_cluster", "pcs_others", "host_type", "addresses"])
def test_an_unknown_key_of_the_configuration_may_have_any_name(key: str) -> None:
    content = json.dumps({"clusterConfig": {key: [1], "hosts": [{"hostname": "a", "ablecube_pn": 7}]}}).encode()
    config = json.loads(parse(content).to_bytes())["clusterConfig"]
    assert config[key] == [1]
    assert config["hosts"] == [{"index": "", "hostname": "a", "ablecube": "", "ablecube_pn": 7}]


def test_markup_is_escaped_as_the_original_did() -> None:
    written = parse('{"x": "<a> & \u2028 한글"}'.encode()).to_bytes()
    assert b'"\\u003ca\\u003e \\u0026 \\u2028 ' + "한글".encode() in written


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"\0" * 4096, "Expecting value"),
        (b"{", "line 1 column 2"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'"text"', "not an object"),
        (b'{"x": NaN}', "NaN"),
        (b'{"x": Infinity}', "Infinity"),
        (b'{"x": 1e999}', "1e999"),
        (b'{"clusterConfig": []}', "clusterConfig is not an object"),
        (b'{"clusterConfig": {"ccvm": "10.10.31.10"}}', "ccvm is not an object"),
        (b'{"clusterConfig": {"hosts": "none"}}', "hosts"),
        (b'{"clusterConfig": {"hosts": [["a"]]}}', "clusterConfig.hosts.0"),
        (b'{"clusterConfig": {"type": ["ablestack-hci"]}}', "clusterConfig.type"),
        (b'{"clusterConfig": {"pcsCluster": {"hostname1": []}}}', "pcsCluster"),
        (b'{"systemProfile": {"bootstrap": []}}', "bootstrap is not an object"),
        (b'{"monitoring": 1}', "monitoring is not an object"),
        (b'{"security": {"internal_token": {}}}', "security.internal_token"),
        (b'{"clusterConfig": {"type": "\\ud800"}}', "surrogates not allowed"),
        (b"[" * 100_000, ""),
        ('{"x": "é"}'.encode("latin-1"), "utf-8"),
        ("{}".encode("utf-16"), "utf-8"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_cannot_be_understood_says_where(content: bytes, told: str) -> None:
    with pytest.raises(NotAClusterDocument) as caught:
        parse(content)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 500
