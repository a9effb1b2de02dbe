"""tools.dmsetup: which multipath maps may be taken away. Output by hand: no kernel here has the device mapper."""

import pytest

from ablestack_api.tools import dmsetup
from ablestack_api.tools.dmsetup import Map
from tests.support.doubles import QueuedRunner

ARGV = ["dmsetup", "info", "-c", "--noheadings", "--separator", "|", "-o", "name,uuid,open"]
PRINTED = """\
mpatha|mpath-3600a0b80000aa11|1
mpatha1|part1-mpath-3600a0b80000aa11|0
mpathb|mpath-3600a0b80000aa12|1
mpathb1|part1-mpath-3600a0b80000aa12|1
mpathc|mpath-3600a0b80000aa13|2
mpathc1|part1-mpath-3600a0b80000aa13|0
mpathd|mpath-3600a0b80000aa14|0
mpathe|mpath-3600a0b80000aa15|1
vg_glue-lv_glue|LVM-abcdef|1
a\\x7cb|CRYPT-1|0
plain||0
"""


def test_maps() -> None:
    runner = QueuedRunner()
    runner.expect(ARGV, stdout=PRINTED, stderr="a|b|0\n")
    found = dmsetup.read_maps(runner)
    assert found[0] == Map("mpatha", "mpath-3600a0b80000aa11", 1)
    assert len(found) == 11


@pytest.mark.parametrize("printed", ["", "No devices found\n", "a|b\n", "a|b|c\n", "a|b|1|2\n"])
def test_no_maps(printed: str) -> None:
    assert dmsetup.parse(printed) == []


def test_who_is_free() -> None:
    """Only its own partitions, which nobody has open, may hold a map that is taken away."""
    free, used = dmsetup.multipath_maps(dmsetup.parse(PRINTED))
    assert (free, used) == (["mpatha", "mpathd"], ["mpathb", "mpathc", "mpathe"])
