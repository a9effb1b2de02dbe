"""POST /cube/license (contract 06 §1)."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ablestack_api.ops import license_format
from tests.support import documents, licenses
from tests.support.answer import Answer
from tests.support.node_under_test import NodeUnderTest

MACHINE = "5b0c1d2e3f405162738495a6b7c8d9e0"
LICENSE = "/cube/license"
TODAY = "2026-07-01"  # of the tests' clock


@pytest.fixture(autouse=True)
def identity(node: NodeUnderTest) -> None:
    (node.root / "etc/machine-id").write_text(f"{MACHINE}\n")
    node.write_cluster(documents.document())


def folder(node: NodeUnderTest) -> Path:
    return node.root / "usr/share" / MACHINE


def files(node: NodeUnderTest) -> list[str]:
    return sorted(path.name for path in folder(node).iterdir()) if folder(node).exists() else []


def register(node: NodeUnderTest, text: str, **more: Any) -> Answer:
    return node.call("POST", LICENSE, {"action": "register", "license_content": licenses.content(text), **more})


def status(node: NodeUnderTest) -> Answer:
    return node.call("POST", LICENSE, {"action": "status"})


def upload(node: NodeUnderTest, data: bytes, *, field: str = "license_file", name: str = "my.lic", **form: str) -> Answer:
    parts = [f'--cut\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in form.items()]
    parts += [f'--cut\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n']
    body = "".join(parts).encode() + data + b"\r\n--cut--\r\n"
    headers = {**node.bearer(), "Content-Type": "multipart/form-data; boundary=cut"}
    response = node.client.post(f"/api/v1{LICENSE}", data=body, headers=headers)
    return Answer(response.status_code, response.get_json(), dict(response.headers))


def test_the_vector_of_the_contract_in_both_directions() -> None:
    assert license_format.cipher_key().hex() == "745731af4484f323968969eda289aeee005b5903ac561e64a5aca121797bf773"
    assert licenses.make() == licenses.VECTOR_FILE
    assert license_format.parse(licenses.VECTOR_FILE.encode()).model_dump() == licenses.VECTOR_FIELDS


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_reads_what_the_test_tool_makes() -> None:
    key = license_format.cipher_key().hex()
    argv = ["openssl", "enc", "-d", "-aes-256-cbc", "-K", key, "-iv", key[:32]]
    done = subprocess.run(argv, input=base64.b64decode(licenses.make(oem="둘")), capture_output=True, check=True)
    assert json.loads(done.stdout)["oem"] == "둘"


def test_register_and_status(node: NodeUnderTest) -> None:
    answer = register(node, licenses.VECTOR_FILE)
    assert (answer.status, answer.body["code"], type(answer.body["val"])) == (200, 200, str)
    path = folder(node) / "license.lic"
    assert (path.stat().st_mode & 0o777, folder(node).stat().st_mode & 0o777) == (0o600, 0o700)
    assert path.read_text().strip() == licenses.VECTOR_FILE
    assert node.cluster()["systemProfile"]["license"] == {"status": "true", "type": "demo"}
    told = {"status": "active", "expired": "2035-12-31", "issued": "2025-01-01", "oem": "demo", "file_path": str(path)}
    assert (status(node).status, status(node).body) == (200, {"code": 200, "val": told})


def test_a_second_registration_changes_nothing(node: NodeUnderTest) -> None:
    register(node, licenses.VECTOR_FILE)
    before = (node.cluster_json.read_bytes(), files(node))
    assert register(node, licenses.VECTOR_FILE).status == 200
    assert (node.cluster_json.read_bytes(), files(node)) == before


@pytest.mark.parametrize("action", ["register", "UPDATE", " create "])
def test_three_names_for_register(node: NodeUnderTest, action: str) -> None:
    assert register(node, licenses.VECTOR_FILE, action=action).status == 200


def test_the_name_of_0_1_2_is_kept(node: NodeUnderTest) -> None:
    assert register(node, licenses.VECTOR_FILE, original_filename="license_2035.lic").status == 200
    assert files(node) == ["license_2035.lic"]


@pytest.mark.parametrize("name", ["../x.lic", "/etc/passwd", "..", ".hidden", "a\0b", "x" * 300, "x.tmp", "a/b"])
def test_a_name_that_is_none(node: NodeUnderTest, name: str) -> None:
    answer = register(node, licenses.VECTOR_FILE, original_filename=name)
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "original_filename")
    assert files(node) == []


def test_upload_keeps_the_name_and_needs_no_action(node: NodeUnderTest) -> None:
    for field in ("license_file", "file"):
        answer = upload(node, licenses.VECTOR_FILE.encode(), field=field, name="/tmp/my license.lic")
        assert answer.status == 200, answer.body
    assert files(node) == ["my license.lic"]


def test_an_upload_that_is_too_large_or_empty(node: NodeUnderTest) -> None:
    most = license_format.MAX_FILE
    assert upload(node, b"A" * (most + 1)).body["message"] == f"license file exceeds {most} bytes"
    assert upload(node, b"A" * most).status == 400, "ten megabytes are read, and are no licence"
    assert upload(node, b"A" * (12 * 1024 * 1024)).status == 413
    assert upload(node, b" \n").body["message"] == "license file is empty"
    assert files(node) == []


def test_ten_megabytes_as_json(node: NodeUnderTest) -> None:
    assert register(node, "A" * 10_000_000).status == 413


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({"expired": TODAY}, "active"),
        ({"expired": "2026-06-30"}, "inactive"),
        ({"issued": TODAY}, "active"),
        ({"issued": "2026-07-02"}, "inactive"),
        ({"status": "ACTIVE"}, "active"),
        ({"status": " "}, "active"),
        ({"status": None}, "active"),
        ({"status": "revoked"}, "inactive"),
        ({"license_key": " "}, "inactive"),
        ({"issued": None}, "inactive"),
        ({"expired": "20351231"}, "inactive"),
        ({"expired": "2035-02-30"}, "inactive"),
        ({"oem": "x" * 101}, "inactive"),
        ({"oem": "a\nb"}, "inactive"),
        ({"oem": "\ud800"}, "inactive"),
        ({"oem": "회사"}, "active"),
    ],
)
def test_days_and_states(node: NodeUnderTest, changed: dict[str, Any], state: str) -> None:
    """The first and the last day count in. What is inactive can be looked at, and not be registered."""
    text = licenses.make(**changed)
    answer = register(node, text)
    assert answer.status == (200 if state == "active" else 400)
    folder(node).mkdir(exist_ok=True, parents=True)
    (folder(node) / "license.lic").write_text(text)
    told = status(node).body["val"]
    assert told["status"] == state
    assert ("reason" in told) == (state == "inactive")


def test_a_licence_runs_out_at_midnight(node: NodeUnderTest) -> None:
    register(node, licenses.make(expired=TODAY))
    node.clock.advance(14 * 3600 - 1)  # 23:59:59
    assert status(node).body["val"]["status"] == "active"
    node.clock.advance(1)
    assert status(node).body["val"] | {"file_path": ""} == {
        "status": "inactive",
        "expired": TODAY,
        "issued": "2025-01-01",
        "oem": "demo",
        "file_path": "",
        "reason": f"the license has expired: its last day was {TODAY}, today is 2026-07-02",
    }


BAD_TEXTS = {
    "truncated": licenses.VECTOR_FILE[:-30],
    "one block less": base64.b64encode(base64.b64decode(licenses.VECTOR_FILE)[:-16]).decode(),
    "cut in Base64": licenses.VECTOR_FILE[:-3],
    "NUL bytes": "\0" * 64,
    "NUL bytes inside": licenses.VECTOR_FILE[:20] + "\0" + licenses.VECTOR_FILE[20:],
    "foreign letters": "라이선스",
    "padding of zero": licenses.encrypted(b"{}" + b"\0" * 14),
    "padding of 17": licenses.encrypted(b"{}" + b"\x11" * 14),
    "uneven padding": licenses.encrypted(b"{}" + b"\x01" * 12 + b"\x02\x03"),
    "not JSON": licenses.make(b"license"),
    "a list": licenses.make([1]),
    "a number as text": licenses.make(oem=5),
    "NUL in JSON": licenses.make(b'{"license_key":"a\0"}'),
    "empty": licenses.encrypted(b"\x10" * 16),
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS.keys())
def test_what_is_no_licence_is_refused_and_the_present_one_stays(node: NodeUnderTest, text: str) -> None:
    register(node, licenses.VECTOR_FILE)
    answer = register(node, text)
    assert (answer.status, answer.body["license_error"], answer.body["errors"][0]["field"]) == (
        400,
        "invalid",
        "license_content",
    )
    assert answer.body["val"] == answer.body["message"]
    assert status(node).body["val"]["status"] == "active"


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS.keys())
def test_a_damaged_file_is_told(node: NodeUnderTest, text: str) -> None:
    folder(node).mkdir(parents=True)
    (folder(node) / "license.lic").write_text(text)
    answer = status(node)
    assert (answer.status, answer.body["code"]) == (500, 500)
    assert str(folder(node) / "license.lic") in answer.body["val"]


def test_line_breaks_inside_are_fine(node: NodeUnderTest) -> None:
    broken = "\r\n".join(licenses.VECTOR_FILE[at : at + 64] for at in range(0, len(licenses.VECTOR_FILE), 64))
    assert register(node, f"  {broken}\n").status == 200


def test_none_is_404(node: NodeUnderTest) -> None:
    answer = status(node)
    assert (answer.status, answer.body["val"]) == (404, "no license is registered on this node")


@pytest.mark.parametrize("content", [b"", b"../../etc\n", None, b"\xff"])
def test_a_node_without_an_identity(node: NodeUnderTest, content: bytes | None) -> None:
    place = node.root / "etc/machine-id"
    place.unlink() if content is None else place.write_bytes(content)
    assert status(node).status == 500
    assert register(node, licenses.VECTOR_FILE).status == 500


@pytest.mark.parametrize(
    "body",
    [{}, {"action": ""}, {"action": "delete"}, {"action": "register"}, {"action": "register", "license_content": "!!"}],
)
def test_bad_requests(node: NodeUnderTest, body: Any) -> None:
    assert node.call("POST", LICENSE, body).status == 400


def test_the_recorded_file_counts_and_left_overs_do_not(node: NodeUnderTest) -> None:
    register(node, licenses.make(oem="mine"))
    for name in ("zzz.lic", "license.lic.tmp", ".zzz"):
        (folder(node) / name).write_text(licenses.make(oem="other"))
    assert status(node).body["val"]["oem"] == "mine"


def test_without_a_record_the_last_name_counts(node: NodeUnderTest) -> None:
    folder(node).mkdir(parents=True)
    for name in ("license_2030-01-01", "license_2031-01-01", "zz.tmp", ".zz"):
        (folder(node) / name).write_text(licenses.make(oem=name))
    (folder(node) / "zzz").mkdir()
    assert status(node).body["val"]["oem"] == "license_2031-01-01"


def test_only_licences_are_deleted(node: NodeUnderTest) -> None:
    folder(node).mkdir(parents=True)
    (folder(node) / "old.lic").write_text(licenses.make(expired="2026-01-01"))
    (folder(node) / "notes.txt").write_text("mine")
    register(node, licenses.VECTOR_FILE)
    assert files(node) == ["license.lic", "notes.txt"]


def test_nothing_is_registered_when_the_profile_cannot_be_written(node: NodeUnderTest) -> None:
    register(node, licenses.make(oem="before"))
    node.write_cluster(b"{")
    answer = register(node, licenses.make(oem="after"), original_filename="new.lic")
    assert answer.status == 500
    assert files(node) == ["license.lic"]
    assert status(node).body["val"]["oem"] == "before"


def test_a_node_without_cluster_json_can_have_a_licence(node: NodeUnderTest) -> None:
    node.cluster_json.unlink()
    assert register(node, licenses.VECTOR_FILE).status == 200
    assert not node.cluster_json.exists()


def test_a_link_in_the_folder_is_not_followed(node: NodeUnderTest) -> None:
    folder(node).mkdir(parents=True)
    (node.root / "victim").write_text("mine")
    (folder(node) / "license.lic").symlink_to(node.root / "victim")
    assert register(node, licenses.VECTOR_FILE).status == 200
    assert (node.root / "victim").read_text() == "mine"


def test_no_credential_no_licence(node: NodeUnderTest) -> None:
    for body in ({"action": "status"}, {"action": "register", "license_content": licenses.content(licenses.VECTOR_FILE)}):
        assert node.call("POST", LICENSE, body, headers={}).status == 401
    assert files(node) == []
    assert node.call("POST", LICENSE, {"action": "status"}, headers=node.internal()).status == 404


def test_nothing_else_asks_for_a_licence(node: NodeUnderTest) -> None:
    """D3: no gate."""
    assert node.call("GET", "/cube/hosts").status == 200


def test_with_a_public_key_only_signed_licences_count(tmp_path: Path) -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(licenses.public_pem(key))
    node = NodeUnderTest(tmp_path / "node", ABLESTACK_LICENSE_PUBLIC_KEY=str(tmp_path / "key.pem"))
    identity_of(node)
    assert register(node, licenses.signed(key, oem="signed")).status == 200
    forged = json.loads('{"x":"' + "y" * 5 + '"}')
    texts = [
        licenses.make(),
        licenses.signed(other),
        licenses.make(signature="AAAA", **forged),
        licenses.make(signature=5),
        licenses.make(signature="é"),
    ]
    for text in texts:
        assert (register(node, text).status, status(node).body["val"]["oem"]) == (400, "signed")
    (folder(node) / "license.lic").write_text(licenses.signed(other))
    assert "signature" in status(node).body["val"]["reason"]
    (tmp_path / "key.pem").write_bytes(b"nonsense")
    assert register(node, licenses.signed(key)).status == 500


def identity_of(node: NodeUnderTest) -> None:
    (node.root / "etc/machine-id").write_text(MACHINE)
    node.write_cluster(documents.document())


def test_the_licence_is_in_no_log(node: NodeUnderTest) -> None:
    register(node, licenses.VECTOR_FILE)
    register(node, BAD_TEXTS["truncated"])
    logs = "".join(path.read_text() for path in (node.root / "var/log/ablestack").iterdir())
    assert licenses.content(licenses.VECTOR_FILE)[:40] not in logs
    assert "DEMO-0000-0001" not in logs
