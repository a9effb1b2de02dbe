"""The record of long work in SQLite. Nothing else in the package imports sqlite3.

Several processes use it at once (workers and `ablestack-api jobs`). Beginning and end of a job and the beginning of a step
reach the disk before they count; log lines and the like are written without waiting for it.

A record is never worth more than the work: every failure is an ApiError that the caller may set aside, and none of them
leaves a lock behind. A damaged database is reported and left alone; once it was moved away a new one is begun, without a
restart.
"""

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from typing import Any

from ablestack_api.core.errors import ApiError, DiskFull, FileUnusable, StateFileDamaged
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

VERSION = 1
BUSY_SECONDS = 5.0
IDLE_CONNECTIONS = 4

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED, INTERRUPTED = (
    "queued",
    "running",
    "succeeded",
    "failed",
    "cancelled",
    "interrupted",
)
UNENDED = (QUEUED, RUNNING)
STATUSES = (*UNENDED, SUCCEEDED, FAILED, CANCELLED, INTERRUPTED)

# Times are seconds since 1970. `auto_vacuum` gives the space of old jobs back.
SCHEMA = """
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, holder TEXT NOT NULL, account TEXT NOT NULL, node TEXT NOT NULL,
  request_id TEXT NOT NULL, owner TEXT NOT NULL, holds TEXT NOT NULL, cancellable INTEGER NOT NULL, look_at TEXT NOT NULL,
  status TEXT NOT NULL, created REAL NOT NULL, started REAL, ended REAL, percent REAL, cancel_asked_by TEXT NOT NULL,
  message TEXT NOT NULL, answer_status INTEGER, answer_body TEXT
);
CREATE INDEX jobs_by_status ON jobs (status);
CREATE TABLE steps (
  job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, number INTEGER NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,
  started REAL NOT NULL, seconds REAL, outcome TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE TABLE lines (
  job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, number INTEGER NOT NULL, at REAL NOT NULL, line TEXT NOT NULL,
  PRIMARY KEY (job, number)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Job:
    """One piece of long work. `owner` is the process it runs in (see state.job_locks); `account` who began it, without
    the address; `look_at` what an operator should look at when it was broken off.

    `answer_body` is the JSON text of the answer's body, one-time secrets masked.
    """

    id: str
    kind: str
    holder: str
    account: str
    node: str
    request_id: str
    owner: str
    holds: tuple[str, ...]
    cancellable: bool
    look_at: str
    status: str
    created: float
    started: float | None = None
    ended: float | None = None
    percent: float | None = None
    cancel_asked_by: str = ""
    message: str = ""
    answer_status: int | None = None
    answer_body: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.status not in UNENDED


@dataclass(frozen=True)
class StepRecord:
    """`outcome`: running, done, failed, cancelled or interrupted; `seconds` None while it runs."""

    number: int
    name: str
    text: str
    started: float
    seconds: float | None
    outcome: str
    message: str


@dataclass(frozen=True)
class LogLine:
    number: int
    at: float
    line: str


@dataclass(frozen=True)
class End:
    """How a job ended. `answer_*` is what the synchronous call answers; None where nobody was left to answer."""

    status: str
    at: float
    message: str = ""
    answer_status: int | None = None
    answer_body: str | None = None


_JOB_COLUMNS = ", ".join(field.name for field in fields(Job))
# The last column is the answer's body, which a list has no use for.
_LISTED_COLUMNS = _JOB_COLUMNS.replace(", answer_body", ", NULL")
_STEP_COLUMNS = ", ".join(field.name for field in fields(StepRecord))


class JobsDb:
    """Safe for threads and processes. The file is made at its first use."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []

    # --- a job's life ------------------------------------------------------------------------------------------------

    def create(self, job: Job) -> None:
        values = {field.name: getattr(job, field.name) for field in fields(Job)} | {"holds": json.dumps(job.holds)}
        places = ", ".join(f":{name}" for name in values)
        self._write(f"INSERT INTO jobs ({_JOB_COLUMNS}) VALUES ({places})", values, durable=True)  # noqa: S608  names only

    def begin(self, job_id: str, at: float) -> bool:
        """From queued to running. False when it is not queued any more (it was cancelled)."""
        text = "UPDATE jobs SET status = ?, started = ? WHERE id = ? AND status = ?"
        return self._write(text, (RUNNING, at, job_id, QUEUED)) > 0

    def end(self, job_id: str, end: End, *, only_from: tuple[str, ...] = UNENDED) -> bool:
        """Also ends its running steps. False when it had ended before, or is in none of the states of `only_from`."""
        finished = "done" if end.status == SUCCEEDED else end.status
        with self._transaction(durable=True) as db:
            changed = db.execute(
                "UPDATE jobs SET status = ?, ended = ?, message = ?, answer_status = ?, answer_body = ?,"
                " percent = CASE WHEN ? THEN 100 ELSE percent END WHERE id = ? AND status IN (?, ?)",
                (*astuple(end), end.status == SUCCEEDED, job_id, only_from[0], only_from[-1]),
            ).rowcount
            if changed:
                db.execute("UPDATE steps SET outcome = ? WHERE job = ? AND outcome = 'running'", (finished, job_id))
        return changed > 0

    def ask_cancel(self, job_id: str, who: str) -> bool:
        """False when it does not run."""
        text = "UPDATE jobs SET cancel_asked_by = ? WHERE id = ? AND status = ? AND cancel_asked_by = ''"
        return self._write(text, (who, job_id, RUNNING)) > 0

    def cancel_asked_by(self, job_id: str) -> str:
        """Empty when nobody did."""
        rows = self._read("SELECT cancel_asked_by FROM jobs WHERE id = ?", (job_id,))
        return str(rows[0][0]) if rows else ""

    def set_percent(self, job_id: str, percent: float) -> None:
        self._write("UPDATE jobs SET percent = ? WHERE id = ?", (percent, job_id))

    def begin_step(self, job_id: str, step: StepRecord) -> None:
        places = ", ".join("?" for _ in fields(StepRecord))
        text = f"INSERT INTO steps (job, {_STEP_COLUMNS}) VALUES (?, {places})"  # noqa: S608
        self._write(text, (job_id, *astuple(step)), durable=True)

    def end_step(self, job_id: str, number: int, outcome: str, seconds: float, message: str) -> None:
        text = "UPDATE steps SET outcome = ?, seconds = ?, message = ? WHERE job = ? AND number = ?"
        self._write(text, (outcome, seconds, message, job_id, number))

    def add_line(self, job_id: str, line: LogLine) -> None:
        self._write(
            "INSERT INTO lines (job, number, at, line) VALUES (?, ?, ?, ?)", (job_id, line.number, line.at, line.line)
        )

    # --- looking -----------------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job | None:
        rows = self._read(f"SELECT {_JOB_COLUMNS} FROM jobs WHERE id = ?", (job_id,))  # noqa: S608
        return _job(rows[0]) if rows else None

    def listed(self, *, status: str = "", kind: str = "", limit: int) -> list[Job]:
        """Newest first, without the bodies of their answers."""
        wanted = {"status": status, "kind": kind, "limit": limit}
        text = (
            f"SELECT {_LISTED_COLUMNS} FROM jobs WHERE (:status = '' OR status = :status) AND (:kind = '' OR kind = :kind)"  # noqa: S608
            " ORDER BY seq DESC LIMIT :limit"
        )
        return [_job(row) for row in self._read(text, wanted)]

    def unended(self) -> list[Job]:
        """Oldest first."""
        text = f"SELECT {_LISTED_COLUMNS} FROM jobs WHERE status IN (?, ?) ORDER BY seq"  # noqa: S608
        return [_job(row) for row in self._read(text, UNENDED)]

    def steps(self, job_id: str) -> list[StepRecord]:
        text = f"SELECT {_STEP_COLUMNS} FROM steps WHERE job = ? ORDER BY number"  # noqa: S608
        return [StepRecord(*row) for row in self._read(text, (job_id,))]

    def lines(self, job_id: str, *, after: int = 0, limit: int) -> list[LogLine]:
        text = "SELECT number, at, line FROM lines WHERE job = ? AND number > ? ORDER BY number LIMIT ?"
        return [LogLine(*row) for row in self._read(text, (job_id, after, limit))]

    def prune(self, before: float, most: int) -> int:
        """Forget jobs that ended before that time, and the oldest ended ones over `most`. How many."""
        keep_from = "(SELECT coalesce(min(seq), 0) FROM (SELECT seq FROM jobs ORDER BY seq DESC LIMIT ?))"
        text = f"DELETE FROM jobs WHERE status NOT IN (?, ?) AND (ended < ? OR seq < {keep_from})"  # noqa: S608
        count = self._write(text, (*UNENDED, before, most))
        if count:
            with self._connection() as db:
                db.executescript("PRAGMA incremental_vacuum;")  # `execute` frees one page only
        return count

    def size(self) -> int:
        """Bytes of the file, without what waits in its -wal file."""
        return int(self._read("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", ())[0][0])

    # --- connections -------------------------------------------------------------------------------------------------

    def _read(self, text: str, values: Any) -> list[Any]:
        with self._connection() as db:
            return db.execute(text, values).fetchall()

    def _write(self, text: str, values: Any, *, durable: bool = False) -> int:
        with self._transaction(durable=durable) as db:
            return db.execute(text, values).rowcount

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        with self._connection() as db:
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One of the idle ones, or a new one; one that saw any trouble is closed, which also takes back its transaction."""
        with _told(self._path):
            found = self._take() or _Connection(self._path)
            try:
                yield found.db
            except BaseException:
                found.db.close()
                raise
            self._put_back(found)

    def _take(self) -> "_Connection | None":
        with self._lock:
            while self._idle:
                found = self._idle.pop()
                if found.is_present():
                    return found
                found.db.close()
        return None

    def _put_back(self, connection: "_Connection") -> None:
        with self._lock:
            if len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.db.close()


class _Connection:
    """A connection, and which file it is to: one that was moved away or replaced is not written any more."""

    def __init__(self, path: str) -> None:
        self._path = path
        if not os.path.exists(path):
            _lay_out(path)
        self.db = _connect(path)
        try:
            if _version(self.db) == 0:
                _lay_out(path)
            _require_our_version(self.db, path)
            self._place = _place(path)
        except BaseException:
            self.db.close()
            raise

    def is_present(self) -> bool:
        return _place(self._path) == self._place


def path_of(settings: Settings) -> str:
    return os.path.join(settings.state_root, "jobs.sqlite")


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _lay_out(path: str) -> None:
    """One process at a time: WAL cannot be switched on while another one reads.

    The file is made before SQLite sees it, for its mode; nobody but SQLite may open it afterwards, for closing a file
    gives up all locks of the process on it.
    """
    with json_file.locked(path):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with contextlib.closing(_connect(path)) as db:
            if _version(db) == 0:
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _require_our_version(db: sqlite3.Connection, path: str) -> None:
    if _version(db) != VERSION:
        raise StateFileDamaged(
            f"{path} was written by another release (version {_version(db)}, this one knows {VERSION}); {_MOVE_AWAY}",
            path=path,
        )


def _place(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _job(row: tuple[Any, ...]) -> Job:
    values = dict(zip((field.name for field in fields(Job)), row, strict=True))
    return Job(**{**values, "holds": tuple(json.loads(values["holds"])), "cancellable": bool(values["cancellable"])})


_MOVE_AWAY = "move it away together with its -wal and -shm file; a new one is begun then. The work itself is not affected"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        with json_file.told(path):
            yield
    except sqlite3.Error as error:
        raise _as_api_error(path, error) from error


def _as_api_error(path: str, error: sqlite3.Error) -> ApiError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return DiskFull(f"{path}: {error}; free some space and try again", path=path)
    if code in _DAMAGED:
        return StateFileDamaged(f"{path} cannot be understood ({error}); {_MOVE_AWAY}", path=path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FileUnusable(f"{path} has been locked for over {BUSY_SECONDS:g} s; who holds it? (fuser {path})", path=path)
    return FileUnusable(f"{path}: {error}; check its owner, mode and file system", path=path)


def _is_full(path: str) -> bool:
    try:
        found = os.statvfs(os.path.dirname(path))
    except OSError:
        return False
    return found.f_bavail == 0 or (found.f_files > 0 and found.f_favail == 0)
