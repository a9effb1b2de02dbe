"""`GET /glue` as the first releases had it: the object of `ceph -s` and its age (contract 05 §17.2)."""

from typing import Any

from ablestack_api.env import Env
from ablestack_api.tools import ceph


def read(env: Env, *, refresh: bool) -> dict[str, Any]:
    """All checks of its health are passed on, known or not; none is invented."""
    reading = env.readings.get(
        ceph.READING,
        lambda: ceph.read_status(env.runner),
        refresh=refresh,
        keep=ceph.KEEP_SECONDS,
        patience=ceph.QUICK.seconds,
    )
    return {**reading.value, **reading.freshness()}
