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
    description = commands.add_parser("openapi", help="print the description of the API as JSON")
    description.set_defaults(command=_openapi)
    return parser


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
