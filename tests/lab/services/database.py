"""The cloud VM's database: MariaDB with a `cloud` database of the shape a management server leaves behind."""

from pathlib import Path

from tests.lab.machine import Machine

NAME = "database"
PASSWORD = "lab-database"
CONTENT = Path(__file__).with_name("cloud.sql")
LOGIN = f"""\
ALTER USER root@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('{PASSWORD}');
"""


def set_up(machine: Machine) -> None:
    """Load the `cloud` database and let root in by socket or by PASSWORD; the unit runs since the node started."""
    machine.run(["mariadb"], stdin=CONTENT.read_text(encoding="utf-8") + LOGIN)


def wait_ready(machine: Machine) -> None:
    """See that the `cloud` database answers: its unit is ready when the node is. Raises CommandFailedError."""
    count(machine, "configuration")


def count(machine: Machine, table: str) -> int:
    """The number of rows of a table of the `cloud` database."""
    return int(machine.run(["mariadb", "-N", "cloud", "-e", f"SELECT COUNT(*) FROM `{table}`"]).stdout)
