"""`GET /glue/auth`, `/glue/auth/<name>`, `/glue/auths`: Ceph's users (contract 05 §17.3, §17.4).

Keys are for people: another node gets stars.
"""

import re
from typing import Any

from ablestack_api.core.caller import Caller
from ablestack_api.core.errors import NotFound, bad_field
from ablestack_api.core.readings import Reading
from ablestack_api.core.secret import MASK
from ablestack_api.env import Env
from ablestack_api.glue.storage_status import KEEP_SECONDS, SECONDS
from ablestack_api.tools import ceph_auth
from ablestack_api.tools.ceph_auth import User

READING = "storage cluster users"
DEFAULT = "client.admin"
# What 0.1.2 answered beside its 404.
NEVER = "0001-01-01T00:00:00Z"
_ENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:+-]{0,127}")

Shape = dict[str, Any]


def read_one(env: Env, name: str, caller: Caller, *, refresh: bool) -> Shape:
    """Raises BadInput, NotFound, and what ceph raises when nothing was ever read."""
    wanted = name or DEFAULT
    if _ENTITY.fullmatch(wanted) is None:
        raise bad_field("username", "is no name of a Ceph user, as client.admin is")
    reading = _reading(env, refresh)
    user = reading.value.get(wanted)
    if user is None and not refresh:  # it may have been made a moment ago
        reading = _reading(env, True)
        user = reading.value.get(wanted)
    if user is None:
        text, caps = f"Ceph has no user {wanted}; GET /api/v1/glue/auths lists them", dict.fromkeys(ceph_auth.SERVICES, "")
        raise NotFound(text, entity=wanted, key="", caps=caps, refreshTime=NEVER)
    return {**_entry(user, reading, caller), **reading.freshness()}


def read_all(env: Env, caller: Caller, *, refresh: bool) -> Shape:
    reading = _reading(env, refresh)
    users = {entity: _entry(user, reading, caller) for entity, user in reading.value.items()}
    return {"auth": users, "refreshTime": _time(reading), **reading.freshness()}


def _reading(env: Env, refresh: bool) -> Reading[dict[str, User]]:
    return env.readings.get(
        READING, lambda: ceph_auth.read_users(env.runner), refresh=refresh, keep=KEEP_SECONDS, patience=SECONDS
    )


def _entry(user: User, reading: Reading[dict[str, User]], caller: Caller) -> Shape:
    key = user.key.reveal() if caller.user is not None else MASK
    return {"entity": user.entity, "key": key, "caps": user.caps, "refreshTime": _time(reading)}


def _time(reading: Reading[dict[str, User]]) -> str:
    return reading.at.isoformat(timespec="seconds")
