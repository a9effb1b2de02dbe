"""Shapes of the auth endpoints (contract 01 §3)."""

from typing import Any

from pydantic import BaseModel, Field, SecretStr, field_validator

from ablestack_api.web.envelope import StepModel

EXAMPLE_RESULTS: list[dict[str, Any]] = [
    {"role": "host", "hostname": "ablecube31-2", "target": "10.10.31.2", "code": 200, "outcome": "ok"}
]
# No control characters, except around the value, where they are cut off.
PRINTED = r"^\s*[^\x00-\x1f\x7f]*\s*$"


class LoginRequest(BaseModel):
    id: str = Field(description="Linux account", max_length=1024)
    password: SecretStr = Field(max_length=4096)

    @field_validator("password")
    @classmethod
    def _is_text(cls, value: SecretStr) -> SecretStr:
        if any("\ud800" <= character <= "\udfff" for character in value.get_secret_value()):
            raise ValueError("holds half a character (a lone surrogate)")
        return value


class LoginAnswer(BaseModel):
    code: int = 200
    token_type: str = "Bearer"  # noqa: S105  the name of a scheme
    access_token: str
    authorization: str = Field(description="ready for the Authorization header")
    expires_in: int = Field(description="seconds")


class Claims(BaseModel):
    sub: str = Field(description="Linux account")
    role: str
    use: str
    iat: int = Field(description="issued, seconds since 1970")
    exp: int = Field(description="expires, seconds since 1970")
    jti: str | None = Field(default=None, description="id of this token")


class MeAnswer(BaseModel):
    code: int = 200
    val: Claims


class AuthAnswer(BaseModel):
    """`val` is a text or an object; `results` has an entry for every node that was called."""

    code: int = 200
    val: Any = None
    results: list[dict[str, Any]] | None = Field(default=None, examples=[EXAMPLE_RESULTS])


class RevokedTokens(BaseModel):
    revoked: dict[str, int] = Field(description="token id -> expiry in seconds since 1970", max_length=10000)


class InternalTokenApply(BaseModel):
    internal_token: str = Field(default="", max_length=512, pattern=r"^\s*[\x21-\x7e]*\s*$")
    transaction: StepModel | None = None
    request: dict[str, Any] = Field(default_factory=dict)


class SyncQuery(BaseModel):
    option: str = Field(default="", description="comma list of host, scvm, ccvm, all; host when empty")


class SyncBody(BaseModel):
    option: str = Field(default="", description="as the query parameter, which wins")


class AuthApply(BaseModel):
    token: str = Field(default="", max_length=512, pattern=PRINTED, description="signing value")
    access_token_secret: str = Field(default="", max_length=512, pattern=PRINTED, description="old name of token")
    internal_token: str = Field(default="", description="sent by 0.1.2; never trusted, never stored")
    transaction: StepModel | None = None
    request: dict[str, Any] = Field(default_factory=dict)
