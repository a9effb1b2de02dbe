"""POST /cube/version/update (contract 06 §2.2): the medium is a folder, `cp` and the script are real."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.ops import update_copy, update_media, update_run
from tests.support import documents, update_medium, whole_system
from tests.support.answer import Answer
from tests.support.network import Network
from tests.support.node_under_test import NodeUnderTest
from tests.support.update_medium import Systemd

UPDATE = "/cube/version/update"
REPOSITORY = Path(__file__).resolve().parents[3]
HELP_TEXT = "usr/share/cloudstack-common/scripts/installer/cloudstack-help-text"


class RealTime:
    """No sleep is longer than a fifth of a second."""

    def now(self) -> datetime:
        return datetime.now().astimezone()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.2))


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    made = Systemd()
    yield made
    made.kill()


@pytest.fixture
def node(tmp_path: Path, systemd: Systemd) -> NodeUnderTest:
    """A node that takes its folder for the whole system; alone in its cluster."""
    made = whole_system.believe(NodeUnderTest(tmp_path / "node"))
    prepare(made)
    made.env = replace(made.env, runner=systemd)
    made.write_cluster(documents.document("ablestack-standalone"))
    return made


def prepare(node: NodeUnderTest) -> None:
    (node.root / "etc/os-release").write_text('PRETTY_NAME="Demo OS 4.6"\n')
    (node.root / HELP_TEXT).parent.mkdir(parents=True)
    (node.root / HELP_TEXT).write_text("ACS_VERSION=4.20.0\n")
    shell = node.root / "etc/ablestack/shell"
    shell.mkdir()
    shutil.copy(REPOSITORY / "shell/run_update.sh", shell)


def medium(node: NodeUnderTest, script: str = "echo updated", **more: Any) -> Path:
    return update_medium.lay_out(node.root / "mnt/iso", script, **more)


def ask(node: NodeUnderTest, action: str, path: str = "/mnt/iso", *, query: str = "", **more: Any) -> Answer:
    if node.env.runner is not node.runner:
        node.env = replace(node.env, clock=RealTime())
    return node.call("POST", f"{UPDATE}{query}", {"action": action, "mount_path": path, **more}, headers=bearer(node))


def bearer(node: NodeUnderTest) -> dict[str, str]:
    """The token is made by the clock that the node has then."""
    node.clock = node.env.clock  # type: ignore[assignment]
    return node.bearer()


def test_info(node: NodeUnderTest) -> None:
    root = medium(node)
    answer = ask(node, "INFO")
    copy = node.root / "opt/ABLESTACK_UPDATE"
    assert answer.status == 200
    assert answer.body == {
        "code": 200,
        "val": {
            "mount_path": str(root),
            "copy_path": str(copy),
            "current_os_version": "Demo OS 4.6",
            "current_mold_version": "4.20.0",
            "target_os_version": "Demo OS 4.7",
            "target_mold_version": "4.21.0.0-Demo.X.202601010101",
            "current_ablestack_version": "Demo OS 4.6",
            "target_ablestack_version": "Demo OS 4.7",
            "update_type": "all",
            "update_label": "full update",
            "update_script": str(root / "update-all.sh"),
            "work_update_script": str(copy / "update-all.sh"),
        },
        "retname": "ABLESTACK Version Update Info",
        "message": "ok",
        "action": "info",
    }
    assert not copy.exists()


def test_a_medium_of_0_1_2(node: NodeUnderTest) -> None:
    """It has one script, update.sh; its callers name no type."""
    medium(node, name="update.sh")
    assert ask(node, "info").body["val"]["update_script"].endswith("/update.sh")
    assert ask(node, "info", update_type="all").status == 400
    assert ask(node, "run").body["val"]["stdout"] == "updated\n"


def test_the_mold_update_has_a_script_of_its_own(node: NodeUnderTest) -> None:
    medium(node, name="update-mold.sh")
    for name in ("mold", "update-mold", "UPDATE-MOLD.SH"):
        told = ask(node, "info", update_type=name).body["val"]
        assert (told["update_type"], told["update_label"]) == ("mold", "Mold update")
    assert ask(node, "info").status == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"action": "", "mount_path": "/mnt/iso"}, "unsupported action"),
        ({"action": "look", "mount_path": "/mnt/iso"}, "unsupported action"),
        ({"action": "info", "mount_path": " "}, "mount_path required"),
        ({"action": "info", "mount_path": "/mnt/iso", "update_type": "half"}, "unsupported update_type"),
        ({"action": "run", "mount_path": "mnt/iso"}, "mount_path: must be an absolute path"),
        ({"action": "run", "mount_path": "../mnt/iso"}, "mount_path: must be an absolute path"),
        ({"action": "run", "mount_path": "~other/iso"}, "mount_path: must be an absolute path"),
        ({"action": "run", "mount_path": "/mnt/iso\0"}, "mount_path: must be an absolute path"),
    ],
)
def test_bad_requests(node: NodeUnderTest, body: dict[str, str], message: str) -> None:
    medium(node)
    answer = node.call("POST", UPDATE, body)
    assert (answer.status, answer.body["message"]) == (400, message)


def test_what_is_no_medium(node: NodeUnderTest) -> None:
    for action in ("info", "run"):
        gone = ask(node, action, "/mnt/none")
        assert (gone.status, gone.body["val"], gone.body["action"]) == (404, gone.body["message"], action)
        assert ask(node, action, "/etc/os-release").status == 400
        assert ask(node, action, "/etc/os-release/x").status == 404
    root = medium(node)
    (root / "ks/ablestack-ks.cfg").write_text("lang en_US\n")
    assert "ABLESTACK_VERSION" in ask(node, "info").body["message"]
    shutil.rmtree(root / "ks")
    assert "ks/ablestack-ks.cfg" in ask(node, "info").body["message"]


def test_without_a_script(node: NodeUnderTest) -> None:
    (medium(node) / "update-all.sh").unlink()
    answer = ask(node, "run")
    assert (answer.status, "no update-all.sh" in answer.body["message"]) == (400, True)


def test_a_script_that_is_a_link_is_none(node: NodeUnderTest) -> None:
    script = medium(node) / "update-all.sh"
    script.rename(node.root / "evil.sh")
    script.symlink_to(node.root / "evil.sh")
    assert ask(node, "run").status == 400


def test_a_link_to_the_medium_is_resolved(node: NodeUnderTest) -> None:
    root = medium(node)
    (node.root / "link").symlink_to(root)
    assert ask(node, "info", "/link").body["val"]["mount_path"] == str(root)


def test_a_home_folder(node: NodeUnderTest) -> None:
    update_medium.lay_out(node.root / "root/iso")
    assert ask(node, "info", "~/iso").status == 200


@pytest.mark.parametrize(
    ("rpms", "texts", "expected"),
    [
        (["mold-5.0-1.el9.noarch.rpm"], {}, "5.0"),
        (["cloudstack-ui-4.9-1.x.rpm", "cloudstack-ui-4.10-1.x.rpm"], {}, "4.10"),
        (["cloudstack-common-x-1.x.rpm", "cloudstack-common-4.rpm", "mold.rpm"], {}, "N/A"),
        ([], {"other/cloudstack-agent-4.2-3.20260101.x86_64.rpm": ""}, "4.2-3.20260101"),
        ([], {"ks/ablestack-ks.cfg": "ABLESTACK_VERSION=1\nMOLD_VERSION='4.3'\nACS_VERSION=4.4\n"}, "4.3"),
        ([], {"cloudstack-help-text": "ACS_VERSION=4.5\n", "a/cloudstack-help-text": "ACS_VERSION=4.6\n"}, "4.5"),
        ([], {"a/b/cloudstack-help-text": "ACS_VERSION=4.6\n"}, "4.6"),
        ([], {}, "N/A"),
    ],
)
def test_the_version_of_mold(node: NodeUnderTest, rpms: list[str], texts: dict[str, str], expected: str) -> None:
    root = medium(node, rpms=rpms)
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert ask(node, "info").body["val"]["target_mold_version"] == expected


def test_a_whole_file_system_is_no_medium(node: NodeUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    medium(node, rpms=[])
    monkeypatch.setattr(update_media, "MOST_ENTRIES", 3)
    assert "no update medium" in ask(node, "info").body["message"]


def test_run(node: NodeUnderTest, systemd: Systemd) -> None:
    root = medium(node, "env | grep ^ABLESTACK_ | sort; pwd; echo trouble >&2")
    answer = ask(node, "run")
    assert answer.status == 200, answer.body
    value, copy = answer.body["val"], node.root / "opt/ABLESTACK_UPDATE"
    assert answer.body["retname"] == "ABLESTACK Version Update"
    assert value["stdout"].splitlines() == [
        f"ABLESTACK_UPDATE_COPY_PATH={copy}",
        f"ABLESTACK_UPDATE_MOUNT_PATH={root}",
        "ABLESTACK_UPDATE_TYPE=all",
        f"ABLESTACK_UPDATE_WORK_PATH={copy}",
        str(copy),
    ]
    assert (value["stderr"], value["target_mold_version"]) == ("trouble\n", "4.21.0.0-Demo.X.202601010101")
    assert Path(value["log"]).read_text() == value["stdout"], "the log is kept"
    assert (copy.stat().st_mode & 0o777, value["update_script"]) == (0o755, str(copy / "update-all.sh"))
    assert "--property=RuntimeMaxSec=21600" in systemd.started[0]
    job = node.call("GET", f"/jobs/{answer.headers['x-job-id']}").body["val"]
    assert [step["name"] for step in job["steps"]] == ["check", "copy", "verify", "run"]
    last = ask(node, "info").body["val"]["last_run"]
    assert (last["running"], last["exit_code"], last["log"]) == (False, 0, value["log"])


def test_the_logs_of_the_last_ten_are_kept(node: NodeUnderTest) -> None:
    medium(node)
    logs = [ask(node, "run").body["val"]["log"] for _ in range(12)]
    present = sorted(path.name for path in (node.root / "var/log/ablestack/updates").iterdir())
    assert present == sorted(Path(log).name + end for log in logs[-10:] for end in ("", ".err", ".code"))


def test_a_script_that_fails(node: NodeUnderTest) -> None:
    medium(node, "echo begun; echo 'no space left' >&2; exit 3")
    answer = ask(node, "run")
    assert (answer.status, answer.body["exit_code"], answer.body["action"]) == (502, 3, "run")
    assert "update-all.sh ended with code 3: no space left" in answer.body["val"]
    assert (answer.body["stdout"], Path(answer.body["log"]).read_text()) == ("begun\n", "begun\n")
    assert ask(node, "run").status == 502, "nothing stays held"


def test_a_script_that_prints_a_gigabyte(node: NodeUnderTest, systemd: Systemd) -> None:
    systemd.environ["ABLESTACK_UPDATE_LOG_BYTES"] = "100000"
    medium(node, "head -c 1000000000 /dev/zero | tr '\\0' x; echo; echo the end")
    answer = ask(node, "run")
    assert (answer.status, len(answer.body["val"]["stdout"])) == (200, update_run.TOLD_BYTES)
    assert answer.body["val"]["stdout"].endswith("x\nthe end\n")
    assert Path(answer.body["val"]["log"]).stat().st_size == 100000 + 262144


def test_a_script_that_never_ends(node: NodeUnderTest, systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd ends it after six hours; here the test does."""
    medium(node, "sleep 1000")
    monkeypatch.setattr(update_run, "MOST_SECONDS", 1)
    systemd.life = 1.0
    answer = ask(node, "run")
    assert answer.status == 504
    assert "did not end" in answer.body["message"]


def test_a_script_that_somebody_ends(node: NodeUnderTest, systemd: Systemd) -> None:
    medium(node, "kill -9 0")
    answer = ask(node, "run")
    assert answer.status == 502
    assert "ended" in answer.body["message"]


def test_a_script_that_leaves_something_running(node: NodeUnderTest) -> None:
    medium(node, "sleep 30 & echo done")
    began = time.monotonic()
    assert ask(node, "run").status == 200
    assert time.monotonic() - began < 10


def test_while_one_runs_there_is_no_second(node: NodeUnderTest, systemd: Systemd) -> None:
    """Also when the daemon was restarted meanwhile and the job is gone: the script goes on."""
    medium(node, "sleep 30")
    ready = update_media.read(node.settings, "/mnt/iso", "")
    update_copy.make(node.env, ready)
    node.env = replace(node.env, clock=RealTime())
    update_run.start(node.env, ready, "all")
    answer = ask(node, "run")
    assert (answer.status, "still runs on this node" in answer.body["message"]) == (409, True)
    assert ask(node, "info").body["val"]["last_run"]["running"]
    assert ask(node, "run", force=True).status == 409


def test_checksums_that_are_right(node: NodeUnderTest) -> None:
    update_medium.add_checksums(medium(node))
    assert ask(node, "info").body["val"]["checksum_file"] == "SHA256SUMS"
    assert ask(node, "run").status == 200


@pytest.mark.parametrize("fault", ["changed", "missing", "script not named", "outside", "garbage", "empty", "link"])
def test_checksums_that_are_not(node: NodeUnderTest, systemd: Systemd, fault: str) -> None:
    root = medium(node)
    sums = update_medium.add_checksums(root)
    lines = sums.read_text().splitlines(keepends=True)
    script = root / "update-all.sh"
    if fault == "changed":
        script.write_text("#!/bin/bash\necho something else\n")
    elif fault == "missing":
        (root / "AppStream/Packages/mold" / update_medium.RPMS[0]).unlink()
    elif fault == "script not named":
        sums.write_text("".join(line for line in lines if "update-all.sh" not in line))
    elif fault == "link":
        package = root / "AppStream/Packages/mold" / update_medium.RPMS[0]
        package.unlink()
        package.symlink_to("/dev/null")
    else:
        sums.write_text({"outside": "".join(lines) + f"{'0' * 64}  ../x\n", "garbage": "hello\n", "empty": ""}[fault])
    answer = ask(node, "run")
    assert (answer.status, answer.body["type"]) == (409, "urn:ablestack:error:conflict")
    assert systemd.started == []
    assert not (node.root / "opt/ABLESTACK_UPDATE").exists()


def test_tagged_checksums() -> None:
    digest = "a" * 64
    text = f"# made by hand\nSHA256 (a b.rpm) = {digest}\n{digest.upper()} *./c.rpm\n"
    assert update_copy.parse_checksums(text) == {"a b.rpm": digest, "c.rpm": digest}


def test_a_medium_that_others_can_write(node: NodeUnderTest, systemd: Systemd) -> None:
    root = medium(node)
    (root / "update-all.sh").chmod(0o666)
    answer = ask(node, "run")
    assert (answer.status, len(answer.body["overridable"])) == (409, 1)
    assert systemd.started == []
    assert ask(node, "info").status == 200
    assert ask(node, "run", force=True).status == 200


@pytest.mark.parametrize("what", ["link", "file", "inside", "around"])
def test_a_bad_place_for_the_copy(node: NodeUnderTest, systemd: Systemd, what: str) -> None:
    place, path = node.root / "opt/ABLESTACK_UPDATE", "/mnt/iso"
    (node.root / "opt").mkdir()
    victim = node.root / "victim"
    victim.mkdir()
    (victim / "mine").touch()
    if what == "inside":
        path = "/opt/ABLESTACK_UPDATE/iso"
    elif what == "around":
        path = "/opt"
    elif what == "link":
        place.symlink_to(victim)
    else:
        place.touch()
    if what == "around":
        for name in ("ks", "AppStream"):
            shutil.move(medium(node) / name if name == "ks" else node.root / "mnt/iso" / name, node.root / "opt" / name)
        shutil.move(node.root / "mnt/iso/update-all.sh", node.root / "opt")
    else:
        update_medium.lay_out(node.root / path.lstrip("/"))
    answer = ask(node, "run", path)
    assert (answer.status, systemd.started) == (409, [])
    assert (victim / "mine").exists()


def test_no_space(node: NodeUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    medium(node)
    monkeypatch.setattr(update_copy, "MARGIN", 2**60)
    answer = ask(node, "run")
    assert (answer.status, answer.body["type"]) == (507, "urn:ablestack:error:disk_full")


def test_the_old_copy_goes(node: NodeUnderTest) -> None:
    place = node.root / "opt/ABLESTACK_UPDATE"
    place.mkdir(parents=True)
    (place / "old").touch()
    medium(node)
    assert ask(node, "run").status == 200
    assert sorted(path.name for path in place.iterdir()) == ["AppStream", "ks", "update-all.sh"]


def test_the_plan_runs_nothing(node: NodeUnderTest, systemd: Systemd) -> None:
    medium(node)
    told = ask(node, "run", query="?plan=true").body["val"]
    assert [step["step"] for step in told["steps"]] == ["copy", "verify", "run"]
    assert "no checksum file" in told["warnings"][0]
    assert systemd.started == []


def test_a_node_in_a_folder_is_not_updated(tmp_path: Path) -> None:
    node = NodeUnderTest(tmp_path)
    update_medium.lay_out(tmp_path / "mnt/iso")
    answer = node.call("POST", UPDATE, {"action": "run", "mount_path": "/mnt/iso"})
    assert (answer.status, "lives in a folder" in answer.body["message"]) == (409, True)
    answer = node.call("POST", UPDATE, {"action": "info", "mount_path": "/mnt/iso"})
    assert answer.body["val"]["copy_path"] == "/opt/ABLESTACK_UPDATE"


def test_the_guard(node: NodeUnderTest) -> None:
    assert node.call("POST", UPDATE, {"action": "info"}, headers={}).status == 401


@pytest.fixture
def cluster(tmp_path: Path, systemd: Systemd) -> Iterator[Network]:
    made = Network(tmp_path / "cluster")
    for node in made.add_hosts("ablestack-vm", documents.document("ablestack-vm")):
        whole_system.believe(node)
        prepare(node)
        node.env = replace(node.env, runner=systemd)
    medium(made.nodes["10.10.31.1"])
    medium(made.nodes["10.10.31.2"], "sleep 30")
    yield made
    made.finish()


def test_one_at_a_time_in_the_cluster(cluster: Network) -> None:
    first, second = cluster.nodes["10.10.31.1"], cluster.nodes["10.10.31.2"]
    ready = update_media.read(second.settings, "/mnt/iso", "")
    update_copy.make(second.env, ready)
    update_run.start(second.env, ready, "all")
    answer = run_on(first)
    assert (answer.status, "runs on ablecube31-2 already" in answer.body["message"]) == (409, True)


def run_on(node: NodeUnderTest, **more: Any) -> Answer:
    return node.call("POST", UPDATE, {"action": "run", "mount_path": "/mnt/iso", **more})


def test_a_host_that_does_not_answer_may_run_one(cluster: Network, systemd: Systemd) -> None:
    del cluster.nodes["10.10.31.3"]
    first = cluster.nodes["10.10.31.1"]
    answer = run_on(first)
    assert (answer.status, len(answer.body["overridable"]), systemd.started) == (409, 1, [])
    assert cluster.steps("10.10.31.2") == [UPDATE]


MAKE_IMAGE = {
    "iso": ["genisoimage", "-quiet", "-R", "-o", "IMAGE", "SOURCE"],
    "ext4": ["mkfs.ext4", "-q", "-d", "SOURCE", "IMAGE", "16M"],
}


@pytest.mark.parametrize("kind", MAKE_IMAGE)
def test_a_real_medium(node: NodeUnderTest, tmp_path: Path, kind: str) -> None:
    """An image, mounted through a loop device, read-only: an ISO, and where the kernel has none, another file system."""
    if os.geteuid() != 0 or shutil.which(MAKE_IMAGE[kind][0]) is None:
        pytest.skip(f"needs root and {MAKE_IMAGE[kind][0]}")
    source = update_medium.lay_out(tmp_path / "source", "echo from the medium")
    update_medium.add_checksums(source)
    image, place = tmp_path / "update.iso", node.root / "mnt/real"
    names = {"IMAGE": str(image), "SOURCE": str(source)}
    subprocess.run([names.get(word, word) for word in MAKE_IMAGE[kind]], check=True, timeout=60)
    place.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-o", "loop,ro", image, place], capture_output=True, timeout=60, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"this kernel mounts no {kind} image here")
    try:
        assert ask(node, "info", "/mnt/real").body["val"]["target_os_version"] == "Demo OS 4.7"
        assert ask(node, "run", "/mnt/real").body["val"]["stdout"] == "from the medium\n"
    finally:
        subprocess.run(["umount", place], check=True, timeout=60)
