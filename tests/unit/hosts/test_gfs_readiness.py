"""When a file system can be made: from crm_mon's XML, for every file system, and for nothing else."""

from pathlib import Path

import pytest

from ablestack_api.hosts.gfs import resources
from ablestack_api.tools import crm_mon

DATA = Path(__file__).parents[2] / "data/crm_mon"


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        ("healthy", ""),
        ("locking_only", ""),
        ("maintenance", "the cluster is in maintenance mode and starts nothing"),
        ("two_file_systems", "is not started on 10.10.31.3"),
        ("failed_and_unclean", "failed on 10.10.31.2"),
        ("empty", "there is no glue-dlm, glue-lvmlockd in glue-locking-clone; run configure-stonith first"),
    ],
)
def test_not_ready(recorded: str, reason: str) -> None:
    told = resources.not_ready(crm_mon.parse((DATA / f"{recorded}.xml").read_text()))
    assert told.endswith(reason) if reason else told == ""
