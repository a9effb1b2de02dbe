"""The command line of the lab. Exit status: 0 done, 1 failed, 2 wrong usage, 3 this machine cannot run a lab."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from tests.lab import first_apply, host, lifecycle, paths, profile, service_setup, status
from tests.lab.errors import CannotRunError, LabError
from tests.lab.lab import Lab

DESCRIPTION = "A real cluster of nspawn machines on this machine. Every command but `prepare` takes --profile."
FAILED, CANNOT_RUN, INTERRUPTED = 1, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit status."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        action: Callable[[argparse.Namespace], int] = arguments.action
        return action(arguments)
    except CannotRunError as error:
        print(f"lab: cannot run here: {error}", file=sys.stderr)
        return CANNOT_RUN
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "prepare", _prepare, "install what this machine needs to host a lab (Debian, root)")
    up = _add(commands, "up", _up, "bring a lab up, or what is missing of one that is up")
    up.add_argument("--services", choices=list(service_setup.LEVELS), default="all", help="how much to set up")
    up.add_argument(
        "--keep",
        action="store_true",
        help="leave a lab that failed to come up as it is (one that was up stays anyway)",
    )
    shown = _add(commands, "status", _status, "tell what runs (exit status 1 when not every node does)")
    for command in (up, shown):
        command.add_argument("--json", action="store_true", help="print the status as JSON")
    _add(commands, "deploy", _deploy, "update the product in the nodes from this checkout")
    _add(commands, "down", _down, "take the lab down and delete its disks")
    _add(commands, "apply", _apply, "make one cluster of the nodes through the product's API")
    shell = _add(commands, "shell", _shell, "a root shell in a node")
    shell.add_argument("--node", default="cube1")
    inside = _add(commands, "run", _run, "run a program in a node, with this terminal")
    inside.add_argument("--node", default="cube1")
    inside.add_argument("argv", nargs="+", metavar="PROGRAM", help="put -- before it when it has options")
    tests = _add(commands, "test", _test, "run the tests marked `lab` against the profile")
    tests.add_argument("argv", nargs="*", metavar="ARGUMENT", help="arguments of pytest; put -- before them")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    action: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(action=action)
    command.add_argument("--profile", choices=profile.names(), default=os.environ.get("ABLESTACK_LAB_PROFILE", "hci"))
    return command


def _prepare(_: argparse.Namespace) -> int:
    host.prepare()
    return 0


def _up(arguments: argparse.Namespace) -> int:
    chosen, say = profile.load(arguments.profile), _progress()
    stays = arguments.keep or lifecycle.leftovers(chosen.name)
    try:
        lab = lifecycle.up(chosen, arguments.services, say)
    except CannotRunError:
        raise
    except BaseException:
        if not stays:
            say("taking down what was started")
            lifecycle.abandon(chosen.name)
        raise
    say("up")
    return _show(lab, as_json=arguments.json)


def _status(arguments: argparse.Namespace) -> int:
    return _show(Lab(profile.load(arguments.profile)), as_json=arguments.json)


def _show(lab: Lab, *, as_json: bool) -> int:
    collected = status.collect(lab)
    print(json.dumps(collected.as_json(), indent=4) if as_json else collected.as_table())
    return 0 if collected.is_up else FAILED


def _deploy(arguments: argparse.Namespace) -> int:
    say = _progress()
    lifecycle.deploy(profile.load(arguments.profile), say)
    say("deployed")
    return 0


def _apply(arguments: argparse.Namespace) -> int:
    print(json.dumps(first_apply.apply(Lab(profile.load(arguments.profile))), indent=4))
    return 0


def _down(arguments: argparse.Namespace) -> int:
    say = _progress()
    lifecycle.down(arguments.profile)
    left = lifecycle.leftovers(arguments.profile)
    say("down" if not left else f"still there: {', '.join(left)}")
    return FAILED if left else 0


def _shell(arguments: argparse.Namespace) -> NoReturn:
    _become(arguments, ["/bin/bash", "--login"])


def _run(arguments: argparse.Namespace) -> NoReturn:
    _become(arguments, arguments.argv)


def _become(arguments: argparse.Namespace, argv: list[str]) -> NoReturn:
    """Turn this process into a program in the node."""
    lab = Lab(profile.load(arguments.profile))
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": os.environ.get("TERM", "dumb")}
    words = [*lab.machine(arguments.node).enter(), *argv]
    os.execvpe(words[0], words, environment)


def _test(arguments: argparse.Namespace) -> NoReturn:
    os.environ["ABLESTACK_LAB_PROFILE"] = arguments.profile
    os.chdir(paths.SOURCE)
    words = [sys.executable, "-m", "pytest", "-m", "lab", *(arguments.argv or ["tests/lab"])]
    os.execvp(words[0], words)


def _progress() -> Callable[[str], None]:
    """Prints lines to the error stream, each with the seconds since now."""
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:6.1f} s] {text}", file=sys.stderr, flush=True)

    return say


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM ends a command as Ctrl-C does: tidily."""
    raise KeyboardInterrupt
