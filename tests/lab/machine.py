"""One node as a machine: a disk (overlay), a power switch (systemd-nspawn), and a way to run programs in it.

What runs is read from the system itself every time, so another process, or a later one, sees the same machine.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.lab import mounts, network, paths
from tests.lab.command import DEFAULT_TIMEOUT, ENVIRONMENT, Output, run
from tests.lab.errors import CommandFailedError, LabError

PROC = Path("/proc")
MACHINE_OPTION = "--machine="
NSPAWN = Path("/run/systemd/nspawn/propagate")
BOOT_TIMEOUT = 120.0
START_TIMEOUT = 5.0
WAIT_SECONDS = 20.0
KILL_TIMEOUT = 30.0
SHUT_DOWN_TIMEOUT = 120.0  # systemd gives a unit 90 s
POLL = 0.2

# A node may do anything to itself, but not set the clock of this machine, load modules into its kernel, or make
# device files of its disks: those are not in any namespace.
WITHHELD = ("sys_time", "sys_module", "sys_rawio", "mknod")
# systemd-nspawn finds the machine's control groups from its own; without one each, all nodes would share them.
START = '{ for group in $GROUPS_OF_NODE; do sh -c "echo \\$PPID" > "$group/cgroup.procs"; done; exec setsid "$@"; } &'


class Machine:
    """The machine of one node of one profile."""

    def __init__(self, profile: str, node: str) -> None:
        """Name the machine; nothing is made or started."""
        self.node = node
        self.name = network.node_name(profile, node)
        self.folder = paths.run_folder(profile) / node
        self.root = self.folder / "root"
        self.console = self.folder / "console.log"
        self._prepared = self.folder / "disk-is-prepared"
        self._disk = paths.disks_folder(profile) / node
        self._supervisor: int | None = None

    def insert_disk(self, layers: Sequence[Path], prepare: Callable[[Path], None]) -> None:
        """Give the machine a new disk over `layers` (topmost first), mounted at `root`; `prepare` writes to it there."""
        self.remove()
        mounts.mount_overlay(self.root, layers=layers, upper=self._disk / "upper", work=self._disk / "work")
        prepare(self.root)
        self._prepared.touch()

    def has_disk(self) -> bool:
        """Whether a disk is there that was prepared to its end."""
        return self._prepared.exists() and mounts.is_mounted(self.root)

    def power_on(self) -> None:
        """Start systemd in the node's namespace, without waiting for it (see wait_running); adds to console.log."""
        groups = _make_groups(self.name)
        options = [
            *("--quiet", "--boot", "-D", str(self.root), f"{MACHINE_OPTION}{self.name}", f"--hostname={self.node}"),
            *("--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            *(f"--network-namespace-path={network.NAMESPACES / self.name}", "--console=pipe"),
            *("--capability=all", f"--drop-capability={_withheld('CAP_')}", "--system-call-filter=add_key keyctl bpf"),
        ]
        with self.console.open("ab") as console:
            subprocess.run(
                ["/bin/sh", "-c", START, "sh", "systemd-nspawn", *options],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**ENVIRONMENT, "GROUPS_OF_NODE": " ".join(map(str, groups))},
                check=True,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self.is_on() and time.monotonic() < deadline:
            time.sleep(POLL / 4)

    def wait_running(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Wait until systemd has started everything; raises LabError naming failed units, or at the deadline."""
        deadline = time.monotonic() + timeout
        while (state := self.system_state(wait=True)) not in ("running", "degraded"):
            if self.supervisor() is None:
                raise LabError(f"{self.node} is not running; its console says:\n{self._last_words()}")
            if time.monotonic() > deadline:
                raise LabError(f"{self.node} is still {state} after {timeout:.0f} s:\n{self._unfinished()}")
            time.sleep(POLL)
        if state == "degraded":
            failed = self.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout.strip()
            raise LabError(f"{self.node} started with failed units:\n{failed}")

    def system_state(self, *, wait: bool = False) -> str:
        """What `systemctl is-system-running` says, or `off` when no program can be run in the node.

        With `wait` it says so when everything has started, or after a few seconds.
        """
        option, timeout = (["--wait"], WAIT_SECONDS) if wait else ([], 10.0)
        with contextlib.suppress(LabError):
            return self.run(["systemctl", "is-system-running", *option], ok=None, timeout=timeout).stdout.strip() or "off"
        return "off"

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        ok: Sequence[int] | None = (0,),
    ) -> Output:
        """Run a program in the node as root; raises LabError when it is off, CommandFailedError as command.run."""
        return run([*self.enter(), *argv], stdin=stdin, timeout=timeout, ok=ok)

    def enter(self) -> list[str]:
        """The argv that, put before another, runs it in the node; raises LabError when the node is off."""
        leader = self._leader()
        if leader is None:
            raise LabError(f"{self.node} is off")
        fewer_rights = ["setpriv", f"--bounding-set={_withheld('-').lower()}"]
        return [*fewer_rights, "nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]

    def is_on(self) -> bool:
        """Whether the machine has power; it may still be starting."""
        return self.supervisor() is not None

    def kill(self) -> None:
        """Power off without a warning: SIGKILL for everything in the node. Its disk stays as it was."""
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._wait_gone(KILL_TIMEOUT)

    def shut_down(self) -> None:
        """Power off in order, as the power button does; raises LabError when that takes longer than two minutes."""
        supervisor = self.supervisor()
        if supervisor is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(supervisor, signal.SIGTERM)
            self._wait_gone(SHUT_DOWN_TIMEOUT)

    def eject_disk(self, layer: Path) -> None:
        """Take the disk out of a machine that is off; what was written to it becomes the folder `layer`."""
        run(["umount", str(self.root)])
        (self._disk / "upper").rename(layer)
        self.remove()

    def remove(self) -> None:
        """Power off, and take the disk away with everything on it."""
        self.kill()
        for point in mounts.below(self.root):
            mounts.unmount(point)
        _remove_groups(self.name)
        shutil.rmtree(NSPAWN / self.name, ignore_errors=True)
        shutil.rmtree(self._disk, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def supervisor(self) -> int | None:
        """The process id of the node's systemd-nspawn, found by its machine name."""
        if self._supervisor is None or _machine_of(self._supervisor) != self.name:
            self._supervisor = supervisors(self.name).get(self.name)
        return self._supervisor

    def unit_processes(self, unit: str) -> list[int]:
        """The processes of one unit, by their numbers on this machine; empty when it does not run."""
        return _group_processes(self.name, unit)

    def _leader(self) -> int | None:
        """The process that is number 1 in the node: the only child of systemd-nspawn."""
        supervisor = self.supervisor()
        if supervisor is None:
            return None
        with contextlib.suppress(OSError):
            children = (PROC / f"{supervisor}/task/{supervisor}/children").read_text(encoding="ascii").split()
            return int(children[0]) if children else None
        return None

    def _processes(self) -> list[int]:
        """Every process of the machine: its supervisor first, then what is in its control groups."""
        supervisor = self.supervisor()
        return [*([] if supervisor is None else [supervisor]), *_group_processes(self.name)]

    def _wait_gone(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while self._processes():
            if time.monotonic() > deadline:
                raise LabError(f"{self.node} does not end; its console says:\n{self._last_words()}")
            time.sleep(POLL / 4)

    def _last_words(self) -> str:
        lines = self.console.read_text(encoding="utf-8", errors="replace").splitlines() if self.console.exists() else []
        return "\n".join(lines[-10:])

    def _unfinished(self) -> str:
        try:
            return self.run(["systemctl", "list-jobs", "--plain"], ok=None).stdout.strip()
        except CommandFailedError as error:
            return str(error)


def supervisors(prefix: str) -> dict[str, int]:
    """The machines whose name starts with `prefix` and the process id of each one's systemd-nspawn."""
    pids = [int(folder.name) for folder in PROC.glob("[0-9]*")]
    return {name: pid for pid in pids if (name := _machine_of(pid)).startswith(prefix)}


def groups(prefix: str) -> list[Path]:
    """The control groups of machines whose name starts with `prefix`."""
    return [group for root in _hierarchies() for group in root.glob(f"{prefix}*/")]


def _machine_of(pid: int) -> str:
    """The name of the machine that a process supervises; empty when it is no systemd-nspawn of a lab."""
    with contextlib.suppress(OSError):
        argv = (PROC / f"{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        if Path(argv[0]).name == "systemd-nspawn":
            return next((word.removeprefix(MACHINE_OPTION) for word in argv if word.startswith(MACHINE_OPTION)), "")
    return ""


def _withheld(prefix: str) -> str:
    """The withheld capabilities as a list for a program's option, each with a prefix."""
    return ",".join(prefix + name.upper() for name in WITHHELD)


def _make_groups(name: str) -> list[Path]:
    """A control group of the node's own in each hierarchy that systemd would use."""
    groups = [root / name for root in _hierarchies()]
    for group in groups:
        group.mkdir(exist_ok=True)
    return groups


def _group_processes(name: str, unit: str = "") -> list[int]:
    """The processes in the node's control groups, or in those of one unit, by their numbers on this machine."""
    found: set[int] = set()
    for root in _hierarchies():
        for group, _, _ in os.walk(root / name):  # passes over groups that vanish meanwhile
            if unit in ("", Path(group).name):
                with contextlib.suppress(OSError):
                    found.update(int(word) for word in (Path(group) / "cgroup.procs").read_text(encoding="ascii").split())
    return sorted(found - {0})


def _remove_groups(name: str) -> None:
    """Remove the node's control groups, the innermost first; those still in use stay."""
    for root in _hierarchies():
        inner = sorted((root / name).rglob("*/"), key=lambda folder: len(folder.parts), reverse=True)
        for group in (*inner, root / name):
            with contextlib.suppress(OSError):
                group.rmdir()


def _hierarchies() -> list[Path]:
    """Where control groups of systemd live: one place (version 2), or two where version 1 is also mounted."""
    top = Path("/sys/fs/cgroup")
    return [root for root in (top, top / "unified", top / "systemd") if (root / "cgroup.procs").exists()]
