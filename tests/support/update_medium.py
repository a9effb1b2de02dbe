"""An invented update medium in a folder, as an ISO image, and a systemd that runs its script."""

import hashlib
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Finished, Piped, SystemRunner
from ablestack_api.core.secret import Secret

RPMS = (
    "cloudstack-common-4.9.0.0-Demo.X.202512010101.el9.x86_64.rpm",
    "cloudstack-common-4.21.0.0-Demo.X.202601010101.el9.x86_64.rpm",
    "cloudstack-agent-9.9-1.el9.x86_64.rpm",
)


def lay_out(root: Path, script: str = "echo updated", *, name: str = "update-all.sh", rpms: Sequence[str] = RPMS) -> Path:
    (root / "ks").mkdir(parents=True)
    (root / "ks/ablestack-ks.cfg").write_text('# invented\nABLESTACK_VERSION="Demo OS 4.7"\nlang en_US\n')
    (root / name).write_text(f"#!/bin/bash\n{script}\n")
    packages = root / "AppStream/Packages/mold"
    packages.mkdir(parents=True)
    for rpm in rpms:
        (packages / rpm).touch()
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return root


def add_checksums(root: Path, name: str = "SHA256SUMS") -> Path:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(root)}\n" for path in files]
    (root / name).write_text("".join(lines))
    return root / name


class Systemd:
    """A runner: real programs, but `systemd-run` starts the program here and `systemctl is-active` looks at it.

    `life` is how many seconds a unit lives at most, whatever it was started with.
    """

    def __init__(self, **environ: str) -> None:
        self.real = SystemRunner(os.environ["PATH"], "/root")
        self.environ = environ
        self.units: dict[str, subprocess.Popen[bytes]] = {}
        self.started: list[list[str]] = []
        self.began = time.monotonic()
        self.life = 3600.0

    def run(
        self, argv: Sequence[str | Secret], *, timeout: float, stdin: str | Secret | None = None, ok: Sequence[int] = (0,)
    ) -> Finished:
        plain = [str(value) for value in argv]
        if plain[0] == "systemd-run":
            return self._start(plain)
        if plain[:2] == ["systemctl", "is-active"]:
            if time.monotonic() - self.began > self.life:
                self.kill()
            unit = self.units.get(plain[-1])
            code = 0 if unit is not None and unit.poll() is None else 3
            if code not in ok:
                raise CommandFailed("not active", program="systemctl", exit_code=code)
            return Finished("", "", code, 0.0)
        if plain[0] == "systemctl":
            raise AssertionError(plain)
        return self.real.run(argv, timeout=timeout, stdin=stdin, ok=ok)

    def pipe(self, source: Sequence[str], through: Sequence[str], *, into: IO[bytes] | None, timeout: float) -> Piped:
        raise AssertionError("nothing is piped")

    def kill(self) -> None:
        for unit in self.units.values():
            if unit.poll() is None:
                os.killpg(unit.pid, 9)
            unit.wait()

    def _start(self, argv: list[str]) -> Finished:
        self.started.append(argv)
        self.began = time.monotonic()
        options = dict(option[2:].partition("=")[::2] for option in argv if option.startswith("--") and "=" in option)
        variables = [option.removeprefix("--setenv=") for option in argv if option.startswith("--setenv=")]
        environ = {"PATH": os.environ["PATH"], **dict(each.partition("=")[::2] for each in variables), **self.environ}
        program = argv[argv.index("--") + 1 :]
        unit = subprocess.Popen(
            program, cwd=options["working-directory"], env=environ, start_new_session=True, stderr=subprocess.DEVNULL
        )
        self.units[f"{options['unit']}.service"] = unit
        return Finished("", "", 0, 0.0)
