"""MariaDB's client programs: mysqldump(1), mysql(1). A password only ever comes from an option file of mode 0600."""

import os
import stat
from dataclasses import dataclass
from typing import IO

from ablestack_api.core.errors import CommandFailed, Conflict
from ablestack_api.core.runner import Piped, Runner

QUERY_SECONDS = 300.0
PING_SECONDS = 5.0
TRAILER = b"-- Dump completed"
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema='{}' AND table_type='BASE TABLE' ORDER BY 1;"
BYTES = "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables WHERE table_schema='{}';"


@dataclass(frozen=True)
class Server:
    """How to reach one: by an option file (user, password, host …), else as root over the socket."""

    option_file: str = ""
    socket: str = ""

    @property
    def arguments(self) -> list[str]:
        """Option files must be the first arguments."""
        if self.socket:
            return ["--no-defaults", f"--socket={self.socket}", "--user=root"]
        if self.option_file and os.path.exists(self.option_file):
            _refuse_readable_by_others(self.option_file)
            return [f"--defaults-extra-file={self.option_file}"]
        return ["--user=root"]


def dump(runner: Runner, server: Server, database: str, through: list[str], into: IO[bytes], timeout: float) -> Piped:
    """One consistent copy, without locking InnoDB tables; with routines, events and triggers. `Piped.tail` has its end."""
    argv = ["mysqldump", *server.arguments, "--single-transaction", "--quick", "--routines", "--events", "--triggers"]
    return runner.pipe([*argv, "--databases", database], through, into=into, timeout=timeout)


def load(runner: Runner, server: Server, source: list[str], timeout: float) -> Piped:
    """Feed what `source` prints to the server."""
    return runner.pipe(source, ["mysql", *server.arguments], into=None, timeout=timeout)


def count_rows(runner: Runner, server: Server, database: str) -> dict[str, int]:
    """Rows of every table, in the order of their names."""
    names = query(runner, server, TABLES.format(database))
    if not names:
        return {}
    counts = [f"SELECT '{_text(name)}', COUNT(*) FROM {_name(database)}.{_name(name)}" for name in names]  # noqa: S608  quoted
    rows = [line.rsplit("\t", 1) for line in query(runner, server, " UNION ALL ".join(counts) + ";")]
    return dict(sorted((name, int(count)) for name, count in rows))


def count_bytes(runner: Runner, server: Server, database: str) -> int:
    """What its tables and indexes take, as the server estimates it."""
    return int(query(runner, server, BYTES.format(database))[0])


def has_database(runner: Runner, server: Server, database: str) -> bool:
    return query(runner, server, f"SHOW DATABASES LIKE '{database}';") == [database]


def query(runner: Runner, server: Server, statement: str) -> list[str]:
    """Lines of the answer, columns parted by tabs. The statement goes in by stdin."""
    argv = ["mysql", *server.arguments, "--batch", "--skip-column-names", "--raw"]
    return runner.run(argv, timeout=QUERY_SECONDS, stdin=statement).stdout.splitlines()


def answers(runner: Runner, server: Server) -> bool:
    try:
        runner.run(["mysqladmin", *server.arguments, "ping"], timeout=PING_SECONDS)
    except CommandFailed:
        return False
    return True


def _refuse_readable_by_others(path: str) -> None:
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & 0o077:
        raise Conflict(
            f"{path} holds the database password and may be read by others (mode {mode:04o}); nothing was done. "
            f"Run chmod 0600 {path} and change the password",
            path=path,
        )


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
