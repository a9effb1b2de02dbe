"""GET /cube/gfs/disk/status (contract 02 §4)."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, ProgramMissing
from ablestack_api.core.runner import Finished, SystemRunner
from ablestack_api.core.secret import Secret
from tests.support.doubles import QueuedRunner
from tests.support.lsblk_output import GIB, Node, disk, expect, mapped, part
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/gfs/disk/status"
NOW = "2026-07-01T10:00:00+09:00"
WWID = "3600a0b80000aa11"
HEADER = "Filesystem                   Size  Used Avail Use% Mounted on\n"


def mount(node: NodeUnderTest, *lines: str) -> None:
    path = node.root / "proc/self/mounts"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in ("/dev/sda2 / xfs rw 0 0", "proc /proc proc rw 0 0", *lines)))


def link(node: NodeUnderTest, name: str, kname: str) -> None:
    folder = node.root / "dev/disk/by-id"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).symlink_to(f"../../{kname}")


def volume(name: str = "vg_glue-lv_glue", kname: str = "dm-5", **columns: Any) -> Node:
    return mapped("lvm", name, kname, **{"size": 500 * GIB, "mountpoints": ["/mnt/glue-gfs"], **columns})


def on_multipath(volume: Node) -> tuple[Node, Node]:
    """Two paths of one map with the volume on its partition."""
    lun = mapped("mpath", "mpathb", "dm-3", mapped("part", "mpathb1", "dm-4", volume))
    return disk("sdb", lun), disk("sdc", lun)


def fill(node: NodeUnderTest, place: str = "/mnt/glue-gfs", **more: Any) -> None:
    line = f"/dev/mapper/vg_glue-lv_glue  500G   41G  459G   9% {place}\n"
    node.runner.expect(["df", "-hP", "--", place], **{"stdout": HEADER + line, **more})


GLUE = "/dev/mapper/vg_glue-lv_glue /mnt/glue-gfs gfs2 rw,noatime 0 0"


def test_on_multipath(node: NodeUnderTest) -> None:
    mount(node, GLUE)
    link(node, f"dm-uuid-mpath-{WWID}", "dm-3")
    link(node, f"dm-uuid-part1-mpath-{WWID}", "dm-4")
    link(node, "dm-uuid-LVM-abc", "dm-5")
    link(node, f"wwn-0x{WWID}", "dm-3")
    expect(node.runner, *on_multipath(volume()))
    fill(node)
    answer = node.call("GET", PATH)
    assert answer.status == 200
    assert answer.body == {
        "code": 200,
        "val": {
            "mode": "multi",
            "blockdevices": [
                {
                    "lvm": "/dev/mapper/vg_glue-lv_glue",
                    "mountpoint": "/mnt/glue-gfs",
                    "size": "500G",
                    "used": "41G",
                    "avail": "459G",
                    "use_percent": "9%",
                    "multipaths": ["/dev/mapper/mpathb"],
                    "devices": [],
                    "disk_id": [f"/dev/disk/by-id/dm-uuid-mpath-{WWID}"],
                }
            ],
        },
        "refresh_time": NOW,
    }


def test_on_single_disks(node: NodeUnderTest) -> None:
    """A volume over two disks has both; a multipath map elsewhere changes nothing."""
    mount(node, GLUE)
    found = volume()
    lun = mapped("mpath", "mpathz", "dm-9")
    expect(node.runner, disk("sdd", part("sdd1", found)), disk("sdb", part("sdb1", found)), disk("sde", lun))
    fill(node)
    body = node.call("GET", PATH).body
    assert body["val"]["mode"] == "single"
    assert body["val"]["blockdevices"][0]["devices"] == ["/dev/sdb", "/dev/sdd"]
    assert body["val"]["blockdevices"][0]["multipaths"] == []
    assert "disk_id" not in body["val"]["blockdevices"][0]


@pytest.mark.parametrize(
    ("line", "mountpoints"),
    [
        ("/dev/mapper/vg_glue-lv_glue /mnt/glue-gfs gfs2 rw 0 0", [None]),
        ("/dev//mapper/vg_glue-lv_glue /mnt/glue-gfs gfs2 rw 0 0", [None]),
        ("/dev/dm-5 /mnt/glue-gfs gfs2 rw 0 0", [None]),
        ("/dev/vg_glue/whatever /mnt/glue-gfs gfs2 rw 0 0", ["/mnt/glue-gfs"]),
    ],
)
def test_how_a_mount_finds_its_device(node: NodeUnderTest, line: str, mountpoints: list[str | None]) -> None:
    mount(node, line)
    expect(node.runner, *on_multipath(volume(mountpoints=mountpoints)))
    fill(node)
    assert node.call("GET", PATH).body["val"]["blockdevices"][0]["lvm"] == "/dev/mapper/vg_glue-lv_glue"


def test_directly_on_a_disk(node: NodeUnderTest) -> None:
    mount(node, "/dev/rbd0p1 /mnt/glue-gfs gfs2 rw 0 0")
    expect(node.runner, disk("rbd0", part("rbd0p1", mountpoints=["/mnt/glue-gfs"])))
    fill(node)
    entry = node.call("GET", PATH).body["val"]["blockdevices"][0]
    assert (entry["lvm"], entry["devices"]) == ("/dev/rbd0p1", ["/dev/rbd0"])


@pytest.mark.parametrize("escaped", ["/mnt/a\\040b", "/mnt/a\\134b", "/mnt/한글"])
def test_mount_points_with_unusual_characters(node: NodeUnderTest, escaped: str) -> None:
    plain = escaped.replace("\\040", " ").replace("\\134", "\\")
    mount(node, f"/dev/dm-5 {escaped} gfs2 rw 0 0")
    expect(node.runner, *on_multipath(volume()))
    fill(node, plain)
    assert node.call("GET", PATH).body["val"]["blockdevices"][0]["mountpoint"] == plain


def test_a_mount_point_that_is_no_text(node: NodeUnderTest) -> None:
    mount(node)
    with (node.root / "proc/self/mounts").open("ab") as file:
        file.write(b"/dev/dm-5 /mnt/\xff gfs2 rw 0 0\n")
    expect(node.runner, *on_multipath(volume()))
    node.runner.expect(["df", "-hP", "--", "/mnt/\udcff"], raises=CommandFailed("df: no"))
    answer = node.call("GET", PATH)
    assert (answer.status, answer.body["val"]["blockdevices"][0]["mountpoint"]) == (200, "/mnt/\ufffd")


@pytest.mark.parametrize(
    "failure", [CommandFailed("df ended with code 1: stale"), CommandTimedOut("df did not end within 5 s")]
)
def test_a_fill_level_that_nobody_knows(node: NodeUnderTest, failure: ApiError) -> None:
    mount(node, GLUE)
    expect(node.runner, *on_multipath(volume()))
    node.runner.expect(["df", "-hP", "--", "/mnt/glue-gfs"], raises=failure)
    entry = node.call("GET", PATH).body["val"]["blockdevices"][0]
    assert (entry["size"], entry["used"], entry["avail"], entry["use_percent"]) == ("500G", "N/A", "N/A", "N/A")
    assert entry["error"] == failure.detail


class OneHangs:
    """lsblk is answered from a queue; df hangs for one mount until it is released, and answers for the others."""

    def __init__(self, queue: QueuedRunner, hung: str) -> None:
        self._queue, self._hung = queue, hung
        self.released = threading.Event()

    def run(
        self, argv: Sequence[str | Secret], *, timeout: float, stdin: str | Secret | None = None, ok: Sequence[int] = (0,)
    ) -> Finished:
        if argv[0] != "df":
            return self._queue.run(argv, timeout=timeout, stdin=stdin, ok=ok)
        if argv[-1] == self._hung and not self.released.wait(0.3):
            raise CommandTimedOut(f"df did not end within {timeout:g} s and was killed", program="df", seconds=timeout)
        if argv[-1] == "/mnt/last":
            self.released.set()
        return Finished(f"{HEADER}/dev/x 10G 1G 9G 10% {argv[-1]}\n", "", 0, 0.01)

    pipe: Any = None


@pytest.fixture
def three(node: NodeUnderTest) -> NodeUnderTest:
    """Three file systems on three disks."""
    names = ("first", "hung", "last")
    mount(node, *(f"/dev/sd{letter} /mnt/{name} gfs2 rw 0 0" for letter, name in zip("bcd", names, strict=True)))
    expect(node.runner, *(disk(f"sd{letter}") for letter in "bcd"))
    return node


def test_one_that_hangs_hides_nobody(three: NodeUnderTest) -> None:
    """It is released only after the last one was asked: they are asked side by side."""
    runner = OneHangs(three.runner, "/mnt/hung")
    three.env = replace(three.env, runner=runner)
    found = {entry["mountpoint"]: entry for entry in three.call("GET", PATH).body["val"]["blockdevices"]}
    assert [entry["used"] for entry in found.values()] == ["1G", "1G", "1G"]


def test_what_of_it_is_told(three: NodeUnderTest) -> None:
    runner = OneHangs(three.runner, "/mnt/hung")
    runner.released = threading.Event()
    runner.released.set = lambda: None  # type: ignore[method-assign]  # never
    three.env = replace(three.env, runner=runner)
    found = {entry["mountpoint"]: entry for entry in three.call("GET", PATH).body["val"]["blockdevices"]}
    assert [found[f"/mnt/{name}"]["used"] for name in ("first", "hung", "last")] == ["1G", "N/A", "1G"]
    assert found["/mnt/hung"]["error"] == "df did not end within 5 s and was killed"


def test_a_program_that_really_hangs(three: NodeUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "lsblk").write_text(f"#!/bin/sh\ncat {tools}/devices\n")
    (tools / "devices").write_text(three.runner.queue.pop(0).stdout)
    df = '#!/bin/sh\n[ "$3" = /mnt/hung ] && exec sleep 60\necho header; echo "/dev/x 10G 1G 9G 10% $3"\n'
    (tools / "df").write_text(df)
    for name in ("lsblk", "df"):
        (tools / name).chmod(0o755)
    monkeypatch.setattr("ablestack_api.hosts.gfs_disk_status.FILL_SECONDS", 0.5)
    three.env = replace(three.env, runner=SystemRunner(f"{tools}:/usr/bin:/bin", "/root"))
    started = time.monotonic()
    found = {entry["mountpoint"]: entry for entry in three.call("GET", PATH).body["val"]["blockdevices"]}
    assert time.monotonic() - started < 20
    assert [found[f"/mnt/{name}"]["used"] for name in ("first", "hung", "last")] == ["1G", "N/A", "1G"]


# --- nothing there, and errors ---------------------------------------------------------------------------------------


def log(node: NodeUnderTest) -> Any:
    return json.loads(Path(node.settings.request_log).read_text().splitlines()[-1])


@pytest.mark.parametrize("lines", [(), ("/dev/sdb /mnt/gfs2 xfs rw 0 0",), ("gfs2 /mnt/x tmpfs rw 0 0",)])
def test_nothing_mounted_is_a_normal_state(node: NodeUnderTest, lines: tuple[str, ...]) -> None:
    mount(node, *lines)
    answer = node.call("GET", PATH)
    assert (answer.status, answer.body["code"]) == (500, 500)
    assert answer.body["val"] == {"message": "no disk is mounted as GFS2 on this node"}
    assert answer.body["type"].endswith(":not_set_up")
    assert answer.body["refresh_time"] == NOW
    assert (log(node)["status"], log(node)["outcome"]) == (500, "normal")
    assert not (node.root / "var/lib/ablestack/errors.json").exists()


def test_a_node_without_proc(node: NodeUnderTest) -> None:
    assert node.call("GET", PATH).body["type"].endswith(":not_set_up")


def test_a_mount_without_a_known_device(node: NodeUnderTest) -> None:
    mount(node, GLUE)
    expect(node.runner, disk("sda"))
    answer = node.call("GET", PATH)
    assert (answer.status, answer.body["val"]) == (500, {"message": "no disk is mounted as GFS2 on this node"})


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (CommandTimedOut("lsblk did not end within 10 s and was killed"), 504),
        (CommandFailed("lsblk ended with code 1: no"), 502),
        (ProgramMissing("the program lsblk is not installed"), 503),
    ],
)
def test_errors(node: NodeUnderTest, failure: ApiError, status: int) -> None:
    mount(node, GLUE)
    expect(node.runner, disk("sda"))
    node.runner.queue[0].raises = failure
    answer = node.call("GET", PATH)
    assert (answer.status, answer.body["code"], answer.body["val"]) == (status, status, failure.detail)
    assert log(node)["outcome"] == "error"


def test_freshness(node: NodeUnderTest) -> None:
    mount(node, GLUE)
    expect(node.runner, *on_multipath(volume()))
    fill(node)
    first = node.call("GET", PATH).body
    assert node.call("GET", PATH).body == first
    node.clock.advance(5)
    expect(node.runner, disk("sda"))
    node.runner.queue[0].raises = CommandTimedOut("lsblk did not end within 10 s and was killed")
    stale = node.call("GET", f"{PATH}?refresh=true").body
    assert stale == {**first, "stale": True, "refresh_error": "lsblk did not end within 10 s and was killed"}
    mount(node)
    gone = node.call("GET", f"{PATH}?refresh=true")
    assert (gone.status, gone.body["refresh_time"]) == (500, "2026-07-01T10:00:05+09:00")


def test_it_wants_a_credential_and_a_good_query(node: NodeUnderTest) -> None:
    assert node.call("GET", PATH, headers={}).status == 401
    assert node.call("GET", f"{PATH}?refresh=x").status == 400


# --- real devices ----------------------------------------------------------------------------------------------------


def system(*argv: str) -> str | None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else None


@pytest.fixture
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A mounted loop device. There is no GFS2 in this kernel: only /proc/self/mounts of the node calls it one."""
    folder = tmp_path_factory.mktemp("loop")
    place = folder / "mounted"
    place.mkdir()
    (folder / "image").write_bytes(b"\0" * (4 << 20))
    if os.geteuid() != 0 or system("mkfs.ext4", "-q", str(folder / "image")) is None:
        pytest.skip("needs root and e2fsprogs")
    device = system("losetup", "--find", "--show", str(folder / "image"))
    if not device or system("mount", device, str(place)) is None:
        pytest.skip("this machine has no loop devices to mount")
    try:
        yield device, place
    finally:
        system("umount", str(place))
        system("losetup", "--detach", device)


def test_real_lsblk_and_df(node: NodeUnderTest, loop: tuple[str, Path]) -> None:
    device, place = loop
    mount(node, f"{device} {place} gfs2 rw 0 0")
    node.env = replace(node.env, runner=SystemRunner("/usr/sbin:/usr/bin:/sbin:/bin", "/root"))
    answer = node.call("GET", PATH)
    assert answer.status == 200, answer.body
    printed = (system("df", "-hP", str(place)) or "").splitlines()[-1].split()
    assert answer.body["val"]["blockdevices"] == [
        {
            "lvm": device,
            "mountpoint": str(place),
            "size": printed[1],
            "used": printed[2],
            "avail": printed[3],
            "use_percent": printed[4],
            "multipaths": [],
            "devices": [device],
        }
    ]
