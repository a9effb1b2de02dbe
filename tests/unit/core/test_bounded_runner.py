"""One deadline over many programs."""

import pytest

from ablestack_api.core.bounded_runner import BoundedRunner
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import CommandTimedOut
from tests.support.doubles import QueuedClock, QueuedRunner
from tests.support.shared_storage import Storage, StorageMachine


def test_no_program_outlives_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    clock, machine = QueuedClock(), StorageMachine(Storage(), tmp_path_factory.mktemp("root"))
    runner = BoundedRunner(machine, Deadline(clock, 100))
    runner.run(["pvs"], timeout=30)
    clock.advance(80)
    runner.run(["pvs"], timeout=30)
    assert machine.timeouts == [30, 20]


def test_none_is_begun_after_it() -> None:
    clock, queued = QueuedClock(), QueuedRunner()
    runner = BoundedRunner(queued, Deadline(clock, 10))
    clock.advance(10)
    with pytest.raises(CommandTimedOut, match="pvs was not begun"):
        runner.run(["pvs"], timeout=30)
    with pytest.raises(CommandTimedOut):
        runner.pipe(["a"], ["b"], into=None, timeout=30)
    assert runner.unbounded is queued


def test_pipes_too() -> None:
    queued = QueuedRunner()
    queued.expect_pipe(["a"], ["b"], tail=b"x")
    assert BoundedRunner(queued, Deadline(QueuedClock(), 10)).pipe(["a"], ["b"], into=None, timeout=30).tail == b"x"
    queued.finish()
