"""ISO images by whichever program is installed, read back."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ablestack_api.core.errors import CommandFailed, ProgramMissing
from ablestack_api.core.runner import SystemRunner
from ablestack_api.core.settings import DEFAULT_PROGRAM_PATH
from ablestack_api.tools import iso
from tests.support.doubles import QueuedRunner

OPTIONS = [
    "-output",
    "/x.iso",
    "-volid",
    "cidata",
    "-joliet",
    "-input-charset",
    "utf-8",
    "-rock",
    "-uid",
    "0",
    "-gid",
    "0",
    "/a",
]
MISSING = ProgramMissing("not installed", program="x", package="x")


def test_genisoimage_first() -> None:
    runner = QueuedRunner()
    runner.expect(["genisoimage", *OPTIONS])
    iso.make(runner, "/x.iso", "cidata", ["/a"])
    runner.finish()


def test_xorriso_where_there_is_no_genisoimage() -> None:
    runner = QueuedRunner()
    runner.expect(["genisoimage", *OPTIONS], raises=MISSING)
    runner.expect(["xorriso", "-as", "mkisofs", *OPTIONS])
    iso.make(runner, "/x.iso", "cidata", ["/a"])
    runner.finish()


def test_neither_names_both_packages() -> None:
    runner = QueuedRunner()
    runner.expect(["genisoimage", *OPTIONS], raises=MISSING)
    runner.expect(["xorriso", "-as", "mkisofs", *OPTIONS], raises=MISSING)
    with pytest.raises(ProgramMissing) as raised:
        iso.make(runner, "/x.iso", "cidata", ["/a"])
    assert raised.value.members["package"] == "genisoimage or xorriso"


def test_a_failure_is_not_tried_with_the_other_program() -> None:
    runner = QueuedRunner()
    runner.expect(["genisoimage", *OPTIONS], code=1, stderr="genisoimage: No space left on device.")
    with pytest.raises(CommandFailed, match="No space left"):
        iso.make(runner, "/x.iso", "cidata", ["/a"])


@pytest.mark.parametrize("program", iso.PROGRAMS, ids=lambda program: program[0])
def test_a_real_image(tmp_path: Path, program: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes, names, modes, owner and label, read back with isoinfo (package genisoimage)."""
    if shutil.which(program[0]) is None or shutil.which("isoinfo") is None:
        pytest.skip(f"{program[0]} or isoinfo is not installed")
    monkeypatch.setattr(iso, "PROGRAMS", (program,))
    contents = {"user-data": "#cloud-config\n한글\n", "meta-data": "a: b\n", "network-config": "network: {}\n"}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    image = str(tmp_path / "x.iso")
    iso.make(SystemRunner(DEFAULT_PROGRAM_PATH, "/"), image, "cidata", [str(tmp_path / name) for name in contents])
    for name, content in contents.items():
        assert read_back("-R", "-i", image, "-x", f"/{name}") == content
    assert "Volume id: cidata" in read_back("-d", "-i", image)
    lines = [line.split() for line in read_back("-R", "-l", "-i", image).splitlines()]
    lines = [line for line in lines if line and line[-1] in contents]
    assert {(line[0], line[2], line[3]) for line in lines} == {("-rw-------", "0", "0")}
    assert len(lines) == len(contents)


def read_back(*arguments: str) -> str:
    environ = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(["isoinfo", *arguments], capture_output=True, check=True, env=environ).stdout.decode()
