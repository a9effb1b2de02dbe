"""This node's part in a change that all nodes make or none: prepare, apply, then finish or undo.

Every step may come twice and after a crash: each looks at the record on disk first.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ablestack_api.core.errors import ApiError, BadInput, Conflict
from ablestack_api.env import Env
from ablestack_api.state import cluster_file, json_file, transactions
from ablestack_api.state.transactions import FINISHED, UNDONE, Participation

# Both sides of a change must speak the same steps; raised when they change incompatibly.
PROTOCOL = 1
WORK_LOCK_SECONDS = 30.0

Payload = dict[str, Any]
Facts = dict[str, Any]


def _nothing(_env: Env, _payload: Payload) -> None:
    return None


def _nothing_undone(_env: Env, _payload: Payload, _changed: set[str]) -> None:
    return None


def _no_paths(_env: Env) -> set[str]:
    return set()


def _no_steps(_env: Env, _payload: Payload) -> list[Facts]:
    return []


def _cluster_addresses(env: Env, _payload: Payload) -> set[str]:
    return cluster_file.read_or_empty(env.settings).document.cluster.addresses


@dataclass(frozen=True)
class Kind:
    """A sort of change. All functions get the payload that `prepare` brought; each may be called twice.

    - `path` is the peers' endpoint below /api/v1.
    - `files` names what `apply` may replace: saved before, put back by undo.
    - `check` raises when the node cannot do it, and writes nothing.
    - `addresses` are those that may be members: we may have to call them.
    - `stage` runs after the record is written (accept a new secret beside the old one).
    - `apply` makes the change and returns facts with `revision`, equal on all nodes.
    - `shared` names files that others write too: one that was changed since is not put back, but given to
    - `undone`, which runs after the files were put back.
    - `finish` runs after the decision; its steps are told in the answer.
    """

    name: str
    path: str
    files: Callable[[Env, Payload], list[str]]
    check: Callable[[Env, Payload], None]
    apply: Callable[[Env, Payload], Facts]
    stage: Callable[[Env, Payload], None] = _nothing
    shared: Callable[[Env], set[str]] = _no_paths
    undone: Callable[[Env, Payload, set[str]], None] = _nothing_undone
    finish: Callable[[Env, Payload], list[Facts]] = _no_steps
    addresses: Callable[[Env, Payload], set[str]] = _cluster_addresses


@dataclass(frozen=True)
class Step:
    """One step as the coordinator sends it. `members` are the addresses of all nodes of the change."""

    id: str
    phase: str
    holder: str = ""
    coordinator: str = ""
    members: tuple[str, ...] = ()
    protocol: int = PROTOCOL


def take(env: Env, kind: Kind, step: Step, payload: Payload, *, led_here: bool = False) -> Facts:
    """Do one step; `led_here` when this node is the coordinator itself.

    Raises what the kind raises; Busy when another change holds this node.
    """
    phases = {"apply": _apply, "undo": _undo, "finish": _finish}
    if step.phase not in ("prepare", *phases):
        raise BadInput(f"unknown phase {step.phase!r} of a change", fields=[("transaction.phase", "unknown")])
    with json_file.locked(os.path.join(transactions.folder(env.settings), "work"), timeout=WORK_LOCK_SECONDS):
        _refuse_other_kind(env, kind, step)
        if step.phase == "prepare":
            return _prepare(env, kind, step, payload, led_here)
        return phases[step.phase](env, kind, step)


def _prepare(env: Env, kind: Kind, step: Step, payload: Payload, led_here: bool) -> Facts:
    if step.protocol != PROTOCOL:
        raise Conflict(f"this node speaks version {PROTOCOL} of cluster changes, the caller {step.protocol}: update both")
    if not _of(env, step.id):
        transactions.refuse_if_pending(env.settings, now=env.clock.now().timestamp())
        kind.check(env, payload)
        if not led_here:
            _refuse_strangers(kind.addresses(env, payload), step)
        record = Participation(
            id=step.id,
            kind=kind.name,
            holder=step.holder,
            since=env.clock.now().timestamp(),
            led_here=led_here,
            coordinator=step.coordinator,
            members=list(step.members),
            payload=payload,
        )
        record = transactions.begin(env.settings, record, kind.files(env, payload))
        _stage(env, kind, record)
    return {"revision": cluster_file.digest(cluster_file.read_or_empty(env.settings).document), "protocol": PROTOCOL}


def _refuse_other_kind(env: Env, kind: Kind, step: Step) -> None:
    record = _of(env, step.id)
    if record is not None and record.kind != kind.name:
        raise Conflict(f"change {step.id} is a change of the {record.kind}, not of the {kind.name}; nothing was done")


def _refuse_strangers(known: set[str], step: Step) -> None:
    """The internal token is only ever sent to nodes of the cluster (D7), also when we have to ask how it ended."""
    strangers = sorted({*step.members, *filter(None, [step.coordinator])} - known)
    if strangers:
        raise BadInput(f"not a node of this cluster: {', '.join(strangers)}", fields=[("transaction.members", "unknown")])


def _stage(env: Env, kind: Kind, record: Participation) -> None:
    try:
        kind.stage(env, record.payload)
    except Exception:
        transactions.restore_files(record)
        transactions.end(env.settings, record, UNDONE, env.clock)
        raise


def _apply(env: Env, kind: Kind, step: Step) -> Facts:
    record = _of(env, step.id)
    if record is None:
        raise Conflict(f"this node does not take part in change {step.id} (any more)")
    record = transactions.advance(env.settings, record, transactions.APPLYING)
    try:
        facts = kind.apply(env, record.payload)
    except ApiError:
        with contextlib.suppress(ApiError):
            transactions.advance(env.settings, record, transactions.APPLYING, written=True)
        raise
    transactions.advance(env.settings, record, transactions.APPLIED, written=True)
    return facts


def _undo(env: Env, kind: Kind, step: Step) -> Facts:
    record = _of(env, step.id)
    if record is not None:
        begun = record.phase != transactions.PREPARED
        changed = transactions.restore_files(record, kind.shared(env) if begun else ())
        if begun:
            kind.undone(env, record.payload, changed)
        transactions.end(env.settings, record, UNDONE, env.clock)
    return {"revision": cluster_file.digest(cluster_file.read_or_empty(env.settings).document)}


def _finish(env: Env, kind: Kind, step: Step) -> Facts:
    record = _of(env, step.id)
    if record is None:
        return {"steps": []}
    if record.phase != transactions.APPLIED:
        kind.apply(env, record.payload)
    steps = kind.finish(env, record.payload)
    transactions.end(env.settings, record, FINISHED, env.clock)
    return {"steps": steps}


def _of(env: Env, transaction_id: str) -> Participation | None:
    record = transactions.participation(env.settings)
    return record if record is not None and record.id == transaction_id else None
