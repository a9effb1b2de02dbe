"""Failed logins of the last quarter of an hour, shared by all workers (D4)."""

import os
import secrets

from ablestack_api.core.clock import Clock
from ablestack_api.core.errors import TooManyAttempts
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

WINDOW_SECONDS = 15 * 60
PER_ACCOUNT = 5
PER_ADDRESS = 20

Attempt = dict[str, str | float]


def path(settings: Settings) -> str:
    return os.path.join(settings.state_root, "login_failures.json")


def reserve(settings: Settings, clock: Clock, account: str, address: str) -> str:
    """Count an attempt before the password is looked at, so that parallel guesses cannot slip through.

    Returns the attempt's id for `forgive`. Raises TooManyAttempts with Retry-After. The file stays small: a refused
    attempt is not recorded, and only four passwords are looked at in a second.
    """
    now = clock.now().timestamp()
    with json_file.locked(path(settings)):
        attempts = [attempt for attempt in _read(settings) if now - float(attempt["at"]) < WINDOW_SECONDS]
        _refuse_too_many([a for a in attempts if a["account"] == account], PER_ACCOUNT, now, "for this account")
        _refuse_too_many([a for a in attempts if a["address"] == address], PER_ADDRESS, now, "from this address")
        attempt: Attempt = {"id": secrets.token_hex(8), "at": now, "account": account, "address": address}
        json_file.write_json(path(settings), [*attempts, attempt])
        return str(attempt["id"])


def forgive(settings: Settings, account: str, attempt_id: str) -> None:
    """The password was right: the account starts afresh, and this attempt does not count for the address."""
    with json_file.locked(path(settings)):
        kept = [attempt for attempt in _read(settings) if attempt["account"] != account and attempt["id"] != attempt_id]
        json_file.write_json(path(settings), kept)


def _refuse_too_many(attempts: list[Attempt], limit: int, now: float, whose: str) -> None:
    if len(attempts) < limit:
        return
    times = sorted(float(attempt["at"]) for attempt in attempts)
    wait = max(1, int(times[len(times) - limit] + WINDOW_SECONDS - now) + 1)
    raise TooManyAttempts(
        f"too many failed logins {whose}; try again in {wait} s. "
        "On the node itself ablestack-auth-token gives a token without a password",
        headers={"Retry-After": str(wait)},
        retry_after_seconds=wait,
    )


def _read(settings: Settings) -> list[Attempt]:
    value = json_file.read_json(path(settings))
    wanted = {"id", "at", "account", "address"}
    return (
        [entry for entry in value if isinstance(entry, dict) and wanted <= entry.keys()] if isinstance(value, list) else []
    )
