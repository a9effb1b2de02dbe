"""rados(8): a lease that the whole cluster sees, kept by Ceph itself.

It is an advisory lock on an object, with an end: a node that dies with it holds nobody up for longer than that, and a
part of a split cluster that has no Ceph quorum cannot take it.
"""

import json
from dataclasses import dataclass
from errno import EBUSY, ENOENT

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

CONNECT_SECONDS = 5
SECONDS = 15.0


@dataclass(frozen=True)
class Lease:
    """`name` of the object in `pool`; `cookie` is who holds it."""

    pool: str
    name: str
    cookie: str


@dataclass(frozen=True)
class Holder:
    """Who has a lease: `client` as Ceph numbers it, and until when at most. Empty texts when nobody has it."""

    client: str = ""
    cookie: str = ""
    until: str = ""


def take(runner: Runner, lease: Lease, seconds: int) -> bool:
    """False when somebody else has it. Raises CommandFailed, CommandTimedOut, ProgramMissing."""
    options = ["--lock-cookie", lease.cookie, "--lock-duration", str(seconds), "--lock-type", "exclusive"]
    finished = runner.run(_argv(lease, "get", *options), timeout=SECONDS, ok=(0, 1, EBUSY))
    if finished.code == 0:
        return True
    if "Device or resource busy" in finished.stderr or finished.code == EBUSY:
        return False
    raise CommandFailed(f"rados lock get failed: {finished.stderr.strip()}", program="rados", exit_code=finished.code)


def holder(runner: Runner, lease: Lease) -> Holder:
    finished = runner.run(_argv(lease, "info"), timeout=SECONDS, ok=(0, 1, ENOENT))
    try:
        lockers = json.loads(finished.stdout or "{}").get("lockers", [])
        if not lockers:
            return Holder()
        return Holder(str(lockers[0]["name"]), str(lockers[0]["cookie"]), str(lockers[0].get("expiration", "")))
    except (ValueError, KeyError, AttributeError) as error:
        raise CommandFailed("rados lock info printed no JSON", program="rados", exit_code=finished.code) from error


def give_back(runner: Runner, lease: Lease) -> None:
    """Only when it is still ours: another one may have taken it after its end."""
    found = holder(runner, lease)
    if found.client and found.cookie == lease.cookie:
        argv = _argv(lease, "break", found.client, "--lock-cookie", found.cookie)
        runner.run(argv, timeout=SECONDS, ok=(0, 1, ENOENT))


def _argv(lease: Lease, word: str, *more: str) -> list[str]:
    # rados has no --connect-timeout; this option of librados is what it waits for the monitors.
    options = ["--client-mount-timeout", str(CONNECT_SECONDS), "-p", lease.pool]
    return ["rados", *options, "lock", word, lease.name, "lease", *more]
