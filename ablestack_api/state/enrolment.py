"""The one-time code that `ablestack-api enrol` prints: only its hash is stored (D5)."""

import hashlib
import hmac
import os
import secrets

from ablestack_api.core.clock import Clock
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

LIFETIME_SECONDS = 3600
# 32 characters without look-alikes: 10 of them are 50 bits, read aloud without mistakes.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def path(settings: Settings) -> str:
    return os.path.join(settings.state_root, "enrolment.json")


def make(settings: Settings, clock: Clock) -> str:
    """A new code, `XXXXX-XXXXX`, valid for an hour; it replaces an earlier one."""
    half = ["".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(2)]
    code = "-".join(half)
    with json_file.locked(path(settings)):
        json_file.write_json(
            path(settings), {"sha256": _digest(code), "expires": clock.now().timestamp() + LIFETIME_SECONDS}
        )
    return code


def is_valid(settings: Settings, clock: Clock, code: str) -> bool:
    stored = json_file.read_json(path(settings))
    if not isinstance(stored, dict) or clock.now().timestamp() >= float(stored.get("expires", 0)):
        return False
    return hmac.compare_digest(str(stored.get("sha256", "")), _digest(code))


def use_up(settings: Settings) -> None:
    json_file.remove(path(settings))


def _digest(code: str) -> str:
    return hashlib.sha256(code.strip().upper().encode()).hexdigest()
