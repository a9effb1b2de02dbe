"""core.log: lines of JSON, whatever is in them and wherever they should go."""

import json
import threading
from pathlib import Path

import pytest

from ablestack_api.core import log


def lines(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_bytes().decode().splitlines()]


def test_one_line_for_one_record(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    records: list[dict[str, object]] = [{"a": 1}, {"text": "two\nlines", "name": "한글"}, {"path": Path("/x")}]
    for record in records:
        log.append(str(path), record)
    assert lines(path) == [{"a": 1}, {"text": "two\nlines", "name": "한글"}, {"path": "/x"}]


def test_half_a_character_does_not_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    log.append(str(path), {"text": "caf\udce9 \ud800"})
    assert lines(path) == [{"text": "caf\udce9 \ud800"}]


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "var/log/api.log"
    log.append(str(path), {"a": 1})
    assert lines(path) == [{"a": 1}]
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.parent.stat().st_mode & 0o007 == 0


def test_a_log_that_was_moved_away_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    log.append(str(path), {"n": 1})
    path.rename(tmp_path / "api.log.1")
    log.append(str(path), {"n": 2})
    assert lines(path) == [{"n": 2}]


def test_writers_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "api.log"

    def write(number: int) -> None:
        for _ in range(50):
            log.append(str(path), {"n": number, "text": "x" * 500})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(lines(path)) == 300


@pytest.mark.parametrize("place", ["/proc/none/api.log", "/dev/full", "/etc/hostname/api.log", "/dev"])
def test_a_log_that_cannot_be_written_fails_nothing(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.append(place, {"event": "still told"})
    assert "still told" in capsys.readouterr().err
