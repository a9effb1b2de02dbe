"""tools.multipath: what multipath(8) prints."""

import pytest

from ablestack_api.core.errors import CommandFailed, CommandTimedOut, ProgramMissing
from ablestack_api.tools import multipath
from ablestack_api.tools.multipath import Map
from tests.support.doubles import QueuedRunner

FRIENDLY = """\
mpatha (3600a0b80000aa11000001) dm-3 IBM,2145
size=500G features='1 queue_if_no_path' hwhandler='1 alua' wp=rw
|-+- policy='service-time 0' prio=50 status=active
| `- 1:0:0:0 sdb 8:16 active ready running
`-+- policy='service-time 0' prio=10 status=enabled
  `- 2:0:0:0 sdf 8:80 active ready running
mpathb (eui.0025385b71b00001) dm-12 NVME,SAMSUNG MZQLB1T9HAJR-00007
size=1.7T features='0' hwhandler='0' wp=rw
`-+- policy='service-time 0' prio=1 status=active
  |- 0:0:1:1 nvme0n1 259:0 active ready running
  `- #:#:#:# -       -     failed undef unknown
"""
UNFRIENDLY = """\
3600a0b80000aa11000001 dm-3 IBM,2145
size=500G features='0' hwhandler='0' wp=rw
`-+- policy='service-time 0' prio=1 status=active
  `- 1:0:0:0 sdb 8:16 active ready running
"""


@pytest.mark.parametrize(
    ("printed", "maps"),
    [
        (
            FRIENDLY,
            [
                Map("mpatha", "3600a0b80000aa11000001", "dm-3", "500G"),
                Map("mpathb", "eui.0025385b71b00001", "dm-12", "1.7T"),
            ],
        ),
        (UNFRIENDLY, [Map("3600a0b80000aa11000001", "3600a0b80000aa11000001", "dm-3", "500G")]),
        ("저장소 (3600a) dm-3 IBM,2145\n", [Map("저장소", "3600a", "dm-3")]),
        ("dm-3 IBM,2145\nsize=5G\n", []),
        ("size=5G\n", []),
        ("", []),
        ("\n \n", []),
        ("Nov 20 16:41:07 | DM multipath kernel driver not loaded\n", []),
    ],
)
def test_maps(printed: str, maps: list[Map]) -> None:
    assert multipath.parse(printed) == maps


@pytest.mark.parametrize(
    "error",
    [
        CommandFailed("multipath ended with code 1", program="multipath", exit_code=1),
        CommandTimedOut("multipath did not end", program="multipath", seconds=5.0),
        ProgramMissing("no multipath", program="multipath", package="device-mapper-multipath"),
    ],
)
def test_failures_are_told(error: CommandFailed | CommandTimedOut | ProgramMissing) -> None:
    runner = QueuedRunner()
    runner.expect(["multipath", "-ll"], raises=error)
    with pytest.raises(type(error)):
        multipath.read_maps(runner)
