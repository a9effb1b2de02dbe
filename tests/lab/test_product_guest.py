"""A real machine starts with the drive that a real daemon made, and is what the drive says.

Needs no nodes of the lab: one daemon in a folder, and one guest (guest.py, guest_image.py) under QEMU's own processor.
"""

import base64
import json
import mmap
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import guest, guest_image, host
from tests.lab.command import run
from tests.lab.errors import CannotRunError
from tests.lab.guest import Guest, Manager, Wire
from tests.lab.guest_image import GuestImage
from tests.support import documents
from tests.support.local_nodes import REPOSITORY, LocalNode, free_port, make_nodes

pytestmark = pytest.mark.lab

ADDRESS = "127.70.0.1"
IMAGES = "var/lib/libvirt/images"
OTHER_KEY = "another"
SYSTEM_LINKS = {"lo"}


def _wanted(*guests: str) -> None:
    """ABLESTACK_LAB_GUESTS names the guests to boot; each takes some minutes without KVM."""
    named = os.environ.get("ABLESTACK_LAB_GUESTS", "ccvm scvm").split()
    if not set(guests) & set(named):
        pytest.skip(f"ABLESTACK_LAB_GUESTS names neither of {', '.join(guests)}")


@dataclass(frozen=True)
class Started:
    """One guest that has told all and was switched off: what it was given, what it told, what it wrote."""

    answer: dict[str, Any]
    report: dict[str, Any]
    key: Path
    over_ssh: dict[str, tuple[int, str]]
    disk_has: dict[str, bool]
    node: LocalNode

    def file(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.report["files"][path]
        return found

    def content(self, path: str) -> bytes:
        return base64.b64decode(self.file(path)["content"])

    def modes(self, folder: str) -> dict[str, str]:
        """Owner and mode of the files below a folder, by their path in it."""
        files = self.report["files"]
        return {
            path.removeprefix(f"{folder}/"): f"{facts['owner']} {facts['mode']}"
            for path, facts in files.items()
            if path.startswith(f"{folder}/")
        }

    def addresses(self, card: str) -> set[str]:
        """Those that were set, without what the kernel makes itself."""
        told = self.report["links"][card]["addr_info"]
        return {f"{entry['local']}/{entry['prefixlen']}" for entry in told if entry["scope"] == "global"}


def _say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)


@pytest.fixture(scope="module")
def image() -> GuestImage:
    _wanted("ccvm", "scvm")
    try:
        host.check()
    except CannotRunError as error:
        pytest.skip(f"no guest on this machine: {error}")
    missing = [program for program in (*guest.PROGRAMS, "ssh-keygen") if shutil.which(program) is None]
    if not (shutil.which("genisoimage") or shutil.which("xorriso")):
        missing.append("genisoimage")
    if missing:
        pytest.skip(f"no guest on this machine: missing {', '.join(missing)}")
    return guest_image.provide(_say)


@pytest.fixture(scope="module")
def node(image: GuestImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    """A host of an HCI cluster with keys and scripts of its own, serving."""
    [made] = make_nodes(tmp_path_factory.mktemp("node"), 1, network=ADDRESS.rpartition(".")[0])
    document = documents.document("ablestack-hci")
    own = document["clusterConfig"]["hosts"][0]
    document["clusterConfig"]["hosts"] = [own | {"hostname": made.hostname, "ablecube": ADDRESS, "ablecubePn": ADDRESS}]
    made.cluster_json.write_text(json.dumps(document))
    with made.hosts_file.open("a") as hosts:
        hosts.write("10.10.31.10 ccvm ccvm-mngt\n10.10.31.11 scvm1 scvm1-mngt\n")
    keys, scripts = made.root / "root/.ssh", made.root / "etc/ablestack/shell/host"
    for folder in (keys, scripts):
        folder.mkdir(parents=True)
    for name in ("id_rsa", OTHER_KEY):
        run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "root@cube1", "-f", str(keys / name)])
    shutil.copy(REPOSITORY / "shell/security_patch.sh", scripts)
    for name in ("ccvm_bootstrap.sh", "scvm_bootstrap.sh", "ipcorrector"):
        (scripts / name).write_text(f"#!/bin/sh\n# {name}\n")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def ccvm(image: GuestImage, node: LocalNode, tmp_path_factory: pytest.TempPathFactory) -> Started:
    """The Cloud Center VM with a service network, which systemd-networkd brings up."""
    _wanted("ccvm")
    service = {"sn_nic": "enp0s21", "sn_ip": "192.168.40.9", "sn_prefix": 24, "sn_dns": "192.168.40.2"}
    answer = node.api("POST", "/cube/cloudinit/ccvm/generate", service)
    assert answer.status == 200, answer.body
    folder = tmp_path_factory.mktemp("ccvm")
    return _start(image, node, answer.body, ("enp0s20", "enp0s21"), "10.10.31.10", folder, guest.NETWORKD)


@pytest.fixture(scope="module")
def scvm(image: GuestImage, node: LocalNode, tmp_path_factory: pytest.TempPathFactory) -> Started:
    """A Storage Center VM with its three networks, which NetworkManager brings up."""
    _wanted("scvm")
    answer = node.api("POST", "/cube/cloudinit/scvm/generate", {"pn_prefix": 24, "cn_prefix": 24})
    assert answer.status == 200, answer.body
    cards, folder = ("enp0s20", "enp0s21", "enp0s22"), tmp_path_factory.mktemp("scvm")
    return _start(image, node, answer.body, cards, "10.10.31.11", folder, guest.NETWORK_MANAGER)


def _start(
    image: GuestImage,
    node: LocalNode,
    answer: dict[str, Any],
    cards: tuple[str, ...],
    address: str,
    folder: Path,
    manager: Manager,
) -> Started:
    """Everything from switching on to switching off; the tests only look at what came out."""
    wire = Wire("10.10.0.0/16", "10.10.0.1", "10.10.0.2", f"{ADDRESS}:{free_port([ADDRESS])}", address)
    drive = node.root / IMAGES / os.path.basename(answer["val"]["filepath"])
    key = node.root / "root/.ssh/id_rsa"
    with guest.running(image, drive, cards, wire, folder=folder / "guest", say=_say, manager=manager) as machine:
        report = machine.report()
        over_ssh = _log_in(machine, key)
        machine.wait_off()
        secrets = {"password": answer["password"], "hash": report["shadow"]["root"]}
        disk_has = {name: _holds(machine.disk, secret) for name, secret in secrets.items()}
    return Started(answer, report, key, over_ssh, disk_has, node)


def _log_in(machine: Guest, key: Path) -> dict[str, tuple[int, str]]:
    """Exit status and output of logins with another key and with the cluster's; the last one switches the guest off."""
    tries = {
        "another key": machine.ssh(key.with_name(OTHER_KEY), "hostname", ok=None),
        "ablecloud": machine.ssh(key, "sudo -n id -un", ok=None, user="ablecloud"),
        "ceph": machine.ssh(key, "sudo -n id -un", ok=None, user="ceph"),
        "root": machine.ssh(key, "hostname; sshd -T; systemctl poweroff --no-block", ok=None),
    }
    return {name: (done.code, done.stdout.strip()) for name, done in tries.items()}


def _holds(disk: Path, secret: str) -> bool:
    with disk.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(secret.encode()) >= 0


def _hashed(password: str, like: str) -> str:
    """crypt(5)'s hash of a password with the salt of another one."""
    _, method, salt, _ = like.split("$")
    return run(["openssl", "passwd", f"-{method}", "-salt", salt, "-stdin"], stdin=f"{password}\n").stdout.strip()


# Both


@pytest.fixture(params=["ccvm", "scvm"])
def started(request: pytest.FixtureRequest) -> Started:
    found: Started = request.getfixturevalue(request.param)
    return found


def test_cloud_init_ends_without_a_complaint(started: Started) -> None:
    assert started.report["cloud_init"]["status"] == "done"
    assert started.report["result"]["v1"]["errors"] == []
    assert "NoCloud" in started.report["result"]["v1"]["datasource"]
    assert started.report["warnings"] == []
    assert started.report["failed"] == [""]


def test_the_clusters_key_opens_the_guest_at_its_address_and_no_other_does(started: Started) -> None:
    code, told = started.over_ssh["root"]
    assert (code, told.splitlines()[0]) == (0, started.report["hostname"])
    assert "passwordauthentication no" in told.splitlines()
    assert started.over_ssh["ablecloud"] == started.over_ssh["ceph"] == (0, "root")
    assert started.over_ssh["another key"][0] == 255


def test_the_guest_has_the_hosts_key_and_names(started: Started) -> None:
    public = started.key.with_suffix(".pub").read_text().strip()
    for home in ("/root", "/home/ablecloud", "/var/lib/ceph"):
        assert public in started.content(f"{home}/.ssh/authorized_keys").decode().splitlines()
        assert started.content(f"{home}/.ssh/id_rsa") == started.key.read_bytes()
        assert started.file(f"{home}/.ssh/id_rsa")["folder_mode"] == "0700", home
    assert started.content("/etc/hosts") == started.node.hosts_file.read_bytes()
    assert started.content("/etc/ablestack/properties/cluster.json") == started.node.cluster_json.read_bytes()


def test_files_are_for_their_owner(started: Started) -> None:
    private = {"id_rsa": "0600", "id_rsa.pub": "0644", "authorized_keys": "0600"}
    for home, owner in (("/root", "root"), ("/home/ablecloud", "ablecloud"), ("/var/lib/ceph", "ceph")):
        assert started.modes(f"{home}/.ssh") == {name: f"{owner}:{owner} {mode}" for name, mode in private.items()}
        assert started.file(f"{home}/.ssh/id_rsa")["folder_owner"] == f"{owner}:{owner}"
    assert started.modes("/etc/ablestack") == {
        "properties/cluster.json": "root:root 0600",
        "node-role": "root:root 0644",
    }
    assert started.modes("/root")["bootstrap.sh"] == "root:root 0700"
    assert started.report["key_readable_by_others"] == []


def test_the_password_that_was_told_once_opens_the_console(started: Started) -> None:
    """And it is nowhere on the guest's disk, where its hash is found."""
    for account in ("root", "ablecloud"):
        stored = started.report["shadow"][account]
        assert stored.startswith("$6$"), account
        assert _hashed(started.answer["password"], stored) == stored, account
        assert _hashed("Ablecloud1!", stored) != stored, account
    assert started.report["shadow"]["ceph"].startswith(("!", "*"))
    assert started.disk_has == {"password": False, "hash": True}


# The Cloud Center VM


def test_the_cloud_center_vm_has_its_name_and_networks(ccvm: Started) -> None:
    assert ccvm.report["hostname"] == "ccvm"
    assert set(ccvm.report["links"]) - SYSTEM_LINKS == {"enp0s20", "enp0s21"}
    assert ccvm.addresses("enp0s20") == {"10.10.31.10/16"}
    assert ccvm.addresses("enp0s21") == {"192.168.40.9/24"}
    assert {ccvm.report["links"][card]["mtu"] for card in ("enp0s20", "enp0s21")} == {1500}
    ways = [(route["gateway"], route["dev"]) for route in ccvm.report["routes"] if route["dst"] == "default"]
    assert ways == [("10.10.0.1", "enp0s20")]
    assert set(ccvm.report["dns"]) == {"10.10.0.2", "192.168.40.2"}


def test_the_cloud_center_vm_is_the_clouds_and_serves_the_api(ccvm: Started) -> None:
    assert ccvm.modes("/var/cloudstack/management/.ssh") == {
        "id_rsa": "cloud:cloud 0600",
        "id_rsa.pub": "cloud:cloud 0644",
    }
    key = ccvm.file("/var/cloudstack/management/.ssh/id_rsa")
    assert (key["folder_owner"], key["folder_mode"]) == ("cloud:cloud", "0700")
    assert ccvm.content("/etc/ablestack/node-role") == b"ccvm\n"
    assert ccvm.content("/root/bootstrap.sh") == b"#!/bin/sh\n# ccvm_bootstrap.sh\n"
    assert ccvm.file("/usr/local/sbin/security_patch.sh")["mode"] == "0755"
    assert ccvm.report["units"]["ablestack-api.service"] == ["enabled", "active"]


# A Storage Center VM


def test_a_storage_center_vm_has_its_name_and_networks(scvm: Started) -> None:
    assert scvm.report["hostname"] == "scvm1"
    assert set(scvm.report["links"]) - SYSTEM_LINKS == {"enp0s20", "enp0s21", "enp0s22"}
    assert scvm.addresses("enp0s20") == {"10.10.31.11/16"}
    assert scvm.addresses("enp0s21") == {"100.100.31.11/24"}
    assert scvm.addresses("enp0s22") == {"100.200.31.11/24"}
    assert [scvm.report["links"][card]["mtu"] for card in ("enp0s20", "enp0s21", "enp0s22")] == [1500, 9000, 9000]
    ways = [(route["gateway"], route["dev"]) for route in scvm.report["routes"] if route["dst"] == "default"]
    assert ways == [("10.10.0.1", "enp0s20")]
    assert scvm.report["dns"] == ["10.10.0.2"]


def test_a_storage_center_vm_starts_cockpit(scvm: Started) -> None:
    assert scvm.report["units"]["cockpit.socket"] == ["enabled", "active"]
    assert scvm.report["units"]["cockpit.service"][1] == "active"
    assert scvm.content("/etc/ablestack/node-role") == b"scvm\n"
    assert scvm.file("/usr/local/bin/ipcorrector")["mode"] == "0755"
