"""POST /cube/scvm/xml (contract 03 §13)."""

from pathlib import Path
from typing import Any

import pytest

from ablestack_api.hypervisor import domain_xml
from tests.support import appliances, lsblk_output, whole_system
from tests.support.answer import Answer
from tests.support.appliances import GRAPHICS, NETWORK_CARD, STORAGE_CONTROLLER, VALIDATE
from tests.support.lsblk_output import disk, mapped, part
from tests.support.node_under_test import NodeUnderTest

XML = "/cube/scvm/xml"
LIMITS = "etc/security/limits.d/90-ablestack-scvm.conf"
SYSCTL = "etc/sysctl.d/90-ablestack-scvm.conf"
BODY: dict[str, Any] = {
    "cpu": 8,
    "memory": 32,
    "disk_type": "raid_passthrough",
    "raid_passthrough_list": ["5e:00.0"],
    "management_network_bridge": "bridge0",
    "storage_traffic_network_type": "nic_passthrough",
    "server_nic_passthrough": "0000:3b:00.0",
    "replication_nic_passthrough": "0000:3b:00.1",
}
LUNS: dict[str, Any] = {"disk_type": "lun_passthrough", "lun_passthrough_list": ["/dev/sdb", "/dev/sdc"]}
BRIDGES: dict[str, Any] = {
    "storage_traffic_network_type": "bridge",
    "server_network_bridge": "bridge1",
    "replication_network_bridge": "bridge2",
}
SYSTEM_DISK = disk("sda", part("sda1", mountpoints=["/boot"]), part("sda2", mountpoints=["/"]))
DISKS = (SYSTEM_DISK, disk("sdb"), disk("sdc"))


@pytest.fixture
def host(node: NodeUnderTest) -> NodeUnderTest:
    """64 GiB, three bridges, a two-port card, a controller, a graphics card."""
    appliances.lay_host(node)
    for address, device_class in (
        ("0000:3b:00.0", NETWORK_CARD),
        ("0000:3b:00.1", NETWORK_CARD),
        ("0000:5e:00.0", STORAGE_CONTROLLER),
        ("0000:03:00.0", GRAPHICS),
    ):
        appliances.lay_pci(node, address, device_class)
    return node


def file_of(node: NodeUnderTest) -> Path:
    return Path(node.settings.vm_config_root) / "scvm/scvm.xml"


def written(node: NodeUnderTest) -> list[bool]:
    return [path.exists() for path in (file_of(node), node.root / LIMITS, node.root / SYSCTL)]


def post(
    node: NodeUnderTest, body: dict[str, Any] | None = None, *, looks: bool = True, valid: bool = True, query: str = ""
) -> Answer:
    """`looks`: the disks are listed; `valid`: the XML gets as far as its check."""
    if looks:
        lsblk_output.expect(node.runner, *DISKS)
    if valid:
        node.runner.expect(VALIDATE, stderr="- validates\n")
    return node.call("POST", f"{XML}{query}", BODY | (body or {}))


def refused(node: NodeUnderTest, body: dict[str, Any], *, looks: bool = False) -> Answer:
    answer = post(node, body, looks=looks, valid=False)
    assert answer.status == 400, answer.body
    assert written(node) == [False, False, False]
    return answer


def fields(answer: Answer) -> set[str]:
    return {error["field"] for error in answer.body["errors"]}


def test_success(host: NodeUnderTest) -> None:
    answer = post(host)
    assert answer.status == 200
    assert (answer.body["code"], answer.body["val"], answer.body["message"]) == (200, {}, "scvm xml create success")
    assert answer.body["xml_path"] == str(file_of(host))
    found = domain_xml.read(file_of(host).read_text())
    assert (found.name, found.vcpus, found.memory) == ("scvm", 8, 32 * 2**20)
    assert found.pci == ("0000:3b:00.0", "0000:3b:00.1", "0000:5e:00.0")
    assert file_of(host).stat().st_mode & 0o777 == 0o644


def test_memory_is_reserved_once_and_in_files_of_our_own(host: NodeUnderTest) -> None:
    """Weaknesses 18 and 19: whole files were replaced, twice the memory was reserved, the limits had no domain."""
    for place in ("etc/security/limits.conf", "etc/sysctl.conf"):
        (host.root / place).parent.mkdir(parents=True, exist_ok=True)
        (host.root / place).write_text("theirs\n")
    post(host)
    settings = (host.root / SYSCTL).read_text().splitlines()
    assert "vm.nr_hugepages = 16384" in settings
    assert "vm.hugetlb_shm_group = 36" in settings
    assert not any("bridge-nf" in line for line in settings)
    limits = (host.root / LIMITS).read_text().splitlines()
    assert "* soft memlock 33554432" in limits
    assert "root hard memlock 33554432" in limits
    for place in ("etc/security/limits.conf", "etc/sysctl.conf"):
        assert (host.root / place).read_text() == "theirs\n"


def test_large_pages_are_counted_in_their_own_size(host: NodeUnderTest) -> None:
    appliances.lay_memory(host, page_kib=2**20)
    post(host)
    assert "vm.nr_hugepages = 32" in (host.root / SYSCTL).read_text().splitlines()


def test_a_node_in_a_folder_tells_that_the_kernel_was_left_alone(host: NodeUnderTest) -> None:
    steps = {step["step"]: step for step in post(host).body["steps"]}
    assert steps["kernel"] == {"step": "kernel", "outcome": "skipped", "message": "this node lives in a folder"}
    assert steps["limits"]["outcome"] == steps["sysctl"]["outcome"] == steps["install"]["outcome"] == "done"


def test_again_changes_nothing(host: NodeUnderTest) -> None:
    post(host)
    before = file_of(host).read_bytes()
    steps = {step["step"]: step["outcome"] for step in post(host).body["steps"]}
    assert file_of(host).read_bytes() == before
    assert (steps["limits"], steps["sysctl"]) == ("unchanged", "unchanged")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"cpu": 0}, "cpu required"),
        ({"cpu": -1}, "cpu required"),
        ({"memory": 0}, "memory required"),
        ({"disk_type": ""}, "disk_type must be raid_passthrough, lun_passthrough or disk_passthrough"),
        ({"disk_type": "none"}, "disk_type must be raid_passthrough, lun_passthrough or disk_passthrough"),
        ({"raid_passthrough_list": []}, "raid_passthrough_list required"),
        ({"raid_passthrough_list": [" ", ""]}, "raid_passthrough_list required"),
        ({"disk_type": "lun_passthrough"}, "lun_passthrough_list required"),
        ({"management_network_bridge": None}, "management_network_bridge required"),
        ({"server_nic_passthrough": ""}, "server_nic_passthrough required"),
        ({"replication_nic_passthrough": ""}, "replication_nic_passthrough required"),
        ({**BRIDGES, "server_network_bridge": ""}, "server_network_bridge required"),
        ({**BRIDGES, "replication_network_bridge": ""}, "replication_network_bridge required"),
    ],
)
def test_a_missing_value_has_the_text_of_0_1_2(host: NodeUnderTest, body: dict[str, Any], message: str) -> None:
    assert refused(host, body).body["message"] == message


@pytest.mark.parametrize(
    "body",
    [
        {"storage_traffic_network_type": "token_ring"},
        {"storage_traffic_network_type": "nic_passthrough_bonding"},
        {
            "storage_traffic_network_type": "nic_passthrough_bonding",
            "server_nic_passthrough_bonding_list": ["0000:3b:00.0"],
            "replication_nic_passthrough_bonding_list": ["0000:3b:00.1"] * 3,
        },
        {"cpu": 1.5}, {"cpu": 10_000}, {"cpu": "8"}, {"memory": 2.5}, {"memory": 10**9}, {"force": "yes"},
        {"raid_passthrough_list": "5e:00.0"}, {"raid_passthrough_list": [5]}, {"raid_passthrough_list": ["5e:00.0"] * 65},
        {"management_network_bridge": "<bridge0/>"}, {**BRIDGES, "server_network_bridge": "a b"},
    ],
)  # fmt: skip
def test_a_wrong_value(host: NodeUnderTest, body: dict[str, Any]) -> None:
    refused(host, body)


@pytest.mark.parametrize(
    "address",
    [
        "5e:00", "5e.00.0", "0:5e:00.0", "00000:5e:00.0", "5e:20.0", "5e:00.8", "5e:00.00", "zz:00.0", "usb-1:2",
        "0000:5e:00.0 ", "0000:5e:00.0\n", "'/><x/>", "../5e:00.0", "pci_0000_5e_00_0", "5e:00.0,5f:00.0",
    ],
)  # fmt: skip
def test_an_address_of_another_format_or_bus(host: NodeUnderTest, address: str) -> None:
    """Weakness 18: limits and sysctl were replaced before the address was looked at."""
    if address.strip() == "0000:5e:00.0":  # blanks around it are not part of it
        assert post(host, {"raid_passthrough_list": [address]}).status == 200
        return
    answer = refused(host, {"raid_passthrough_list": [address]})
    assert answer.body["message"] == f"invalid pci address: {address.strip()}"
    assert fields(answer) == {"raid_passthrough_list.0"}


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        ({"raid_passthrough_list": ["5f:00.0"]}, "raid_passthrough_list.0", "no PCI device 0000:5f:00.0"),
        ({"raid_passthrough_list": ["0001:5e:00.0"]}, "raid_passthrough_list.0", "no PCI device 0001:5e:00.0"),
        ({"raid_passthrough_list": ["03:00.0"]}, "raid_passthrough_list.0", "is no storage controller"),
        ({"server_nic_passthrough": "03:00.0"}, "server_nic_passthrough", "is no network card"),
        ({"memory": 64}, "memory", "do not fit"),
        ({"management_network_bridge": "nowhere"}, "management_network_bridge", "there is no bridge nowhere"),
        ({**BRIDGES, "replication_network_bridge": "br9"}, "replication_network_bridge", "there is no bridge br9"),
        ({**LUNS, "lun_passthrough_list": ["/dev/sdz"]}, "lun_passthrough_list.0", "no block device"),
        ({**LUNS, "lun_passthrough_list": ["/dev/../etc/passwd"]}, "lun_passthrough_list.0", "path of a device"),
        ({**LUNS, "lun_passthrough_list": ["sdb"]}, "lun_passthrough_list.0", "path of a device"),
        ({**LUNS, "lun_passthrough_list": ["/dev/sdb'/>"]}, "lun_passthrough_list.0", "path of a device"),
        ({**LUNS, "lun_passthrough_list": ["-rf"]}, "lun_passthrough_list.0", "path of a device"),
    ],
)
def test_what_this_host_does_not_have(host: NodeUnderTest, body: dict[str, Any], field: str, told: str) -> None:
    answer = refused(host, body, looks=True)
    assert fields(answer) == {field}
    assert told in answer.body["message"]


def test_everything_that_is_wrong_is_told_at_once(host: NodeUnderTest) -> None:
    answer = refused(
        host, {"memory": 64, "management_network_bridge": "nowhere", "raid_passthrough_list": ["5f:00.0"]}, looks=True
    )
    assert fields(answer) == {"memory", "management_network_bridge", "raid_passthrough_list.0"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"raid_passthrough_list": ["5e:00.0", "0000:5E:00.0"]}, "raid_passthrough_list.1"),
        ({"raid_passthrough_list": ["3b:00.0"]}, "raid_passthrough_list.0"),
        ({"replication_nic_passthrough": "3b:00.0"}, "replication_nic_passthrough"),
        ({**LUNS, "lun_passthrough_list": ["/dev/sdb", "/dev/sdb"]}, "lun_passthrough_list.1"),
    ],
)
def test_a_device_given_twice(host: NodeUnderTest, body: dict[str, Any], field: str) -> None:
    """Weakness 21."""
    assert fields(refused(host, body)) == {field}


def test_a_disk_under_two_names(host: NodeUnderTest) -> None:
    lsblk_output.expect(host.runner, disk("sdb", path="/dev/disk-b"))
    body = {**LUNS, "lun_passthrough_list": ["/dev/sdb", "/dev/disk-b"]}
    assert fields(refused(host, body)) == {"lun_passthrough_list.1"}


def test_more_disks_than_names(host: NodeUnderTest) -> None:
    """Weakness 21: the 26th had the name of the cloud-init drive."""
    paths = [f"/dev/sd{chr(97 + number)}" for number in range(26)]
    assert fields(refused(host, {**LUNS, "lun_passthrough_list": paths})) == {"lun_passthrough_list"}


def test_more_controllers_than_slots(host: NodeUnderTest) -> None:
    paths = [f"5e:{number:02x}.0" for number in range(9)]
    assert "slots" in refused(host, {"raid_passthrough_list": paths}).body["message"]


def test_a_disk_that_the_host_stands_on(host: NodeUnderTest) -> None:
    body = {**LUNS, "lun_passthrough_list": ["/dev/sda", "/dev/sdb"]}
    answer = post(host, body, valid=False)
    assert (answer.status, answer.body["type"]) == (409, "urn:ablestack:error:conflict")
    assert "/dev/sda2 is mounted at /" in answer.body["message"]
    assert written(host) == [False, False, False]


def test_force_overrides_and_says_what(host: NodeUnderTest) -> None:
    answer = post(host, {**LUNS, "lun_passthrough_list": ["/dev/sda"], "force": True})
    assert answer.status == 200
    warnings = [check["message"] for check in answer.body["checks"] if check["outcome"] == "warning"]
    assert any("mounted at /boot" in warning for warning in warnings)


def test_a_path_of_a_multipath_map(host: NodeUnderTest) -> None:
    lsblk_output.expect(host.runner, disk("sdb", mapped("mpath", "mpatha", "dm-0")))
    answer = post(host, {**LUNS, "lun_passthrough_list": ["/dev/sdb"]}, looks=False, valid=False)
    assert answer.status == 409
    assert "/dev/mapper/mpatha" in answer.body["message"]


def test_the_multipath_map_itself(host: NodeUnderTest) -> None:
    lsblk_output.expect(host.runner, disk("sdb", mapped("mpath", "mpatha", "dm-0")))
    answer = post(host, {**LUNS, "lun_passthrough_list": ["/dev/mapper/mpatha"]}, looks=False)
    assert answer.status == 200
    assert 'dev="/dev/mapper/mpatha"' in file_of(host).read_text()


def test_the_controller_of_the_systems_disk(host: NodeUnderTest) -> None:
    place = host.root / "sys/devices/pci0000:5d/0000:5e:00.0/host0/target0:0:0/block/sda"
    place.mkdir(parents=True)
    (host.root / "sys/block").mkdir()
    (host.root / "sys/block/sda").symlink_to(place)
    answer = post(host, valid=False)
    assert answer.status == 409
    assert "0000:5e:00.0 is the controller of sda" in answer.body["message"]


def test_a_card_of_a_bridge(host: NodeUnderTest) -> None:
    card = host.root / "sys/bus/pci/devices/0000:3b:00.0/net/eno1"
    card.mkdir(parents=True)
    (card / "master").symlink_to(host.root / "sys/class/net/bridge0")
    answer = post(host, valid=False)
    assert answer.status == 409
    assert "eno1, a port of the host's bridge0" in answer.body["message"]


def test_a_device_without_an_iommu_group_is_told(host: NodeUnderTest) -> None:
    (host.root / "sys/bus/pci/devices/0000:5e:00.0/iommu_group").rmdir()
    told = [check for check in post(host).body["checks"] if check["outcome"] == "warning"]
    assert [check["check"] for check in told] == ["PCI device 0000:5e:00.0"]


def test_a_node_in_a_folder_without_sysfs_tells_what_it_could_not_check(node: NodeUnderTest) -> None:
    appliances.lay_templates(node)
    checks = {check["check"]: check["outcome"] for check in post(node).body["checks"]}
    assert {checks[name] for name in ("cpu", "memory", "bridges", "PCI device 0000:5e:00.0", "huge pages")} == {"skipped"}


@pytest.mark.parametrize("content", [None, "<domain>"])
def test_a_template_that_cannot_be_used(host: NodeUnderTest, content: str | None) -> None:
    template = Path(host.settings.config_root) / "xml-template/scvm-xml-template.xml"
    if content is None:
        template.unlink()
    else:
        template.write_text(content)
    answer = post(host, valid=False)
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:template_unusable")
    assert str(template) in answer.body["message"]
    assert written(host) == [False, False, False]


def test_a_plan_changes_nothing(host: NodeUnderTest) -> None:
    answer = post(host, query="?plan=true")
    assert [step["step"] for step in answer.body["val"]["steps"]] == ["limits", "sysctl", "kernel", "install"]
    assert written(host) == [False, False, False]


# On a whole system


def pages(node: NodeUnderTest, count: int) -> None:
    place = node.root / "proc/sys/vm/nr_hugepages"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"{count}\n")


def test_the_kernel_reserves_the_pages(host: NodeUnderTest) -> None:
    """Weakness 20: every setting of the system was loaded and listed, whatever failed there."""
    whole_system.believe(host)
    pages(host, 16384)
    lsblk_output.expect(host.runner, *DISKS)
    host.runner.expect(VALIDATE)
    host.runner.expect(["sysctl", "-q", "-p", str(host.root / SYSCTL)])
    answer = post(host, looks=False, valid=False)
    assert answer.status == 200
    assert {"check": "huge pages", "outcome": "ok"} in answer.body["checks"]


def test_memory_in_pieces_is_told(host: NodeUnderTest) -> None:
    whole_system.believe(host)
    pages(host, 9000)
    lsblk_output.expect(host.runner, *DISKS)
    host.runner.expect(VALIDATE)
    host.runner.expect(["sysctl", "-q", "-p", str(host.root / SYSCTL)])
    warnings = [check for check in post(host, looks=False, valid=False).body["checks"] if check["outcome"] == "warning"]
    assert [check["check"] for check in warnings] == ["huge pages"]
    assert "9000 of 16384" in warnings[0]["message"]


def test_a_kernel_that_refuses_leaves_everything_as_it_was(host: NodeUnderTest) -> None:
    whole_system.believe(host)
    pages(host, 100)
    (host.root / "etc/sysctl.d").mkdir()
    (host.root / SYSCTL).write_text("vm.nr_hugepages = 100\n")
    lsblk_output.expect(host.runner, *DISKS)
    host.runner.expect(VALIDATE)
    host.runner.expect(["sysctl", "-q", "-p", str(host.root / SYSCTL)], stderr="sysctl: permission denied", code=255)
    host.runner.expect(["sysctl", "-q", "-w", "vm.nr_hugepages=100"])
    answer = post(host, looks=False, valid=False)
    assert (answer.status, answer.body["type"]) == (502, "urn:ablestack:error:command_failed")
    assert "undone: limits, sysctl" in answer.body["message"]
    assert (host.root / SYSCTL).read_text() == "vm.nr_hugepages = 100\n"
    assert not (host.root / LIMITS).exists()
    assert not file_of(host).exists()


def test_nobody_without_a_credential(host: NodeUnderTest) -> None:
    assert host.call("POST", XML, BODY, headers={}).status == 401
