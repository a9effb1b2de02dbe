"""What this node must remember of a change that all nodes make or none, so that a crash at any moment can be settled.

Three kinds of records below `<state>/transaction`:
- `journals/<id>.json`: changes this node leads (coordinator). Written before the first peer is asked, removed when
  every member knows the decision.
- `participant.json`: the one change this node takes part in, with copies of the files it will replace.
- `history.json`: how the last changes ended, for members that missed the decision.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from filelock import FileLock, Timeout

from ablestack_api.core.clock import Clock
from ablestack_api.core.errors import ApiError, Busy
from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target
from ablestack_api.state import json_file

KEPT_HISTORY = 50

# What a journal says of the decision. Without one, a change found after a crash is undone (presumed abort).
UNDECIDED, FINISHED, UNDONE = "undecided", "finished", "undone"
PREPARED, APPLYING, APPLIED = "prepared", "applying", "applied"


@dataclass(frozen=True)
class Journal:
    """The coordinator's record. `waiting` are the addresses that do not know the decision yet.

    `token` is the one that introduced us to new nodes (empty otherwise): it must reach them with the decision too, also
    after this node has put back its own cluster.json, and with it the token. Secret (mode 0600).
    """

    id: str
    kind: str
    holder: str
    since: float
    members: list[Target]
    decision: str = UNDECIDED
    waiting: list[str] = field(default_factory=list)
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Participation:
    """The participant's record. `coordinator` is the address to ask for the decision (empty: only it can tell us);
    `led_here` when this node is the coordinator itself.

    `files` maps a path to its saved copy, or to None where there was no file; `left` a path to the fingerprint of what
    apply wrote there. `payload` may hold secrets (mode 0600).
    """

    id: str
    kind: str
    holder: str
    since: float
    coordinator: str
    members: list[str]
    payload: dict[str, Any]
    led_here: bool = False
    phase: str = PREPARED
    files: dict[str, str | None] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def folder(settings: Settings) -> str:
    return os.path.join(settings.state_root, "transaction")


# --- coordinator -----------------------------------------------------------------------------------------------------


class CoordinatorLock:
    """Held by the thread that leads a change; the kernel frees it when the process dies."""

    def __init__(self, settings: Settings, name: str = "coordinator") -> None:
        with json_file.told(folder(settings)):
            os.makedirs(folder(settings), mode=0o700, exist_ok=True)
        self._lock = FileLock(os.path.join(folder(settings), f"{name}.lock"), mode=0o600)

    def acquire(self, seconds: float = 0) -> bool:
        try:
            self._lock.acquire(timeout=seconds)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        self._lock.release()


def write_journal(settings: Settings, journal: Journal) -> None:
    json_file.write_json(_journal_path(settings, journal.id), asdict(journal))


def remove_journal(settings: Settings, journal: Journal) -> None:
    json_file.remove(_journal_path(settings, journal.id))


def list_journals(settings: Settings) -> list[Journal]:
    try:
        names = sorted(os.listdir(os.path.join(folder(settings), "journals")))
    except FileNotFoundError:
        return []
    read = [_read_journal(settings, name[:-5]) for name in names if name.endswith(".json")]
    return [journal for journal in read if journal is not None]


def _read_journal(settings: Settings, transaction_id: str) -> Journal | None:
    value = json_file.read_json(_journal_path(settings, transaction_id))
    if not isinstance(value, dict):
        return None
    return Journal(**{**value, "members": [Target(**member) for member in value["members"]]})


def _journal_path(settings: Settings, transaction_id: str) -> str:
    return os.path.join(folder(settings), "journals", f"{transaction_id}.json")


# --- participant -----------------------------------------------------------------------------------------------------


def participation(settings: Settings) -> Participation | None:
    """The change this node is part of now, if any."""
    value = json_file.read_json(_participant_path(settings))
    return Participation(**value) if isinstance(value, dict) else None


def begin(settings: Settings, record: Participation, paths: list[str]) -> Participation:
    """Save copies of `paths`, then write the record: from now on no other change starts on this node.

    Raises Busy with the holder and the age of a change that is under way.
    """
    with json_file.locked(_participant_path(settings)):
        refuse_if_pending(settings, now=record.since)
        shutil.rmtree(_copies(settings), ignore_errors=True)
        files = {path: _save_copy(settings, number, path) for number, path in enumerate(paths)}
        record = replace(record, files=files)
        json_file.write_json(_participant_path(settings), asdict(record))
        return record


def advance(settings: Settings, record: Participation, phase: str, *, written: bool = False) -> Participation:
    """`written`: take down what the files hold now as our own work."""
    left = {path: _fingerprint(path) for path in record.files} if written else record.left
    record = replace(record, phase=phase, left=left)
    json_file.write_json(_participant_path(settings), asdict(record))
    return record


def restore_files(record: Participation, shared: Collection[str] = ()) -> set[str]:
    """Put every file back as it was. The copies are moved, not written: this works on a full disk too.

    A file of `shared` that somebody else changed since is left alone; these paths are returned.
    """
    changed = set()
    for path, copy in record.files.items():
        if path in shared and _fingerprint(path) not in (record.left.get(path), _fingerprint(copy)):
            changed.add(path)
        elif copy is None:
            json_file.remove(path)
        elif os.path.exists(copy):
            _move_back(copy, path)
    return changed


def end(settings: Settings, record: Participation, outcome: str, clock: Clock) -> None:
    """Remember how it ended and let other changes in. Removing the record is the last step and needs no space."""
    remember(settings, record.id, outcome, clock)
    json_file.remove(_participant_path(settings))
    shutil.rmtree(_copies(settings), ignore_errors=True)


def refuse_if_pending(settings: Settings, *, now: float) -> None:
    """Raises Busy while this node takes part in a change; every other writer of cluster files asks this first."""
    record = participation(settings)
    if record is not None:
        raise busy(record.kind, record.holder, record.since, now)


def busy(kind: str, holder: str, since: float, now: float) -> Busy:
    age = round(max(0.0, now - since), 1)
    return Busy(
        f"another {kind} change by {holder} is running for {age:g} s; nothing was changed. Try again when it has ended",
        holder=holder,
        age_seconds=age,
        change=kind,
    )


def _participant_path(settings: Settings) -> str:
    return os.path.join(folder(settings), "participant.json")


def _copies(settings: Settings) -> str:
    return os.path.join(folder(settings), "copies")


def _fingerprint(path: str | None) -> str:
    """Empty for no file, and for a copy that was moved back already."""
    content = None if path is None else json_file.read_bytes(path)
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _save_copy(settings: Settings, number: int, path: str) -> str | None:
    path = os.path.realpath(path)
    copy = os.path.join(_copies(settings), str(number))
    with json_file.told(path):
        os.makedirs(_copies(settings), mode=0o700, exist_ok=True)
        if not os.path.exists(path):
            return None
        shutil.copy2(path, copy)
        present = os.stat(path)
        with contextlib.suppress(PermissionError):
            os.chown(copy, present.st_uid, present.st_gid)
        with open(copy, "rb") as file:
            os.fsync(file.fileno())
    return copy


def _move_back(copy: str, path: str) -> None:
    path = os.path.realpath(path)
    try:
        os.rename(copy, path)
        json_file.sync_folder(path)
    except OSError:
        # Another file system, or a bind mount: write the content instead.
        with json_file.told(copy), open(copy, "rb") as file:
            json_file.write_bytes(path, file.read())


# --- history ---------------------------------------------------------------------------------------------------------


def remember(settings: Settings, transaction_id: str, outcome: str, clock: Clock) -> None:
    """Keep an outcome. A full disk must not stop the clean-up that comes after it."""
    path = os.path.join(folder(settings), "history.json")
    with contextlib.suppress(ApiError), json_file.locked(path):
        entries = [entry for entry in history(settings) if entry["id"] != transaction_id]
        entry = {"id": transaction_id, "outcome": outcome, "at": clock.now().isoformat()}
        json_file.write_json(path, [*entries, entry][-KEPT_HISTORY:])


def history(settings: Settings) -> list[dict[str, str]]:
    """Oldest first: `id`, `outcome` (finished or undone), `at`."""
    with contextlib.suppress(ApiError, json.JSONDecodeError):
        value = json_file.read_json(os.path.join(folder(settings), "history.json"))
        return value if isinstance(value, list) else []
    return []


def outcome_of(settings: Settings, transaction_id: str) -> str:
    """`finished`, `undone`, `undecided` (still running here), or `unknown` (never heard of, or long ago)."""
    journal = next((journal for journal in list_journals(settings) if journal.id == transaction_id), None)
    if journal is not None:
        return journal.decision
    entry = next((entry for entry in history(settings) if entry["id"] == transaction_id), None)
    if entry is not None:
        return entry["outcome"]
    record = participation(settings)
    takes_part = record is not None and record.id == transaction_id and not record.led_here
    return UNDECIDED if takes_part else "unknown"
