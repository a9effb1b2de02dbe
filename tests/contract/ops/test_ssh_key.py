"""POST /cube/ssh/key (contract 06 §6.1)."""

import io
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target
from ablestack_api.ops import ssh_key, ssh_key_bundle
from ablestack_api.remote.ssh import ParamikoSsh
from tests.support import ssh_server
from tests.support.answer import Answer
from tests.support.node_under_test import NodeUnderTest

KEY = "/cube/ssh/key"
GENERATE = {"action": "generate", "bits": 2048}


def folder(node: NodeUnderTest) -> Path:
    return node.root / "root/.ssh"


def ask(node: NodeUnderTest, **body: Any) -> Answer:
    return node.call("POST", KEY, body)


def download(node: NodeUnderTest) -> bytes:
    return downloaded(node, {"action": "download"})


def downloaded(node: NodeUnderTest, body: dict[str, Any], query: str = "") -> bytes:
    response = node.client.post(f"/api/v1{KEY}{query}", json=body, headers=node.bearer())
    assert response.status_code == 200, response.get_json()
    assert (response.mimetype, response.headers["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    assert response.headers["Content-Disposition"].endswith('.dat"')
    return response.get_data()


def upload(node: NodeUnderTest, data: bytes, *, field: str = "file", query: str = "", **form: str) -> Answer:
    sent: dict[str, Any] = {**form, field: (io.BytesIO(data), "key.dat")}
    response = node.client.post(f"/api/v1{KEY}{query}", data=sent, headers=node.bearer())
    return Answer(response.status_code, response.get_json(), dict(response.headers))


def modes(node: NodeUnderTest) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder(node).iterdir()}


def test_generate(node: NodeUnderTest) -> None:
    answer = ask(node, **GENERATE)
    assert (answer.status, answer.body["retname"], answer.body["action"]) == (200, "SSH Key", "generate")
    told = answer.body["val"]
    assert [(each["name"], each["exists"], each["mode"]) for each in told["files"]] == [
        ("id_rsa", True, "0600"),
        ("id_rsa.pub", True, "0644"),
        ("authorized_keys", True, "0600"),
    ]
    assert told["directory"] == str(folder(node))
    assert modes(node) == {"id_rsa": 0o600, "id_rsa.pub": 0o644, "authorized_keys": 0o600}
    assert folder(node).stat().st_mode & 0o777 == 0o700
    assert (folder(node) / "id_rsa").read_text().startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert ssh_keygen("-y", "-f", folder(node) / "id_rsa").split()[:2] == (folder(node) / "id_rsa.pub").read_text().split()
    assert ssh_keygen("-l", "-f", folder(node) / "id_rsa.pub").startswith("2048 ")


def ssh_keygen(*arguments: str | Path) -> str:
    return subprocess.run(["ssh-keygen", *arguments], capture_output=True, text=True, check=True, timeout=30).stdout


@pytest.mark.skipif(ssh_server.SSHD is None or os.geteuid() != 0, reason="needs openssh-server and root")
def test_the_key_logs_in(node: NodeUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    ask(node, **GENERATE)
    with ssh_server.running(tmp_path / "sshd") as server:
        shutil.copy(folder(node) / "authorized_keys", server.folder / "authorized_keys")
        server.trust(node.root)
        seam = ParamikoSsh(Settings({"ABLESTACK_SYSROOT": str(node.root), "HOME": "/root"}))
        done = seam.run(Target("127.0.0.1", "cube1", "host"), ["true"], user="root", port=server.port, timeout=15)
    assert done.code == 0


def test_other_keys_stay_and_the_one_before_goes(node: NodeUnderTest) -> None:
    ask(node, **GENERATE)
    first = (folder(node) / "id_rsa.pub").read_text()
    others = b'# mine\r\nssh-ed25519 AAAAC3 me@desk\r\nfrom="10.0.0.1" ssh-rsa AAAAB3 cloud@ccvm'
    (folder(node) / "authorized_keys").write_bytes(first.encode() + others)
    (folder(node) / "authorized_keys").chmod(0o644)
    ask(node, **GENERATE)
    second = (folder(node) / "id_rsa.pub").read_bytes()
    assert (folder(node) / "authorized_keys").read_bytes() == others + b"\n" + second
    assert modes(node)["authorized_keys"] == 0o600
    assert second.decode() != first


def test_a_key_goes_from_node_to_node(node: NodeUnderTest, tmp_path: Path) -> None:
    ask(node, **GENERATE)
    other = NodeUnderTest(tmp_path / "other")
    for field in ("file", "ssh_key", "bundle"):
        answer = upload(other, download(node), field=field, action="upload")
        assert answer.status == 200, answer.body
    for name in ("id_rsa", "id_rsa.pub", "authorized_keys"):
        assert (folder(other) / name).read_bytes() == (folder(node) / name).read_bytes()


def test_the_action_may_be_in_the_query(node: NodeUnderTest) -> None:
    assert node.call("POST", f"{KEY}?action=create&bits=2048").status == 200
    assert downloaded(node, {"overwrite": True}, "?action=export")
    assert upload(node, download(node), query="?action=import").status == 200


def test_the_format_of_the_bundle() -> None:
    """The vector of the contract, and what is around the ZIP."""
    assert ssh_key_bundle.key_of("").hex() == "d0716bc8fa65d1997229447c2145b8b5a67e85967f00355a5cec1fe67abc3585"
    data = ssh_key_bundle.pack(b"private", b"public", "secret")
    assert data[:4] == b"ASK1"
    plain = AESGCM(ssh_key_bundle.key_of("secret")).decrypt(data[4:16], data[16:], b"ablestack-api:ssh-key-bundle:v1")
    assert sorted(zipfile.ZipFile(io.BytesIO(plain)).namelist()) == ["id_rsa", "id_rsa.pub"]


def test_a_secret_of_ones_own_keeps_others_out(tmp_path: Path) -> None:
    secret = NodeUnderTest(tmp_path / "secret", ABLESTACK_SSH_KEY_BUNDLE_SECRET="ours")
    other = NodeUnderTest(tmp_path / "other")
    ask(secret, **GENERATE)
    answer = upload(other, download(secret), action="upload")
    assert (answer.status, "another ABLESTACK_SSH_KEY_BUNDLE_SECRET" in answer.body["val"]) == (400, True)
    assert upload(secret, download(secret), action="upload").status == 200


def packed(**files: bytes) -> bytes:
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_pub", ".pub"), content)
    nonce = b"n" * 12
    return b"ASK1" + nonce + AESGCM(ssh_key_bundle.key_of("")).encrypt(nonce, plain.getvalue(), ssh_key_bundle.PURPOSE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ASK1",
        b"ASK1" + b"\0" * 100,
        b"PK\3\4" + b"x" * 100,
        b"\0" * 10_000,
        packed(),
        packed(id_rsa=b"x"),
        packed(id_rsa=b"x", id_rsa_pub=b""),
        packed(id_rsa=b"x", id_rsa_pub=b"ssh-rsa AAAA"),
        packed(id_rsa=b"x" * 300_000, id_rsa_pub=b"ssh-rsa AAAA"),
        packed(id_rsa=b"\0" * 100_000_000, id_rsa_pub=b"ssh-rsa AAAA"),
    ],
)
def test_what_is_no_bundle_changes_nothing(node: NodeUnderTest, data: bytes) -> None:
    answer = upload(node, data, action="upload")
    assert (answer.status, answer.body["action"]) == (400, "upload")
    assert answer.body["val"] == answer.body["message"]
    assert not folder(node).exists()


def test_halves_of_two_keys_are_refused(node: NodeUnderTest) -> None:
    (one, _), (_, other) = ssh_key._generated(2048), ssh_key._generated(2048)
    answer = upload(node, ssh_key_bundle.pack(one, other, ""), action="upload")
    assert (answer.status, "two halves" in answer.body["message"]) == (400, True)
    folder(node).mkdir(parents=True)
    (folder(node) / "id_rsa").write_bytes(one)
    (folder(node) / "id_rsa.pub").write_bytes(other)
    assert ask(node, action="download").status == 400


def test_a_key_in_the_newer_form_of_openssh(node: NodeUnderTest) -> None:
    folder(node).mkdir(parents=True)
    ssh_server.new_key(folder(node) / "id_rsa", "rsa")
    assert b"OPENSSH" in (folder(node) / "id_rsa").read_bytes()
    assert upload(node, download(node), action="upload").status == 200


def test_overwrite_false(node: NodeUnderTest) -> None:
    assert ask(node, **GENERATE, overwrite=False).status == 200
    before = (folder(node) / "id_rsa").read_bytes()
    answer = ask(node, **GENERATE, overwrite=False)
    assert (answer.status, [each["exists"] for each in answer.body["val"]["files"]]) == (409, [True] * 3)
    assert (folder(node) / "id_rsa").read_bytes() == before


@pytest.mark.parametrize(
    "body",
    [{}, {"action": "x"}, {"action": "generate", "bits": 2047}, {"action": "generate", "bits": 8193}, {"action": "upload"}],
)
def test_bad_requests(node: NodeUnderTest, body: dict[str, Any]) -> None:
    assert ask(node, **body).status == 400
    assert not folder(node).exists()


def test_bits_matter_only_for_generate(node: NodeUnderTest) -> None:
    ask(node, **GENERATE)
    assert downloaded(node, {"action": "download", "bits": 1})


def test_an_upload_that_is_too_large(node: NodeUnderTest) -> None:
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head + b"A" * (3 * 2**20) + b"\r\n--cut--\r\n"
    headers = {**node.bearer(), "Content-Type": "multipart/form-data; boundary=cut"}
    assert node.client.post(f"/api/v1{KEY}?action=upload", data=body, headers=headers).status_code == 413


def test_no_key_to_download(node: NodeUnderTest) -> None:
    answer = ask(node, action="download")
    assert (answer.status, answer.body["val"], answer.body["retname"]) == (404, answer.body["message"], "SSH Key")


def test_a_failure_in_the_middle_leaves_the_old_key(node: NodeUnderTest) -> None:
    """The last of the three files cannot be written: something stands where its new content would go."""
    ask(node, **GENERATE)
    before = {path.name: path.read_bytes() for path in folder(node).iterdir()}
    (folder(node) / "authorized_keys.tmp").mkdir()
    assert ask(node, **GENERATE).status == 500
    (folder(node) / "authorized_keys.tmp").rmdir()
    assert {path.name: path.read_bytes() for path in folder(node).iterdir()} == before


def test_the_private_key_is_in_no_log_and_no_answer(node: NodeUnderTest) -> None:
    text = str(ask(node, **GENERATE).body)
    secret = (folder(node) / "id_rsa").read_text().splitlines()[1]
    logs = "".join(path.read_text() for path in (node.root / "var/log/ablestack").iterdir())
    assert secret not in text + logs
    assert secret.encode() not in (node.root / "var/lib/ablestack/jobs.sqlite").read_bytes()
    download(node)
    assert "ssh key handed out" in (node.root / "var/log/ablestack/audit.log").read_text()


def test_the_guard(node: NodeUnderTest) -> None:
    assert node.call("POST", KEY, GENERATE, headers={}).status == 401
