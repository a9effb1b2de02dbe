"""POST /cube/cloudinit/{ccvm,scvm}/generate and /cube/cloudinit/generate (contract 03 §15)."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ablestack_api.core.errors import CommandFailed, ProgramMissing
from ablestack_api.core.runner import SystemRunner
from ablestack_api.core.settings import DEFAULT_PROGRAM_PATH
from ablestack_api.remote.peer import PeerUnreachable
from tests.support import appliances, documents
from tests.support.answer import Answer
from tests.support.image_maker import HASH, ImageMaker
from tests.support.network import Network
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

CCVM, SCVM, FREE = "/cube/cloudinit/ccvm/generate", "/cube/cloudinit/scvm/generate", "/cube/cloudinit/generate"
FORM: dict[str, Any] = {
    "type": "ccvm",
    "hostname": "ccvm",
    "mgmt_nic": "enp0s20",
    "mgmt_ip": "10.10.31.10",
    "mgmt_prefix": 16,
    "mgmt_gw": "10.10.0.1",
    "dns": "10.10.0.2",
}


def equip(node: NodeUnderTest) -> ImageMaker:
    """Keys, scripts, and programs that make images."""
    appliances.lay_keys(node)
    shell = Path(node.settings.config_root) / "shell"
    (shell / "host").mkdir(parents=True)
    for name in ("ccvm_bootstrap.sh", "host/scvm_bootstrap.sh", "host/ipcorrector", "security_patch.sh"):
        (shell / name).write_text(f"#!/bin/sh\n# {name}\n")
    maker = ImageMaker()
    node.runner = maker
    node.env = replace(node.env, runner=maker)
    return maker


@pytest.fixture
def host(node: NodeUnderTest) -> NodeUnderTest:
    """The first host of a standalone cluster."""
    node.write_cluster(documents.document("ablestack-standalone"))
    return node


@pytest.fixture
def maker(host: NodeUnderTest) -> ImageMaker:
    return equip(host)


@pytest.fixture
def hci(node: NodeUnderTest) -> ImageMaker:
    node.write_cluster(documents.document("ablestack-hci"))
    return equip(node)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    under_test = Network(tmp_path)
    for host in under_test.add_hosts("ablestack-hci", documents.document("ablestack-hci")):
        equip(host)
    yield under_test
    under_test.finish()


def image_of(node: NodeUnderTest, name: str = "ccvm-cloudinit.iso") -> Path:
    return node.root / "var/lib/libvirt/images" / name


def user_data(maker: ImageMaker) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(maker.files["user-data"].content)
    return loaded


def files(maker: ImageMaker) -> dict[str, tuple[str, str]]:
    """Path in the guest -> owner and mode."""
    return {file["path"]: (file["owner"], file["permissions"]) for file in user_data(maker)["write_files"]}


def content(maker: ImageMaker, path: str) -> bytes:
    return next(base64.b64decode(file["content"]) for file in user_data(maker)["write_files"] if file["path"] == path)


def cards(maker: ImageMaker) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(maker.files["network-config"].content)["network"]["ethernets"]
    return loaded


def left_behind(node: NodeUnderTest) -> list[str]:
    folder = Path(node.settings.state_root) / "cloudinit"
    return [path.name for path in folder.iterdir() if not path.name.endswith(".lock")] if folder.exists() else []


def fields(answer: Answer) -> set[str]:
    return {error["field"] for error in answer.body.get("errors", [])}


# The Cloud Center VM


@pytest.mark.parametrize("body", [None, {}, ""])
def test_the_drive_of_the_cloud_center_vm(host: NodeUnderTest, maker: ImageMaker, body: Any) -> None:
    answer = host.call("POST", CCVM, body)
    assert answer.status == 200
    assert (answer.body["code"], answer.body["action"]) == (200, "generate")
    assert answer.body["message"] == "ccvm cloudinit iso create success"
    value = answer.body["val"]
    assert set(value) == {"ctime", "mtime", "atime", "size", "filepath", "tmpdir"}
    assert value["filepath"] == "/var/lib/libvirt/images/ccvm-cloudinit.iso"
    assert value["size"] == image_of(host).stat().st_size
    assert value["tmpdir"] == ""
    assert set(maker.files) == {"user-data", "meta-data", "network-config"}
    assert yaml.safe_load(maker.files["meta-data"].content) == {"instance-id": "ccvm", "local-hostname": "ccvm"}
    assert cards(maker)["enp0s20"]["addresses"] == ["10.10.31.10/16"]


def test_nothing_private_can_be_read_by_others_or_is_left_behind(host: NodeUnderTest, maker: ImageMaker) -> None:
    """Weakness 37."""
    host.call("POST", CCVM)
    assert {file.mode for file in maker.files.values()} == {0o600}
    assert maker.folder_modes == [0o700]
    assert image_of(host).stat().st_mode & 0o777 == 0o600
    assert left_behind(host) == []
    assert [path.name for path in image_of(host).parent.iterdir() if "lock" not in path.name] == ["ccvm-cloudinit.iso"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CommandFailed("genisoimage ended with code 1", program="genisoimage", exit_code=1), 502),
        (ProgramMissing("no genisoimage", program="genisoimage", package="genisoimage"), 503),
    ],
)
def test_nothing_is_left_behind_after_a_failure(
    host: NodeUnderTest, maker: ImageMaker, monkeypatch: pytest.MonkeyPatch, error: Any, status: int
) -> None:
    maker.fails = error
    if status == 503:
        argv = ["xorriso", "-as", "mkisofs"]
        maker.queue.clear()
        original = maker.run

        def run(given: Any, **more: Any) -> Any:
            if list(given[:3]) == argv:
                raise error
            return original(given, **more)

        monkeypatch.setattr(maker, "run", run)
    answer = host.call("POST", CCVM)
    assert answer.status == status
    assert left_behind(host) == []
    assert not image_of(host).exists()
    if status == 503:
        assert answer.body["package"] == "genisoimage or xorriso"


def test_what_a_killed_daemon_left_goes(host: NodeUnderTest, maker: ImageMaker) -> None:
    left = Path(host.settings.state_root) / "cloudinit/gencloudinit-old"
    left.mkdir(parents=True)
    (left / "user-data").write_text("private")
    host.call("POST", CCVM)
    assert not left.exists()


def test_a_password_is_made_and_told_once(host: NodeUnderTest, maker: ImageMaker) -> None:
    """Weakness 37: it was the same everywhere, in plain text."""
    first, second = host.call("POST", CCVM), host.call("POST", CCVM)
    assert maker.passwords == [first.body["password"], second.body["password"]]
    assert maker.passwords[0] != maker.passwords[1]
    assert all(len(password) >= 16 for password in maker.passwords)
    text = maker.files["user-data"].content
    assert HASH in text
    assert not any(password in text for password in maker.passwords)
    assert "Ablecloud1!" not in text
    logs = "".join(path.read_text() for path in (host.root / "var/log/ablestack").glob("*.log"))
    stored = b"".join(path.read_bytes() for path in (host.root / "var/lib/ablestack").rglob("*") if path.is_file())
    assert not any(password in logs or password.encode() in stored for password in maker.passwords)


def test_a_password_of_the_request_is_not_told_back(host: NodeUnderTest, maker: ImageMaker) -> None:
    answer = host.call("POST", CCVM, {"password": "S3cret for the console"})
    assert maker.passwords == ["S3cret for the console"]
    assert "password" not in answer.body
    assert "S3cret" not in json.dumps(answer.body)


@pytest.mark.parametrize("password", ["short", "a" * 129, "with\nnewline", "비밀번호비밀번호", "tab\tinside it"])
def test_a_password_that_is_refused_is_not_told_back(host: NodeUnderTest, maker: ImageMaker, password: str) -> None:
    answer = host.call("POST", CCVM, {"password": password})
    assert (answer.status, fields(answer)) == (400, {"password"})
    assert password not in json.dumps(answer.body, ensure_ascii=False)


def test_files_and_modes_in_the_guest(host: NodeUnderTest, maker: ImageMaker) -> None:
    host.call("POST", CCVM)
    assert files(maker) == {
        "/root/.ssh/id_rsa.pub": ("root:root", "0644"),
        "/root/.ssh/id_rsa": ("root:root", "0600"),
        "/home/ablecloud/.ssh/id_rsa.pub": ("ablecloud:ablecloud", "0644"),
        "/home/ablecloud/.ssh/id_rsa": ("ablecloud:ablecloud", "0600"),
        "/etc/hosts": ("root:root", "0644"),
        "/var/cloudstack/management/.ssh/id_rsa.pub": ("cloud:cloud", "0644"),
        "/var/cloudstack/management/.ssh/id_rsa": ("cloud:cloud", "0600"),
        "/root/bootstrap.sh": ("root:root", "0700"),
        "/usr/local/sbin/security_patch.sh": ("root:root", "0755"),
        "/etc/ablestack/properties/cluster.json": ("root:root", "0600"),
        "/etc/ablestack/node-role": ("root:root", "0644"),
    }
    assert content(maker, "/root/.ssh/id_rsa") == appliances.PRIVATE_KEY.encode()
    assert content(maker, "/root/bootstrap.sh") == b"#!/bin/sh\n# ccvm_bootstrap.sh\n"
    assert content(maker, "/etc/ablestack/properties/cluster.json") == host.cluster_json.read_bytes()
    assert content(maker, "/etc/hosts") == host.hosts_file.read_bytes()
    assert content(maker, "/etc/ablestack/node-role") == b"ccvm\n"


def test_the_public_key_is_one_line(host: NodeUnderTest, maker: ImageMaker) -> None:
    (host.root / "root/.ssh/id_rsa.pub").write_text("ssh-rsa\n  AAAA   root@x\n\n")
    host.call("POST", CCVM)
    assert {tuple(user["ssh_authorized_keys"]) for user in user_data(maker)["users"]} == {("ssh-rsa AAAA root@x",)}


def test_what_is_run_at_the_end(host: NodeUnderTest, maker: ImageMaker) -> None:
    host.call("POST", CCVM)
    own_folder, first, second = user_data(maker)["runcmd"]
    assert own_folder[1:] == ["-d", "-o", "cloud", "-g", "cloud", "-m", "0700", "/var/cloudstack/management/.ssh"]
    assert first[:2] == ["/bin/bash", "-lc"]
    assert first[2].count("--add-port=8090/tcp") == 2
    assert second == ["/usr/bin/systemctl", "enable", "--now", "ablestack-api.service"]
    done = subprocess.run(["/bin/bash", "-n", "-c", first[2]], capture_output=True, check=False)
    assert done.returncode == 0


def test_scripts_that_this_host_does_not_have_are_left_out_and_told(host: NodeUnderTest, maker: ImageMaker) -> None:
    """Weakness 41."""
    shutil.rmtree(Path(host.settings.config_root) / "shell")
    answer = host.call("POST", CCVM)
    assert answer.status == 200
    assert len(answer.body["warnings"]) == 2
    assert "/root/bootstrap.sh was left out" in answer.body["warnings"][0]
    assert "/root/bootstrap.sh" not in files(maker)


def test_a_service_network(host: NodeUnderTest, maker: ImageMaker) -> None:
    body = {
        "sn_nic": "enp0s21",
        "sn_ip": "192.168.7.10",
        "sn_prefix": 24,
        "sn_gw": "192.168.7.1",
        "sn_dns": "1.1.1.1, 8.8.8.8",
    }
    assert host.call("POST", CCVM, body).status == 200
    assert cards(maker)["enp0s21"] == {
        "dhcp4": False,
        "dhcp6": False,
        "addresses": ["192.168.7.10/24"],
        "routes": [{"to": "0.0.0.0/0", "via": "192.168.7.1"}],
        "nameservers": {"addresses": ["1.1.1.1", "8.8.8.8"]},
    }


@pytest.mark.parametrize(
    "body",
    [{"sn_nic": "enp0s21"}, {"sn_ip": "192.168.7.10"}, {"sn_prefix": 24}, {"sn_gw": "192.168.7.1"}, {"sn_dns": "1.1.1.1"}],
)
def test_half_a_service_network_has_the_text_of_0_1_2(host: NodeUnderTest, maker: ImageMaker, body: dict[str, Any]) -> None:
    answer = host.call("POST", CCVM, body)
    told = "sn_nic, sn_ip and sn_prefix are required when service network is provided"
    assert (answer.status, answer.body["message"]) == (400, told)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sn_ip": "192.168.7"}, "sn_ip"),
        ({"sn_ip": "0.0.0.0"}, "sn_ip"),
        ({"sn_ip": "224.0.0.1"}, "sn_ip"),
        ({"sn_prefix": 33}, "sn_prefix"),
        ({"sn_prefix": "24a"}, "sn_prefix"),
        ({"sn_prefix": 24.5}, "sn_prefix"),
        ({"sn_gw": "192.168.8.1"}, "sn_gw"),
        ({"sn_gw": "192.168.7.10"}, "sn_gw"),
        ({"sn_gw": "gateway"}, "sn_gw"),
        ({"sn_dns": "1.1.1.1,dns"}, "sn_dns"),
        ({"sn_nic": "enp0s21: {}"}, "sn_nic"),
        ({"sn_nic": "enp0s20"}, "nics"),
        ({"sn_ip": "10.10.31.10", "sn_prefix": 16}, "nics"),
    ],
)
def test_a_wrong_service_network(host: NodeUnderTest, maker: ImageMaker, changes: dict[str, Any], field: str) -> None:
    """Weakness 40."""
    body = {"sn_nic": "enp0s21", "sn_ip": "192.168.7.10", "sn_prefix": 24} | changes
    answer = host.call("POST", CCVM, body)
    assert (answer.status, fields(answer)) == (400, {field})
    assert not image_of(host).exists()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("ccvm", "ip"), "", "ccvm.ip required"),
        (("mngtNic", "cidr"), "", "mngtNic.cidr required"),
        (("mngtNic", "cidr"), "sixteen", "invalid mngtNic.cidr"),
    ],
)
def test_cluster_json_without_a_value(
    host: NodeUnderTest, maker: ImageMaker, place: tuple[str, str], value: str, message: str
) -> None:
    document = documents.document("ablestack-standalone")
    document["clusterConfig"][place[0]][place[1]] = value
    host.write_cluster(document)
    answer = host.call("POST", CCVM)
    assert (answer.status, answer.body["message"]) == (400, message)


def test_a_gateway_of_cluster_json_in_another_network(host: NodeUnderTest, maker: ImageMaker) -> None:
    document = documents.document("ablestack-standalone")
    document["clusterConfig"]["mngtNic"]["gw"] = "10.11.0.1"
    host.write_cluster(document)
    assert fields(host.call("POST", CCVM)) == {"mngtNic.gw"}


@pytest.mark.parametrize("name", ["root/.ssh/id_rsa", "root/.ssh/id_rsa.pub", "etc/hosts"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_source_that_is_missing_is_named(host: NodeUnderTest, maker: ImageMaker, name: str, empty: bool) -> None:
    (host.root / name).unlink()
    if empty:
        (host.root / name).touch()
    answer = host.call("POST", CCVM)
    assert answer.status == 500
    assert f"{host.root / name} is missing or empty" in answer.body["message"]


def test_a_running_machine_keeps_the_image_it_has_open(host: NodeUnderTest, maker: ImageMaker) -> None:
    """Weakness 39: the image was written in place."""
    host.call("POST", CCVM)
    with image_of(host).open() as opened:
        before = opened.read()
        host.call("POST", CCVM)
        opened.seek(0)
        assert opened.read() == before
    assert image_of(host).read_text() != before


def test_times_are_those_of_the_file(host: NodeUnderTest, maker: ImageMaker) -> None:
    """Weakness 42."""
    value = host.call("POST", CCVM).body["val"]
    assert all(value[name][10] == "T" and value[name][19] in "+-" for name in ("ctime", "mtime", "atime"))


def test_a_plan_changes_nothing(host: NodeUnderTest, maker: ImageMaker) -> None:
    answer = host.call("POST", f"{CCVM}?plan=true")
    assert [step["step"] for step in answer.body["val"]["steps"]] == ["make", "install"]
    assert not image_of(host).exists()


def test_a_node_that_is_no_host(node: NodeUnderTest) -> None:
    document = documents.document("ablestack-standalone")
    document["clusterConfig"]["hosts"][0]["ablecube"] = "10.10.31.9"
    node.write_cluster(document)
    equip(node)
    assert node.call("POST", CCVM).status == 409


@pytest.mark.parametrize("path", [CCVM, SCVM])
def test_without_cluster_json(node: NodeUnderTest, path: str) -> None:
    answer = node.call("POST", path)
    assert (answer.status, answer.body["message"].startswith("failed to read cluster.json")) == (500, True)


@pytest.mark.parametrize("path", [CCVM, SCVM, FREE])
def test_nobody_without_a_credential(node: NodeUnderTest, path: str) -> None:
    assert node.call("POST", path, {}, headers={}).status == 401
    assert node.call("GET", path).status == 405


# Several hosts


def hosts(network: Network) -> list[NodeUnderTest]:
    return list(network.nodes.values())


def images(network: Network) -> list[bytes | None]:
    return [image_of(host).read_bytes() if image_of(host).exists() else None for host in hosts(network)]


def at(network: Network, address: str, mode: str, work: Callable[[], None]) -> None:
    """Do something just before a host gets one part of the work."""

    def look() -> None:
        asked = [json.loads(call.body)["mode"] for call in network.calls if call.address == address]
        if asked[-1] == mode:
            work()

    network.during(address, CCVM, look)


def test_every_host_gets_the_same_image(network: Network) -> None:
    answer = hosts(network)[0].call("POST", CCVM)
    assert answer.status == 200
    assert len(set(images(network))) == 1
    assert None not in images(network)
    assert [(entry["target"], entry["code"]) for entry in answer.body["results"]] == [
        ("10.10.31.1", 200), ("10.10.31.2", 200), ("10.10.31.3", 200),
    ]  # fmt: skip
    assert {call.headers["X-Cube-CloudInit-Local"] for call in network.calls} == {"1"}
    for host in hosts(network):
        assert image_of(host).stat().st_mode & 0o777 == 0o600
        assert not list(image_of(host).parent.glob(".*before*"))


def test_the_password_goes_to_no_other_host(network: Network) -> None:
    answer = hosts(network)[0].call("POST", CCVM)
    assert not any(answer.body["password"] in (call.body or "") for call in network.calls)


def test_one_host_that_cannot_write_leaves_all_as_they_were(network: Network) -> None:
    """Weakness 39: copies stopped at the first host that failed."""
    first, _, third = hosts(network)
    first.call("POST", CCVM)
    before = images(network)

    def be_full() -> None:
        third.root.joinpath("var/lib/libvirt/images").rename(third.root / "var/lib/libvirt/aside")
        third.root.joinpath("var/lib/libvirt/images").touch()

    at(network, "10.10.31.3", "install", be_full)
    answer = first.call("POST", CCVM)
    assert (answer.status, answer.body["type"]) == (502, "urn:ablestack:error:peers_failed")
    assert "ablecube31-3" in answer.body["message"]
    assert images(network)[:2] == before[:2]
    assert "password" not in answer.body


def test_a_host_that_falls_silent_gets_its_old_image_back(network: Network) -> None:
    first, second, _ = hosts(network)
    first.call("POST", CCVM)
    before = images(network)

    def install_and_be_silent() -> None:
        body = json.loads(next(call.body for call in reversed(network.calls) if call.address == "10.10.31.2"))
        second.call("POST", CCVM, body, headers=second.internal() | {"X-Cube-CloudInit-Local": "1"})
        assert images(network)[1] != before[1]
        raise PeerUnreachable("no complete answer before the deadline", timed_out=True, connected=True)

    at(network, "10.10.31.2", "install", install_and_be_silent)
    assert first.call("POST", CCVM).status == 502
    assert images(network) == before


def test_a_first_image_that_one_host_does_not_get_is_taken_back(network: Network) -> None:
    network.is_silent("10.10.31.2", CCVM, connected=False)
    answer = hosts(network)[0].call("POST", CCVM)
    assert answer.status == 502
    assert images(network) == [None, None, None]


def test_a_host_that_does_not_hear_the_end_is_no_failure(network: Network) -> None:
    def be_gone() -> None:
        raise PeerUnreachable("no connection", timed_out=False, connected=False)

    at(network, "10.10.31.2", "finish", be_gone)
    first, second, _ = hosts(network)
    assert first.call("POST", CCVM).status == 200
    (kept,) = image_of(second).parent.glob(".*before*")
    os.utime(kept, times=(0, 0))
    network.heal()
    assert first.call("POST", CCVM).status == 200
    assert not list(image_of(second).parent.glob(".*before*"))


def test_two_hosts_that_generate_at_once(network: Network) -> None:
    """The second one finds the first at work; where it was quicker it takes its image back."""
    first, second, _ = hosts(network)
    answers: list[Answer] = []
    at(network, "10.10.31.3", "finish", lambda: None if answers else answers.append(second.call("POST", CCVM)))
    assert first.call("POST", CCVM).status == 200
    assert [answer.status for answer in answers] == [502]
    assert "ablecube31-1: ccvm cloudinit install was not begun" in answers[0].body["message"]
    assert len(set(images(network))) == 1
    assert not any(list(image_of(host).parent.glob(".*before*")) for host in hosts(network))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "format"}, "mode"),
        ({"mode": "install", "change": "a" * 32, "image": "no base64!"}, "image"),
        ({"mode": "install", "change": "a" * 32, "image": base64.b64encode(b"no zlib").decode()}, "image"),
        ({"mode": "install", "change": "a" * 32, "image": ""}, "image"),
        ({"mode": "restore", "change": "../../../etc/passwd"}, "change"),
    ],
)
def test_a_part_that_makes_no_sense(host: NodeUnderTest, maker: ImageMaker, body: dict[str, Any], field: str) -> None:
    answer = host.call("POST", CCVM, body, headers=host.internal() | {"X-Cube-CloudInit-Local": "1"})
    assert (answer.status, fields(answer)) == (400, {field})
    assert not image_of(host).exists()


def test_the_marker_of_a_person_means_nothing(host: NodeUnderTest, maker: ImageMaker) -> None:
    body = {"mode": "restore", "change": "a" * 32}
    answer = host.call("POST", CCVM, body, headers=host.bearer() | {"X-Cube-CloudInit-Local": "1"})
    assert answer.status == 200
    assert answer.body["action"] == "generate"


# The Storage Center VM


def test_the_drive_of_a_storage_center_vm(node: NodeUnderTest, hci: ImageMaker) -> None:
    answer = node.call("POST", SCVM)
    assert answer.status == 200
    assert answer.body["message"] == "scvm cloudinit iso create success"
    assert answer.body["val"]["filepath"] == "/var/lib/libvirt/images/scvm-cloudinit.iso"
    assert yaml.safe_load(hci.files["meta-data"].content)["local-hostname"] == "scvm1"
    assert {name: card["addresses"] for name, card in cards(hci).items()} == {
        "enp0s20": ["10.10.31.11/16"],
        "enp0s21": ["100.100.31.11/16"],
        "enp0s22": ["100.200.31.11/16"],
    }
    assert [card.get("mtu") for card in cards(hci).values()] == [None, 9000, 9000]
    assert [user["name"] for user in user_data(hci)["users"]] == ["ceph", "ablecloud", "root"]


def test_prefixes_of_their_own(node: NodeUnderTest, hci: ImageMaker) -> None:
    """Weakness 40: they were always those of the management network."""
    node.call("POST", SCVM, {"pn_prefix": 24, "cn_prefix": "25"})
    assert cards(hci)["enp0s21"]["addresses"] == ["100.100.31.11/24"]
    assert cards(hci)["enp0s22"]["addresses"] == ["100.200.31.11/25"]
    assert fields(node.call("POST", SCVM, {"pn_prefix": 64})) == {"pn_prefix"}


def test_nothing_in_a_storage_center_vm_can_be_written_by_others(node: NodeUnderTest, hci: ImageMaker) -> None:
    """Weakness 38: cluster.json with the internal token, and scripts, were 0777."""
    node.call("POST", SCVM)
    modes = files(hci)
    assert modes["/etc/ablestack/properties/cluster.json"] == ("root:root", "0600")
    assert modes["/root/bootstrap.sh"] == ("root:root", "0700")
    assert modes["/usr/local/bin/ipcorrector"] == ("root:root", "0755")
    assert modes["/var/lib/ceph/.ssh/id_rsa"] == ("ceph:ceph", "0600")
    assert not any(int(mode, 8) & 0o022 for _, mode in modes.values())
    assert INTERNAL_TOKEN.encode() in content(hci, "/etc/ablestack/properties/cluster.json")
    assert content(hci, "/etc/ablestack/node-role") == b"scvm\n"


def test_commands_of_a_storage_center_vm(node: NodeUnderTest, hci: ImageMaker) -> None:
    node.call("POST", SCVM)
    document = user_data(hci)
    assert document["bootcmd"] == [["/usr/bin/systemctl", "enable", "--now", "--no-block", "cockpit.socket"]]
    assert document["runcmd"][1] == ["/usr/bin/systemctl", "enable", "--now", "cockpit.service"]
    assert subprocess.run(document["runcmd"][0], check=False).returncode == 0  # an image without the script


def test_only_hci_has_storage_center_vms(host: NodeUnderTest, maker: ImageMaker) -> None:
    answer = host.call("POST", SCVM)
    assert (answer.status, answer.body["message"]) == (400, "scvm cloudinit requires hci cluster type")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hostname": "other", "ablecube": "10.9.9.9"}, "self host not found in cluster.json"),
        ({"index": ""}, "hosts[].index required for self host"),
        ({"scvmMngt": ""}, "mgmt_nic, mgmt_ip and mgmt_prefix are required"),
        ({"scvm": ""}, "pn_nic, pn_ip, cn_nic and cn_ip are required for scvm"),
        ({"scvmCn": ""}, "pn_nic, pn_ip, cn_nic and cn_ip are required for scvm"),
    ],
)
def test_a_host_of_which_something_is_missing(node: NodeUnderTest, changes: dict[str, str], message: str) -> None:
    document = documents.document("ablestack-hci")
    document["clusterConfig"]["hosts"][0] |= changes
    node.write_cluster(document)
    equip(node)
    answer = node.call("POST", SCVM)
    assert (answer.status, answer.body["message"]) == (400, message)


# The form of release 0.1


def test_the_free_form(node: NodeUnderTest) -> None:
    maker = equip(node)
    body = FORM | {
        "iso_path": "/var/lib/libvirt/images/my-ccvm.iso",
        "pubkey": "ssh-ed25519 AAAA me@here",
        "privkey": appliances.PRIVATE_KEY,
        "hosts": "127.0.0.1 localhost\n10.10.31.10 ccvm\n",
        "mgmt_prefix": "16",
        "master": True,
    }
    answer = node.call("POST", FREE, body)
    assert answer.status == 200
    assert answer.body["val"]["filepath"] == "/var/lib/libvirt/images/my-ccvm.iso"
    assert image_of(node, "my-ccvm.iso").exists()
    assert content(maker, "/etc/hosts") == body["hosts"].encode()
    assert content(maker, "/root/.ssh/id_rsa") == appliances.PRIVATE_KEY.encode()
    assert content(maker, "/root/.ssh/id_rsa.pub") == b"ssh-ed25519 AAAA me@here\n"
    assert any("cluster.json" in warning for warning in answer.body["warnings"])


def test_the_free_form_of_a_storage_center_vm(node: NodeUnderTest) -> None:
    maker = equip(node)
    body = FORM | {
        "type": "SCVM", "hostname": "scvm7", "mgmt_ip": "10.10.31.17",
        "pn_nic": "enp0s21", "pn_ip": "100.100.31.17", "pn_prefix": 24,
        "cn_nic": "enp0s22", "cn_ip": "100.200.31.17", "cn_prefix": 24,
    }  # fmt: skip
    assert node.call("POST", FREE, body).status == 200
    assert cards(maker)["enp0s22"] == {"dhcp4": False, "dhcp6": False, "addresses": ["100.200.31.17/24"], "mtu": 9000}
    assert image_of(node, "scvm-cloudinit.iso").exists()


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "/etc/x.iso", "/var/lib/libvirt/images/../x.iso", "/var/lib/libvirt/images/a/b.iso", "x.iso",
        "/var/lib/libvirt/images/", "/var/lib/libvirt/images/x.qcow2", "/var/lib/libvirt/images/..iso",
        "/var/lib/libvirt/images/-x.iso", "/var/lib/libvirt/images/x y.iso", "//var/lib/libvirt/images/x.iso",
        "/var/lib/libvirt/images/x\u0000.iso", "/var/lib/libvirt/images/.hidden.iso",
    ],
)  # fmt: skip
def test_an_image_outside_its_folder(node: NodeUnderTest, path: str) -> None:
    maker = equip(node)
    answer = node.call("POST", FREE, FORM | {"iso_path": path})
    assert (answer.status, fields(answer)) == (400, {"iso_path"})
    assert maker.argv == []


def test_a_link_in_the_images_place_is_not_followed_out_of_the_folder(node: NodeUnderTest) -> None:
    equip(node)
    outside = node.root / "outside.iso"
    outside.write_text("theirs")
    image_of(node).parent.mkdir(parents=True)
    image_of(node).symlink_to(outside)
    assert node.call("POST", FREE, FORM).status == 409
    assert outside.read_text() == "theirs"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "xcvm"}, "type"),
        ({"hostname": "<ccvm/>"}, "hostname"),
        ({"hostname": "a.b"}, "hostname"),
        ({"hostname": "-ccvm"}, "hostname"),
        ({"hostname": ""}, "hostname"),
        ({"mgmt_ip": "10.10.31.256"}, "mgmt_ip"),
        ({"mgmt_prefix": 64}, "mgmt_prefix"),
        ({"dns": "resolver"}, "dns"),
        ({"pubkey": "no key"}, "pubkey"),
        ({"privkey": "no key"}, "privkey"),
        ({"pubkey": "/etc/shadow"}, "pubkey"),
        ({"privkey": "/root/.ssh/../../etc/shadow"}, "privkey"),
        ({"hosts": "/etc/passwd"}, "hosts"),
        ({"hosts": "/etc/hosts\x00"}, "hosts"),
        ({"privkey": "/root/.ssh/\ud800"}, "privkey"),
        ({"hostname": 5}, "hostname"),
    ],
)
def test_a_wrong_value_of_the_form(node: NodeUnderTest, changes: dict[str, Any], field: str) -> None:
    maker = equip(node)
    answer = node.call("POST", FREE, FORM | changes)
    assert (answer.status, fields(answer)) == (400, {field})
    assert maker.argv == []


@pytest.mark.parametrize("name", ["mgmt_nic", "mgmt_ip", "mgmt_prefix"])
def test_the_form_without_a_management_network(node: NodeUnderTest, name: str) -> None:
    equip(node)
    answer = node.call("POST", FREE, {key: value for key, value in FORM.items() if key != name})
    assert (answer.status, answer.body["message"]) == (400, "mgmt_nic, mgmt_ip and mgmt_prefix are required")


def test_keys_by_their_path(node: NodeUnderTest) -> None:
    maker = equip(node)
    (node.root / "root/.ssh/other").write_text(appliances.PRIVATE_KEY.replace("b3Bl", "b3Bm"))
    assert node.call("POST", FREE, FORM | {"privkey": "/root/.ssh/other"}).status == 200
    assert b"b3Bm" in content(maker, "/root/.ssh/id_rsa")


# With the real programs


@pytest.mark.skipif(not all(map(shutil.which, ("genisoimage", "isoinfo", "openssl"))), reason="genisoimage is not installed")
def test_a_real_image_read_back(node: NodeUnderTest) -> None:
    equip(node)
    node.runner.finish()
    node.env = replace(node.env, runner=SystemRunner(DEFAULT_PROGRAM_PATH, "/root"))
    answer = node.call("POST", FREE, FORM)
    assert answer.status == 200
    text = read_back(image_of(node), "user-data")
    document = yaml.safe_load(text)
    root = next(user for user in document["users"] if user["name"] == "root")
    salt = root["hashed_passwd"].split("$")[2]
    again = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, "-stdin"],
        input=answer.body["password"], text=True, capture_output=True, check=True,
    ).stdout.strip()  # fmt: skip
    assert again == root["hashed_passwd"]
    assert answer.body["password"] not in text
    written = {file["path"]: file for file in document["write_files"]}
    assert base64.b64decode(written["/root/.ssh/id_rsa"]["content"]) == appliances.PRIVATE_KEY.encode()
    assert written["/root/.ssh/id_rsa"]["permissions"] == "0600"
    assert yaml.safe_load(read_back(image_of(node), "meta-data"))["local-hostname"] == "ccvm"
    assert "enp0s20" in yaml.safe_load(read_back(image_of(node), "network-config"))["network"]["ethernets"]
    assert left_behind(node) == []


def read_back(image: Path, name: str) -> str:
    argv = ["isoinfo", "-R", "-i", str(image), "-x", f"/{name}"]
    return subprocess.run(argv, capture_output=True, check=True).stdout.decode()
