"""What cron runs: a failure that nobody would read is in the list of errors."""

import pytest

from ablestack_api.backup import dump_by_schedule
from ablestack_api.core.errors import BadInput, NotFound
from ablestack_api.state import error_list
from tests.support.node_under_test import NodeUnderTest


def test_a_dump_that_fails_is_told(node: NodeUnderTest) -> None:
    node.runner.expect(["mysql", "--user=root", "--batch", "--skip-column-names", "--raw"], stdout="")
    with pytest.raises(NotFound):
        dump_by_schedule.make(node.env, "/home/db_backup")
    told = error_list.listed(node.settings)[-1]["error"]
    assert told.startswith("the scheduled database dump into /home/db_backup failed: the database cloud does not exist")


def test_a_deletion_that_fails_is_told(node: NodeUnderTest) -> None:
    with pytest.raises(BadInput):
        dump_by_schedule.prune(node.env, "/etc", 30)
    assert error_list.listed(node.settings)[-1]["error"].startswith("deleting old database dumps in /etc by schedule failed")
