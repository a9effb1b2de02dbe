"""POST /cube/ccvm/xml (contract 03 §3)."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import LibvirtFailed, ProgramMissing
from ablestack_api.hypervisor import domain_xml
from ablestack_api.remote.peer import PeerUnreachable
from tests.support import appliances, documents, machines, whole_system
from tests.support.answer import Answer
from tests.support.appliances import VALIDATE
from tests.support.network import Network
from tests.support.node_under_test import NodeUnderTest

XML = "/cube/ccvm/xml"
BODY = {"cpu": 8, "memory": 16, "management_network_bridge": "bridge0", "gfs_mount_point": "/mnt/glue-gfs"}
SUCCESS = "클라우드센터 가상머신 xml 생성 성공"


@pytest.fixture
def standalone(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document("ablestack-standalone"))
    return appliances.lay_host(node)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """Three hosts of an ablestack-vm cluster."""
    under_test = Network(tmp_path)
    for host in under_test.add_hosts("ablestack-vm", documents.document("ablestack-vm")):
        appliances.lay_host(host)
    yield under_test
    under_test.finish()


def file_of(node: NodeUnderTest) -> Path:
    return Path(node.settings.vm_config_root) / "ccvm/ccvm.xml"


def post(node: NodeUnderTest, body: dict[str, Any] | None = None, *, valid: bool = True, path: str = XML) -> Answer:
    if valid:
        node.runner.expect(VALIDATE, stderr="- validates\n")
    return node.call("POST", path, BODY | (body or {}))


def refused(node: NodeUnderTest, **body: Any) -> dict[str, str]:
    """Field -> reason of a 400 after which nothing was written."""
    answer = post(node, body, valid=False)
    assert answer.status == 400, answer.body
    assert not file_of(node).exists()
    return {error["field"]: error["reason"] for error in answer.body["errors"]}


def test_a_standalone_host(standalone: NodeUnderTest) -> None:
    """Weakness 13: the host needs no address on a storage network."""
    answer = post(standalone, {"service_network_bridge": "bridge1"})
    assert answer.status == 200
    assert (answer.body["code"], answer.body["val"], answer.body["message"]) == (200, SUCCESS, SUCCESS)
    assert answer.body["xml_path"] == str(file_of(standalone))
    assert [(entry["target"], entry["code"], entry["message"]) for entry in answer.body["results"]] == [
        ("10.10.31.1", 200, "ccvm xml installed")
    ]
    found = domain_xml.read(file_of(standalone).read_text())
    assert (found.name, found.vcpus, found.memory) == ("ccvm", 8, 16 * 2**20)
    assert [nic.source for nic in found.nics] == ["bridge0", "bridge1"]


def test_what_was_looked_at_is_told(standalone: NodeUnderTest) -> None:
    checks = {entry["check"]: entry["outcome"] for entry in post(standalone).body["checks"]}
    assert checks == {"cpu": "ok", "memory": "ok", "earlier definition": "ok", "libvirt schema": "ok"}


def test_without_the_schema_program_the_check_is_told_as_skipped(standalone: NodeUnderTest) -> None:
    missing = ProgramMissing("virt-xml-validate is not installed", program="virt-xml-validate", package="libvirt-client")
    standalone.runner.expect(VALIDATE, raises=missing)
    answer = post(standalone, valid=False)
    assert answer.status == 200
    assert {"check": "libvirt schema", "outcome": "skipped", "message": missing.detail} in answer.body["checks"]


def test_xml_that_the_schema_refuses_is_not_installed(standalone: NodeUnderTest) -> None:
    standalone.runner.expect(
        VALIDATE, stderr="Relax-NG validity error : Element domain failed\n- fails to validate\n", code=3
    )
    answer = post(standalone, valid=False)
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:template_unusable")
    assert "Relax-NG validity error" in answer.body["message"]
    assert not file_of(standalone).exists()


def test_rendering_again_gives_the_same_machine(standalone: NodeUnderTest) -> None:
    """Weaknesses 15 and 16."""
    post(standalone)
    first = domain_xml.read(file_of(standalone).read_text())
    post(standalone, {"cpu": 4, "service_network_bridge": "bridge1"})
    second = domain_xml.read(file_of(standalone).read_text())
    assert (second.uuid, second.macs[0]) == (first.uuid, first.macs[0])
    assert (second.vcpus, len(second.macs)) == (4, 2)


def test_a_definition_of_0_1_2_keeps_its_network_address(standalone: NodeUnderTest) -> None:
    old = standalone.root / "mnt/glue/ccvm.xml"
    old.parent.mkdir(parents=True)
    nic = "<interface type='bridge'><mac address='00:24:81:12:34:56'/><source bridge='bridge0'/></interface>"
    old.write_text(f"<domain type='kvm'><name>ccvm</name><devices>{nic}</devices></domain>")
    post(standalone)
    assert domain_xml.read(file_of(standalone).read_text()).macs == ("00:24:81:12:34:56",)


def test_the_file_is_readable_and_nothing_else_is_touched(standalone: NodeUnderTest) -> None:
    """Weakness 10: everything in the folder became 0755, private keys too."""
    folder = file_of(standalone).parent
    folder.mkdir(parents=True)
    (folder / "id_rsa").write_text("private")
    (folder / "id_rsa").chmod(0o600)
    post(standalone)
    assert file_of(standalone).stat().st_mode & 0o777 == 0o644
    assert (folder / "id_rsa").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in folder.iterdir()} == {"ccvm.xml", "ccvm.xml.lock", "id_rsa"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"cpu": 0}, "cpu required"),
        ({"cpu": -1}, "cpu required"),
        ({"cpu": None}, "cpu required"),
        ({"memory": 0}, "memory required"),
        ({"memory": -16}, "memory required"),
        ({"management_network_bridge": "  "}, "management_network_bridge required"),
    ],
)
def test_a_missing_value_has_the_text_of_0_1_2(standalone: NodeUnderTest, body: dict[str, Any], message: str) -> None:
    answer = post(standalone, body, valid=False)
    assert (answer.status, answer.body["message"], answer.body["err_code"]) == (400, message, 400)
    assert not file_of(standalone).exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cpu", 1.5), ("cpu", 4.0), ("cpu", "4"), ("cpu", True), ("cpu", 10_000), ("cpu", 256), ("cpu", 10**30),
        ("memory", 1.5), ("memory", "16"), ("memory", 64), ("memory", 10**9),
        ("management_network_bridge", "nowhere"), ("management_network_bridge", "eno1"),
        ("management_network_bridge", 5), ("management_network_bridge", ["bridge0"]),
        ("management_network_bridge", "a<b/>"), ("management_network_bridge", "'><x/>"),
        ("management_network_bridge", "a b"), ("management_network_bridge", "../lo"),
        ("management_network_bridge", "-bridge0"), ("management_network_bridge", ".."),
        ("management_network_bridge", "a" * 16), ("management_network_bridge", "bridge0\x00"),
        ("service_network_bridge", "nowhere"), ("service_network_bridge", "a&b"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_and_nothing_is_written(standalone: NodeUnderTest, field: str, value: object) -> None:
    appliances.lay_card(standalone, "eno1")
    assert field in refused(standalone, **{field: value})


def test_all_wrong_values_are_named_at_once(standalone: NodeUnderTest) -> None:
    assert set(refused(standalone, cpu=10_000, management_network_bridge="a b", service_network_bridge="c d")) == {
        "cpu", "management_network_bridge", "service_network_bridge",
    }  # fmt: skip
    assert set(refused(standalone, memory=640, management_network_bridge="nowhere")) == {
        "memory",
        "management_network_bridge",
    }


@pytest.mark.parametrize("body", ["", "{", "[]", "null"])
def test_a_body_that_is_no_object(standalone: NodeUnderTest, body: str) -> None:
    answer = standalone.call("POST", XML, body)
    assert answer.status == 400
    assert answer.body["message"].startswith("invalid request")


@pytest.mark.parametrize("place", ["", "/mnt/other", "mnt/glue-gfs", "/mnt/glue-gfs/../x"])
def test_the_mount_point_is_where_everything_else_looks(node: NodeUnderTest, place: str) -> None:
    """Weakness 14."""
    node.write_cluster(documents.document("ablestack-vm"))
    assert set(refused(appliances.lay_host(node), gfs_mount_point=place)) == {"gfs_mount_point"}


def test_a_template_that_is_missing(standalone: NodeUnderTest) -> None:
    template = Path(standalone.settings.config_root) / "xml-template/ccvm-xml-template.xml"
    template.unlink()
    answer = post(standalone, valid=False)
    assert (answer.status, answer.body["path"]) == (500, str(template))
    assert "does not exist" in answer.body["message"]
    assert not file_of(standalone).exists()


def test_a_template_of_an_older_release(standalone: NodeUnderTest) -> None:
    template = Path(standalone.settings.config_root) / "xml-template/ccvm-xml-template.xml"
    template.write_text("<domain><name>ccvm</name><memory><!--memory--></memory><vcpu><!--cpu--></vcpu></domain>")
    answer = post(standalone, valid=False)
    assert answer.status == 500
    assert "older release" in answer.body["message"]
    assert not file_of(standalone).exists()


def test_a_plan_changes_nothing(standalone: NodeUnderTest) -> None:
    answer = post(standalone, valid=False, path=f"{XML}?plan=true")
    assert answer.status == 200
    assert [step["step"] for step in answer.body["val"]["steps"]] == ["check", "render", "install"]
    assert not file_of(standalone).exists()


def test_without_cluster_json(node: NodeUnderTest) -> None:
    answer = post(node, valid=False)
    assert (answer.status, answer.body["message"].startswith("failed to read cluster.json")) == (500, True)


def test_a_disk_that_is_full_is_told_and_the_old_file_stays(
    standalone: NodeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(standalone)
    before = file_of(standalone).read_bytes()

    def full(*_what: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    answer = post(standalone, {"cpu": 2})
    assert (answer.status, answer.body["type"]) == (507, "urn:ablestack:error:disk_full")
    monkeypatch.undo()
    assert file_of(standalone).read_bytes() == before


# Several hosts


def hosts(network: Network) -> list[NodeUnderTest]:
    return list(network.nodes.values())


def test_every_host_gets_the_same(network: Network) -> None:
    first = hosts(network)[0]
    answer = post(first)
    assert answer.status == 200
    assert len({file_of(host).read_bytes() for host in hosts(network)}) == 1
    assert [entry["target"] for entry in answer.body["results"]] == ["10.10.31.1", "10.10.31.2", "10.10.31.3"]
    assert {entry["message"] for entry in answer.body["results"]} == {"ccvm xml installed"}
    assert {call.headers.get("X-Cube-CCVM-XML-Local") for call in network.calls} == {"1"}


def test_any_host_renders_the_same_machine(network: Network) -> None:
    first, second, _ = hosts(network)
    post(first)
    before = file_of(first).read_bytes()
    for host in hosts(network):
        file_of(host).unlink()
    post(second)
    assert file_of(second).read_bytes() == before


def test_a_host_that_knows_the_machine_is_believed(network: Network) -> None:
    """The receiving host has no file; another one has that of 0.1.2."""
    first, _, third = hosts(network)
    nic = "<interface type='bridge'><mac address='00:24:81:12:34:56'/><source bridge='bridge0'/></interface>"
    file_of(third).parent.mkdir(parents=True)
    file_of(third).write_text(f"<domain type='kvm'><name>ccvm</name><devices>{nic}</devices></domain>")
    post(first)
    assert domain_xml.read(file_of(first).read_text()).macs == ("00:24:81:12:34:56",)


def test_a_bridge_that_one_host_lacks(network: Network) -> None:
    first, second, _ = hosts(network)
    (second.root / "sys/class/net/bridge0/bridge").rmdir()
    (second.root / "sys/class/net/bridge0").rmdir()
    answer = post(first, valid=False)
    assert answer.status == 400
    assert "ablecube31-2" in answer.body["message"]
    assert "there is no bridge bridge0" in answer.body["message"]
    assert not any(file_of(host).exists() for host in hosts(network))


def test_a_bridge_of_two_kinds(network: Network) -> None:
    """Weakness 12: Open vSwitch was looked for on one node only."""
    first, second, _ = hosts(network)
    (second.root / "sys/class/net/bridge0/bridge").rmdir()
    second.runner.expect(["systemctl", "is-active", "--quiet", "--", "openvswitch"])
    answer = post(first, valid=False)
    assert (answer.status, answer.body["type"]) == (409, "urn:ablestack:error:conflict")
    assert "openvswitch on ablecube31-2" in answer.body["message"]


def test_memory_that_one_host_lacks(network: Network) -> None:
    first, _, third = hosts(network)
    appliances.lay_memory(third, 8)
    answer = post(first, valid=False)
    assert answer.status == 400
    assert "ablecube31-3" in answer.body["message"]


def at(network: Network, address: str, mode: str, work: Callable[[], None]) -> None:
    """Do something just before a host gets one part of the work."""

    def look() -> None:
        asked = [json.loads(call.body)["mode"] for call in network.calls if call.address == address]
        if asked[-1] == mode:
            work()

    network.during(address, XML, look)


def unreachable(*, connected: bool) -> PeerUnreachable:
    return PeerUnreachable("no complete answer before the deadline", timed_out=True, connected=connected)


def test_one_host_that_fails_leaves_none_changed(network: Network) -> None:
    first, second, third = hosts(network)
    post(first)
    before = [file_of(host).read_bytes() for host in hosts(network)]

    def be_in_the_way() -> None:
        file_of(third).unlink()
        file_of(third).mkdir()

    at(network, "10.10.31.3", "install", be_in_the_way)
    answer = post(first, {"cpu": 2})
    assert (answer.status, answer.body["type"]) == (502, "urn:ablestack:error:peers_failed")
    assert "ablecube31-3" in answer.body["message"]
    assert [file_of(host).read_bytes() for host in (first, second)] == before[:2]
    # The third cannot take its old file back either, and the answer says so.
    assert "could not be undone" in answer.body["message"]


def test_a_host_that_falls_silent_while_it_installs_gets_its_old_file_back(network: Network) -> None:
    first, second, _ = hosts(network)
    post(first)
    before = [file_of(host).read_bytes() for host in hosts(network)]

    def install_and_be_silent() -> None:
        file_of(second).write_text("the new one")
        raise unreachable(connected=True)

    at(network, "10.10.31.2", "install", install_and_be_silent)
    answer = post(first, {"cpu": 2})
    assert answer.status == 502
    assert [file_of(host).read_bytes() for host in hosts(network)] == before
    assert {step["step"]: step["outcome"] for step in answer.body["steps"]} == {
        "check": "stays", "render": "stays", "install": "failed",
    }  # fmt: skip


def test_a_first_installation_that_fails_leaves_no_file(network: Network) -> None:
    first = hosts(network)[0]

    def be_gone() -> None:
        raise unreachable(connected=False)

    at(network, "10.10.31.3", "install", be_gone)
    answer = post(first)
    assert answer.status == 502
    assert "could not be undone" not in answer.body["message"]
    assert not any(file_of(host).exists() for host in hosts(network))


def test_a_host_that_cannot_be_reached(network: Network) -> None:
    first = hosts(network)[0]
    network.is_silent("10.10.31.2", XML, connected=False)
    answer = post(first, valid=False)
    assert (answer.status, answer.body["type"]) == (502, "urn:ablestack:error:peers_failed")
    outcomes = {entry["target"]: entry["outcome"] for entry in answer.body["results"]}
    assert outcomes == {"10.10.31.1": "ok", "10.10.31.2": "unreachable", "10.10.31.3": "ok"}
    assert not any(file_of(host).exists() for host in hosts(network))


def test_two_hosts_that_render_at_once(network: Network) -> None:
    """The second one finds the first at work and changes nothing."""
    first, second, _ = hosts(network)
    second.runner.expect(VALIDATE)
    answers: list[Answer] = []
    begun: list[bool] = []

    def meanwhile() -> None:
        if not begun:
            begun.append(True)
            answers.append(second.call("POST", XML, BODY | {"cpu": 2}))

    at(network, "10.10.31.3", "check", meanwhile)
    assert post(first).status == 200
    assert [answer.status for answer in answers] == [409]
    assert "ablecube31-1: ccvm xml install was not begun" in answers[0].body["message"]
    assert {domain_xml.read(file_of(host).read_text()).vcpus for host in hosts(network)} == {8}


# Between hosts


def local(node: NodeUnderTest, mode: str, body: dict[str, Any] | None = None, **headers: str) -> Answer:
    marker = {"X-Cube-CCVM-XML-Local": "1", "X-Cube-CCVM-XML-Mode": mode}
    return node.call("POST", XML, body or {}, headers=node.internal() | marker | headers)


def test_installing_what_another_host_rendered(standalone: NodeUnderTest) -> None:
    answer = local(standalone, "install", {"xml_content": "<domain><name>ccvm</name></domain>"})
    assert (answer.status, answer.body["message"]) == (200, "ccvm xml installed")
    assert file_of(standalone).read_text() == "<domain><name>ccvm</name></domain>\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "xml_content required"),
        ("  ", "xml_content required"),
        (None, "xml_content required"),
        ("<domain>", "not well-formed"),
        ("<domain><name>scvm</name></domain>", "is the domain scvm"),
        ("<!DOCTYPE a><domain/>", "document type"),
    ],
)
def test_installing_what_is_no_definition(standalone: NodeUnderTest, content: str | None, told: str) -> None:
    answer = local(standalone, "install", {"xml_content": content})
    assert answer.status == 400
    assert told in answer.body["message"]
    assert not file_of(standalone).exists()


def test_an_unknown_part(standalone: NodeUnderTest) -> None:
    answer = local(standalone, "format")
    assert (answer.status, answer.body["message"]) == (400, "invalid local mode")


def test_the_marker_of_a_person_means_nothing(standalone: NodeUnderTest) -> None:
    """D8: content of a person is never installed."""
    body = BODY | {"xml_content": "<domain><name>ccvm</name><title>x</title></domain>", "mode": "install"}
    headers = standalone.bearer() | {"X-Cube-CCVM-XML-Local": "1", "X-Cube-CCVM-XML-Mode": "install"}
    standalone.runner.expect(VALIDATE)
    assert standalone.call("POST", XML, body, headers=headers).status == 200
    assert "<title>" not in file_of(standalone).read_text()


def test_nobody_without_a_credential(standalone: NodeUnderTest) -> None:
    assert standalone.call("POST", XML, BODY, headers={}).status == 401
    assert standalone.call("GET", XML).status == 405


# HCI


def test_the_ceph_key_goes_to_every_host_before_anything_is_written(tmp_path: Path) -> None:
    network = Network(tmp_path)
    nodes = [appliances.lay_host(host) for host in network.add_hosts("ablestack-hci", documents.document("ablestack-hci"))]
    answer = post(nodes[0])
    assert answer.status == 200
    steps = [(entry["step"], entry["message"]) for entry in answer.body["results"]]
    assert steps[:3] == [("secret", "skipped: this node lives in a folder")] * 3
    assert steps[3:] == [("install", "ccvm xml installed")] * 3
    assert "rbd/ccvm" in file_of(nodes[2]).read_text()


# On a whole system


class Hypervisor:
    """libvirt with secrets and network filters; its test driver has neither."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}
        self.filters: dict[str, str] = {}
        self.fails: LibvirtFailed | None = None

    def call(self, work: Callable[[Any], Any], *, timeout: float) -> Any:
        if self.fails is not None:
            raise self.fails
        return work(self)

    def ask_agent(self, domain: str, command: str, *, timeout: float) -> str:
        raise AssertionError("no guest is asked")

    def listAllSecrets(self) -> list[Any]:  # noqa: N802  libvirt's name
        return []

    def secretDefineXML(self, xml: str) -> "Hypervisor":  # noqa: N802  libvirt's name
        assert "11111111-1111-1111-1111-111111111111" in xml
        return self

    def setValue(self, value: bytes) -> None:  # noqa: N802  libvirt's name
        self.keys["ceph"] = value

    def listNWFilters(self) -> list[str]:  # noqa: N802  libvirt's name
        return list(self.filters)

    def nwfilterDefineXML(self, xml: str) -> None:  # noqa: N802  libvirt's name
        self.filters["allow-all-traffic"] = xml


@pytest.fixture
def hypervisor(node: NodeUnderTest) -> Hypervisor:
    """That of a host of an HCI cluster which is a whole system."""
    node.write_cluster(documents.document("ablestack-hci"))
    under_test = Hypervisor()
    whole_system.believe(node)
    node.env = replace(node.env, libvirt=under_test)
    return under_test


KEY_OF_CEPH = ["ceph", "--connect-timeout", "5", "auth", "get-key", "client.admin"]


def test_the_ceph_key_goes_to_libvirt_and_nowhere_else(node: NodeUnderTest, hypervisor: Hypervisor) -> None:
    """Weakness 11: it was an argument of virsh."""
    node.runner.expect(KEY_OF_CEPH, stdout="QVFCekFtcGxl")
    answer = local(node, "secret")
    assert (answer.status, answer.body["message"]) == (200, "pcs 클러스터 secret.xml 설정 성공")
    assert hypervisor.keys == {"ceph": b"AQBzAmple"}
    assert "QVFCekFtcGxl" not in json.dumps(answer.body)
    assert not any(b"QVFCekFtcGxl" in path.read_bytes() for path in node.root.rglob("*") if path.is_file())


def test_a_ceph_that_does_not_answer(node: NodeUnderTest, hypervisor: Hypervisor) -> None:
    node.runner.expect(KEY_OF_CEPH, stderr="[errno 110] RADOS timed out", code=1)
    answer = local(node, "secret")
    assert (answer.status, answer.body["type"]) == (502, "urn:ablestack:error:command_failed")
    assert "RADOS timed out" in answer.body["message"]
    assert hypervisor.keys == {}


def test_the_filter_that_the_cards_name_is_there(node: NodeUnderTest, hypervisor: Hypervisor) -> None:
    for _ in range(2):
        assert local(node, "install", {"xml_content": "<domain><name>ccvm</name></domain>"}).status == 200
    assert list(hypervisor.filters) == ["allow-all-traffic"]
    assert "action='accept'" in hypervisor.filters["allow-all-traffic"]


def test_a_filter_that_libvirt_does_not_take_leaves_the_file_as_it_was(node: NodeUnderTest, hypervisor: Hypervisor) -> None:
    hypervisor.fails = LibvirtFailed("libvirt (qemu:///system): no nwfilter driver")
    answer = local(node, "install", {"xml_content": "<domain><name>ccvm</name></domain>"})
    assert (answer.status, answer.body["type"]) == (502, "urn:ablestack:error:libvirt_failed")
    assert not file_of(node).exists()


def test_a_libvirt_that_is_down_is_told_and_the_files_are_believed(standalone: NodeUnderTest) -> None:
    post(standalone)
    before = domain_xml.read(file_of(standalone).read_text())
    failing = Hypervisor()
    failing.fails = LibvirtFailed("libvirt is down")
    standalone.client.application.extensions["ablestack_env"] = replace(standalone.env, libvirt=failing)
    answer = post(standalone)
    assert answer.status == 200
    assert [check["outcome"] for check in answer.body["checks"] if check["check"] == "earlier definition"] == ["skipped"]
    assert domain_xml.read(file_of(standalone).read_text()) == before


def test_the_machine_as_libvirt_knows_it_comes_first(standalone: NodeUnderTest) -> None:
    """A definition of 0.1.2 has a UUID that libvirt chose: with another one it could not be defined again."""
    machines.with_domains(standalone, machines.domain())
    post(standalone)
    assert domain_xml.read(file_of(standalone).read_text()).uuid == machines.CCVM_UUID


def test_bridges_of_open_vswitch(standalone: NodeUnderTest) -> None:
    """Weakness 12: the service card had no virtualport."""
    for name in ("ovs0", "ovs1"):
        appliances.lay_bridge(standalone, name, linux=False)
        standalone.runner.expect(["systemctl", "is-active", "--quiet", "--", "openvswitch"])
    answer = post(standalone, {"management_network_bridge": "ovs0", "service_network_bridge": "ovs1"})
    assert answer.status == 200
    assert file_of(standalone).read_text().count('<virtualport type="openvswitch"/>') == 2


def test_an_interface_that_only_looks_like_a_bridge(standalone: NodeUnderTest) -> None:
    appliances.lay_bridge(standalone, "vnet7", linux=False)
    standalone.runner.expect(["systemctl", "is-active", "--quiet", "--", "openvswitch"], code=3)
    assert set(refused(standalone, management_network_bridge="vnet7")) == {"management_network_bridge"}


def test_more_processors_than_the_host_has_are_a_warning(standalone: NodeUnderTest) -> None:
    answer = post(standalone, {"cpu": 17})
    assert answer.status == 200
    warning = next(check for check in answer.body["checks"] if check["check"] == "cpu")
    assert (warning["outcome"], warning["message"]) == ("warning", "17 vCPUs on a node with 16 processors")


def test_later_with_a_job(standalone: NodeUnderTest) -> None:
    """D21: the same answer, asked for later."""
    standalone.runner.expect(VALIDATE)
    answer = standalone.call("POST", XML, BODY, headers=standalone.bearer() | {"Prefer": "respond-async"})
    assert answer.status == 202
    job = standalone.call("GET", answer.headers["location"].removeprefix("/api/v1") + "?wait=10").body
    assert "succeeded" in json.dumps(job) or "done" in json.dumps(job)
    assert file_of(standalone).exists()


def test_a_node_in_a_folder_does_not_ask_the_libvirt_of_the_system_around_it(tmp_path: Path) -> None:
    node = appliances.lay_host(NodeUnderTest(tmp_path, ABLESTACK_LIBVIRT_URI="qemu:///system"))
    node.write_cluster(documents.document("ablestack-standalone"))
    answer = post(node)
    check = next(check for check in answer.body["checks"] if check["check"] == "earlier definition")
    assert (answer.status, check["outcome"]) == (200, "skipped")
    assert "belongs to the system around it" in check["message"]
