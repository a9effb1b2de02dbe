"""Issuing a Bearer token (contract 01 §2.1): HS256, compact JSON, claims in 0.1.2's order, then `jti`.

Light on imports: `ablestack-auth-token` uses it, so the signature is made with the standard library. Reading tokens
(`auth.verify`) is PyJWT's work.
"""

import base64
import hmac
import json
import os

from ablestack_api.state import auth_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ablestack_api.core.settings import Settings


def issue(settings: "Settings", subject: str, now: float) -> "dict[str, object]":
    """The answer of a login: `token_type`, `access_token`, `authorization`, `expires_in` (seconds).

    Makes and stores the signing value when there is none yet; verification never does.
    """
    auth = auth_file.read(settings)
    key = settings.signing_value_override or auth.signing_value or _make_signing_value(settings)
    ttl = auth_file.ttl_seconds(settings, auth)
    token = sign(claims(subject, int(now), ttl), key)
    return {"token_type": "Bearer", "access_token": token, "authorization": f"Bearer {token}", "expires_in": ttl}


def claims(subject: str, issued: int, ttl: int) -> "dict[str, object]":
    """`iat` and `exp` in seconds since 1970; `jti` so that this one token can be logged out."""
    return {
        "sub": subject,
        "role": "admin",
        "use": "access",
        "iat": issued,
        "exp": issued + ttl,
        "jti": os.urandom(16).hex(),
    }


def sign(payload: "dict[str, object]", key: str) -> str:
    """The key is the bytes of the signing value's text itself."""
    header: dict[str, object] = {"alg": "HS256", "typ": "JWT"}
    signed = f"{_encoded(_compact(header))}.{_encoded(_compact(payload))}"
    return f"{signed}.{_encoded(hmac.digest(key.encode(), signed.encode(), 'sha256'))}"


def _compact(value: "dict[str, object]") -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _make_signing_value(settings: "Settings") -> str:
    def fill(data: "dict[str, object]") -> None:
        # Another process may have been faster: its value stands.
        if not str(data.get("access_token_secret") or "").strip():
            data["access_token_secret"] = _encoded(os.urandom(32))

    return auth_file.edit(settings, fill).signing_value
