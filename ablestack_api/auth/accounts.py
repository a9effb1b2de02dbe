"""Which Linux accounts may use the API (contract 01 §2.6). Light on imports: `ablestack-auth-token` uses it."""

from ablestack_api.state import accounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ablestack_api.core.settings import Settings
    from ablestack_api.state.accounts import Account
    from ablestack_api.state.auth_file import AuthFile

LONGEST_NAME = 128


def is_valid_name(name: str) -> bool:
    """No blanks, control characters or separators, and nothing that a program would take for an option."""
    return (
        0 < len(name.encode("utf-8", "surrogatepass")) <= LONGEST_NAME
        and not name.startswith("-")
        and name.isprintable()
        and not any(character in ":/\\" or character.isspace() for character in name)
    )


def refusal(auth: "AuthFile", account: "Account | None", now: float) -> str:
    """Why an account may not use the API; empty when it may. `now` in seconds since 1970."""
    if account is None:
        return "the account does not exist"
    if account.locked:
        return "the account is locked"
    if account.expires_day is not None and now // accounts.DAY >= account.expires_day:
        return "the account has expired"
    if not _is_listed(auth, account):
        return "the account is not allowed"
    return ""


def _is_listed(auth: "AuthFile", account: "Account") -> bool:
    """Two empty lists allow everybody, as in 0.1.2."""
    if not auth.allowed_users and not auth.allowed_groups:
        return True
    if "*" in auth.allowed_users or account.name in auth.allowed_users:
        return True
    return not account.groups.isdisjoint(auth.allowed_groups)


def read(settings: "Settings", name: str) -> "Account | None":
    return accounts.read(settings, name) if is_valid_name(name) else None
