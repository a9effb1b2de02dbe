"""POST /cube/cluster/apply and apply-local: what they do when all goes well, and whom they call."""

from typing import Any

import pytest

from tests.support import documents
from tests.support.network import CCVM_ADDRESS, Network
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

APPLY = "/cube/cluster/apply"
LOCAL = "/cube/cluster/apply-local"
HOSTS = ["10.10.31.1", "10.10.31.2", "10.10.31.3"]
SCVMS = ["10.10.31.11", "10.10.31.12", "10.10.31.13"]
ALL_STEPS = ["prepare", "apply", "finish"]


def outcomes(body: dict[str, Any]) -> dict[str, str]:
    return {entry["target"]: entry["outcome"] for entry in body["results"]}


# --- insert on this node alone ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cluster_type", documents.TYPES)
def test_apply_local_inserts(node: NodeUnderTest, cluster_type: str) -> None:
    answer = node.call("POST", LOCAL, documents.insert(cluster_type))
    assert (answer.status, answer.body["val"]) == (200, "Cluster Config insert Success")
    assert node.cluster()["clusterConfig"] == documents.document(cluster_type)["clusterConfig"]


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "INSERT"},
        {"action": "insertAllHost"},
        {"action": "insertScvmHost"},
        {"option": "hostOnly"},
        {"option": "new"},
        {"option": "local"},
    ],
    ids=str,
)
def test_spellings_of_insert_do_the_same(node: NodeUnderTest, changes: dict[str, str]) -> None:
    answer = node.call("POST", LOCAL, documents.insert() | changes)
    assert answer.status == 200, answer.body
    assert node.cluster()["clusterConfig"] == documents.document()["clusterConfig"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("iscsi_storage", "storage_network"),
        ("external_timeserver", "extenal_timeserver"),
        ("external_timeserver", "EXTERNAL_TIMESERVER"),
        ("pcs_cluster_list", "Pcs_Cluster_List"),
    ],
)
def test_other_names_of_fields_are_understood(node: NodeUnderTest, old: str, new: str) -> None:
    body = documents.insert()
    body[new] = body.pop(old)
    assert node.call("POST", LOCAL, body).status == 200
    assert node.cluster()["clusterConfig"] == documents.document()["clusterConfig"]


def test_the_network_may_stand_in_its_old_place(node: NodeUnderTest) -> None:
    body = documents.insert()
    body["ccvm"] |= body.pop("mngtNic")
    assert node.call("POST", LOCAL, body).status == 200
    assert node.cluster()["clusterConfig"] == documents.document()["clusterConfig"]


def test_the_new_place_of_the_network_wins(node: NodeUnderTest) -> None:
    body = documents.insert(ccvm={"ip": CCVM_ADDRESS, "cidr": "8", "gw": "10.0.0.1", "dns": "10.0.0.2"})
    assert node.call("POST", LOCAL, body).status == 200
    assert node.cluster()["clusterConfig"] == documents.document()["clusterConfig"]


@pytest.mark.parametrize("cluster_type", ["ablestack-vm", "ablestack-hci"])
def test_a_storage_network_of_its_own_is_stored_with_its_addresses(node: NodeUnderTest, cluster_type: str) -> None:
    """W12, W13: 0.1.2 dropped the addresses of one kind of cluster and the flag of the other."""
    body = documents.insert(cluster_type, iscsi_storage="true")
    for number, host in enumerate(body["hosts"], 1):
        host["ablecubePn"] = f"100.100.31.{number}"
    assert node.call("POST", LOCAL, body).status == 200
    config = node.cluster()["clusterConfig"]
    assert (config["storage_network"], config["iscsi_storage"]) == ("true", "true")
    assert [host["ablecubePn"] for host in config["hosts"]] == ["100.100.31.1", "100.100.31.2", "100.100.31.3"]
    assert "100.100.31.2\tpn-ablecube2\n" in node.hosts_file.read_text()


def test_insert_replaces_what_was_there_and_keeps_what_is_not_its_own(node: NodeUnderTest) -> None:
    before = documents.document("ablestack-hci", scvm="true")
    before["clusterConfig"] |= {"backup_path": "/mnt/backup", "unknown": {"kept": [1]}}
    node.write_cluster(before | {"other_tool": "kept"})
    assert node.call("POST", LOCAL, documents.insert("ablestack-vm")).status == 200
    after = node.cluster()
    assert after["clusterConfig"] == documents.document("ablestack-vm")["clusterConfig"] | {"unknown": {"kept": [1]}}
    assert after["systemProfile"]["bootstrap"]["scvm"] == "true"
    assert (after["security"], after["other_tool"]) == ({"internal_token": INTERNAL_TOKEN}, "kept")


def test_a_first_insert_makes_a_token(node: NodeUnderTest) -> None:
    assert node.call("POST", LOCAL, documents.insert()).status == 200
    token = node.cluster()["security"]["internal_token"]
    assert len(token) == 43
    assert node.call("GET", "/cube/hosts", headers=node.internal(token)).status == 200


def test_a_given_token_is_taken_locally(node: NodeUnderTest) -> None:
    """The downloaded configuration of another node, posted to this one (contract 01 §5.6)."""
    given = "given-token-0123456789"
    assert node.call("POST", LOCAL, documents.insert(security={"internal_token": given})).status == 200
    assert node.cluster()["security"]["internal_token"] == given


@pytest.mark.parametrize(
    ("cluster_type", "count", "message"),
    [
        ("ablestack-hci", 2, "pcs_cluster_list requires at least 3 host(s)"),
        ("ablestack-hci-filesystem", 2, "pcs_cluster_list requires at least 3 host(s)"),
        ("ablestack-vm", 0, "pcs_cluster_list requires at least 1 host(s)"),
        ("ablestack-hci", 17, "pcs_cluster_list supports up to 16 hosts"),
        ("ablestack-standalone", 17, "pcs_cluster_list supports up to 16 hosts"),
        ("ablestack-hci", 3, ""),
        ("ablestack-hci", 16, ""),
        ("ablestack-vm", 1, ""),
        ("ablestack-standalone", 0, ""),
        ("ablestack-standalone", 16, ""),
    ],
)
def test_the_length_of_the_pcs_list(node: NodeUnderTest, cluster_type: str, count: int, message: str) -> None:
    names = [f"node-{number}" for number in range(1, count + 1)]
    answer = node.call(
        "POST", LOCAL, documents.insert(cluster_type, pcs_cluster_list=[*names, "", names[0] if names else ""])
    )
    if message:
        assert (answer.status, answer.body["message"]) == (400, message)
        assert not node.cluster_json.exists()
        return
    assert answer.status == 200, answer.body
    stored = node.cluster()["clusterConfig"]["pcsCluster"]
    assert [name for name in stored.values() if name] == names
    assert list(stored) == [f"hostname{number}" for number in range(1, max(3, count) + 1)]


def test_the_answer_tells_what_a_node_in_a_folder_skipped(node: NodeUnderTest) -> None:
    steps = node.call("POST", LOCAL, documents.insert()).body["steps"]
    told = {step["step"]: step["outcome"] for step in steps}
    assert told["systemctl restart chronyd"] == "skipped"
    assert told["bridge filtering: settings"] == "done"
    assert told["timer cleanup-rbd.timer"] == "skipped"
    again = node.call("POST", LOCAL, documents.insert()).body["steps"]
    assert {step["step"]: step["outcome"] for step in again}["bridge filtering: settings"] == "unchanged"


def test_a_foreign_line_that_contradicts_is_kept_and_told(node: NodeUnderTest) -> None:
    node.hosts_file.write_text("127.0.0.1 localhost\n10.9.9.9 ablecube31-2 printer\n")
    steps = node.call("POST", LOCAL, documents.insert()).body["steps"]
    warnings = [step["message"] for step in steps if step["outcome"] == "warning"]
    assert len(warnings) == 1
    assert "10.9.9.9 ablecube31-2 printer" in warnings[0]
    assert "10.9.9.9 ablecube31-2 printer\n" in node.hosts_file.read_text()


def test_insert_writes_the_time_server_of_the_cluster(node: NodeUnderTest) -> None:
    assert node.call("POST", LOCAL, documents.insert()).status == 200
    text = (node.root / "etc/chrony.conf").read_text()
    assert "server ntp.example iburst\n" in text
    assert "server 10.10.31.2 iburst" in text
    assert "server 10.10.31.1 " not in text  # this node itself


@pytest.mark.parametrize("option", ["", "local"])
def test_inserting_twice_changes_nothing_more(node: NodeUnderTest, option: str) -> None:
    body = documents.insert(option=option)
    node.call("POST", LOCAL, body)
    once = (node.cluster_json.read_bytes(), node.hosts_file.read_bytes())
    assert node.call("POST", LOCAL, body).status == 200
    assert (node.cluster_json.read_bytes(), node.hosts_file.read_bytes()) == once


# --- remove, reset, check on this node alone --------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["remove_hostname", "target_hostname"])
def test_apply_local_removes_a_host_and_keeps_the_others_index(node: NodeUnderTest, key: str) -> None:
    node.call("POST", LOCAL, documents.insert())
    answer = node.call("POST", LOCAL, {"action": "remove", key: "ABLECUBE31-2"})
    assert (answer.status, answer.body["val"]) == (200, "Cluster Config remove Success")
    config = node.cluster()["clusterConfig"]
    assert [(host["index"], host["hostname"]) for host in config["hosts"]] == [("1", "ablecube31-1"), ("3", "ablecube31-3")]
    assert config["pcsCluster"] == {"hostname1": "100.100.31.1", "hostname2": "100.100.31.3", "hostname3": ""}
    hosts = node.hosts_file.read_text()
    assert "scvm3" in hosts
    assert all(name not in hosts for name in ("ablecube31-2", "scvm2", "pn-ablecube2", "10.10.31.2\t"))


def test_an_internal_caller_may_apply_locally(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    answer = node.call("POST", LOCAL, {"action": "reset"}, headers=node.internal())
    assert (answer.status, answer.body["val"]) == (200, "Cluster Config reset Success")
    assert node.cluster()["clusterConfig"]["hosts"] == []
    assert node.cluster()["security"]["internal_token"] == INTERNAL_TOKEN


def test_reset_keeps_profile_and_foreign_files(node: NodeUnderTest) -> None:
    node.call("POST", LOCAL, documents.insert())
    hosts, chrony = node.hosts_file.read_bytes(), (node.root / "etc/chrony.conf").read_bytes()
    before = node.cluster()
    assert node.call("POST", LOCAL, {"action": "Reset"}).status == 200
    after = node.cluster()
    assert after["clusterConfig"] | {"pcsCluster": {}} == {
        "type": "",
        "backup_path": "",
        "ccvm": {"ip": ""},
        "mngtNic": {"cidr": "", "gw": "", "dns": ""},
        "pcsCluster": {},
        "hosts": [],
        "external_timeserver": "",
        "storage_network": "false",
        "iscsi_storage": "false",
    }
    assert after["clusterConfig"]["pcsCluster"] == {"hostname1": "", "hostname2": "", "hostname3": ""}
    assert (after["systemProfile"], after["security"]) == (before["systemProfile"], before["security"])
    assert (node.hosts_file.read_bytes(), (node.root / "etc/chrony.conf").read_bytes()) == (hosts, chrony)


@pytest.mark.parametrize("action", ["check", "reset", "remove"])
def test_nothing_but_an_insert_touches_the_host_itself(node: NodeUnderTest, action: str) -> None:
    """D16, W14: no hugepages, fstab, sysctl, chrony in check, reset or remove."""
    node.write_cluster(documents.document("ablestack-standalone"))
    body = {"action": action, "remove_hostname": "ablecube31-1"}
    assert node.call("POST", LOCAL, body).status == 200
    made = {str(path.relative_to(node.root)) for path in (node.root / "etc").rglob("*") if path.is_file()}
    changed = {"etc/ablestack/properties/cluster.json", "etc/hosts"}
    foreign = {"etc/hostname", "etc/passwd", "etc/group", "etc/shadow", "etc/ablestack/auth.json"}
    rest = {path for path in made - changed - foreign if "revisions/" not in path and not path.endswith(".lock")}
    assert rest == set()
    assert not (node.root / "hugepages").exists()


def test_apply_local_check_asks_every_host(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    for address in HOSTS[1:]:
        node.peers.expect(address, "GET", "/cube/cluster/health", 200, {"status": "ok"})
    answer = node.call("POST", LOCAL, {"action": "check"})
    assert (answer.status, answer.body) == (200, {"code": 200, "val": "Cluster Config PingCheck Success"})
    assert {call.headers["X-Cube-Internal-Token"] for call in node.peers.made} == {INTERNAL_TOKEN}


def test_apply_local_check_names_the_host_that_is_silent(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    node.peers.expect("10.10.31.2", "GET", "/cube/cluster/health", 200, {"status": "ok"})
    node.peers.expect_unreachable("10.10.31.3", "GET", "/cube/cluster/health")
    answer = node.call("POST", LOCAL, {"action": "check"})
    assert answer.status == 502
    assert answer.body["message"].startswith("The ping test failed. Check ablecube hosts network IPs. : 10.10.31.3")


def test_apply_local_check_of_an_unconfigured_node(node: NodeUnderTest) -> None:
    answer = node.call("POST", LOCAL, {"action": "check"})
    assert (answer.status, answer.body["message"]) == (400, "json string required")


# --- the whole cluster ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cluster_type", documents.TYPES)
def test_insert_reaches_every_host(network: Network, cluster_type: str) -> None:
    document = documents.document("ablestack-vm")
    document["clusterConfig"]["hosts"] = []
    nodes = network.add_hosts(cluster_type, document)
    answer = nodes[0].call("POST", APPLY, documents.insert(cluster_type))
    assert (answer.status, answer.body["message"]) == (200, "apply success")
    assert outcomes(answer.body) == dict.fromkeys(HOSTS[: len(nodes)], "ok")
    assert [node.cluster()["clusterConfig"] for node in nodes] == [documents.document(cluster_type)["clusterConfig"]] * len(
        nodes
    )
    assert {node.cluster()["security"]["internal_token"] for node in nodes} == {INTERNAL_TOKEN}
    assert all(network.steps(address) == ALL_STEPS for address in HOSTS[1 : len(nodes)])
    assert network.open_changes() == []


def test_the_results_name_every_node_in_the_order_of_the_cluster(network: Network) -> None:
    nodes = network.add_hosts(document=documents.document())
    body = documents.insert()
    body["hosts"].reverse()
    answer = nodes[0].call("POST", APPLY, body)
    assert answer.body["code"] == 200
    assert [
        {key: entry[key] for key in ("role", "hostname", "target", "code", "outcome")} for entry in answer.body["results"]
    ] == [
        {"role": "host", "hostname": f"ablecube31-{number}", "target": f"10.10.31.{number}", "code": 200, "outcome": "ok"}
        for number in (3, 2, 1)
    ]
    assert answer.body["revision"]


def test_peers_are_called_with_the_token_the_request_id_and_a_deadline(network: Network) -> None:
    nodes = network.add_hosts(document=documents.document())
    headers = nodes[0].bearer() | {"X-Request-ID": "seen-everywhere"}
    assert nodes[0].call("POST", APPLY, documents.insert(), headers=headers).status == 200
    assert network.calls
    for call in network.calls:
        assert call.headers["X-Cube-Internal-Token"] == INTERNAL_TOKEN
        assert call.headers["X-Request-ID"] == "seen-everywhere"
        assert 0 < float(call.headers["X-Cube-Deadline"]) <= 90


def test_option_local_stays_here(network: Network) -> None:
    nodes = network.add_hosts()
    answer = nodes[0].call("POST", APPLY, documents.insert(option="local"))
    assert (answer.status, outcomes(answer.body)) == (200, {"127.0.0.1": "ok"})
    assert network.calls == []
    assert nodes[0].cluster_json.exists()
    assert not nodes[1].cluster_json.exists()


def test_option_all_takes_the_hosts_from_the_file(network: Network) -> None:
    nodes = network.add_hosts(document=documents.document())
    body = documents.insert(option="all", external_timeserver="other.example")
    del body["hosts"], body["mngtNic"]
    answer = nodes[1].call("POST", APPLY, body)
    assert (answer.status, outcomes(answer.body)) == (200, dict.fromkeys(HOSTS, "ok"))
    wanted = documents.document()["clusterConfig"] | {"external_timeserver": "other.example"}
    assert [node.cluster()["clusterConfig"] for node in nodes] == [wanted] * 3


def add_request(**more: Any) -> dict[str, Any]:
    """Host 4 joins."""
    pcs = [f"100.100.31.{number}" for number in range(1, 5)]
    return {"action": "insert", "option": "add", "hosts": [documents.host(4)], "pcs_cluster_list": pcs, **more}


def test_option_add_joins_a_host_to_the_others(network: Network) -> None:
    document = documents.document(scvm="true", ccvm="true")
    document["clusterConfig"]["backup_path"] = "/mnt/backup"
    nodes = network.add_hosts(document=document)
    guests = network.add_guests(document)
    joining = network.add("10.10.31.4", "ablecube31-4")
    joining.write_cluster({"clusterConfig": {}, "security": {"internal_token": INTERNAL_TOKEN}})
    answer = nodes[0].call("POST", APPLY, add_request())
    assert answer.status == 200, answer.body
    assert outcomes(answer.body) == dict.fromkeys([*HOSTS, "10.10.31.4", *SCVMS, CCVM_ADDRESS], "ok")
    configs = [node.cluster()["clusterConfig"] for node in [*nodes, *guests, joining]]
    assert all(config == configs[0] for config in configs)
    assert configs[0]["hosts"] == [documents.host(number) for number in (1, 2, 3, 4)]
    assert configs[0]["pcsCluster"]["hostname4"] == "100.100.31.4"
    assert configs[0]["backup_path"] == "/mnt/backup"
    assert configs[0]["ccvm"] == {"ip": CCVM_ADDRESS}


def test_option_add_replaces_a_host_of_the_same_name(network: Network) -> None:
    document = documents.document("ablestack-vm")
    nodes = network.add_hosts("ablestack-vm", document)
    changed = documents.host(3, "ablestack-vm") | {"hostname": "ABLECUBE31-3", "index": "7"}
    body = {"action": "insert", "option": "Add", "hosts": [changed], "pcs_cluster_list": ["10.10.31.1"]}
    assert nodes[0].call("POST", APPLY, body).status == 200
    assert [host["index"] for host in nodes[0].cluster()["clusterConfig"]["hosts"]] == ["1", "2", "7"]


@pytest.mark.parametrize(
    ("more", "left_out"),
    [
        ({"exclude_hostname": "ablecube31-2"}, {"10.10.31.12"}),
        ({"new_hostname": "ablecube31-4, ablecube31-3"}, {"10.10.31.13"}),
        ({"new_hostname": "ablecube31-1 ABLECUBE31-2"}, {"10.10.31.11", "10.10.31.12"}),
        ({}, set()),
    ],
)
def test_storage_vms_that_add_leaves_out(network: Network, more: dict[str, str], left_out: set[str]) -> None:
    """The others are switched off: whom it wanted to call is seen all the same."""
    node = network.add(HOSTS[0], "ablecube31-1")
    node.write_cluster(documents.document(scvm="true", ccvm="true"))
    node.call("POST", APPLY, add_request(**more))
    assert network.called() == {*HOSTS[1:], "10.10.31.4", *SCVMS, CCVM_ADDRESS} - left_out


def test_guests_that_are_not_deployed_yet_are_skipped(network: Network) -> None:
    """W47: `add` for a first install calls machines that do not exist."""
    nodes = network.add_hosts(document=documents.document())
    answer = nodes[0].call("POST", APPLY, documents.insert(option="add"))
    assert answer.status == 200, answer.body
    expected = {**dict.fromkeys(HOSTS, "ok"), **dict.fromkeys([*SCVMS, CCVM_ADDRESS], "skipped")}
    assert outcomes(answer.body) == expected
    skipped = next(entry for entry in answer.body["results"] if entry["outcome"] == "skipped")
    assert "not deployed yet" in skipped["message"]


def test_a_guest_that_is_deployed_must_answer(network: Network) -> None:
    document = documents.document(scvm="true", ccvm="true")
    nodes = network.add_hosts(document=document)
    network.add_guests(document, numbers=(1, 2))
    before = network.files()
    answer = nodes[0].call("POST", APPLY, documents.insert(option="add", external_timeserver="other.example"))
    assert answer.status == 502
    assert outcomes(answer.body)["10.10.31.13"] == "unreachable"
    assert network.files() == before


def test_add_on_an_unconfigured_node_calls_the_hosts_and_the_cloud_center(network: Network) -> None:
    empty = {"security": {"internal_token": INTERNAL_TOKEN}}
    nodes = network.add_hosts(document=empty)
    answer = nodes[0].call("POST", APPLY, documents.insert(option="add"))
    assert answer.status == 200, answer.body
    assert outcomes(answer.body) == {**dict.fromkeys(HOSTS, "ok"), CCVM_ADDRESS: "skipped"}


EVERYONE = [*HOSTS, *SCVMS, CCVM_ADDRESS]


@pytest.mark.parametrize(
    ("cluster_type", "body", "expected"),
    [
        ("ablestack-hci", {"action": "insert"}, HOSTS),
        ("ablestack-hci", {"action": "insert", "option": "withScvm"}, HOSTS),
        ("ablestack-hci", {"action": "insert", "option": "all"}, HOSTS),
        ("ablestack-hci", {"action": "insert", "option": "add"}, EVERYONE),
        ("ablestack-hci", {"action": "check"}, EVERYONE),
        ("ablestack-hci", {"action": "check", "option": "all"}, EVERYONE),
        ("ablestack-hci", {"action": "check", "option": "hostOnly"}, HOSTS),
        ("ablestack-hci", {"action": "check", "option": "HOST_ONLY"}, HOSTS),
        ("ablestack-hci", {"action": "check", "option": "withScvm"}, [*HOSTS, *SCVMS]),
        ("ablestack-hci", {"action": "check", "option": "something"}, [*HOSTS, *SCVMS]),
        ("ablestack-hci", {"action": "check", "exclude_hostname": "ablecube31-1"}, [*HOSTS, *SCVMS[1:], CCVM_ADDRESS]),
        ("ablestack-hci", {"action": "remove", "remove_hostname": "ablecube31-2"}, EVERYONE),
        (
            "ablestack-hci",
            {"action": "remove", "remove_hostname": "ablecube31-2", "exclude_hostname": "ablecube31-2"},
            [*HOSTS, SCVMS[0], SCVMS[2], CCVM_ADDRESS],
        ),
        ("ablestack-hci", {"action": "reset"}, HOSTS),
        ("ablestack-hci-filesystem", {"action": "remove", "remove_hostname": "ablecube31-2"}, EVERYONE),
        ("ablestack-vm", {"action": "insert"}, HOSTS),
        ("ablestack-vm", {"action": "insert", "option": "add"}, [*HOSTS, CCVM_ADDRESS]),
        ("ablestack-vm", {"action": "check"}, [*HOSTS, CCVM_ADDRESS]),
        ("ablestack-vm", {"action": "check", "option": "hostonly"}, HOSTS),
        ("ablestack-vm", {"action": "check", "option": "with-scvm"}, HOSTS),
        ("ablestack-vm", {"action": "remove", "remove_hostname": "ablecube31-3"}, [*HOSTS, CCVM_ADDRESS]),
        ("ablestack-vm", {"action": "reset"}, HOSTS),
        ("ablestack-standalone", {"action": "check"}, [HOSTS[0], CCVM_ADDRESS]),
        ("ablestack-standalone", {"action": "remove", "remove_hostname": "ablecube31-1"}, [HOSTS[0], CCVM_ADDRESS]),
        ("ablestack-standalone", {"action": "reset"}, HOSTS[:1]),
    ],
    ids=str,
)
def test_who_is_called(network: Network, cluster_type: str, body: dict[str, Any], expected: list[str]) -> None:
    """Contract 01 §5.6. The others are switched off: whom it wanted to call is seen all the same."""
    node = network.add(HOSTS[0], "ablecube31-1")
    node.write_cluster(documents.document(cluster_type, scvm="true", ccvm="true"))
    answer = node.call("POST", APPLY, documents.insert(cluster_type) | body if body["action"] == "insert" else body)
    assert [entry["target"] for entry in answer.body["results"]] == expected
    assert network.called() >= {address for address in expected[1:] if answer.status != 200}


def test_remove_takes_the_host_out_everywhere(network: Network) -> None:
    document = documents.document(scvm="true", ccvm="true")
    nodes = [*network.add_hosts(document=document), *network.add_guests(document)]
    answer = nodes[0].call("POST", APPLY, {"action": "remove", "remove_hostname": "ablecube31-3"})
    assert answer.status == 200, answer.body
    for node in nodes:
        config = node.cluster()["clusterConfig"]
        assert [host["hostname"] for host in config["hosts"]] == ["ablecube31-1", "ablecube31-2"]
        assert list(config["pcsCluster"].values()) == ["100.100.31.1", "100.100.31.2", ""]


def test_a_host_that_is_removed_need_not_answer(network: Network) -> None:
    document = documents.document("ablestack-vm")
    nodes = network.add_hosts("ablestack-vm", document)
    del network.nodes["10.10.31.3"]
    answer = nodes[0].call("POST", APPLY, {"action": "remove", "remove_hostname": "ablecube31-3"})
    assert answer.status == 200, answer.body
    assert outcomes(answer.body)["10.10.31.3"] == "skipped"
    assert [host["hostname"] for host in nodes[1].cluster()["clusterConfig"]["hosts"]] == ["ablecube31-1", "ablecube31-2"]


def test_removing_with_only_the_ccvm_in_the_body_still_means_the_cluster(network: Network) -> None:
    """The trap of contract 01 §5.6: 0.1.2 called the Cloud Center VM alone."""
    nodes = network.add_hosts("ablestack-vm", documents.document("ablestack-vm"))
    body = {"action": "remove", "remove_hostname": "ablecube31-2", "ccvm": {"ip": CCVM_ADDRESS}}
    answer = nodes[0].call("POST", APPLY, body)
    assert [entry["target"] for entry in answer.body["results"]] == [*HOSTS, CCVM_ADDRESS]


@pytest.mark.parametrize("path", [APPLY, LOCAL])
@pytest.mark.parametrize("hosts", [[], [documents.host(2) | {"hostname": "ghost"}]], ids=["file", "body"])
def test_removing_a_host_that_is_not_in_the_cluster(node: NodeUnderTest, path: str, hosts: list[Any]) -> None:
    node.write_cluster(documents.document())
    before = node.cluster_json.read_bytes()
    answer = node.call("POST", path, {"action": "remove", "remove_hostname": "ghost", "hosts": hosts})
    assert (answer.status, answer.body["type"]) == (404, "urn:ablestack:error:not_found")
    assert node.cluster_json.read_bytes() == before


def test_reset_everywhere(network: Network) -> None:
    nodes = network.add_hosts(document=documents.document())
    answer = nodes[0].call("POST", APPLY, {"action": "reset"})
    assert answer.status == 200, answer.body
    assert [node.cluster()["clusterConfig"]["hosts"] for node in nodes] == [[], [], []]
    assert [node.cluster()["security"]["internal_token"] for node in nodes] == [INTERNAL_TOKEN] * 3


@pytest.mark.parametrize("action", ["reset", "check"])
def test_an_unconfigured_node_has_nobody_to_apply_to(node: NodeUnderTest, action: str) -> None:
    answer = node.call("POST", APPLY, {"action": action})
    assert (answer.status, answer.body["message"]) == (400, "no targets to apply")


@pytest.mark.parametrize("action", ["insert", "remove", "reset"])
def test_all_nodes_hold_the_revision_that_the_answer_names(network: Network, action: str) -> None:
    """The same change a second time names the same revision: it is the content's own name."""
    nodes = network.add_hosts(document=documents.document())
    body = documents.insert() | {"action": action, "remove_hostname": "ablecube31-3"}
    first = nodes[0].call("POST", APPLY, body).body["revision"]
    for node in nodes:
        node.write_cluster(documents.document())
    assert nodes[1].call("POST", APPLY, body).body["revision"] == first


# --- check of the whole cluster ---------------------------------------------------------------------------------------


def test_check_asks_every_node_whether_it_reaches_every_host(network: Network) -> None:
    nodes = network.add_hosts(document=documents.document())
    before = network.files()
    answer = nodes[0].call("POST", APPLY, {"action": "check", "option": "hostOnly"})
    assert (answer.status, answer.body["message"]) == (200, "apply success")
    assert outcomes(answer.body) == dict.fromkeys(HOSTS, "ok")
    probes = [(call.address, call.path) for call in network.calls if call.method == "GET"]
    assert len(probes) == 3 * 2  # everybody but itself
    assert network.files() == before


def test_check_names_the_node_that_does_not_reach_another(network: Network) -> None:
    nodes = network.add_hosts(document=documents.document())
    network.answers("10.10.31.2", LOCAL, 502, {"code": 502, "message": "The ping test failed. 10.10.31.3"})
    answer = nodes[0].call("POST", APPLY, {"action": "check", "option": "hostOnly"})
    assert answer.status == 502
    assert outcomes(answer.body) == {"10.10.31.1": "ok", "10.10.31.2": "failed", "10.10.31.3": "ok"}
    assert "ablecube31-2: The ping test failed. 10.10.31.3" in answer.body["message"]


def test_check_skips_guests_that_are_not_deployed(network: Network) -> None:
    nodes = network.add_hosts(document=documents.document())
    answer = nodes[0].call("POST", APPLY, {"action": "check"})
    assert answer.status == 200
    assert outcomes(answer.body) == {**dict.fromkeys(HOSTS, "ok"), **dict.fromkeys([*SCVMS, CCVM_ADDRESS], "skipped")}
