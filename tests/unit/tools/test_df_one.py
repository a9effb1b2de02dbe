"""tools.df: the fill level of one mounted file system."""

import os
from pathlib import Path

import pytest

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import SystemRunner
from ablestack_api.tools import df
from ablestack_api.tools.df import Fill
from tests.support.doubles import QueuedRunner

HEADER = "Filesystem                   Size  Used Avail Use% Mounted on\n"


def test_a_place_with_blanks() -> None:
    runner = QueuedRunner()
    line = "/dev/mapper/vg_glue-lv_glue  500G   41G  459G   9% /mnt/glue gfs\n"
    runner.expect(["df", "-hP", "--", "/mnt/glue gfs"], stdout=HEADER + line, stderr="df: note\n")
    fill = df.read_one(runner, "/mnt/glue gfs")
    assert fill == Fill("/dev/mapper/vg_glue-lv_glue", "500G", "41G", "459G", "9%", "/mnt/glue gfs")


@pytest.mark.parametrize("printed", ["", HEADER, HEADER + "too few words\n"])
def test_output_that_tells_nothing(printed: str) -> None:
    runner = QueuedRunner()
    runner.expect(["df", "-hP", "--", "/x"], stdout=printed)
    with pytest.raises(CommandFailed, match="/x"):
        df.read_one(runner, "/x")


def test_the_real_df(tmp_path: Path) -> None:
    fill = df.read_one(SystemRunner("/usr/bin:/bin", "/root"), str(tmp_path))
    assert os.path.ismount(fill.mountpoint)
    assert 0 <= int(fill.percent.rstrip("%")) <= 100
