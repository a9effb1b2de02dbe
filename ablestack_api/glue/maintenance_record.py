"""Who put the storage cluster into maintenance, and when.

The monitors keep it beside the flags themselves: every node tells the same, and no daemon's restart loses it.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ablestack_api.core.clock import Clock
from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner
from ablestack_api.tools import ceph

NOOUT = "noout"
FLAGS = (NOOUT, "nobackfill", "norecover")
KEY = "ablestack/maintenance"
# Somebody may look at the flags the moment before they are set, and at the record the moment after.
SETTLED = timedelta(minutes=1)


@dataclass(frozen=True)
class Record:
    """`by` is the caller (`root@10.0.0.5`), `at` RFC 3339, `node` where it was asked; `overrides` what force set aside."""

    by: str
    at: str
    node: str
    overrides: list[str] = field(default_factory=list)

    def shape(self) -> dict[str, Any]:
        return asdict(self)

    def is_old(self, clock: Clock) -> bool:
        return clock.now() - datetime.fromisoformat(self.at) > SETTLED


def read(runner: Runner) -> Record | None:
    """None when nobody set it through this API. Raises CommandFailed when what is kept is not ours."""
    text = ceph.read_config_key(runner, KEY)
    return None if text is None else _parsed(text)


def write(runner: Runner, record: Record) -> None:
    ceph.set_config_key(runner, KEY, json.dumps(asdict(record), ensure_ascii=False))


def remove(runner: Runner) -> None:
    ceph.remove_config_key(runner, KEY)


def _parsed(text: str) -> Record:
    try:
        value = json.loads(text)
        at = datetime.fromisoformat(value["at"])
        if at.tzinfo is None:
            raise ValueError("a time without an offset")
        return Record(str(value["by"]), value["at"], str(value["node"]), [str(each) for each in value.get("overrides", ())])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CommandFailed(
            f"what ceph keeps as {KEY} is no record of a maintenance", program="ceph", exit_code=0
        ) from error
