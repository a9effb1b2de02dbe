"""A change that all nodes make or none (D13): ask everyone, apply everywhere, compare, else put everyone back.

Two-phase commit with presumed abort. The decision is one write of the coordinator's journal; whoever misses it asks
(`orchestrator.recovery`). See docs/adr/0002-cluster-changes.md.
"""

import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, Busy, PeersFailed
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import fanout, participant
from ablestack_api.orchestrator.fanout import FAILED, OK, SKIPPED, Outcome
from ablestack_api.orchestrator.participant import Kind, Payload, Step
from ablestack_api.state import cluster_file, transactions
from ablestack_api.state.transactions import FINISHED, UNDECIDED, UNDONE, Journal

# Telling the decision has time of its own: it must be told although the request's time may be over.
DECISION_SECONDS = 20.0
# Recovery holds the lock for a moment now and then; a change that really runs holds it for longer.
LOCK_SECONDS = 0.5


@dataclass(frozen=True)
class Change:
    """What is to be done. `failure` is the message 0.1.2 gave when it did not work; `token` introduces us to new nodes.

    `based_on` is the etag of the cluster.json that the payload was made from, empty when it does not matter: it is looked
    at once more under the lock.
    """

    kind: Kind
    payload: Payload
    targets: Sequence[Target]
    holder: str
    failure: str
    token: str | None = None
    based_on: str = ""


def run(env: Env, change: Change, deadline: Deadline) -> list[Outcome]:
    """Make the change on every target, in the order of the targets; every outcome is ok or skipped.

    Raises Busy when this node leads or takes part in another change; RevisionChanged; the error of this node when it is
    the only one that failed; PeersFailed (member `results`) otherwise. After any error all nodes that answered are as
    before, and those that did not are put back as soon as they answer.
    """
    lock = transactions.CoordinatorLock(env.settings)
    if not lock.acquire(LOCK_SECONDS):
        raise _busy(env)
    try:
        return _Run(env, change, deadline).lead()
    finally:
        lock.release()


class _Run:
    """One change, led by this node."""

    def __init__(self, env: Env, change: Change, deadline: Deadline) -> None:
        self._env = env
        self._change = change
        self._deadline = deadline
        self._journal = Journal(
            id=str(uuid.uuid4()),
            kind=change.kind.name,
            holder=change.holder,
            since=env.clock.now().timestamp(),
            members=list(change.targets),
            waiting=[target.address for target in change.targets],
            token=change.token or "",
        )

    def lead(self) -> list[Outcome]:
        transactions.refuse_if_pending(self._env.settings, now=self._journal.since)
        if self._change.based_on:
            cluster_file.require_match(cluster_file.read_or_empty(self._env.settings).etag, self._change.based_on)
        transactions.write_journal(self._env.settings, self._journal)
        prepared = self._prepare()
        if any(outcome.bad for outcome in prepared):
            raise self._undo(prepared, prepared)
        members = [outcome.target for outcome in prepared if outcome.good]
        applied = _compared(fanout.at_once(members, lambda target: self._step(target, "apply")))
        if any(outcome.bad for outcome in applied):
            raise self._undo(prepared, applied)
        try:
            self._decide(FINISHED, members)
        except ApiError as error:
            raise self._undo(prepared, [replace(applied[0], outcome=FAILED, message=error.detail, error=error)]) from error
        return _merged(prepared, self._finish(members))

    def _prepare(self) -> list[Outcome]:
        """This node first: what is wrong here is found before anybody else is asked."""
        local = [target for target in self._change.targets if target.local]
        remote = [target for target in self._change.targets if not target.local]
        outcomes = fanout.at_once(local, lambda target: self._step(target, "prepare"))
        if any(outcome.bad for outcome in outcomes):
            untried = "not asked: this node could not prepare"
            outcomes += [Outcome(target, SKIPPED, 424, untried) for target in remote]
        else:
            asked = fanout.at_once(remote, lambda target: self._step(target, "prepare"))
            outcomes += [fanout.skipped_if_optional(outcome) for outcome in asked]
        return _in_order(self._change.targets, outcomes)

    def _step(self, target: Target, phase: str, deadline: Deadline | None = None) -> Outcome:
        step = Step(
            id=self._journal.id,
            phase=phase,
            holder=self._journal.holder,
            coordinator=_own_address(self._change.targets),
            members=tuple(member.address for member in self._change.targets),
        )
        payload = self._change.payload if phase == "prepare" else {}
        return take_step(self._env, self._change.kind, target, step, payload, deadline or self._deadline, self._change.token)

    def _decide(self, decision: str, members: Sequence[Target]) -> None:
        self._journal = replace(self._journal, decision=decision, waiting=[member.address for member in members])
        transactions.write_journal(self._env.settings, self._journal)

    def _finish(self, members: Sequence[Target]) -> list[Outcome]:
        """Decided: what fails now is told again later, it never turns the change into a failure."""
        outcomes = self._tell("finish", members)
        return [
            outcome
            if outcome.good
            else replace(outcome, outcome=OK, code=200, message=f"applied; finishing is tried again: {outcome.message}")
            for outcome in outcomes
        ]

    def _undo(self, prepared: list[Outcome], last: list[Outcome]) -> ApiError:
        """Put everyone back who may have begun. A node that did not answer is not asked again now but by recovery."""
        failed = {outcome.target.address: outcome for outcome in last if outcome.bad}
        begun = [outcome.target for outcome in prepared if outcome.good or _may_have_begun(outcome)]
        silent = [target for target in begun if _is_silent(failed.get(target.address))]
        with contextlib.suppress(ApiError):
            self._decide(UNDONE, begun)
        told = self._tell("undo", [target for target in begun if target not in silent])
        back = {outcome.target.address: outcome for outcome in told}
        return self._failure(_merged(prepared, [_undone(outcome, failed, back) for outcome in prepared]))

    def _tell(self, phase: str, members: Sequence[Target]) -> list[Outcome]:
        """Tell the decision, this node last: it accepts both secrets of a change-over until the others know."""
        deadline = Deadline(self._env.clock, DECISION_SECONDS)
        outcomes = fanout.at_once(
            [member for member in members if not member.local], lambda target: self._step(target, phase, deadline)
        )
        outcomes += fanout.at_once(
            [member for member in members if member.local], lambda target: self._step(target, phase, deadline)
        )
        self._close({outcome.target.address for outcome in outcomes if outcome.good})
        return _in_order(members, outcomes)

    def _close(self, told: set[str]) -> None:
        waiting = [address for address in self._journal.waiting if address not in told]
        self._journal = replace(self._journal, waiting=waiting)
        settle_journal(self._env, self._journal)

    def _failure(self, outcomes: list[Outcome]) -> ApiError:
        bad = [outcome for outcome in outcomes if outcome.bad]
        results = [outcome.entry() for outcome in outcomes]
        if len(bad) == 1 and bad[0].error is not None:
            bad[0].error.members.setdefault("results", results)
            return bad[0].error
        busy = next((outcome for outcome in bad if outcome.code == 409 and "holder" in outcome.members), None)
        if busy is not None:
            text = f"{self._change.failure}: {busy.target.hostname or busy.target.address}: {busy.message}"
            return Busy(text, results=results, **busy.members)
        names = ", ".join(f"{outcome.target.hostname or outcome.target.address} ({outcome.message})" for outcome in bad)
        return PeersFailed(f"{self._change.failure}: {names}. {_state(outcomes)}", results=results)


def take_step(
    env: Env, kind: Kind, target: Target, step: Step, payload: Payload, deadline: Deadline, token: str | None = None
) -> Outcome:
    """One step on one node: called directly here, over HTTP elsewhere."""
    if target.local:
        return Outcome(target, OK, 200, "", participant.take(env, kind, step, payload, led_here=True))
    body: dict[str, Any] = {"transaction": asdict(step)}
    if step.phase == "prepare":
        body["request"] = payload
    return fanout.call(env, target, "POST", kind.path, body=body, deadline=deadline, token=token)


def settle_journal(env: Env, journal: Journal) -> None:
    """Keep the journal while somebody has to be told; then only the history remembers. A full disk changes nothing."""
    with contextlib.suppress(ApiError):
        if journal.waiting:
            transactions.write_journal(env.settings, journal)
        else:
            transactions.remember(env.settings, journal.id, journal.decision, env.clock)
            transactions.remove_journal(env.settings, journal)


def _busy(env: Env) -> Busy:
    running = next((journal for journal in transactions.list_journals(env.settings) if journal.decision == UNDECIDED), None)
    now = env.clock.now().timestamp()
    if running is None:
        return transactions.busy("cluster", "this node", now, now)
    return transactions.busy(running.kind, running.holder, running.since, now)


def _own_address(targets: Sequence[Target]) -> str:
    return next((target.address for target in targets if target.local), "")


def _compared(applied: list[Outcome]) -> list[Outcome]:
    """All nodes must now hold the same revision as the first one."""
    good = [outcome for outcome in applied if outcome.good]
    if not good or not isinstance(good[0].value, dict):
        return applied
    wanted = good[0].value.get("revision")
    return [
        outcome
        if not outcome.good or (isinstance(outcome.value, dict) and outcome.value.get("revision") == wanted)
        else replace(outcome, outcome=FAILED, code=502, message="holds another revision than the other nodes afterwards")
        for outcome in applied
    ]


def _may_have_begun(outcome: Outcome) -> bool:
    """A node that got the request but never answered may have prepared all the same."""
    return outcome.outcome == fanout.UNREACHABLE and outcome.sent


def _is_silent(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.outcome == fanout.UNREACHABLE


def _undone(outcome: Outcome, failed: dict[str, Outcome], back: dict[str, Outcome]) -> Outcome:
    address = outcome.target.address
    if address in failed:
        told = back.get(address)
        note = "" if told is None or told.good else f"; putting it back failed and is tried again: {told.message}"
        return replace(failed[address], message=failed[address].message + note)
    if address not in back:
        return outcome
    if back[address].good:
        return replace(outcome, outcome=SKIPPED, code=424, message="unchanged: put back to its previous revision")
    message = f"could not be put back yet and is tried again: {back[address].message}"
    return replace(outcome, outcome=FAILED, code=502, message=message)


def _state(outcomes: list[Outcome]) -> str:
    if any(outcome.outcome == fanout.UNREACHABLE for outcome in outcomes):
        return "All nodes that answer hold their previous revision; a silent one is put back as soon as it answers"
    if any("tried again" in outcome.message for outcome in outcomes):
        return "Nodes marked so are put back as soon as they answer; all others hold their previous revision"
    return "All nodes hold their previous revision"


def _in_order(targets: Sequence[Target], outcomes: list[Outcome]) -> list[Outcome]:
    order = {target.address: position for position, target in enumerate(targets)}
    return sorted(outcomes, key=lambda outcome: order[outcome.target.address])


def _merged(all_outcomes: list[Outcome], newer: list[Outcome]) -> list[Outcome]:
    by_address = {outcome.target.address: outcome for outcome in newer}
    return [by_address.get(outcome.target.address, outcome) for outcome in all_outcomes]
