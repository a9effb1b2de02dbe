"""Backups of a real guest's disk through libvirt and qemu, and giving them back (contract 04 §4.5, §5, B-23, B-35, B-36)."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ablestack_api.backup import disk_backup, disk_files, disk_restore, unfinished
from ablestack_api.core.clock import SystemClock
from ablestack_api.core.errors import ApiError, Cancelled, Conflict, LibvirtFailed
from ablestack_api.core.runner import SystemRunner
from ablestack_api.env import Env
from ablestack_api.hypervisor import backup_job, domains
from ablestack_api.hypervisor.connection import SystemLibvirt
from tests.support.node_under_test import NodeUnderTest
from tests.support.progress import SilentProgress

PROGRAMS = ("qemu-system-x86_64", "qemu-img", "qemu-io")
QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
cgroup_controllers = []
namespaces = []
remember_owner = 0
"""
DOMAIN = """<domain type='qemu'><name>ccvm</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk>
</devices></domain>"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(shutil.which(name) for name in PROGRAMS), reason="needs root and qemu"
)


@pytest.fixture(scope="module")
def libvirt(tmp_path_factory: pytest.TempPathFactory) -> SystemLibvirt:
    """libvirt's qemu driver inside this process, in a folder of its own: no daemon is needed."""
    root = tmp_path_factory.mktemp("v")
    (root / "etc").mkdir()
    (root / "etc/qemu.conf").write_text(QEMU_CONF)
    hypervisor = SystemLibvirt(f"qemu:///embed?root={root}")
    try:
        hypervisor.call(lambda connection: connection.getVersion(), timeout=60)
    except ApiError as error:
        pytest.skip(f"libvirt's embedded qemu driver cannot be used here: {error.detail}")
    return hypervisor


@pytest.fixture
def env(tmp_path: Path, libvirt: SystemLibvirt, monkeypatch: pytest.MonkeyPatch) -> Iterator[Env]:
    """A standalone node whose cloud VM runs. The guest has no operating system that could be asked to switch off."""
    monkeypatch.setattr(domains, "shut_down", domains.destroy)
    node = NodeUnderTest(tmp_path / "node")
    (node.root / "mnt/glue").mkdir(parents=True)
    runner = SystemRunner(node.settings.program_path, "/root")
    env = replace(node.env, runner=runner, clock=SystemClock(), libvirt=libvirt)
    disk = disk_restore.disk_path(env, standalone=True)
    runner.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "128M"], timeout=30)
    fill(disk, 7)
    domains.define(libvirt, DOMAIN.format(disk=disk))
    domains.start(libvirt, "ccvm")
    try:
        yield env
    finally:
        domains.destroy(libvirt, "ccvm")
        domains.undefine(libvirt, "ccvm", keep_nvram=False)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "backups")


def fill(disk: str, pattern: int) -> None:
    subprocess.run(["qemu-io", "-c", f"write -q -P {pattern} 0 32M", disk], check=True, stdout=subprocess.DEVNULL)


def holds(disk: str, pattern: int) -> bool:
    done = subprocess.run(["qemu-io", "-U", "-c", f"read -q -P {pattern} 0 32M", disk], capture_output=True, check=False)
    return b"Pattern verification failed" not in done.stdout + done.stderr


def restore(env: Env, folder: str, name: str) -> None:
    found = disk_files.find(folder, name)
    disk = disk_restore.disk_path(env, standalone=True)
    disk_restore.run(env, disk_restore.Restore(found, disk, True), SilentProgress())


def change_disk(env: Env, pattern: int) -> None:
    """As the guest would: it has no operating system, so the disk is written while it is off."""
    domains.destroy(env.libvirt, "ccvm")
    fill(disk_restore.disk_path(env, standalone=True), pattern)
    domains.start(env.libvirt, "ccvm")


def test_a_backup_is_proven_before_it_has_its_name(env: Env, folder: str) -> None:
    made = disk_backup.make(env, folder, SilentProgress())
    path = Path(made["target_file"])
    manifest = json.loads(Path(made["manifest"]).read_text())
    assert (manifest["sha256"], manifest["size_bytes"]) == (unfinished.digest(str(path)), path.stat().st_size)
    assert manifest["virtual_size_bytes"] == 128 * 1024 * 1024
    assert holds(str(path), 7)
    assert [backup.proven for backup in disk_files.list_backups(folder)] == [True]
    assert not list(Path(folder).glob(".*partial"))


def test_a_restore_gives_the_guest_its_old_disk_and_keeps_nothing_else(env: Env, folder: str) -> None:
    name = os.path.basename(disk_backup.make(env, folder, SilentProgress())["target_file"])
    change_disk(env, 9)
    restore(env, folder, name)
    disk = disk_restore.disk_path(env, standalone=True)
    assert domains.read_state(env.libvirt, "ccvm") == domains.RUNNING
    assert holds(disk, 7)
    assert os.listdir(os.path.dirname(disk)) == ["ccvm.qcow2"]


def test_a_changed_byte_of_a_backup_changes_nothing(env: Env, folder: str) -> None:
    path = Path(disk_backup.make(env, folder, SilentProgress())["target_file"])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    change_disk(env, 9)
    with pytest.raises(Conflict, match="SHA-256 has changed"):
        restore(env, folder, path.name)
    assert domains.read_state(env.libvirt, "ccvm") == domains.RUNNING
    assert holds(disk_restore.disk_path(env, standalone=True), 9)


def test_a_disk_that_does_not_come_up_is_put_back(env: Env, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.path.basename(disk_backup.make(env, folder, SilentProgress())["target_file"])
    change_disk(env, 9)
    start = domains.start
    refused: list[str] = []

    def refuse_once(hypervisor: SystemLibvirt, domain: str) -> None:
        if not refused:
            refused.append(domain)
            raise LibvirtFailed("qemu ended at once")
        start(hypervisor, domain)

    monkeypatch.setattr(domains, "start", refuse_once)
    with pytest.raises(LibvirtFailed) as raised:
        restore(env, folder, name)
    assert "undone: copy, stop, swap" in raised.value.detail
    steps = raised.value.members["steps"]
    assert isinstance(steps, list)
    assert [step["outcome"] for step in steps] == [
        "undone",
        "undone",
        "undone",
        "failed",
        "not begun",
    ]
    disk = disk_restore.disk_path(env, standalone=True)
    assert domains.read_state(env.libvirt, "ccvm") == domains.RUNNING
    assert holds(disk, 9)
    assert os.listdir(os.path.dirname(disk)) == ["ccvm.qcow2"]


def test_a_backup_of_a_larger_disk_is_not_of_this_vm(env: Env, folder: str) -> None:
    os.makedirs(folder)
    other = os.path.join(folder, "ccvm.qcow2-20260101_000000")
    env.runner.run(["qemu-img", "create", "-q", "-f", "qcow2", other, "1G"], timeout=30)
    with pytest.raises(Conflict, match="not of this VM"):
        restore(env, folder, os.path.basename(other))


@pytest.mark.parametrize("content", [b"", b"no image at all" * 1000], ids=["empty", "text"])
def test_what_is_no_image_is_not_restored(env: Env, folder: str, content: bytes) -> None:
    os.makedirs(folder)
    Path(folder, "ccvm.qcow2-20260101_000000").write_bytes(content)
    with pytest.raises(ApiError):
        restore(env, folder, "ccvm.qcow2-20260101_000000")
    assert holds(disk_restore.disk_path(env, standalone=True), 7)


def test_an_earlier_restore_that_did_not_end_is_seen_to_first(env: Env, folder: str) -> None:
    name = os.path.basename(disk_backup.make(env, folder, SilentProgress())["target_file"])
    Path(f"{disk_restore.disk_path(env, standalone=True)}.before-restore").write_text("the old disk")
    with pytest.raises(Conflict, match="earlier restore did not end"):
        restore(env, folder, name)


def test_a_backup_that_is_cancelled_leaves_nothing(env: Env, folder: str) -> None:
    with pytest.raises(Cancelled):
        disk_backup.make(env, folder, SilentProgress(cancel=Cancelled("somebody asked for it")))
    assert os.listdir(folder) == [".ccvm_backup.lock"]
    assert not backup_job.read(env.libvirt, "ccvm").active


def test_only_a_running_vm_is_backed_up(env: Env, folder: str) -> None:
    domains.destroy(env.libvirt, "ccvm")
    with pytest.raises(Conflict, match="shut off"):
        disk_backup.make(env, folder, SilentProgress())


def test_old_backups_go_only_behind_a_proven_one(env: Env, folder: str) -> None:
    os.makedirs(folder)
    for day in range(1, 15):
        Path(folder, f"ccvm.qcow2-202601{day:02}_000000").write_text("of 0.1.2")
    made = disk_backup.make(env, folder, SilentProgress())
    assert len(made["deleted_backups"]) == 5
    assert len(disk_files.list_backups(folder)) == 10
