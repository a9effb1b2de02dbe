"""`make bench`: speed and size of a node, measured on real daemons on loopback addresses, as one JSON object.

Exit codes: 0 every limit holds, 1 one does not (or could not be measured), 2 wrong usage or wrk is missing.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import (
    backups,
    fanout,
    glue,
    health,
    inventory,
    machine_status,
    machines,
    memory,
    silent_peer,
    start,
    token_helper,
    wrk,
)
from tests.bench.figure import Entry, Figure, not_measured, say

Measure = Callable[[Path, bool], Iterator[Figure]]
SUBJECTS: dict[str, Measure] = {
    "start": start.measure,
    "memory": memory.measure,
    "health": health.measure,
    "fanout": fanout.measure,
    "silent_peer": silent_peer.measure,
    "token_helper": token_helper.measure,
    "inventory": inventory.measure,
    "machine_status": machine_status.measure,
    "machines": machines.measure,
    "glue": glue.measure,
    "backups": backups.measure,
}
NEED_WRK = {"memory", "health"}
LONGEST_SECONDS = 230


def main() -> int:
    options = _options()
    subjects = list(dict.fromkeys(options.only)) or list(SUBJECTS)
    if NEED_WRK.intersection(subjects) and not wrk.is_installed():
        say("tests.bench: wrk is not installed (Debian package wrk; `make setup` installs it)")
        return 2
    _end_orderly()
    entries: dict[str, Entry] = {}
    for subject in subjects:
        entries |= _measured(subject, options.quick)
    print(json.dumps(entries, indent=2))
    return 0 if all(entry["ok"] for entry in entries.values()) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure speed and size of a node; prints one JSON object of figures, each with its limit.",
        epilog="Exit codes: 0 all limits hold, 1 one does not, 2 wrong usage or wrk is missing.",
    )
    parser.add_argument(
        "--only", metavar="NAME", action="append", default=[], choices=SUBJECTS, help=f"one of: {', '.join(SUBJECTS)}"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and requests, under a minute")
    return parser.parse_args()


def _measured(subject: str, quick: bool) -> dict[str, Entry]:
    """A subject that cannot be measured does not keep the others from being so."""
    say(f"{subject} …")
    entries: dict[str, Entry] = {}
    with tempfile.TemporaryDirectory(prefix="ablestack-bench-") as folder:
        try:
            for figure in SUBJECTS[subject](Path(folder), quick):
                entries[figure.name] = figure.entry()
                say(f"  {figure.name}: {json.dumps(entries[figure.name])}")
        except Exception as error:
            say(f"  {subject}: {error}")
            entries[subject] = not_measured(f"{type(error).__name__}: {error}"[:500])
    return entries


def _end_orderly() -> None:
    """A signal and the time limit both unwind the stack: daemons are ended and folders removed on the way."""

    def end(number: int, _frame: object) -> None:
        reason = (
            f"took more than {LONGEST_SECONDS} s" if number == signal.SIGALRM else f"ended by {signal.strsignal(number)}"
        )
        raise SystemExit(f"tests.bench: {reason}")

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    signal.alarm(LONGEST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
