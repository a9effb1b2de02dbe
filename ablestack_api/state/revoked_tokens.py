"""Bearer tokens that were logged out before they expired."""

import os

from ablestack_api.core.clock import Clock
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file


def path(settings: Settings) -> str:
    return os.path.join(settings.state_root, "revoked_tokens.json")


def revoke(settings: Settings, clock: Clock, tokens: dict[str, int]) -> None:
    """`tokens`: id -> expiry in seconds since 1970. Entries past their expiry are dropped on the way."""
    now = clock.now().timestamp()
    with json_file.locked(path(settings)):
        merged = {**listed(settings), **tokens}
        json_file.write_json(path(settings), {key: expiry for key, expiry in merged.items() if expiry > now})


def listed(settings: Settings) -> dict[str, int]:
    value = json_file.read_json(path(settings))
    return value if isinstance(value, dict) else {}


def is_revoked(settings: Settings, token_id: str) -> bool:
    return token_id in listed(settings)
