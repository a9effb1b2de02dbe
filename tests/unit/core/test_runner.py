"""core.runner with real programs: the deadline counts for everything a program started."""

import logging
import os
import time
from pathlib import Path

import pytest

from ablestack_api.core import runner as module
from ablestack_api.core.errors import CommandFailed, CommandTimedOut, ProgramMissing
from ablestack_api.core.runner import SystemRunner
from ablestack_api.core.secret import Secret

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# A hang is the bug: far above what a busy machine needs, far below what the programs would take.
HANG = 10.0


@pytest.fixture
def runner() -> SystemRunner:
    return SystemRunner(PATH, "/root")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int) -> bool:
    """A killed process is gone as soon as the kernel gets to it."""
    until = time.monotonic() + HANG
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_alive(pid)


def test_output_and_code(runner: SystemRunner) -> None:
    done = runner.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=HANG, ok=(0, 3))
    assert (done.stdout, done.stderr, done.code) == ("out\n", "err\n", 3)
    assert 0 <= done.seconds < HANG


def test_no_shell_reads_the_arguments(runner: SystemRunner) -> None:
    given = ["a b", "$(reboot)", "; echo x", "*", "", "한글", "-n", "'\""]
    done = runner.run(["printf", "%s\\n", *given], timeout=HANG)
    assert done.stdout.split("\n") == [*given, ""]


def test_bytes_that_are_no_text_come_back(runner: SystemRunner) -> None:
    done = runner.run(["cat"], timeout=HANG, stdin="caf\udce9\n")
    assert done.stdout == "caf\udce9\n"


@pytest.mark.parametrize("stdin", ["", "line\n", "x" * 3_000_000])
def test_stdin_is_fed_whole(runner: SystemRunner, stdin: str) -> None:
    assert runner.run(["cat"], timeout=HANG, stdin=stdin).stdout == stdin


def test_without_stdin_there_is_nothing_to_read(runner: SystemRunner) -> None:
    assert runner.run(["cat"], timeout=HANG).stdout == ""


def test_a_program_that_does_not_read_its_input(runner: SystemRunner) -> None:
    assert runner.run(["true"], timeout=HANG, stdin="x" * 3_000_000).code == 0


def test_the_environment_is_our_own(runner: SystemRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "x")
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    lines = runner.run(["env"], timeout=HANG).stdout.splitlines()
    assert sorted(line for line in lines if not line.startswith("_=")) == ["HOME=/root", "LC_ALL=C.UTF-8", f"PATH={PATH}"]


def test_the_working_directory_is_the_root(runner: SystemRunner) -> None:
    assert runner.run(["pwd"], timeout=HANG).stdout == "/\n"


@pytest.mark.parametrize(
    ("script", "code", "told"),
    [
        ("exit 1", 1, "it printed nothing"),
        ("echo to stdout; exit 2", 2, "to stdout"),
        ("echo first; echo why >&2; exit 4", 4, "why"),
        ("kill -9 $$", -9, "it printed nothing"),
        ("for n in 1 2 3 4 5 6 7; do echo line$n >&2; done; exit 1", 1, "line3 / line4 / line5 / line6 / line7"),
    ],
)
def test_a_code_that_is_no_success(runner: SystemRunner, script: str, code: int, told: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        runner.run(["sh", "-c", script], timeout=HANG)
    assert caught.value.members == {"program": "sh", "exit_code": code}
    assert caught.value.detail == f"sh ended with code {code}: {told}"
    assert caught.value.status == 502


def test_the_deadline_kills_grandchildren_that_do_not_listen(runner: SystemRunner, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    deaf = f"trap '' TERM HUP INT; echo $$ >> {pids}; while :; do sleep 60; done"
    started = time.monotonic()
    with pytest.raises(CommandTimedOut) as caught:
        runner.run(["sh", "-c", f"trap '' TERM; ({deaf}) & sh -c \"{deaf}\" & echo $$ >> {pids}; wait"], timeout=0.5)
    assert time.monotonic() - started < HANG
    assert caught.value.members == {"program": "sh", "seconds": 0.5}
    assert caught.value.status == 504
    noted = [int(line) for line in pids.read_text().split()]
    assert len(noted) == 3
    assert all(ends(pid) for pid in set(noted))


@pytest.mark.parametrize("script", ["sleep 60", "exec >&- 2>&-; sleep 60", "while :; do echo x; done", "yes >&2"])
def test_whatever_it_does_the_deadline_holds(runner: SystemRunner, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STDOUT", 10**9)
    started = time.monotonic()
    with pytest.raises(CommandTimedOut):
        runner.run(["sh", "-c", script], timeout=0.3)
    assert time.monotonic() - started < HANG


def test_a_child_left_behind_with_the_pipe_does_not_hold_us(runner: SystemRunner) -> None:
    started = time.monotonic()
    done = runner.run(["sh", "-c", "sleep 60 & echo $!"], timeout=60)
    assert time.monotonic() - started < HANG
    assert done.code == 0
    assert ends(int(done.stdout))


def test_what_it_says_last_is_heard_although_a_child_holds_the_pipe(runner: SystemRunner) -> None:
    done = runner.run(["sh", "-c", "sleep 60 & head -c 300000 /dev/zero; echo end"], timeout=60)
    assert len(done.stdout) == 300_004
    assert done.stdout.endswith("end\n")


def test_too_much_output_ends_the_program(runner: SystemRunner) -> None:
    with pytest.raises(CommandFailed, match="printed more than") as caught:
        runner.run(["cat", "/dev/zero"], timeout=60)
    assert caught.value.status == 502


def test_of_many_complaints_the_last_are_kept(runner: SystemRunner) -> None:
    done = runner.run(["sh", "-c", "head -c 500000 /dev/zero >&2; echo last >&2"], timeout=HANG)
    assert done.stderr.endswith("last\n")
    assert len(done.stderr) == module.MAX_STDERR


@pytest.mark.parametrize(
    ("program", "package"), [("chronyd-x", "chronyd-x"), ("systemctl", "systemd"), ("/nowhere/at/all", "/nowhere/at/all")]
)
def test_a_missing_program_names_its_package(tmp_path: Path, program: str, package: str) -> None:
    with pytest.raises(ProgramMissing) as caught:
        SystemRunner(str(tmp_path), "/").run([program], timeout=HANG)
    assert caught.value.members == {"program": program, "package": package}
    assert f"the package {package} brings it" in caught.value.detail
    assert caught.value.status == 503


def test_a_file_that_may_not_be_run_is_missing(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    with pytest.raises(ProgramMissing):
        SystemRunner(str(tmp_path), "/").run(["tool"], timeout=HANG)


def test_a_secret_reaches_the_program_and_no_log(runner: SystemRunner, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        done = runner.run(["sh", "-c", 'echo "$1"; cat', "sh", Secret("hush-hush")], timeout=HANG, stdin=Secret("quiet"))
    assert done.stdout == "hush-hush\nquiet"
    assert "ran sh -c" in caplog.text
    assert "****" in caplog.text
    assert "hush" not in caplog.text
    assert "quiet" not in caplog.text


@pytest.mark.parametrize("shown", [str, repr, "{}".format, lambda secret: f"{secret!r} {[secret]}"])
def test_a_secret_is_never_printed(shown: object) -> None:
    assert callable(shown)
    assert "hush" not in shown(Secret("hush"))


def test_no_descriptor_of_the_daemon_is_inherited(runner: SystemRunner) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        listed = runner.run(["sh", "-c", f"test -e /proc/self/fd/{write} && echo open || echo closed"], timeout=HANG)
    finally:
        os.close(read)
        os.close(write)
    assert listed.stdout == "closed\n"


def test_nothing_stays_open_after_many_runs(runner: SystemRunner) -> None:
    runner.run(["true"], timeout=HANG)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        runner.run(["cat"], timeout=HANG, stdin="x")
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_pipe_carries_everything_and_remembers_the_end(runner: SystemRunner, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as into:
        done = runner.pipe(["seq", "1", "400000"], ["gzip", "-1"], into=into, timeout=HANG)
    text = runner.run(["gzip", "-dc", str(tmp_path / "out")], timeout=HANG).stdout
    assert text.splitlines() == [str(number) for number in range(1, 400001)]
    assert (done.passed, done.tail[-14:]) == (len(text), b"399999\n400000\n")


@pytest.mark.parametrize(
    ("source", "through", "told"),
    [
        (["sh", "-c", "echo half; echo no table >&2; exit 2"], ["cat"], "sh ended with code 2: no table"),
        (["seq", "1", "9000000"], ["sh", "-c", "echo disk full >&2; exit 1"], "sh ended with code 1: disk full"),
    ],
    ids=["source", "through"],
)
def test_a_pipe_tells_which_program_failed(runner: SystemRunner, source: list[str], through: list[str], told: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        runner.pipe(source, through, into=None, timeout=HANG)
    assert failed.value.detail == told


@pytest.mark.parametrize(("source", "through"), [("sleep 60 & echo $!; wait", "cat"), ("seq 9000000", "sleep 61")])
def test_a_pipe_that_hangs_is_ended_with_all_its_children(
    runner: SystemRunner, source: str, through: str, tmp_path: Path
) -> None:
    begun = time.monotonic()
    with (tmp_path / "out").open("wb") as into, pytest.raises(CommandTimedOut):
        runner.pipe(["sh", "-c", source], ["sh", "-c", through], into=into, timeout=0.3)
    assert time.monotonic() - begun < HANG
    if (tmp_path / "out").stat().st_size:
        assert ends(int((tmp_path / "out").read_text()))


def test_a_pipe_without_its_second_program_leaves_nothing_behind(runner: SystemRunner, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    with pytest.raises(ProgramMissing):
        runner.pipe(["sh", "-c", f"echo $$ > {mark}; sleep 60"], ["no-such-program"], into=None, timeout=HANG)
    if mark.exists() and mark.read_text().strip():
        assert ends(int(mark.read_text()))
