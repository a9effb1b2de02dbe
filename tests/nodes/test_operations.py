"""Operations over real daemons and a real sshd: nothing replaced but the script that would harden the machine."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import documents, licenses, local_nodes, ssh_server
from tests.support.local_nodes import LocalNode

MACHINE = "5b0c1d2e3f405162738495a6b7c8d9e0"
SCRIPT = '#!/bin/sh\necho "changed: called with $*"\necho "Permissions have been updated."\n'


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[LocalNode]]:
    made = local_nodes.make_nodes(tmp_path, 3, network="127.77.6")
    script = tmp_path / "security_patch.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    for node in made:
        (node.root / "etc/machine-id").write_text(MACHINE)
        node.environ |= {"ABLESTACK_SECURITY_PATCH_SCRIPT": str(script), "HOME": "/root", "SSH_AUTH_SOCK": ""}
        node.start()
    body = documents.insert("ablestack-vm", ccvm={"ip": "127.77.6.100"}, pcs_cluster_list=[])
    body["hosts"] = [
        {"index": str(number), "hostname": node.hostname, "ablecube": node.address} for number, node in enumerate(made, 1)
    ]
    body["pcs_cluster_list"] = [node.address for node in made]
    answer = made[0].api("POST", "/cube/cluster/apply", body)
    assert answer.status == 200, answer.body
    yield made
    for node in made:
        node.stop()


def test_a_licence_goes_to_every_host(nodes: list[LocalNode]) -> None:
    content = licenses.content(licenses.make(expired="2099-12-31"))
    answer = nodes[1].api("POST", "/cube/license/apply", {"license_content": content})
    assert answer.status == 200, answer.body
    for node in nodes:
        assert node.api("POST", "/cube/license", {"action": "status"}).body["val"]["status"] == "active"
    nodes[2].kill()
    answer = nodes[0].api("POST", "/cube/license/apply")
    assert (answer.status, [entry["outcome"] for entry in answer.body["results"]]) == (502, ["ok", "ok", "unreachable"])


@pytest.mark.skipif(ssh_server.SSHD is None or os.geteuid() != 0, reason="needs openssh-server and root")
def test_the_security_patch_over_real_ssh(nodes: list[LocalNode], tmp_path: Path) -> None:
    first, second, _ = nodes
    with ssh_server.running(tmp_path / "sshd", address=second.address) as server:
        server.trust(first.root)
        assert first.api("POST", "/cube/ssh/key", {"action": "generate", "bits": 2048}).status == 200
        (server.folder / "authorized_keys").write_bytes((first.root / "root/.ssh/id_rsa.pub").read_bytes())
        answer = first.api("POST", "/cube/security/patch", {"targets": ["ablecube"], "ssh_port": server.port})
    assert answer.status == 502, "nobody listens on the third"
    told = {each["ip"]: each for each in answer.body["val"]["targets"]}
    assert "skipped" in told[first.address], "this node lives in a folder"
    assert (told[second.address]["ok"], told[second.address]["changes"]) == (True, ["changed: called with "])
    assert (told[nodes[2].address]["ok"], "not trusted" in told[nodes[2].address]["stderr"]) == (False, False)
    assert "refused" in told[nodes[2].address]["stderr"]


def test_a_job_can_be_asked_for_later(nodes: list[LocalNode]) -> None:
    headers = {"Authorization": nodes[0].token(), "Prefer": "respond-async"}
    answer = nodes[0].call("POST", "/cube/ssh/key", {"action": "generate", "bits": 2048}, headers=headers)
    assert answer.status == 202, answer.body
    job = nodes[0].api("GET", answer.headers["location"].removeprefix("/api/v1") + "?wait=30").body["val"]
    assert (job["status"], job["answer"]["body"]["retname"]) == ("succeeded", "SSH Key")
