"""shell/alert_file.sh, as Pacemaker runs it."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[4] / "shell/alert_file.sh"
NODE = {"CRM_alert_timestamp": "10:00:00", "CRM_alert_node": "10.10.31.2"}


def run(folder: Path, **event: str) -> tuple[str, str]:
    """(what is in the file, what is in the diagnostic log)"""
    log, detail = folder / "alerts.log", folder / "detail.log"
    environ = {
        "PATH": "/usr/bin:/bin",
        "CRM_alert_recipient": str(log),
        "CRM_alert_diagnostic_log": str(detail),
        "diagnostic_wait_seconds": "0",
        "diagnostic_dmesg_lines": "2",
        **NODE,
        **event,
    }
    subprocess.run([SCRIPT], env=environ, check=True, timeout=20, capture_output=True)
    return tuple(path.read_text() if path.exists() else "" for path in (log, detail))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"CRM_alert_kind": "node", "CRM_alert_desc": "member"}, "node 10.10.31.2: member"),
        (
            {"kind": "resource", "rsc": "glue-gfs", "task": "start", "desc": "ok", "rc": "0", "target_rc": "0"},
            "resource glue-gfs on 10.10.31.2: start: ok",
        ),
        (
            {"kind": "resource", "rsc": "glue-gfs", "task": "monitor", "desc": "not running", "rc": "7", "target_rc": "0"},
            "resource glue-gfs on 10.10.31.2: monitor: not running, expected code 0",
        ),
        ({"kind": "attribute", "attribute_name": "a", "attribute_value": "1\n2"}, "attribute a of 10.10.31.2: 1 2"),
        ({"kind": "new"}, "event of an unknown kind: new"),
    ],
)
def test_one_line_for_each_event(tmp_path: Path, event: dict[str, str], line: str) -> None:
    full = {key if key.startswith("CRM") else f"CRM_alert_{key}": value for key, value in event.items()}
    assert run(tmp_path, **full) == (f"10:00:00 {line}\n", "")


def test_a_lost_node_is_diagnosed(tmp_path: Path) -> None:
    log, detail = run(tmp_path, CRM_alert_kind="node", CRM_alert_desc="lost")
    assert log == "10:00:00 node 10.10.31.2: lost\n"
    assert detail.startswith("==== 10:00:00 10.10.31.2 lost\n")


def test_of_fencing_only_what_was_lost(tmp_path: Path) -> None:
    assert run(tmp_path, CRM_alert_kind="fencing", CRM_alert_desc="asked for by an operator") == ("", "")
    log, detail = run(tmp_path, CRM_alert_kind="fencing", CRM_alert_desc="node lost, rebooted")
    assert log == "10:00:00 fencing of 10.10.31.2: node lost, rebooted\n"
    assert detail


def test_without_a_recipient_nothing_happens(tmp_path: Path) -> None:
    subprocess.run([SCRIPT], env={"PATH": "/usr/bin:/bin"}, check=True, timeout=20, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
