"""The password that the nodes of the Pacemaker cluster know each other by: configured or generated, never a fixed one (D17).

It is in a file of its own (mode 0600). An operator who wants a certain one writes it there, or sends it with a request.
"""

import os
import secrets

from ablestack_api.core.secret import Secret
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file


def path(settings: Settings) -> str:
    return os.path.join(settings.config_root, "pcs_password")


def read(settings: Settings) -> Secret | None:
    """The stored one, None when there is none."""
    text = (json_file.read_bytes(path(settings)) or b"").decode("utf-8", "replace").strip()
    return Secret(text) if text else None


def store(settings: Settings, password: Secret) -> None:
    """Raises DiskFull, FileUnusable."""
    with json_file.locked(path(settings)):
        json_file.write_bytes(path(settings), f"{password.reveal()}\n".encode(), mode=0o600)


def generated() -> Secret:
    return Secret(secrets.token_urlsafe(24))
