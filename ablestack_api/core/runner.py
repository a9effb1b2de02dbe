"""The one place that starts programs. Nothing else in the package imports subprocess."""

import contextlib
import logging
import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from ablestack_api.core.errors import CommandFailed, CommandTimedOut, ProgramMissing
from ablestack_api.core.secret import MASK, Secret

log = logging.getLogger(__name__)

MAX_STDOUT = 32 * 1024 * 1024
MAX_STDERR = 64 * 1024
TOLD_LINES = 5
# What a program still writes, or holds open through a child it left behind, after it has ended itself.
AFTERMATH_SECONDS = 0.5
# A killed program is gone at once, unless it waits in the kernel for a device or file system that no longer answers.
DYING_SECONDS = 1.0
# What is passed on in one piece between two programs, and how much of the end is remembered.
COPIED_AT_ONCE = 1024 * 1024
TAIL_BYTES = 1024

# Which package brings a program, for the operator who is told that it is missing (EL name, Debian name if different).
PACKAGES = {
    "at": "at",
    "atq": "at",
    "atrm": "at",
    "cat": "coreutils",
    "ceph": "ceph-common",
    "chown": "coreutils",
    "chpasswd": "shadow-utils (Debian: passwd)",
    "chronyd": "chrony",
    "cibadmin": "pacemaker-cli (Debian: pacemaker-cli-utils)",
    "cloud-init": "cloud-init",
    "cockpit-bridge": "cockpit-bridge",
    "cp": "coreutils",
    "crm_mon": "pacemaker-cli (Debian: pacemaker-cli-utils)",
    "crm_verify": "pacemaker-cli (Debian: pacemaker-cli-utils)",
    "crontab": "cronie (Debian: cron)",
    "df": "coreutils",
    "dmsetup": "device-mapper (Debian: dmsetup)",
    "genisoimage": "genisoimage",
    "gfs2_grow": "gfs2-utils",
    "gzip": "gzip",
    "ip": "iproute (Debian: iproute2)",
    "ipmitool": "ipmitool",
    "lsblk": "util-linux",
    "lspci": "pciutils",
    "lvcreate": "lvm2",
    "lvextend": "lvm2",
    "lvmconfig": "lvm2",
    "lvmdevices": "lvm2",
    "lvremove": "lvm2",
    "lvs": "lvm2",
    "mariadb-install-db": "mariadb-server",
    "mariadbd": "mariadb-server",
    "mkfs.gfs2": "gfs2-utils",
    "mkfs.xfs": "xfsprogs",
    "modprobe": "kmod",
    "mount": "util-linux (Debian: mount)",
    "mpathconf": "device-mapper-multipath",
    "multipath": "device-mapper-multipath (Debian: multipath-tools)",
    "multipathd": "device-mapper-multipath (Debian: multipath-tools)",
    "mysql": "mariadb (Debian: mariadb-client)",
    "mysqladmin": "mariadb (Debian: mariadb-client)",
    "mysqldump": "mariadb (Debian: mariadb-client)",
    "nmcli": "NetworkManager (Debian: network-manager)",
    "openssl": "openssl",
    "parted": "parted",
    "partprobe": "parted",
    "pcs": "pcs",
    "ping": "iputils (Debian: iputils-ping)",
    "pvcreate": "lvm2",
    "pvremove": "lvm2",
    "pvresize": "lvm2",
    "pvs": "lvm2",
    "qemu-img": "qemu-img (Debian: qemu-utils)",
    "rados": "ceph-common",
    "rbd": "ceph-common",
    "sfdisk": "util-linux (Debian: fdisk)",
    "sgdisk": "gdisk",
    "shutdown": "systemd (Debian: systemd-sysv)",
    "ssh-keyscan": "openssh-clients (Debian: openssh-client)",
    "sync": "coreutils",
    "sysctl": "procps-ng (Debian: procps)",
    "systemctl": "systemd",
    "systemd-run": "systemd",
    "tee": "coreutils",
    "udevadm": "systemd-udev (Debian: udev)",
    "umount": "util-linux (Debian: mount)",
    "vgchange": "lvm2",
    "vgcreate": "lvm2",
    "vgextend": "lvm2",
    "vgreduce": "lvm2",
    "vgremove": "lvm2",
    "vgs": "lvm2",
    "virt-xml-validate": "libvirt-client (Debian: libvirt-clients)",
    "wipefs": "util-linux",
    "xfs_growfs": "xfsprogs",
    "xorriso": "xorriso",
}


@dataclass(frozen=True)
class Finished:
    """`stdout` and `stderr` are texts (undecodable bytes kept as surrogates), `seconds` the time it took."""

    stdout: str
    stderr: str
    code: int
    seconds: float


@dataclass(frozen=True)
class Piped:
    """`passed` is how many bytes went from the first program to the second, `tail` the last of them."""

    passed: int
    tail: bytes
    seconds: float


class Runner(Protocol):
    def run(
        self,
        argv: Sequence[str | Secret],
        *,
        timeout: float,
        stdin: str | Secret | None = None,
        ok: Sequence[int] = (0,),
    ) -> Finished:
        """Run a program, never through a shell, and wait for it at most `timeout` seconds.

        `argv[0]` is a bare program name; `stdin` is its whole input (nothing when None). The program runs in its
        own session; whatever is left of it when the time is over, or when it has ended, is killed.
        Raises CommandFailed (exit code not in `ok`), CommandTimedOut, ProgramMissing.
        """

    def pipe(self, source: Sequence[str], through: Sequence[str], *, into: IO[bytes] | None, timeout: float) -> Piped:
        """`source | through > into`, without a shell and without holding the data: for dumps of any size.

        `into` is an open file; with None the second program's output is dropped. Both must end with code 0; the one that
        failed first is told. Raises as `run`.
        """


class SystemRunner:
    """Starts real programs from the directories of `path` with an environment of its own."""

    def __init__(self, path: str, home: str) -> None:
        self._path = path
        self._environ = {"LC_ALL": "C.UTF-8", "PATH": path, "HOME": home}
        self._undead: dict[str, subprocess.Popen[bytes]] = {}

    def run(
        self,
        argv: Sequence[str | Secret],
        *,
        timeout: float,
        stdin: str | Secret | None = None,
        ok: Sequence[int] = (0,),
    ) -> Finished:
        name = os.path.basename(_plain(argv[0]))
        self._refuse_again(argv, timeout)
        started = time.monotonic()
        child = self._start(argv, with_input=stdin is not None)
        try:
            outcome = _Reader(child, stdin, started + timeout).read()
        finally:
            if not _kill_session(child):
                self._undead[_shown(argv)] = child
        seconds = time.monotonic() - started
        log.info("ran %s: code %s in %.3f s", _shown(argv), child.returncode, seconds)
        return _judge(name, outcome, child.returncode, seconds, timeout, ok)

    def _refuse_again(self, argv: Sequence[str | Secret], timeout: float) -> None:
        """What cannot be killed is not started once more beside itself: whoever asks again and again would pile it up."""
        child = self._undead.get(_shown(argv))
        if child is None:
            return
        if child.poll() is not None:
            self._undead.pop(_shown(argv), None)
            return
        name = os.path.basename(_plain(argv[0]))
        raise CommandTimedOut(
            f"{name} still hangs since an earlier call (process {child.pid}): it waits for a device or file system that "
            "does not answer, and cannot be killed before that does",
            program=name,
            seconds=timeout,
        )

    def pipe(self, source: Sequence[str], through: Sequence[str], *, into: IO[bytes] | None, timeout: float) -> Piped:
        started = time.monotonic()
        first = self._start(source, with_input=False)
        try:
            second = self._start(through, with_input=True, stdout=subprocess.DEVNULL if into is None else into)
        except BaseException:
            _kill_session(first)
            raise
        relay = _Relay(first, second)
        try:
            ended = relay.run(started + timeout)
        finally:
            _kill_session(second)
            _kill_session(first)
        seconds = time.monotonic() - started
        log.info("ran %s | %s: %s bytes in %.3f s", _shown(source), _shown(through), relay.passed, seconds)
        # The reader first: when it fails, the writer only fails for want of it.
        for argv, child, stderr in ((through, second, relay.stderrs[1]), (source, first, relay.stderrs[0])):
            outcome = _Outcome(bytearray(), stderr, timed_out=not ended)
            _judge(os.path.basename(argv[0]), outcome, child.returncode, seconds, timeout, (0,))
        return Piped(relay.passed, bytes(relay.tail), seconds)

    def _start(
        self, argv: Sequence[str | Secret], *, with_input: bool, stdout: "IO[bytes] | int" = subprocess.PIPE
    ) -> "subprocess.Popen[bytes]":
        name = _plain(argv[0])
        program = name if os.path.isabs(name) else shutil.which(name, path=self._path)
        if program is None:
            raise _missing(name)
        try:
            return subprocess.Popen(
                [program, *(_plain(argument) for argument in argv[1:])],
                stdin=subprocess.PIPE if with_input else subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                env=self._environ,
                cwd="/",
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise _missing(name) from error


@dataclass
class _Outcome:
    stdout: bytearray
    stderr: bytearray
    timed_out: bool = False
    too_much: bool = False


class _Reader:
    """Feeds a child its input and collects its output until it has ended, says too much, or its time is over."""

    def __init__(self, child: "subprocess.Popen[bytes]", stdin: str | Secret | None, end: float) -> None:
        self._child = child
        self._end = end
        self._outcome = _Outcome(bytearray(), bytearray())
        self._to_write = memoryview(_plain(stdin).encode("utf-8", "surrogateescape") if stdin is not None else b"")
        self._selector = selectors.DefaultSelector()
        self._watch(child.stdout, selectors.EVENT_READ)
        self._watch(child.stderr, selectors.EVENT_READ)
        self._watch(child.stdin, selectors.EVENT_WRITE)

    def read(self) -> _Outcome:
        with self._selector:
            while self._selector.get_map() and not self._outcome.too_much:
                wait = self._end - time.monotonic()
                if wait <= 0:
                    self._outcome.timed_out = self._child.poll() is None
                    return self._outcome
                if self._child.poll() is not None:
                    self._end = min(self._end, time.monotonic() + AFTERMATH_SECONDS)
                for key, _ in self._selector.select(min(wait, 0.2)):
                    self._serve(key)
        self._wait()
        return self._outcome

    def _watch(self, stream: IO[bytes] | None, event: int) -> None:
        if stream is not None:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, event)

    def _serve(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._child.stdin:
            self._write()
            return
        chunk = os.read(key.fd, 65536)
        if not chunk:
            self._selector.unregister(key.fileobj)
        elif key.fileobj is self._child.stdout:
            self._outcome.stdout += chunk
            self._outcome.too_much = len(self._outcome.stdout) > MAX_STDOUT
        else:
            self._outcome.stderr += chunk
            del self._outcome.stderr[:-MAX_STDERR]

    def _write(self) -> None:
        stream = self._child.stdin
        if stream is None:
            return
        try:
            written = os.write(stream.fileno(), self._to_write[:65536]) if self._to_write else 0
            self._to_write = self._to_write[written:]
        except BrokenPipeError:
            self._to_write = memoryview(b"")
        if not self._to_write:
            self._selector.unregister(stream)
            stream.close()

    def _wait(self) -> None:
        """The pipes are closed; the program itself may still live."""
        if self._outcome.too_much:
            return
        try:
            self._child.wait(max(0.0, self._end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._outcome.timed_out = True


class _Relay:
    """Carries what the first program prints to the second one, and collects what both complain about."""

    def __init__(self, first: "subprocess.Popen[bytes]", second: "subprocess.Popen[bytes]") -> None:
        self.passed = 0
        self.tail = bytearray()
        self.stderrs = (bytearray(), bytearray())
        self._children = (first, second)

    def run(self, end: float) -> bool:
        """Until both programs have ended; False when they had to be killed because the time was over."""
        threads = [
            threading.Thread(target=self._copy, daemon=True),
            *(threading.Thread(target=self._drain, args=(number,), daemon=True) for number in (0, 1)),
        ]
        for thread in threads:
            thread.start()
        ended = [_ended_by(child, end) for child in self._children]
        for child in self._children:
            _kill_group(child)
        for thread in threads:  # their pipes are closed now, except by a program that left its session
            thread.join(AFTERMATH_SECONDS)
        return all(ended)

    def _copy(self) -> None:
        source, sink = self._children[0].stdout, self._children[1].stdin
        if source is None or sink is None:
            return
        with contextlib.suppress(OSError):
            while chunk := os.read(source.fileno(), COPIED_AT_ONCE):
                self.passed += len(chunk)
                self.tail = (self.tail + chunk[-TAIL_BYTES:])[-TAIL_BYTES:]
                _write_all(sink.fileno(), chunk)
        with contextlib.suppress(OSError):
            sink.close()
        with contextlib.suppress(OSError):
            source.close()

    def _drain(self, number: int) -> None:
        stream, kept = self._children[number].stderr, self.stderrs[number]
        with contextlib.suppress(OSError):
            while stream is not None and (chunk := os.read(stream.fileno(), 65536)):
                kept += chunk
                del kept[:-MAX_STDERR]


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _ended_by(child: "subprocess.Popen[bytes]", end: float) -> bool:
    try:
        child.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    """Also when the program itself has ended: its own children may not have."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _kill_session(child: "subprocess.Popen[bytes]") -> bool:
    """End the whole process group: a program's own children would otherwise outlive its deadline.

    False when the program itself is still there: the kernel does not let it go.
    """
    _kill_group(child)
    child.kill()  # does nothing to one that has ended
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None and not stream.closed:
            stream.close()
    return _ended_by(child, time.monotonic() + DYING_SECONDS)


def _judge(name: str, outcome: _Outcome, code: int, seconds: float, timeout: float, ok: Sequence[int]) -> Finished:
    stdout = outcome.stdout.decode("utf-8", "surrogateescape")
    stderr = outcome.stderr.decode("utf-8", "surrogateescape")
    if outcome.timed_out:
        raise CommandTimedOut(f"{name} did not end within {timeout:g} s and was killed", program=name, seconds=timeout)
    if outcome.too_much:
        raise CommandFailed(f"{name} printed more than {MAX_STDOUT} bytes and was killed", program=name, exit_code=code)
    if code not in ok:
        raise CommandFailed(f"{name} ended with code {code}: {last_lines(stderr or stdout)}", program=name, exit_code=code)
    return Finished(stdout, stderr, code, seconds)


def last_lines(text: str) -> str:
    """The end of a program's output, as one line for an error's text."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-TOLD_LINES:]).encode("utf-8", "replace").decode() or "it printed nothing"


def _missing(program: str) -> ProgramMissing:
    package = PACKAGES.get(program, program)
    return ProgramMissing(
        f"the program {program} is not installed on this node; the package {package} brings it",
        program=program,
        package=package,
    )


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _shown(argv: Sequence[str | Secret]) -> str:
    return " ".join(MASK if isinstance(argument, Secret) else argument for argument in argv)
