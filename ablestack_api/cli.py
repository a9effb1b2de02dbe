"""`ablestack-api`: the daemon and what an operator does on the node itself."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

from ablestack_api.core.errors import ApiError
from ablestack_api.core.settings import Settings, SettingsError


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 it failed (one line on stderr says why), 2 wrong usage or settings."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        command: Callable[[Settings, argparse.Namespace], int] = options.command
        return command(Settings.of_process(), options)
    except SettingsError as error:
        print(f"ablestack-api: {error}", file=sys.stderr)
        return 2
    except ApiError as error:
        print(f"ablestack-api: {error.detail}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ablestack-api", description="Management daemon of an ABLESTACK Cube node.")
    parser.add_argument("--version", action="version", version=metadata.version("ablestack-api"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the daemon in the foreground (what the service does)")
    serve.set_defaults(command=_serve)
    enrol = commands.add_parser("enrol", help="print a one-time code that lets this new node be taken into a cluster")
    enrol.add_argument("--json", action="store_true", help="print JSON")
    enrol.set_defaults(command=_enrol)
    change = commands.add_parser("change", help="show the cluster change this node takes part in, or decide it by hand")
    decision = change.add_mutually_exclusive_group()
    decision.add_argument("--undo", action="store_true", help="put this node's files back")
    decision.add_argument("--finish", action="store_true", help="keep what was applied")
    change.set_defaults(command=_change)
    _add_db_dump(commands.add_parser("db-dump", help="dump the Cloud Center's database, delete old dumps (what cron runs)"))
    _add_jobs(commands.add_parser("jobs", help="show, wait for and cancel long work of this node"))
    description = commands.add_parser("openapi", help="print the description of the API as JSON")
    description.set_defaults(command=_openapi)
    return parser


def _add_db_dump(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    make = actions.add_parser("make", help="make a dump; prints its path")
    prune = actions.add_parser("prune", help="delete dumps that are too old, never the last good one")
    prune.add_argument("--older-than", type=int, required=True, metavar="DAYS")
    for action in (make, prune):
        action.add_argument("--path", default="/home/db_backup", help="folder of the dumps (default: %(default)s)")
    make.set_defaults(command=_make_dump)
    prune.set_defaults(command=_prune_dumps)


def _make_dump(settings: Settings, options: argparse.Namespace) -> int:
    from ablestack_api.backup import dump_by_schedule
    from ablestack_api.wiring import build_env

    print(dump_by_schedule.make(build_env(settings), options.path))
    return 0


def _prune_dumps(settings: Settings, options: argparse.Namespace) -> int:
    from ablestack_api.backup import dump_by_schedule
    from ablestack_api.wiring import build_env

    for path in dump_by_schedule.prune(build_env(settings), options.path, options.older_than):
        print(path)
    return 0


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    newest = actions.add_parser("list", help="the newest first")
    newest.add_argument("--status", choices=("queued", "running", "succeeded", "failed", "cancelled", "interrupted"))
    newest.add_argument("--kind", help="only jobs of this kind")
    newest.add_argument("--limit", type=int, choices=range(1, 1001), default=50, metavar="N", help="1 to 1000 (default 50)")
    one = {
        "show": "steps and answer of a job",
        "log": "what a job said",
        "wait": "until a job has ended; exit code 1 when it did not succeed",
        "cancel": "ask a job to end and to take back what it did",
    }
    made = {name: actions.add_parser(name, help=told) for name, told in one.items()}
    for action in made.values():
        action.add_argument("id", help="a job, as the list or the header X-Job-Id names it")
    made["wait"].add_argument("--seconds", type=float, default=3600, help="at most so long (default: %(default)s)")
    for action in (newest, *made.values()):
        action.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_jobs)


def _jobs(settings: Settings, options: argparse.Namespace) -> int:
    from ablestack_api.jobs import terminal
    from ablestack_api.wiring import build_env

    text, code = terminal.run(build_env(settings), options)
    print(text)
    return code


def _serve(settings: Settings, _options: argparse.Namespace) -> int:
    from ablestack_api.server import Server

    Server(settings).run()
    return 0


def _enrol(settings: Settings, options: argparse.Namespace) -> int:
    from ablestack_api.core.clock import SystemClock
    from ablestack_api.state import enrolment, own_node

    code = enrolment.make(settings, SystemClock())
    name = own_node.hostname(settings)
    if options.json:
        print(json.dumps({"hostname": name, "code": code, "valid_seconds": enrolment.LIFETIME_SECONDS}))
    else:
        print(f'{code}\nGive it to cluster/apply within an hour: "enrolment_codes": {{"{name}": "{code}"}}')
    return 0


def _change(settings: Settings, options: argparse.Namespace) -> int:
    from ablestack_api.orchestrator import recovery
    from ablestack_api.state import transactions
    from ablestack_api.wiring import KINDS, build_env

    if options.undo or options.finish:
        outcome = transactions.FINISHED if options.finish else transactions.UNDONE
        print(recovery.decide_by_hand(build_env(settings), KINDS, outcome))
        return 0
    record = transactions.participation(settings)
    journals = transactions.list_journals(settings)
    if record is not None:
        leader = record.coordinator or "this node"
        print(f"takes part in {record.kind} {record.id} by {record.holder}, {record.phase}, led by {leader}")
    for journal in journals:
        untold = ", ".join(journal.waiting)
        print(f"leads {journal.kind} {journal.id} by {journal.holder}, {journal.decision}, to be told: {untold}")
    if record is None and not journals:
        print("no change is under way on this node")
    return 0


def _openapi(settings: Settings, _options: argparse.Namespace) -> int:
    from ablestack_api.app import create_app
    from ablestack_api.web import openapi
    from ablestack_api.wiring import build_env

    print(json.dumps(openapi.describe(create_app(build_env(settings))), indent=2, ensure_ascii=False))
    return 0
