"""Secrets in change-over: while a new value spreads through the cluster, the old and the new one are both accepted.

A secret's present value lives where 0.1.2 kept it (cluster.json, auth.json); this file only holds its neighbours in
time: `staged` (offered, not yet used) and `previous` (replaced, still accepted until `previous_until`).
"""

import os
from dataclasses import asdict, dataclass
from typing import Any

from ablestack_api.core.clock import Clock
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

INTERNAL_TOKEN = "internal_token"  # noqa: S105  the name of a secret, not a secret
SIGNING_VALUE = "signing_value"


@dataclass(frozen=True)
class Overlap:
    """`previous_until` is in seconds since 1970; 0 means until the change-over is finished."""

    staged: str = ""
    previous: str = ""
    previous_until: float = 0

    def accepted(self, now: float) -> list[str]:
        previous = self.previous if not self.previous_until or now < self.previous_until else ""
        return [value for value in (self.staged, previous) if value]


def path(settings: Settings) -> str:
    return os.path.join(settings.state_root, "overlap.json")


def read(settings: Settings, name: str) -> Overlap:
    value = _all(settings).get(name, {})
    return Overlap(
        staged=str(value.get("staged", "")),
        previous=str(value.get("previous", "")),
        previous_until=float(value.get("previous_until", 0)),
    )


def write(settings: Settings, name: str, overlap: Overlap) -> None:
    with json_file.locked(path(settings)):
        every = _all(settings)
        every[name] = asdict(overlap)
        json_file.write_json(path(settings), every)


def stage(settings: Settings, name: str, value: str) -> None:
    """Accept `value` from now on beside the present one."""
    present = read(settings, name)
    write(settings, name, Overlap(value, present.previous, present.previous_until))


def promoted(settings: Settings, name: str, replaced: str) -> None:
    """The staged value becomes the present one; `replaced` stays accepted until `finish`, and so does the staged one
    for the moment between this write and the next."""
    write(settings, name, Overlap(staged=read(settings, name).staged, previous=replaced))


def finish(settings: Settings, name: str, clock: Clock, keep_seconds: float = 0) -> None:
    """End the change-over; the replaced value stays accepted for `keep_seconds` more, or not at all."""
    present = read(settings, name)
    if keep_seconds and present.previous:
        write(settings, name, Overlap(previous=present.previous, previous_until=clock.now().timestamp() + keep_seconds))
    else:
        write(settings, name, Overlap())


def accepted(settings: Settings, name: str, now: float) -> list[str]:
    """The values that are accepted beside the present one."""
    return read(settings, name).accepted(now)


def _all(settings: Settings) -> dict[str, dict[str, Any]]:
    value = json_file.read_json(path(settings))
    return value if isinstance(value, dict) else {}
