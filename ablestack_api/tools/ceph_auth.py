"""ceph(8): users and their keys, and what a client needs to reach the cluster. No key is ever in an error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Finished, Runner
from ablestack_api.core.secret import MASK, Secret
from ablestack_api.tools import ceph

SERVICES = ("mds", "mgr", "mon", "osd")
GENERATE = ceph.Patience(5, 30.0)
_KEY = re.compile(r"[A-Za-z0-9+/]{36,}={0,2}")


@dataclass(frozen=True)
class User:
    """`caps` has what each service lets the user do, empty where it is nothing."""

    entity: str
    key: Secret
    caps: dict[str, str]


def read_users(runner: Runner) -> dict[str, User]:
    """By entity (`client.admin`, `osd.0`), in Ceph's order."""
    try:
        dump = ceph.read_object(runner, ["auth", "ls"], ceph.QUICK).get("auth_dump")
    except CommandFailed as error:
        raise _without_keys(error) from None
    if not isinstance(dump, list):
        raise CommandFailed("ceph auth ls told no users", program="ceph", exit_code=0)
    users = [_user(entry) for entry in dump if isinstance(entry, dict) and entry.get("entity")]
    return {user.entity: user for user in users}


def read_keyring(runner: Runner, entity: str) -> Secret:
    """A user as the text of a keyring file."""
    return Secret(_run(runner, ["auth", "get", entity]).stdout)


def generate_minimal_conf(runner: Runner) -> str:
    """A ceph.conf with what a client needs: `fsid` and `mon_host`."""
    return ceph.run(runner, ["config", "generate-minimal-conf"], GENERATE).stdout


def read_fsid(runner: Runner, conf: str, keyring: str) -> str:
    """The identity of the cluster that these two files lead to."""
    return _run(runner, ["--conf", conf, "--keyring", keyring, "fsid"]).stdout.strip()


def _run(runner: Runner, words: Sequence[str]) -> Finished:
    try:
        return ceph.run(runner, words)
    except CommandFailed as error:
        raise _without_keys(error) from None


def _user(entry: dict[str, object]) -> User:
    caps = entry.get("caps")
    given = caps if isinstance(caps, dict) else {}
    return User(
        entity=str(entry["entity"]),
        key=Secret(str(entry.get("key") or "")),
        caps={service: str(given.get(service, "")) for service in SERVICES},
    )


def _without_keys(error: CommandFailed) -> CommandFailed:
    """A program that fails may have printed a key before: its last lines are told."""
    return CommandFailed(_KEY.sub(MASK, error.detail), program="ceph", exit_code=error.members.get("exit_code"))
