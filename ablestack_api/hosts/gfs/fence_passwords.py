"""Passwords of the hosts' management controllers, one file (mode 0600) a fence device on every node.

The fence agent reads them with its option `password_script`: neither the cluster's configuration, which every member of
the group haclient may read, nor any command line of pcs holds one.
"""

import os
import shlex

from ablestack_api.core.secret import Secret
from ablestack_api.core.settings import Settings
from ablestack_api.hosts import storage_names
from ablestack_api.state import json_file


def path(settings: Settings, hostname: str) -> str:
    return os.path.join(settings.config_root, "fence", f"{storage_names.hostname(hostname, 'stonith')}.password")


def script(settings: Settings, hostname: str) -> str:
    """What the agent gives to a shell."""
    return f"cat {shlex.quote(path(settings, hostname))}"


def store(settings: Settings, hostname: str, password: Secret) -> None:
    place = path(settings, hostname)
    with json_file.locked(place):
        json_file.write_bytes(place, f"{password.reveal()}\n".encode(), mode=0o600)


def forget(settings: Settings, hostname: str) -> None:
    json_file.remove(path(settings, hostname))
    json_file.remove(f"{path(settings, hostname)}.lock")
