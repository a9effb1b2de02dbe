"""The security patch on one node: the script there, over SSH or here, and the SSH port that never locks anybody out.

A port is moved in three steps: the node listens on both; this node logs in on the new one; only then the old one is closed,
through the new one. When the second step fails, the new port is closed again through the old one.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablestack_api.core.errors import ApiError, CommandTimedOut, ProgramMissing
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.ops.patch_models import PatchResult
from ablestack_api.remote import ssh
from ablestack_api.remote.ssh import SshFailed, SshFinished

ABLECUBE, SCVM, CCVM = "ablecube", "scvm", "ccvm"
GUEST_SCRIPT = "/usr/local/sbin/security_patch.sh"
DONE = "Permissions have been updated."
TRIES, PAUSE = 3, 2.0
SECONDS = 1800.0
PROOF_SECONDS = 30.0
TOLD_CHARACTERS = 16 * 1024
# As a shell would call it: a command that did not end, one that is not there, a connection that failed (ssh(1)).
TIMED_OUT, MISSING, NO_LOGIN = 124, 127, 255
# Another time the same comes out: wrong usage, no script.
USELESS_AGAIN = (2, 126, MISSING)
REPORT = ("changed: ", "note: ")


@dataclass(frozen=True)
class Order:
    """What is to be done on every node. `port` is where SSH listens now; `arguments` are the script's."""

    user: str
    port: int
    cluster_type: str
    new_port: int | None = None
    port_only: bool = False
    ceph_only: bool = False

    @property
    def arguments(self) -> list[str]:
        port = ["-P", str(self.new_port)] if self.new_port else []
        only = ["--port-change"] if self.port_only else []
        return [*port, *only, *(["--ceph-ssh-change"] if self.ceph_only else [])]


@dataclass(frozen=True)
class Node:
    target: Target
    kind: str
    script: str


class _Stopped(Exception):
    """The work on a node ends here, with this result."""

    def __init__(self, result: PatchResult) -> None:
        super().__init__()
        self.result = result


def script_of(env: Env, kind: str) -> str:
    return env.settings.security_patch_script if kind == ABLECUBE else GUEST_SCRIPT


def shown(node: Node, order: Order) -> PatchResult:
    """For a dry run."""
    line = shlex.join([node.script, *order.arguments])
    if not node.target.local:
        line = f"ssh -p {order.port} {order.user}@{node.target.address} {shlex.quote(line)}"
    return _result(node, order, ok=True, dry_run_cmd=line, retries_planned=TRIES, retry_delay_sec=int(PAUSE))


def run_here(env: Env, node: Node, order: Order) -> PatchResult:
    """Without SSH; the script itself proves the new port before it closes the old one."""
    if not env.settings.is_whole_system:
        return _result(node, order, ok=True, skipped="this node lives in a folder: its system is left alone")
    return _tried(env, node, order, lambda: _local(env, [node.script, *order.arguments]))


def run_there(env: Env, node: Node, order: Order) -> PatchResult:
    try:
        if order.new_port is None or order.new_port == order.port:
            return _over_ssh(env, node, order, order.arguments, order.port)
        return _move_port(env, node, order, order.new_port)
    except _Stopped as stopped:
        return stopped.result


def _move_port(env: Env, node: Node, order: Order, new: int) -> PatchResult:
    """A node that an earlier run has moved already is found on the new port."""
    port = order.port
    first = _over_ssh(env, node, order, [*order.arguments, "--keep-old-port"], port)
    if first.rc == NO_LOGIN and _login(env, node, order, new) is None:
        port = new
        first = _over_ssh(env, node, order, [*order.arguments, "--keep-old-port"], port)
    if not first.ok:
        return first
    reason = _login(env, node, order, new)
    if reason is not None:
        return _put_back(env, node, order, port, f"SSH cannot be reached on port {new} from here: {reason}", first)
    last = _safely(env, node, order, ["-P", str(new), "--port-change"], new)
    if not last.ok:
        told = f"port {new} works; the one before was not closed: {last.stderr or last.stdout}"
        return first.model_copy(update={"ok": False, "rc": last.rc, "stderr": told})
    return first.model_copy(update={"changes": [*(first.changes or []), *(last.changes or [])] or None})


def _put_back(env: Env, node: Node, order: Order, port: int, reason: str, first: PatchResult) -> PatchResult:
    back = _safely(env, node, order, ["-P", str(port), "--port-change"], port)
    state = f"it listens on port {port} alone again" if back.ok else f"it still listens on both: {back.stderr}"
    return first.model_copy(update={"ok": False, "rc": 1, "stderr": f"{reason}; {state}", "success_attempt": None})


def _safely(env: Env, node: Node, order: Order, arguments: Sequence[str], port: int) -> PatchResult:
    """Its failure is told together with what was done before."""
    try:
        return _over_ssh(env, node, order, arguments, port)
    except _Stopped as stopped:
        return stopped.result


def _login(env: Env, node: Node, order: Order, port: int) -> str | None:
    """Why nobody gets in there; None when one does."""
    try:
        env.ssh.run(node.target, ["true"], user=order.user, port=port, timeout=PROOF_SECONDS)
    except SshFailed as error:
        return error.reason
    return None


def _over_ssh(env: Env, node: Node, order: Order, arguments: Sequence[str], port: int) -> PatchResult:
    argv = [node.script, *arguments]

    def once() -> SshFinished:
        try:
            return env.ssh.run(node.target, argv, user=order.user, port=port, timeout=SECONDS)
        except SshFailed as error:
            code = TIMED_OUT if error.timed_out and error.stage == ssh.RUN else NO_LOGIN
            result = SshFinished("", error.reason, code)
            if error.stage != ssh.CONNECT:
                # A host key or login that was refused stays so; a command that may still run is not started beside itself.
                raise _Stopped(_told(_result(node, order, connect_port=port), result, 1)) from error
            return result

    return _tried(env, node, order, once, connect_port=port)


def _local(env: Env, argv: list[str]) -> SshFinished:
    try:
        done = env.runner.run(argv, timeout=SECONDS, ok=range(256))
        return SshFinished(done.stdout, done.stderr, done.code)
    except CommandTimedOut as error:
        return SshFinished("", error.detail, TIMED_OUT)
    except ProgramMissing:
        return SshFinished("", f"{argv[0]} is not there, or may not be run", MISSING)
    except ApiError as error:
        return SshFinished("", error.detail, 1)


def _tried(env: Env, node: Node, order: Order, once: Any, **members: Any) -> PatchResult:
    """Up to three times. Good is only what ended well and said so: 0.1.2 took either for both."""
    for attempt in range(1, TRIES + 1):
        done = once()
        result = _told(_result(node, order, **members), done, attempt)
        if result.ok or done.code in USELESS_AGAIN or attempt == TRIES:
            return result
        env.clock.sleep(PAUSE)
    raise AssertionError("unreachable")


def _told(result: PatchResult, done: SshFinished, attempt: int) -> PatchResult:
    good = done.code == 0 and DONE in done.stdout
    stderr = done.stderr[-TOLD_CHARACTERS:]
    if done.code == 0 and not good:
        stderr = f"{stderr}the script ended with 0, but without: {DONE}"
    changes = [line for line in done.stdout.splitlines() if line.startswith(REPORT)]
    return result.model_copy(
        update={
            "ok": good,
            "rc": done.code if good or done.code else 1,
            "stdout": done.stdout[-TOLD_CHARACTERS:] or None,
            "stderr": stderr or None,
            "changes": changes or None,
            "attempts": attempt,
            "success_attempt": attempt if good else None,
        }
    )


def _result(node: Node, order: Order, **members: Any) -> PatchResult:
    local = node.target.local
    return PatchResult(
        ip=node.target.address,
        target_kind=node.kind,
        script_path=node.script,
        change_to=order.new_port,
        success_pattern=DONE,
        cluster_type=order.cluster_type,
        is_local=True if local else None,
        transport="local" if local else "ssh",
        **{"connect_port": None if local else order.port, **members},
    )
