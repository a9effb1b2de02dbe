"""`ablestack-auth-token`: a Bearer token for the Linux session that runs it, without a password (contract 01 §4.2).

It runs at every page load of Cockpit: no import here that a bare interpreter with json and hmac would not have.
"""

import json
import os
import sys
import time

from ablestack_api.auth import accounts, issue
from ablestack_api.core import log
from ablestack_api.core.errors import ApiError
from ablestack_api.core.settings import Settings, SettingsError
from ablestack_api.state import auth_file

USAGE = """usage: ablestack-auth-token [--plain] [--user NAME]

Print a Bearer token for the API of this node as one line of JSON.

  --plain      print only the value of the Authorization header
  --user NAME  for another account (root only)
  --help       this text
"""


class Refused(Exception):
    """The text is for stderr."""


def main() -> int:
    """Exit codes: 0 token printed, 1 refused or failed (one line on stderr), 2 wrong usage."""
    try:
        plain, user = _arguments(sys.argv[1:])
    except ValueError as error:
        sys.stderr.write(f"ablestack-auth-token: {error}\n{USAGE}")
        return 2
    if user is None:
        sys.stdout.write(USAGE)
        return 0
    try:
        answer = _issue(Settings.of_process(), user)
    except (Refused, SettingsError) as error:
        sys.stderr.write(f"ablestack-auth-token: {error}\n")
        return 1
    except ApiError as error:
        sys.stderr.write(f"ablestack-auth-token: {error.detail}\n")
        return 1
    sys.stdout.write(f"{answer['authorization']}\n" if plain else f"{json.dumps(answer)}\n")
    return 0


def _arguments(arguments: "list[str]") -> "tuple[bool, str | None]":
    """(plain, account name or "" for the own one); the name is None when help was asked for."""
    plain, user, rest = False, "", list(arguments)
    while rest:
        flag, separator, value = rest.pop(0).partition("=")
        if flag in ("-h", "-help", "--help"):
            return False, None
        if flag in ("-plain", "--plain") and not separator:
            plain = True
        elif flag in ("-user", "--user") and (separator or rest):
            user = value if separator else rest.pop(0)
        else:
            raise ValueError(f"unknown or incomplete option {flag}")
    return plain, user.strip()


def _issue(settings: Settings, user: str) -> "dict[str, object]":
    own = _own_name()
    name = user or own
    if not accounts.is_valid_name(name):
        raise Refused("invalid linux user")
    if name != own and os.geteuid() != 0:
        raise Refused("--user can only target another account when running as root")
    now = time.time()
    refusal = accounts.refusal(auth_file.read(settings), accounts.read(settings, name), now)
    if refusal:
        raise Refused(f"linux user is not allowed: {refusal}")
    answer = {"code": 200, **issue.issue(settings, name, now), "subject": name}
    _audit(settings, own, name)
    return answer


def _own_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise Refused(f"there is no account with the number {os.geteuid()}") from error


def _audit(settings: Settings, own: str, name: str) -> None:
    stamp, zone = time.strftime("%Y-%m-%dT%H:%M:%S"), time.strftime("%z")
    record = {
        "type": "audit",
        "time": f"{stamp}{zone[:3]}:{zone[3:]}",
        "caller": f"{own}@local",
        "action": "ablestack-auth-token",
        "account": name,
    }
    log.append(settings.audit_log, record)


if __name__ == "__main__":
    sys.exit(main())
