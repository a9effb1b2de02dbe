"""What the small tools run, and what they make of the answer."""

from collections.abc import Callable

import pytest

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner
from ablestack_api.tools import sysctl, systemctl
from tests.support.doubles import QueuedRunner


@pytest.fixture
def runner() -> QueuedRunner:
    return QueuedRunner()


@pytest.mark.parametrize(
    ("work", "argv"),
    [
        (lambda runner: systemctl.restart(runner, "chronyd"), ["systemctl", "restart", "--", "chronyd"]),
        (lambda runner: systemctl.enable_now(runner, "-x.timer"), ["systemctl", "enable", "--now", "--", "-x.timer"]),
        (lambda runner: sysctl.load_module(runner, "-r"), ["modprobe", "--", "-r"]),
        (lambda runner: sysctl.load_file(runner, "/etc/x.conf"), ["sysctl", "-q", "-p", "/etc/x.conf"]),
    ],
)
def test_commands(runner: QueuedRunner, work: Callable[[Runner], None], argv: list[str]) -> None:
    runner.expect(argv)
    work(runner)
    runner.expect(argv, code=1, stderr="no\n")
    with pytest.raises(CommandFailed):
        work(runner)
    runner.finish()


@pytest.mark.parametrize(("code", "active"), [(0, True), (1, False), (3, False), (4, False)])
def test_is_active(runner: QueuedRunner, code: int, active: bool) -> None:
    runner.expect(["systemctl", "is-active", "--quiet", "--", "openvswitch"], code=code)
    assert systemctl.is_active(runner, "openvswitch") is active


@pytest.mark.parametrize(("code", "known"), [(0, True), (1, False)])
def test_has_unit(runner: QueuedRunner, code: int, known: bool) -> None:
    runner.expect(["systemctl", "cat", "--", "x.timer"], code=code)
    assert systemctl.has_unit(runner, "x.timer") is known
