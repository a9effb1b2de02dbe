"""check-ipmi: do the management controllers answer, with these logins? (contract 02 §6.8)"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ablestack_api.core.errors import ApiError, CommandFailed, bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.hosts.gfs import stonith
from ablestack_api.hosts.gfs.call import Call
from ablestack_api.hosts.gfs.models import StonithDevice
from ablestack_api.state import json_file
from ablestack_api.tools import ipmitool

AT_ONCE = 16


@dataclass(frozen=True)
class Answer:
    """`status` is what the controller said, or why there is none."""

    address: str
    status: str
    error: ApiError | None = None

    def entry(self) -> dict[str, Any]:
        shown = {"ip": self.address, "outcome": "failed" if self.error else "ok", "code": 200}
        return shown | ({"code": self.error.status, "message": self.status} if self.error else {"status": self.status})


def check(call: Call) -> list[dict[str, str]]:
    """All side by side. Raises what the first one that failed failed with; `results` tells every one."""
    devices = call.request.devices
    if not devices:
        raise bad_field("stonith", "required", "stonith required")
    for number, device in enumerate(devices):
        stonith.checked_controller(number, device)
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(devices)), thread_name_prefix="ipmi") as pool:
        answers = list(pool.map(lambda device: _ask(call, device), devices))
    failed = [answer for answer in answers if answer.error]
    if failed:
        raise _failure(failed, answers)
    return [{"ip": answer.address, "status": answer.status} for answer in answers]


def _ask(call: Call, device: StonithDevice) -> Answer:
    port = int(device.ipport or "623")
    try:
        with _password_file(call.env.settings, device.passwd) as path:
            return Answer(device.ipaddr, ipmitool.power_status(call.env.runner, device.ipaddr, port, device.login, path))
    except ApiError as error:
        return Answer(device.ipaddr, error.detail, error)


def _failure(failed: list[Answer], answers: list[Answer]) -> ApiError:
    told = "; ".join(f"{answer.address}: {answer.status}" for answer in failed)
    error = failed[0].error or CommandFailed(told)
    error.detail = told
    error.members["results"] = [answer.entry() for answer in answers]
    return error


@contextlib.contextmanager
def _password_file(settings: Settings, password: str) -> Iterator[str]:
    """ipmitool takes it from a file: its other ways show it in the list of processes, or to every child."""
    with json_file.told(settings.state_root):
        os.makedirs(settings.state_root, mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", prefix="ipmi-", dir=settings.state_root) as file:  # made with mode 0600
        file.write(f"{password}\n")
        file.flush()
        yield file.name
