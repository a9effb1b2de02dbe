"""A MariaDB of its own for a test: real, on a socket in a folder, reached by nobody else."""

import subprocess
import time
from pathlib import Path

from ablestack_api.core.runner import SystemRunner
from ablestack_api.tools import mariadb


class Database:
    """A server of its own on a socket, with an option file as an operator would write it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.options = home / "client.cnf"
        socket = home / "socket"
        self.options.write_text(f"[client]\nuser=root\nsocket={socket}\n")
        self.options.chmod(0o600)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        data = f"--datadir={home}/data"
        install = ["mariadb-install-db", "--no-defaults", data, "--user=root", "--skip-test-db"]
        subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, **quiet)  # type: ignore[call-overload]
        argv = ["mariadbd", "--no-defaults", "--user=root", data, f"--socket={socket}", "--skip-networking"]
        self.process = subprocess.Popen(argv, **quiet)  # type: ignore[call-overload]

    @property
    def server(self) -> mariadb.Server:
        return mariadb.Server(str(self.options))

    def wait(self, runner: SystemRunner) -> None:
        until = time.monotonic() + 60
        while not mariadb.answers(runner, self.server):
            assert time.monotonic() < until, "the database did not start"
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
