"""hosts.mount_holders: who keeps a file system from being unmounted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ablestack_api.core.settings import Settings
from ablestack_api.hosts import mount_holders
from tests.support.node_under_test import NodeUnderTest


def program(node: NodeUnderTest, pid: int, name: str, **links: str) -> None:
    folder = node.root / "proc" / str(pid)
    for kind in ("fd", "map_files"):
        (folder / kind).mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    for link, target in links.items():
        (folder / link.replace("__", "/")).symlink_to(target)


@pytest.fixture
def proc(node: NodeUnderTest) -> NodeUnderTest:
    (node.root / "proc/self").mkdir(parents=True)
    (node.root / "proc/self/mounts").write_text("/dev/a /mnt/glue xfs rw 0 0\n/dev/b /mnt/glue-2 xfs rw 0 0\n")
    (node.root / "proc/uptime").write_text("1 1\n")
    return node


@pytest.mark.parametrize("link", ["cwd", "root", "exe", "fd__3", "map_files__7f00-7f01"])
def test_every_kind_of_use(proc: NodeUnderTest, link: str) -> None:
    program(proc, 20, "bash", **{link: "/mnt/glue/a b"})
    program(proc, 3, "vi", **{link: "/mnt/glue"})
    program(proc, 5, "other", **{link: "/mnt/glue-2/x"})
    assert mount_holders.holders(proc.settings, "/mnt/glue") == ["vi (3)", "bash (20)"]


def test_nobody(proc: NodeUnderTest) -> None:
    program(proc, 7, "sshd", cwd="/")
    assert mount_holders.holders(proc.settings, "/mnt/glue") == []


def test_mounts_below_and_a_long_list(proc: NodeUnderTest) -> None:
    with (proc.root / "proc/self/mounts").open("a") as file:
        file.write("nas:/b /mnt/glue/b\\040c nfs rw 0 0\n")
    for pid in range(1, 31):
        program(proc, pid, "qemu", cwd="/mnt/glue")
    told = mount_holders.holders(proc.settings, "/mnt/glue")
    assert told[:2] == ["mounted at /mnt/glue/b c", "qemu (1)"]
    assert told[-1] == "11 more"


@pytest.mark.skipif(os.geteuid() != 0, reason="other processes' links are root's to read")
def test_a_real_program(tmp_path: Path) -> None:
    """Nothing is invented: this machine's own /proc."""
    (tmp_path / "x").touch()
    code = "import sys; held = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, str(tmp_path / "x")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        told = mount_holders.holders(Settings({}), str(tmp_path))
        child.kill()
    assert any(text.endswith(f"({child.pid})") for text in told)
