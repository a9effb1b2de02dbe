"""Login with a Linux account through PAM, and logout (D4)."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from filelock import FileLock, Timeout

from ablestack_api.auth import accounts, issue, verify
from ablestack_api.core.caller import Caller
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import CommandFailed, PeersFailed, TooManyAttempts, Unauthorized
from ablestack_api.core.secret import Secret
from ablestack_api.env import Env
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import auth_file, cluster_file, json_file, login_failures, revoked_tokens

PAM_SERVICES = ("ablestack-api", "login")
PAM_SECONDS = 20.0
CHECKS_AT_ONCE = 4
WRONG_ANSWERED_AFTER = 1.0
PEER_SECONDS = 5.0


def login(env: Env, name: str, password: Secret, address: str) -> dict[str, Any]:
    """The token for a right password. Raises Unauthorized after a second, TooManyAttempts with Retry-After.

    Every refusal reads the same: whether an account exists, or may use the API, is nobody's business.
    """
    if not accounts.is_valid_name(name) or not password or "\0" in password.reveal():
        raise Unauthorized("invalid credentials")
    auth = auth_file.read(env.settings)
    with _slot(env):
        attempt = login_failures.reserve(env.settings, env.clock, name, address)
        started = env.clock.monotonic()
        account = accounts.read(env.settings, name)
        refusal = accounts.refusal(auth, account, env.clock.now().timestamp())
        if refusal or not _password_is_right(env, name, password):
            env.clock.sleep(max(0.0, WRONG_ANSWERED_AFTER - (env.clock.monotonic() - started)))
            raise Unauthorized("invalid credentials")
        login_failures.forgive(env.settings, name, attempt)
    return {"code": 200, **issue.issue(env.settings, name, env.clock.now().timestamp())}


def audited_name(env: Env, name: str) -> str:
    """The name for the audit log; not one that no account has: it may be a password in the wrong field."""
    return name if accounts.read(env.settings, name) is not None else "(no such account)"


def logout(env: Env, caller: Caller, deadline: Deadline) -> list[Outcome]:
    """Refuse this token from now on, here and on the other hosts. Raises PeersFailed when one could not be told."""
    if not caller.claims:
        raise Unauthorized("authorization header required")
    revoke(env, {verify.token_id(caller.claims): int(caller.claims["exp"])})
    document = cluster_file.read_or_empty(env.settings).document
    others = [target for target in targets.hosts(env.settings, document.cluster) if not target.local]
    told = {"revoked": revoked_tokens.listed(env.settings)}
    outcomes = fanout.at_once(
        others, lambda target: fanout.call(env, target, "POST", "/auth/logout/apply", body=told, deadline=deadline)
    )
    if any(outcome.bad for outcome in outcomes):
        raise PeersFailed(
            "logged out here, but not on every node: there the token stays good until it expires "
            "or until the next logout reaches them",
            results=[outcome.entry() for outcome in outcomes],
        )
    return outcomes


def revoke(env: Env, tokens: dict[str, int]) -> None:
    """`tokens`: token id -> expiry in seconds since 1970."""
    revoked_tokens.revoke(env.settings, env.clock, tokens)


@contextlib.contextmanager
def _slot(env: Env) -> Iterator[None]:
    """One of the places in which a password may be looked at, shared by all workers of the node."""
    with json_file.told(env.settings.state_root):
        os.makedirs(env.settings.state_root, mode=0o700, exist_ok=True)
    for number in range(CHECKS_AT_ONCE):
        lock = FileLock(os.path.join(env.settings.state_root, f"login-{number}.lock"), timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            continue
        try:
            yield
        finally:
            lock.release()
        return
    raise TooManyAttempts(
        f"{CHECKS_AT_ONCE} logins are being checked at this moment; try again in 2 s",
        headers={"Retry-After": "2"},
        retry_after_seconds=2,
    )


def _password_is_right(env: Env, name: str, password: Secret) -> bool:
    question = json.dumps({"username": name, "password": password.reveal(), "services": PAM_SERVICES})
    argv = [sys.executable, "-I", "-m", "ablestack_api.auth.pam_check"]
    answer = env.runner.run(argv, stdin=Secret(question), timeout=PAM_SECONDS)
    # The answer is the last line: a PAM module may have printed something before it.
    lines = answer.stdout.splitlines()
    try:
        return json.loads(lines[-1])["good"] is True
    except (LookupError, TypeError, ValueError) as error:
        raise CommandFailed("the password check gave no answer", program="pam_check", exit_code=answer.code) from error
