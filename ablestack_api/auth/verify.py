"""Checking a Bearer token (contract 01 §2.3, D3)."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import jwt

from ablestack_api.auth import accounts
from ablestack_api.core.caller import Caller
from ablestack_api.core.errors import Unauthorized
from ablestack_api.env import Env
from ablestack_api.state import auth_file, overlap, revoked_tokens
from ablestack_api.state.accounts import DAY

# How long a look at an account's state is good for.
ACCOUNT_SECONDS = 60.0
LATEST = 10**12
# Consoles send the same token with every request; a longer list than there are users at work helps nobody.
REMEMBERED = 256
UNCHECKED: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False, "verify_iss": False}


class Verifier:
    """Checks tokens; remembers for a minute what it found out about an account."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._accounts: dict[str, tuple[float, str, int]] = {}

    def bearer(self, authorization: str | None, address: str) -> Caller:
        """Who sent this Authorization header. Raises Unauthorized with 0.1.2's reasons."""
        claims = self._claims(_token_of(authorization))
        if not _is_time(claims.get("iat", 0)):
            raise Unauthorized("invalid token")
        if claims.get("use") != "access" or not _later(claims.get("exp"), self._env.clock.now().timestamp()):
            raise Unauthorized("token expired")
        if revoked_tokens.is_revoked(self._env.settings, token_id(claims)):
            raise Unauthorized("token revoked: it was logged out")
        subject = str(claims.get("sub", ""))
        self._check_account(subject, claims)
        return Caller(address=address, user=subject, claims=claims)

    def _claims(self, token: str) -> Mapping[str, Any]:
        for key in self._keys():
            try:
                return _signed(token, key)
            except (jwt.InvalidTokenError, ValueError):
                continue
        raise Unauthorized("invalid token")

    def _keys(self) -> list[str]:
        settings = self._env.settings
        present = auth_file.signing_value(settings)
        others = overlap.accepted(settings, overlap.SIGNING_VALUE, self._env.clock.now().timestamp())
        keys = [key for key in (present, *others) if key]
        if not keys:
            raise Unauthorized("access token secret required: no token was issued on this node yet; log in first")
        return keys

    def _check_account(self, subject: str, claims: Mapping[str, Any]) -> None:
        refusal, changed_day = self._account_state(subject)
        if refusal:
            raise Unauthorized(f"token refused: {refusal}")
        if int(claims.get("iat", 0)) // DAY < changed_day:
            raise Unauthorized("token refused: the password was changed after it was issued")

    def _account_state(self, subject: str) -> tuple[str, int]:
        """(why it is refused or "", day of the last password change or 0), looked up at most once a minute."""
        now = self._env.clock.monotonic()
        known = self._accounts.get(subject)
        if known is not None and now - known[0] < ACCOUNT_SECONDS:
            return known[1], known[2]
        account = accounts.read(self._env.settings, subject)
        auth = auth_file.read(self._env.settings)
        refusal = accounts.refusal(auth, account, self._env.clock.now().timestamp())
        changed_day = (account.password_changed_day if account is not None else None) or 0
        self._accounts[subject] = (now, refusal, changed_day)
        return refusal, changed_day


@lru_cache(maxsize=REMEMBERED)
def _signed(token: str, key: str) -> Mapping[str, Any]:
    """What a token says, if it was signed with the key: that never changes, so it is worked out once. Whether it still
    counts (expiry, logout, account) is asked every time."""
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=["HS256"], options=UNCHECKED)
    return MappingProxyType(claims)


def token_id(claims: Mapping[str, Any]) -> str:
    """What a token is revoked by: its `jti`, or for a token of 0.1.2, which had none, a hash of its claims."""
    plain = "|".join(str(claims.get(key, "")) for key in ("sub", "iat", "exp"))
    return str(claims.get("jti") or hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest())


def _token_of(authorization: str | None) -> str:
    if authorization is None:
        raise Unauthorized("authorization header required")
    fields = authorization.split()
    if len(fields) != 2 or fields[0].lower() != "bearer":
        raise Unauthorized("bearer token required")
    return fields[1]


def _later(expiry: Any, now: float) -> bool:
    return _is_time(expiry) and expiry > now


def _is_time(claim: object) -> bool:
    """Seconds since 1970: a number, and none that is infinite or beyond every calendar."""
    return isinstance(claim, int | float) and not isinstance(claim, bool) and 0 <= claim < LATEST
