"""Snapshots of the Cloud Center VM's RBD image, on one node (contract 04 §3).

One at a time in the whole cluster: Ceph keeps a lease. Only snapshots that the schedule made (`auto-…`) are ever counted
or deleted; what a person made stays until a person removes it.
"""

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ablestack_api.core.errors import ApiError, Busy, Conflict, NotFound, bad_field
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.jobs.progress import Progress
from ablestack_api.machines.frozen import frozen
from ablestack_api.state import own_node
from ablestack_api.tools import rados, rbd, rbd_snapshots
from ablestack_api.tools.rbd_snapshots import Snapshot

log = logging.getLogger(__name__)

POOL, IMAGE, DOMAIN = "rbd", "rbd/ccvm", "ccvm"
AUTOMATIC = "auto-"
KEPT_AUTOMATIC = 10
# Letters, digits and a few signs; no leading dash, and neither `/` nor `@`, which part a name of Ceph's.
NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:+-]{0,90}")
# The guest stands still meanwhile; Ceph takes about a second.
CREATE_SECONDS = 20.0
LEASE_NAME = "ablestack-api.ccvm-snapshot"
LEASE_SECONDS = 3600
ROLLBACK_FAILED = "CCVM Snapshot Rollback Fail. Check if ccvm is Stopped"
BACKUP_FAILED = "CCVM Snapshot Backup Create Fail."


@dataclass(frozen=True)
class Made:
    """`frozen`: the guest's file systems stood still. `warnings`: what went wrong after the snapshot was safe."""

    name: str
    frozen: bool = False
    existed: bool = False
    deleted: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_name(name: str) -> str:
    """Raises BadInput with 0.1.2's text."""
    if not NAME.fullmatch(name):
        raise bad_field("snap_name", "letters, digits and . _ : + - only", "invalid snap_name")
    return name


def list_all(env: Env) -> list[Snapshot]:
    return rbd_snapshots.read(env.runner, IMAGE)


def create(env: Env, name: str, progress: Progress, *, must_run: bool = False) -> Made:
    """Make one, frozen where the guest has an agent; then delete automatic ones beyond the newest ten.

    `must_run`: the caller saw the VM started on this node. An automatic name that is there already is a success: the
    schedule of another node was faster. Raises Conflict, Busy, CommandFailed …
    """
    with _lease(env):
        if name.startswith(AUTOMATIC) and name in [snapshot.name for snapshot in list_all(env)]:
            return Made(name, existed=True)
        runs = _runs_here(env)
        if must_run and not runs:
            raise Conflict(f"{BACKUP_FAILED} failed to confirm running ccvm on this node; nothing was done")
        with progress.step("snapshot", f"{IMAGE}@{name}"):
            made, still = _make(env, name, runs)
        if not made:
            if name.startswith(AUTOMATIC):
                return Made(name, existed=True)
            raise Conflict(f"{BACKUP_FAILED} a snapshot {name} exists already; nothing was done")
        with progress.step("retention", f"keep the newest {KEPT_AUTOMATIC} automatic snapshots"):
            deleted, warnings = _retain(env)
    return Made(name, still, False, deleted, warnings)


def roll_back(env: Env, name: str, progress: Progress) -> str:
    """Give the disk the content of a snapshot; what it holds now is kept as a snapshot of its own, whose name is returned.

    The caller has seen that the VM is disabled. Raises NotFound, Conflict (somebody has the disk open), Busy.
    """
    with _lease(env):
        present = list_all(env)
        if name not in [snapshot.name for snapshot in present]:
            raise NotFound(f"there is no snapshot {name} of {IMAGE}; nothing was done")
        _refuse_open(env)
        safety = f"before-rollback-{env.clock.now():%Y-%m-%d-%H:%M:%S}"
        with progress.step("safety", f"keep what the disk holds now as {safety}"):
            rbd_snapshots.create(env.runner, IMAGE, safety, timeout=CREATE_SECONDS)
        with progress.step("rollback", f"{IMAGE} back to {name}"):
            try:
                rbd_snapshots.roll_back(env.runner, IMAGE, name)
            except ApiError as error:
                error.detail = f"{ROLLBACK_FAILED}: {error.detail}. What the disk held before is in the snapshot {safety}"
                raise
    return safety


def _make(env: Env, name: str, runs: bool) -> tuple[bool, bool]:
    """(was it made, did the guest stand still)"""
    try:
        if not runs:
            return rbd_snapshots.create(env.runner, IMAGE, name, timeout=CREATE_SECONDS), False
        with frozen(env, DOMAIN) as still:
            return rbd_snapshots.create(env.runner, IMAGE, name, timeout=CREATE_SECONDS), still
    except ApiError as error:
        error.detail = f"{BACKUP_FAILED} {error.detail}"
        raise


def _retain(env: Env) -> tuple[list[str], list[str]]:
    """The snapshot itself is safe: what goes wrong here is told, not raised."""
    deleted: list[str] = []
    warnings: list[str] = []
    try:
        automatic = [snapshot for snapshot in list_all(env) if snapshot.name.startswith(AUTOMATIC)]
        for snapshot in automatic[:-KEPT_AUTOMATIC]:
            if snapshot.protected:
                continue
            rbd_snapshots.remove(env.runner, IMAGE, snapshot.name)
            deleted.append(snapshot.name)
    except ApiError as error:
        warnings.append(f"old snapshots could not be deleted: {error.detail}")
    return deleted, warnings


def _runs_here(env: Env) -> bool:
    try:
        return domains.read_state(env.libvirt, DOMAIN) == domains.RUNNING
    except ApiError:
        return False


def _refuse_open(env: Env) -> None:
    """Pacemaker says it is stopped; Ceph knows whether somebody has the disk open all the same."""
    watchers = rbd.watchers(env.runner, IMAGE)
    if watchers:
        where = ", ".join(sorted({watcher.address for watcher in watchers}))
        raise Conflict(f"{ROLLBACK_FAILED}: {IMAGE} is open on {where}; nothing was done")


@contextlib.contextmanager
def _lease(env: Env) -> Iterator[None]:
    lease = rados.Lease(POOL, LEASE_NAME, own_node.hostname(env.settings))
    if not _take(env, lease):
        _take_from_the_dead(env, lease)
    try:
        yield
    finally:
        try:
            rados.give_back(env.runner, lease)
        except ApiError as error:  # what was done is done: it is told, and the next one waits for the lease's end
            log.warning("the lease for %s was not given back, it ends in %s s: %s", IMAGE, LEASE_SECONDS, error.detail)


def _take(env: Env, lease: rados.Lease) -> bool:
    try:
        return rados.take(env.runner, lease, LEASE_SECONDS)
    except ApiError as error:
        error.detail = f"Ceph gives this node no lease for {IMAGE}, nothing was done: {error.detail}. Look at ceph -s"
        raise


def _take_from_the_dead(env: Env, lease: rados.Lease) -> None:
    """A lease of this very node was left by a daemon that was killed: one job at a time has the hold for it. Raises Busy."""
    found = rados.holder(env.runner, lease)
    if found.cookie == lease.cookie:
        rados.give_back(env.runner, lease)
    if found.cookie in ("", lease.cookie) and _take(env, lease):
        return
    until = f" (or its daemon died in it; then this ends by itself at {found.until})" if found.until else ""
    raise Busy(
        f"another snapshot or rollback of {IMAGE} is running on {found.cookie or 'another node'}{until}; nothing was done. "
        "Try again when it has ended",
        holder=found.cookie,
    )
