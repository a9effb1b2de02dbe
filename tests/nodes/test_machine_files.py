"""Definition and cloud-init drive of the Cloud Center VM, made by real daemons with the real programs."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ablestack_api.hypervisor import domain_xml
from tests.support import libvirt_schema
from tests.support.appliances import PRIVATE_KEY, PUBLIC_KEY
from tests.support.local_nodes import LocalNode, insert_request, make_nodes

XML = {"cpu": 2, "memory": 4, "management_network_bridge": "bridge0", "gfs_mount_point": "/mnt/glue-gfs"}
ISO = "var/lib/libvirt/images/ccvm-cloudinit.iso"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[LocalNode]]:
    """Three hosts of one cluster."""
    made = make_nodes(tmp_path, 3, network="127.71.0")
    try:
        for node in made:
            keys = node.root / "root/.ssh"
            keys.mkdir(parents=True)
            (keys / "id_rsa.pub").write_text(f"{PUBLIC_KEY}\n")
            (keys / "id_rsa").write_text(PRIVATE_KEY)
            node.start()
        applied = made[0].api("POST", "/cube/cluster/apply", insert_request(made, ccvm={"ip": "127.77.0.200"}))
        assert applied.status == 200, applied.body
        yield made
    finally:
        for node in made:
            node.stop()


def xml_of(node: LocalNode) -> str:
    return (node.root / "etc/ablestack/vmconfig/ccvm/ccvm.xml").read_text()


def test_one_definition_on_every_host(nodes: list[LocalNode]) -> None:
    answer = nodes[0].api("POST", "/cube/ccvm/xml", XML)
    assert answer.status == 200, answer.body
    first = xml_of(nodes[0])
    assert {xml_of(node) for node in nodes} == {first}
    if shutil.which(libvirt_schema.PROGRAM):
        assert libvirt_schema.fault(first) == ""
        assert {"check": "libvirt schema", "outcome": "ok"} in answer.body["checks"]
    assert nodes[2].api("POST", "/cube/ccvm/xml", XML | {"cpu": 4}).status == 200
    before, after = domain_xml.read(first), domain_xml.read(xml_of(nodes[0]))
    assert (after.uuid, after.macs, after.vcpus) == (before.uuid, before.macs, 4)


def test_a_host_that_is_gone_keeps_all_as_they_were(nodes: list[LocalNode]) -> None:
    assert nodes[0].api("POST", "/cube/ccvm/xml", XML).status == 200
    before = xml_of(nodes[0])
    nodes[1].kill()
    answer = nodes[0].api("POST", "/cube/ccvm/xml", XML | {"cpu": 4})
    assert answer.status == 502
    assert "cube2" in answer.body["message"]
    assert {xml_of(node) for node in nodes} == {before}


@pytest.mark.skipif(not all(map(shutil.which, ("genisoimage", "isoinfo", "openssl"))), reason="genisoimage is not installed")
def test_one_drive_on_every_host(nodes: list[LocalNode]) -> None:
    answer = nodes[0].api("POST", "/cube/cloudinit/ccvm/generate")
    assert answer.status == 200, answer.body
    images = {(node.root / ISO).read_bytes() for node in nodes}
    assert len(images) == 1
    assert {(node.root / ISO).stat().st_mode & 0o777 for node in nodes} == {0o600}
    argv = ["isoinfo", "-R", "-i", str(nodes[2].root / ISO), "-x", "/user-data"]
    document = yaml.safe_load(subprocess.run(argv, capture_output=True, check=True).stdout)
    assert [user["name"] for user in document["users"]] == ["ablecloud", "root"]
    password = answer.body["password"].encode()
    for node in nodes:
        kept = [path for path in node.root.rglob("*") if path.is_file() and password in path.read_bytes()]
        assert kept == []
        assert not list((node.root / "var/lib/ablestack/cloudinit").glob("gencloudinit-*"))
