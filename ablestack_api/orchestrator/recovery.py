"""Settling what a crash or a cut network left behind: changes this node led, and changes it takes part in.

Runs at the start of the daemon and every few seconds after; a pass with nothing to do costs two look-ups of a folder.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import Conflict
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import fanout, participant
from ablestack_api.orchestrator.participant import Kind, Step
from ablestack_api.orchestrator.transaction import settle_journal, take_step
from ablestack_api.state import error_list, own_node, transactions
from ablestack_api.state.transactions import FINISHED, UNDECIDED, UNDONE, Journal, Participation

log = logging.getLogger(__name__)

PASS_SECONDS = 2.0
CALL_SECONDS = 5.0
# A node that has not come back after this long was taken out of the cluster or set up anew.
FORGET_SECONDS = 30 * 86400.0

Kinds = Mapping[str, Kind]


def run_for_ever(env: Env, kinds: Kinds) -> None:
    """Body of the daemon's recovery thread."""
    while True:
        try:
            settle(env, kinds)
        except Exception:
            log.exception("a recovery pass failed")
        time.sleep(PASS_SECONDS)


def settle(env: Env, kinds: Kinds) -> None:
    """One pass. Does nothing while a change is being led by a living thread of this node."""
    if not transactions.list_journals(env.settings) and transactions.participation(env.settings) is None:
        return
    settler = transactions.CoordinatorLock(env.settings, "settler")
    if not settler.acquire():
        return
    try:
        if _decide_broken_off(env):
            for journal in transactions.list_journals(env.settings):
                _settle_led(env, kinds, journal)
            record = transactions.participation(env.settings)
            if record is not None:
                _settle_own(env, kinds, record)
    finally:
        settler.release()


def decide_by_hand(env: Env, kinds: Kinds, outcome: str) -> str:
    """For an operator whose coordinator is gone for good: finish or undo this node's part. Returns what was done."""
    record = transactions.participation(env.settings)
    if record is None:
        raise Conflict("this node takes part in no change; there is nothing to decide")
    _end(env, kinds, record, outcome)
    return f"change {record.id} ({record.kind}, by {record.holder}) is {outcome} on this node"


def _decide_broken_off(env: Env) -> bool:
    """Undecided changes that nobody leads any more are undone. False while somebody leads one."""
    lock = transactions.CoordinatorLock(env.settings)
    if not lock.acquire():
        return False
    try:
        for journal in transactions.list_journals(env.settings):
            if journal.decision == UNDECIDED:
                _report(env, f"change {journal.id} ({journal.kind}, by {journal.holder}) was broken off; it is undone now")
                waiting = [member.address for member in journal.members]
                transactions.write_journal(env.settings, replace(journal, decision=UNDONE, waiting=waiting))
    finally:
        lock.release()
    return True


def _settle_led(env: Env, kinds: Kinds, journal: Journal) -> None:
    members = [member for member in journal.members if member.address in journal.waiting]
    if env.clock.now().timestamp() - journal.since > FORGET_SECONDS:
        members = []
    outcomes = fanout.at_once(members, lambda member: _tell(env, kinds[journal.kind], journal, member))
    still = [outcome.target.address for outcome in outcomes if not outcome.good]
    if still != journal.waiting:
        settle_journal(env, replace(journal, waiting=still))


def _tell(env: Env, kind: Kind, journal: Journal, member: Target) -> fanout.Outcome:
    phase = "finish" if journal.decision == FINISHED else "undo"
    deadline = Deadline(env.clock, CALL_SECONDS)
    outcome = take_step(env, kind, member, Step(id=journal.id, phase=phase), {}, deadline, journal.token or None)
    if outcome.outcome == fanout.REFUSED and journal.decision == UNDONE:
        # It never learned our token (a first insert that was undone), so it has nothing to undo either.
        return replace(outcome, outcome=fanout.OK)
    return outcome


def _settle_own(env: Env, kinds: Kinds, record: Participation) -> None:
    outcome = _decision(env, record)
    if outcome in (FINISHED, UNDONE):
        _report(env, f"change {record.id} ({record.kind}, by {record.holder}) was left open here; it is {outcome} now")
        _end(env, kinds, record, outcome)


def _end(env: Env, kinds: Kinds, record: Participation, outcome: str) -> None:
    phase = "finish" if outcome == FINISHED else "undo"
    participant.take(env, kinds[record.kind], Step(id=record.id, phase=phase), {})


def _decision(env: Env, record: Participation) -> str:
    """Ask the coordinator; when it cannot be reached, anybody who knows how it ended. Else wait."""
    own = transactions.outcome_of(env.settings, record.id)
    if own in (FINISHED, UNDONE):
        return own
    if record.led_here:
        return UNDONE if own == "unknown" else own
    if record.coordinator:
        answer = _ask(env, record, _member(record.coordinator)).value
        if answer is not None:
            return UNDONE if answer == "unknown" else str(answer)
    others = [
        _member(address)
        for address in record.members
        if address != record.coordinator and not own_node.has_address(env.settings, address)
    ]
    answers = [outcome.value for outcome in fanout.at_once(others, lambda member: _ask(env, record, member))]
    return next((answer for answer in answers if answer in (FINISHED, UNDONE)), UNDECIDED)


def _member(address: str) -> Target:
    """A member of a record: its addresses were checked against the cluster when it was written."""
    return Target(address=address, hostname="", role="host")


def _ask(env: Env, record: Participation, member: Target) -> fanout.Outcome:
    """The outcome as that node knows it as the value; None when it does not answer."""
    path = f"/cube/cluster/transactions/{record.id}"
    outcome = fanout.call(env, member, "GET", path, deadline=Deadline(env.clock, CALL_SECONDS))
    known = outcome.value.get("outcome") if outcome.good and isinstance(outcome.value, dict) else None
    return replace(outcome, value=known)


def _report(env: Env, text: str) -> None:
    log.warning("%s", text)
    error_list.record(env.settings, env.clock, text)
