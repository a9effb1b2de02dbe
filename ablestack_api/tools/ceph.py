"""ceph(8). Always with --connect-timeout: without a monitor it would wait for ever (D27)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Finished, Runner
from ablestack_api.core.secret import Secret

# The reading of `ceph -s`, one for all who only need its facts.
READING = "ceph -s"
# As long as 0.1.2's monitor let its readings grow old.
KEEP_SECONDS = 10.0

JSON_FORMAT = ("--format", "json")
ENOENT = 2


@dataclass(frozen=True)
class Patience:
    """Whole seconds until a monitor must have answered, and seconds until the program must have ended."""

    connect: int
    seconds: float
    options: tuple[str, ...] = ()


USUAL = Patience(5, 10.0)
# For what a person looks at: with every monitor down there is an answer within 5 s. A client that meets a monitor which
# is just gone looks for another one after 3 s only, seen to be too late for that: here after 1 s.
QUICK = Patience(3, 4.0, ("--mon-client-hunt-interval=1",))

# What ceph says itself is no help to somebody who does not know it.
KEYRING_HINT = "look at /etc/ceph/ceph.client.admin.keyring: is it there, and is its key the cluster's?"
HINTS = (
    ("conf_read_file", "this node has no readable /etc/ceph/ceph.conf; POST /api/v1/cube/glue/config/update brings it one"),
    ("keyring", KEYRING_HINT),
    ("permission denied", KEYRING_HINT),
    ("timed out", "no monitor answered {connect} s long; look at the monitors and at this node's storage network"),
)


def run(
    runner: Runner,
    words: Sequence[str],
    patience: Patience = USUAL,
    *,
    ok: Sequence[int] = (0,),
    stdin: Secret | None = None,
) -> Finished:
    """`ceph <words>`. Raises CommandFailed with advice where the cause is a known one, CommandTimedOut, ProgramMissing."""
    argv = ["ceph", "--connect-timeout", str(patience.connect), *patience.options, *words]
    try:
        return runner.run(argv, timeout=patience.seconds, stdin=stdin, ok=ok)
    except CommandFailed as error:
        hint = next((hint for sign, hint in HINTS if sign in error.detail.lower()), "")
        advice = f"; {hint.format(connect=patience.connect)}" if hint else ""
        raise CommandFailed(f"{error.detail}{advice}", program="ceph", exit_code=error.members.get("exit_code")) from error


def read_object(runner: Runner, words: Sequence[str], patience: Patience = USUAL) -> dict[str, Any]:
    """What a command prints as JSON; its warnings on stderr do not matter."""
    value = _decoded(words, run(runner, [*words, *JSON_FORMAT], patience).stdout)
    if not isinstance(value, dict):
        raise CommandFailed(f"ceph {' '.join(words)} did not print a JSON object", program="ceph", exit_code=0)
    return value


def read_list(runner: Runner, words: Sequence[str], patience: Patience = USUAL) -> list[dict[str, Any]]:
    value = _decoded(words, run(runner, [*words, *JSON_FORMAT], patience).stdout)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise CommandFailed(f"ceph {' '.join(words)} did not print a JSON list of objects", program="ceph", exit_code=0)
    return value


def read_status(runner: Runner) -> dict[str, Any]:
    """What `ceph -s` tells, as it is."""
    return read_object(runner, ["-s"], QUICK)


def read_mgr_stat(runner: Runner) -> dict[str, Any]:
    """`active_name`, and `num_standby` (16) or `num_standbys`."""
    return read_object(runner, ["mgr", "stat"], QUICK)


def read_usage(runner: Runner) -> dict[str, Any]:
    """What `ceph df detail` tells: `stats` (bytes and a ratio), `stats_by_class`, `pools`."""
    return read_object(runner, ["df", "detail"], QUICK)


def read_config_key(runner: Runner, key: str) -> str | None:
    """A value that the monitors keep for their clients; None when there is none."""
    done = run(runner, ["config-key", "get", key], QUICK, ok=(0, ENOENT))
    return done.stdout if done.code == 0 else None


def set_config_key(runner: Runner, key: str, value: str) -> None:
    run(runner, ["config-key", "set", key, value])


def remove_config_key(runner: Runner, key: str) -> None:
    """Also when there is none."""
    run(runner, ["config-key", "rm", key], QUICK, ok=(0, ENOENT))


def read_key(runner: Runner, entity: str) -> Secret:
    """The key of a Ceph user (`client.admin`), base64."""
    return Secret(run(runner, ["auth", "get-key", entity]).stdout.strip())


def dashboard(status: dict[str, Any]) -> str:
    """The URL of the manager's dashboard in what `ceph -s` tells; empty when it serves none."""
    services = (status.get("mgrmap") or {}).get("services") if isinstance(status.get("mgrmap"), dict) else None
    url = services.get("dashboard") if isinstance(services, dict) else None
    return url if isinstance(url, str) else ""


def _decoded(words: Sequence[str], printed: str) -> object:
    try:
        # NaN is no JSON for those who read our answer.
        return json.loads(printed, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise CommandFailed(f"ceph {' '.join(words)} did not print JSON", program="ceph", exit_code=0) from error
