"""Giving all nodes a new secret: the one kind of change behind token rotation and `auth/sync`.

`prepare` makes a node accept the new value beside the old one, `apply` makes it the present one, `finish` ends the old one.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ablestack_api.core.errors import bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.orchestrator.participant import Facts, Kind, Payload
from ablestack_api.state import overlap

LONGEST = 512


@dataclass(frozen=True)
class SharedSecret:
    """A secret that every node holds. `field` is its key in the payload, `overlap` its name during a change-over.

    `refuse` raises when this node cannot take a new value, and writes nothing; `keep_seconds` says how long the replaced
    value stays good after the end (tokens that it signed).
    """

    name: str
    path: str
    field: str
    overlap: str
    file: Callable[[Settings], str]
    present: Callable[[Settings], str]
    store: Callable[[Settings, str], None]
    refuse: Callable[[Settings], None]
    keep_seconds: Callable[[Settings], float]


def kind_of(secret: SharedSecret) -> Kind:
    def files(env: Env, _payload: Payload) -> list[str]:
        return [secret.file(env.settings), overlap.path(env.settings)]

    def check(env: Env, payload: Payload) -> None:
        _require(payload, secret.field)
        secret.refuse(env.settings)

    def stage(env: Env, payload: Payload) -> None:
        overlap.stage(env.settings, secret.overlap, payload[secret.field])

    def apply(env: Env, payload: Payload) -> Facts:
        new, old = payload[secret.field], secret.present(env.settings)
        if old != new:
            overlap.promoted(env.settings, secret.overlap, old)
            secret.store(env.settings, new)
        return {"revision": hashlib.sha256(secret.present(env.settings).encode()).hexdigest()[:16]}

    def finish(env: Env, _payload: Payload) -> list[dict[str, Any]]:
        overlap.finish(env.settings, secret.overlap, env.clock, secret.keep_seconds(env.settings))
        return []

    return Kind(secret.name, secret.path, files, check, apply, stage=stage, finish=finish)


def _require(payload: Payload, field: str) -> None:
    """A wrong value would lock the node out. The error's text never shows it."""
    value = payload.get(field)
    if not isinstance(value, str) or not value.strip():
        raise bad_field(f"request.{field}", "required")
    if len(value) > LONGEST or not value.isprintable():
        raise bad_field(f"request.{field}", f"must be printable and at most {LONGEST} characters long")
