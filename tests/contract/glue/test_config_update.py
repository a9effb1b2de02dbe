"""POST /cube/glue/config/update."""

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, ProgramMissing
from tests.support import documents
from tests.support.answer import Answer
from tests.support.network import Network
from tests.support.node_under_test import NodeUnderTest
from tests.support.storage_cluster import FSID, TIMED_OUT, StorageCluster, recorded

PATH = "/cube/glue/config/update"
HOSTS = ["10.10.31.1", "10.10.31.2", "10.10.31.3"]
SCVMS = ["10.10.31.11", "10.10.31.12", "10.10.31.13"]
SUCCESS = "Glue Config All cube host and scvm update Success"
CONF, KEYRING = "etc/ceph/ceph.conf", "etc/ceph/ceph.client.admin.keyring"
KEY = "AQInventedKeyOfTheTests01AAAAAAAAAAAAA=="
OTHER_FSID = "99999999-2222-4333-8444-555555555555"
OTHER_CONF = f"[global]\nfsid = {OTHER_FSID}\nmon_host = 192.0.2.1\n"


@pytest.fixture
def network(tmp_path: Path, storage: StorageCluster) -> Iterator[Network]:
    """Three hosts with their storage VMs; the first host reaches the monitors."""
    made = Network(tmp_path)
    document = documents.document(scvm="true")
    made.add_hosts(document=document)
    made.add_guests(document)
    give(made, HOSTS[0], storage)
    yield made
    made.finish()


def give(network: Network, address: str, storage: StorageCluster) -> None:
    node = network.nodes[address]
    node.env = replace(node.env, runner=storage)


def update(network: Network, body: Any = None, address: str = HOSTS[0]) -> Answer:
    return network.nodes[address].call("POST", PATH, body)


def clients(network: Network) -> list[NodeUnderTest]:
    return [network.nodes[address] for address in [*HOSTS, *SCVMS]]


def lay(node: NodeUnderTest, name: str, content: str, mode: int = 0o644) -> Path:
    path = node.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


def files(node: NodeUnderTest) -> dict[str, bytes]:
    return {str(path.relative_to(node.root)): path.read_bytes() for path in (node.root / "etc").rglob("*") if path.is_file()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("body", [None, {"action": "update"}, {"action": " Update "}, {"action": ""}, {}], ids=str)
def test_every_host_and_storage_vm_gets_both_files(network: Network, body: Any) -> None:
    answer = update(network, body)
    assert answer.status == 200, answer.body
    told = {"code": 200, "val": SUCCESS, "message": SUCCESS, "action": "update", "source": "local"}
    assert {key: answer.body[key] for key in told} == told
    for node in clients(network):
        assert (node.root / CONF).read_text() == recorded("minimal.conf")
        assert (node.root / KEYRING).read_text() == recorded("keyring.txt")
        assert (mode(node.root / CONF), mode(node.root / KEYRING)) == (0o644, 0o600)
    assert not (network.nodes["10.10.31.10"].root / "etc/ceph").exists(), "the Cloud Center VM is no client"
    assert network.open_changes() == []


def test_results_as_0_1_2_told_them(network: Network) -> None:
    results = update(network).body["results"]
    health = [each for each in results if each["step"] == "health"]
    copy = [each for each in results if each["step"] == "copy"]
    assert [each["target"] for each in health] == [*HOSTS[1:], *SCVMS]
    assert [(each["role"], each["target"], each["code"]) for each in copy] == [
        *[("ablecube", address, 200) for address in HOSTS],
        *[("scvm", address, 200) for address in SCVMS],
    ]
    assert [each["message"] for each in copy] == ["local target already updated", "ok", "ok", "ok", "ok", "ok"]


def test_the_storage_vm_of_this_very_host_gets_them(network: Network) -> None:
    """Weakness 6: in cluster.json it bears its host's name."""
    assert update(network).status == 200
    assert (network.nodes[SCVMS[0]].root / CONF).exists()


def test_nothing_else_of_etc_ceph_is_touched(network: Network) -> None:
    """Weakness 8: 0.1.2 copied every file over the target's own."""
    source, target = network.nodes[HOSTS[0]], network.nodes[SCVMS[1]]
    for name in ("rbdmap", "ceph.client.backup.keyring", "ceph_temp.conf"):
        lay(source, f"etc/ceph/{name}", "of the source")
    own = lay(target, "etc/ceph/rbdmap", "of the target")
    assert update(network).status == 200
    assert own.read_text() == "of the target"
    assert sorted(path.name for path in own.parent.iterdir()) == ["ceph.client.admin.keyring", "ceph.conf", "rbdmap"]


def test_what_stood_there_is_kept_beside_it(network: Network) -> None:
    """Weakness 10."""
    node = network.nodes[SCVMS[0]]
    old = f"[global]\nfsid = {FSID}\nmon_host = 10.9.9.9\n[osd]\nosd memory target = 1\n"
    lay(node, CONF, old)
    lay(node, KEYRING, "old", 0o666)
    assert update(network).status == 200
    assert (node.root / "etc/ceph/ceph.conf.previous").read_text() == old
    assert mode(node.root / KEYRING) == 0o600
    assert update(network).status == 200
    assert (node.root / "etc/ceph/ceph.conf.previous").read_text() == old, "the same again replaces nothing"


def test_the_configuration_is_tried_out_before_anybody_gets_it(network: Network, storage: StorageCluster) -> None:
    """Weakness 10: with the very files, at a place of its own."""
    assert update(network).status == 200
    probes = [argv for argv in storage.argvs if argv[-1] == "fsid"]
    assert len(probes) == 1
    conf, keyring = probes[0][probes[0].index("--conf") + 1], probes[0][probes[0].index("--keyring") + 1]
    assert Path(conf).parent == Path(keyring).parent
    assert not Path(conf).parent.exists()


UNUSABLE = [
    ("config generate-minimal-conf", ""),
    ("config generate-minimal-conf", "# nothing\n"),
    ("config generate-minimal-conf", "nonsense"),
    ("config generate-minimal-conf", "[global]\nfsid = 5\nmon_host = 10.0.0.1\n"),
    ("config generate-minimal-conf", f"[global]\nfsid = {FSID}\n"),
    ("auth get client.admin", ""),
    ("auth get client.admin", "[client.other]\nkey = AQxx\n"),
    ("auth get client.admin", "[client.admin]\nkey = \n"),
    ("fsid", OTHER_FSID),
    ("fsid", ""),
]


@pytest.mark.parametrize(("command", "printed"), UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_source_that_is_not_usable_changes_nothing(
    network: Network, storage: StorageCluster, command: str, printed: str
) -> None:
    for address in HOSTS[1:]:
        network.answers(address, PATH, 502, {"code": 502, "message": "no monitor"})
    storage.printed[command] = printed
    before = [files(node) for node in clients(network)]
    answer = update(network)
    assert (answer.status, answer.body["action"]) == (502, "update")
    assert answer.body["message"].startswith("local ceph config prepare failed: ")
    assert [files(node) for node in clients(network)] == before


@pytest.mark.parametrize("lost", [HOSTS[2], SCVMS[1]])
def test_a_node_that_is_off_and_then_nobody_gets_them(network: Network, lost: str) -> None:
    network.is_silent(lost, "prepare", connected=False)
    before = [files(node) for node in clients(network)]
    answer = update(network)
    assert answer.status == 502
    assert answer.body["val"] == "health check failed"
    entry = next(each for each in answer.body["results"] if each["target"] == lost)
    assert (entry["step"], entry["outcome"]) == ("health", "unreachable")
    assert [files(node) for node in clients(network)] == before


def test_a_storage_vm_that_is_not_deployed_yet_is_skipped(network: Network) -> None:
    for node in network.nodes.values():
        node.write_cluster(documents.document())
    network.is_silent(SCVMS[2], "prepare", connected=False)
    answer = update(network)
    assert answer.status == 200
    assert [each["outcome"] for each in answer.body["results"] if each["target"] == SCVMS[2]] == ["skipped", "skipped"]


def test_a_node_that_cannot_write_puts_all_others_back(network: Network) -> None:
    """Weakness 9: all or none, where 0.1.2 left some with the new files."""
    for node in clients(network):
        lay(node, CONF, f"[global]\nfsid = {FSID}\nmon_host = 10.9.9.9\n")
    network.answers(SCVMS[2], "apply", 507, {"code": 507, "message": "no space left"})
    before = [files(node) for node in clients(network)[:5]]
    answer = update(network)
    assert answer.status == 502
    assert (answer.body["val"], answer.body["source"]) == ("Glue Config copy Failed", "local")
    assert next(each for each in answer.body["results"] if each["target"] == SCVMS[2])["step"] == "copy"
    assert [files(node) for node in clients(network)[:5]] == before


def test_a_node_of_another_cluster_is_refused(network: Network) -> None:
    conf = lay(network.nodes[SCVMS[1]], CONF, OTHER_CONF)
    before = [files(node) for node in clients(network)]
    answer = update(network)
    assert answer.status == 502
    assert f"belongs to another cluster ({OTHER_FSID}, not {FSID})" in answer.body["message"]
    assert [files(node) for node in clients(network)] == before
    assert update(network, {"force": True}).status == 200
    assert conf.read_text() == recorded("minimal.conf")


def test_this_node_of_another_cluster_is_refused(network: Network) -> None:
    lay(network.nodes[HOSTS[0]], CONF, OTHER_CONF)
    answer = update(network)
    assert answer.status == 409
    assert "force: true replaces it" in answer.body["message"]


NO_SOURCE: list[ApiError] = [
    TIMED_OUT,
    CommandTimedOut("ceph did not end within 30 s", program="ceph", seconds=30),
    ProgramMissing("the program ceph is not installed", program="ceph", package="ceph-common"),
]


@pytest.mark.parametrize("error", NO_SOURCE, ids=[error.kind for error in NO_SOURCE])
def test_another_node_of_the_pacemaker_cluster_does_it(network: Network, storage: StorageCluster, error: ApiError) -> None:
    """Weakness 8: nobody's files are copied over ours but what the monitors give."""
    blind = StorageCluster()
    blind.failures = dict.fromkeys(blind.printed, error)
    give(network, HOSTS[0], blind)
    give(network, HOSTS[1], blind)
    give(network, HOSTS[2], storage)
    answer = update(network)
    assert answer.status == 200, answer.body
    assert answer.body["source"] == "pcsCluster:10.10.31.3"
    assert all((node.root / CONF).read_text() == recorded("minimal.conf") for node in clients(network))
    assert network.open_changes() == []


def test_no_node_has_a_source(network: Network) -> None:
    blind = StorageCluster()
    blind.failures = dict.fromkeys(blind.printed, TIMED_OUT)
    for address in HOSTS:
        give(network, address, blind)
    answer = update(network)
    assert answer.status == 502
    assert "fallback failed: 100.100.31.1: fallback source points to local host; ablecube31-2 (10.10.31.2)" in str(
        answer.body["message"]
    )


def test_a_failure_of_the_node_that_does_it_is_told(network: Network, storage: StorageCluster) -> None:
    blind = StorageCluster()
    blind.failures = dict.fromkeys(blind.printed, TIMED_OUT)
    give(network, HOSTS[0], blind)
    give(network, HOSTS[1], storage)
    network.is_silent(SCVMS[1], "prepare", connected=False)
    answer = update(network)
    assert answer.status == 502
    assert answer.body["source"] == "pcsCluster:10.10.31.2"
    assert any(each["outcome"] == "unreachable" for each in answer.body["results"])
    asked = [call.address for call in network.calls if call.path.endswith(PATH) and "transaction" not in str(call.body)]
    assert asked == [HOSTS[1]], "a third node would fail at the same"


def test_without_a_pacemaker_cluster(network: Network, storage: StorageCluster) -> None:
    document = documents.document(scvm="true")
    document["clusterConfig"]["pcsCluster"] = {}
    network.nodes[HOSTS[0]].write_cluster(document)
    storage.failures["config generate-minimal-conf"] = TIMED_OUT
    answer = update(network)
    assert answer.status == 502
    assert "fallback failed: pcsCluster hostname required" in answer.body["message"]


def test_names_of_strangers_are_never_called(network: Network, storage: StorageCluster) -> None:
    """D7: the internal token stays in the cluster."""
    document = documents.document(scvm="true")
    document["clusterConfig"]["pcsCluster"] = {"hostname1": "192.0.2.66"}
    network.nodes[HOSTS[0]].write_cluster(document)
    storage.failures["config generate-minimal-conf"] = TIMED_OUT
    assert "192.0.2.66: no host of cluster.json" in update(network).body["message"]
    assert network.calls == []


def test_the_marker_of_a_person_means_nothing(network: Network, storage: StorageCluster) -> None:
    storage.failures["config generate-minimal-conf"] = TIMED_OUT
    for address in HOSTS[1:]:
        network.answers(address, PATH, 502, {"code": 502, "message": "no monitor"})
    node = network.nodes[HOSTS[0]]
    answer = node.call("POST", PATH, headers={**node.bearer(), "X-Cube-Glue-Config-Local": "1"})
    assert "fallback failed" in answer.body["message"]
    assert len(network.calls) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "invalid request"),
        ("[]", "invalid request"),
        ({"action": "remove"}, "unsupported action"),
        ({"action": 1}, "invalid"),
    ],
    ids=range(4),
)
def test_bad_input(network: Network, storage: StorageCluster, body: Any, message: str) -> None:
    answer = update(network, body)
    assert answer.status == 400
    assert message in answer.body["message"]
    assert storage.calls == []


def test_without_hosts(host: NodeUnderTest) -> None:
    host.write_cluster({"clusterConfig": {"type": "ablestack-hci"}})
    answer = host.call("POST", PATH)
    assert (answer.status, answer.body["message"]) == (400, "hosts[].ablecube or hosts[].scvmMngt required")


def test_without_cluster_json(node: NodeUnderTest) -> None:
    assert node.call("POST", PATH).status == 500
    node.write_cluster(b"{")
    assert node.call("POST", PATH).status == 500


STEP = {
    "id": "00000000-0000-4000-8000-000000000000",
    "phase": "prepare",
    "holder": "root@10.0.0.9",
    "coordinator": "10.10.31.2",
    "members": ["10.10.31.1", "10.10.31.2"],
}
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "request.conf"),
    ({"conf": 5, "keyring": "x"}, "request.conf"),
    ({"conf": OTHER_CONF}, "request.keyring"),
    ({"conf": "[global]\nmon_host = x", "keyring": f"[client.admin]\nkey = {KEY}\n"}, "request.conf"),
    ({"conf": OTHER_CONF, "keyring": f"[client.x]\nkey = {KEY}\n"}, "request.keyring"),
    ({"conf": OTHER_CONF + "#" * 70000, "keyring": f"[client.admin]\nkey = {KEY}\n"}, "request.conf"),
]


@pytest.mark.parametrize(("payload", "field"), FAULTS, ids=range(len(FAULTS)))
def test_a_bad_step_of_another_node_writes_nothing(host: NodeUnderTest, payload: dict[str, Any], field: str) -> None:
    body = {"transaction": STEP, "request": payload}
    answer = host.call("POST", PATH, body, headers=host.internal())
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, field)
    assert KEY not in json.dumps(answer.body)
    assert not (host.root / "etc/ceph").exists()


def test_a_person_cannot_send_a_step(host: NodeUnderTest) -> None:
    payload = {"conf": OTHER_CONF, "keyring": f"[client.admin]\nkey = {KEY}\n"}
    assert host.call("POST", PATH, {"transaction": STEP, "request": payload}).status == 401


def test_the_key_is_in_no_answer_log_or_argv(
    network: Network, storage: StorageCluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answer = update(network)
    network.answers(SCVMS[2], "apply", 507, {"code": 507, "message": "no space left"})
    failed = update(network)
    assert (answer.status, failed.status) == (200, 502)
    assert KEY not in json.dumps([answer.body, failed.body, storage.argvs]) + caplog.text
    for node in clients(network):
        kept = [path for path in node.root.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
        assert [path for path in kept if path.name != "ceph.client.admin.keyring" and node is not clients(network)[5]] == []


def test_a_key_in_an_error_of_ceph_is_starred(network: Network, storage: StorageCluster) -> None:
    storage.failures["auth get client.admin"] = CommandFailed(f"ceph ended with code 1: key = {KEY}", program="ceph")
    for address in HOSTS[1:]:
        network.answers(address, PATH, 502, {"code": 502, "message": "no monitor"})
    answer = update(network)
    assert answer.status == 502
    assert KEY not in json.dumps(answer.body)
