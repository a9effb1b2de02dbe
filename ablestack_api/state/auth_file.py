"""auth.json (contract 01 §2.6): who may log in, how long a token lives, the signing value.

Light on imports: `ablestack-auth-token` uses it.
"""

import json

from ablestack_api.core.errors import FileUnusable, StateFileDamaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ablestack_api.core.settings import Settings

DEFAULT_TTL_SECONDS = 3600


class AuthFile:
    """`data` is the whole file; unknown keys survive a write."""

    def __init__(self, data: "dict[str, object]") -> None:
        self.data = data
        linux = data.get("linux")
        linux = linux if isinstance(linux, dict) else {}
        self.allowed_users = _texts(linux.get("allowed_users"))
        self.allowed_groups = _texts(linux.get("allowed_groups"))
        self.signing_value = _text(data.get("access_token_secret"))
        self.enrolment_by_code = _text(data.get("enrolment")).lower() == "code"
        ttl = data.get("access_token_ttl_seconds")
        self.ttl_seconds = ttl if isinstance(ttl, int) and not isinstance(ttl, bool) and ttl > 0 else DEFAULT_TTL_SECONDS


def read(settings: "Settings") -> AuthFile:
    """Raises StateFileDamaged or FileUnusable: then nobody is allowed, never everybody (D4)."""
    path = settings.auth_json
    try:
        with open(path, "rb") as file:
            data = json.load(file)
    except (ValueError, RecursionError) as error:
        raise StateFileDamaged(
            f"{path} is not JSON ({error}); nobody can log in until it is put right", path=path
        ) from error
    except OSError as error:
        raise FileUnusable(f"{path}: {error.strerror}; nobody can log in until the daemon can read it", path=path) from error
    if not isinstance(data, dict):
        raise StateFileDamaged(f"{path} is not a JSON object; nobody can log in until it is put right", path=path)
    return AuthFile(data)


def signing_value(settings: "Settings") -> str:
    """The present one, empty when none was made yet."""
    return settings.signing_value_override or read(settings).signing_value


def ttl_seconds(settings: "Settings", auth: AuthFile) -> int:
    return settings.access_token_ttl_override or auth.ttl_seconds


def edit(settings: "Settings", change: "Callable[[dict[str, object]], None]") -> AuthFile:
    """Read, change and replace the file (mode 0600, 2 spaces) under its lock."""
    from ablestack_api.state import json_file

    with json_file.locked(settings.auth_json):
        auth = read(settings)
        change(auth.data)
        json_file.write_json(settings.auth_json, auth.data)
        return AuthFile(auth.data)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _texts(value: object) -> "list[str]":
    return [text.strip() for text in value if isinstance(text, str)] if isinstance(value, list) else []
