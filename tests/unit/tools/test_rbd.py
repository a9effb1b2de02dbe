"""tools.rbd: what the real rbd prints (tests/data/rbd), and its exit codes."""

from pathlib import Path

import pytest

from ablestack_api.core.errors import CommandFailed
from ablestack_api.tools import rbd
from ablestack_api.tools.rbd import Mapping, Watcher
from tests.support.doubles import QueuedRunner

DATA = Path(__file__).resolve().parents[2] / "data/rbd"
RBD = ["rbd", "--client-mount-timeout", "5"]
LS = [*RBD, "ls", "--format", "json", "--", "rbd"]
STATUS = [*RBD, "status", "--format", "json", "--", "rbd/gfs01"]
DEVICES = ["rbd", "device", "list", "--format", "json"]


@pytest.fixture
def runner() -> QueuedRunner:
    return QueuedRunner()


def recorded(name: str) -> str:
    return (DATA / name).read_text()


def test_images(runner: QueuedRunner) -> None:
    runner.expect(LS, stdout=recorded("ls.json"))
    assert rbd.list_images(runner, "rbd") == ["backup-old", "gfs01", "gfs07"]


def test_a_pool_that_is_not_there(runner: QueuedRunner) -> None:
    runner.expect(LS, code=2, stderr="rbd: error opening pool 'rbd': (2) No such file or directory\n")
    assert rbd.list_images(runner, "rbd") is None


def test_a_cluster_that_does_not_answer(runner: QueuedRunner) -> None:
    runner.expect(LS, code=110, stderr="rbd: couldn't connect to the cluster!\n")
    with pytest.raises(CommandFailed, match="couldn't connect"):
        rbd.list_images(runner, "rbd")


@pytest.mark.parametrize(
    ("name", "found"), [("status_free.json", []), ("status_watched.json", [Watcher("127.0.0.1", 4151)])]
)
def test_watchers(runner: QueuedRunner, name: str, found: list[Watcher]) -> None:
    runner.expect(STATUS, stdout=recorded(name))
    assert rbd.watchers(runner, "rbd/gfs01") == found


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("198.51.100.7:0/23289", "198.51.100.7"),
        ("v1:198.51.100.7:0/23289", "198.51.100.7"),
        ("[fd00::7]:0/1", "fd00::7"),
        ("v2:[fd00::7]:0/1", "fd00::7"),
    ],
)
def test_addresses_of_watchers(runner: QueuedRunner, address: str, host: str) -> None:
    runner.expect(STATUS, stdout=f'{{"watchers":[{{"address":"{address}","client":1,"cookie":2}}]}}')
    assert rbd.watchers(runner, "rbd/gfs01") == [Watcher(host, 1)]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("device_list.json", [Mapping("rbd/gfs01", "/dev/rbd0"), Mapping("glue/gfs01", "/dev/rbd1")]),
        ("device_list_krbd.json", [Mapping("rbd/gfs01", "/dev/rbd0"), Mapping("rbd/gfs02", "/dev/rbd1")]),
        ("device_list_none.json", []),
    ],
)
def test_mappings(runner: QueuedRunner, name: str, found: list[Mapping]) -> None:
    runner.expect(DEVICES, stdout=recorded(name))
    assert rbd.mappings(runner) == found


def test_snapshots_and_namespaces_are_left_out(runner: QueuedRunner) -> None:
    row = '{{"id":"0","pool":"rbd","namespace":"{}","name":"gfs01","snap":"{}","device":"/dev/rbd0"}}'
    runner.expect(DEVICES, stdout=f"[{row.format('', 's1')},{row.format('tenant', '-')}]")
    assert rbd.mappings(runner) == []


@pytest.mark.parametrize("printed", ["", "gfs01\n", "{}", "null", '{"a": 1}', "[1]", '["x"]', "[{}]"])
def test_output_that_is_not_understood(runner: QueuedRunner, printed: str) -> None:
    runner.expect(STATUS, stdout=printed)
    runner.expect(DEVICES, stdout=printed)
    with pytest.raises(CommandFailed):
        rbd.watchers(runner, "rbd/gfs01")
    with pytest.raises(CommandFailed):
        rbd.mappings(runner)


@pytest.mark.parametrize(("code", "made"), [(0, True), (17, False)])
def test_create(runner: QueuedRunner, code: int, made: bool) -> None:
    words = ["create", "--size", "5G", "--image-feature", "layering", "--no-progress", "--", "rbd/gfs01"]
    runner.expect([*RBD, *words], code=code)
    assert rbd.create(runner, "rbd/gfs01", 5) is made


def test_remove_says_why_not(runner: QueuedRunner) -> None:
    runner.expect([*RBD, "rm", "--no-progress", "--", "rbd/gfs01"], code=39, stderr="rbd: image has snapshots\n")
    with pytest.raises(CommandFailed, match="image has snapshots") as caught:
        rbd.remove(runner, "rbd/gfs01")
    assert caught.value.members["exit_code"] == 39
