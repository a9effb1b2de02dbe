"""A guest whose file systems stand still for a moment, so that a copy of its disk is clean.

Whatever happens to the daemon in between, the guest goes on: systemd holds a timer that thaws it, set before it is
frozen and stopped after it was thawed.
"""

import contextlib
import logging
import uuid
from collections.abc import Iterator

from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.hypervisor import guest_agent
from ablestack_api.tools import systemd_timer

log = logging.getLogger(__name__)

# How long it may stand still; then systemd thaws it, daemon or not.
LONGEST_SECONDS = 60
AGENT_SECONDS = 10.0


@contextlib.contextmanager
def frozen(env: Env, domain: str) -> Iterator[bool]:
    """Gives whether the file systems stand still: False when the guest has no agent that answers.

    Never raises for want of an agent: a copy made then is what a power cut would leave.
    """
    unit = f"ablestack-thaw-{uuid.uuid4().hex[:12]}"
    try:
        guest_agent.ping(env.libvirt, domain)
        systemd_timer.start(env.runner, unit, LONGEST_SECONDS, _thaw_argv(env, domain))
    except ApiError as error:
        log.info("%s is not frozen: %s", domain, error.detail)
        yield False
        return
    try:
        yield _freeze(env, domain)
    finally:
        if _thaw(env, domain):
            with contextlib.suppress(ApiError):
                systemd_timer.stop(env.runner, unit)


def _freeze(env: Env, domain: str) -> bool:
    try:
        return int(guest_agent.ask(env.libvirt, domain, "guest-fsfreeze-freeze", seconds=AGENT_SECONDS)) > 0
    except ApiError as error:  # it may have frozen all the same: it is thawed in any case
        log.warning("%s could not be frozen: %s", domain, error.detail)
        return False


def _thaw(env: Env, domain: str) -> bool:
    try:
        guest_agent.ask(env.libvirt, domain, "guest-fsfreeze-thaw", seconds=AGENT_SECONDS)
    except ApiError as error:
        log.warning("%s could not be thawed, systemd does it within %s s: %s", domain, LONGEST_SECONDS, error.detail)
        return False
    return True


def _thaw_argv(env: Env, domain: str) -> list[str]:
    return ["virsh", "-c", env.settings.libvirt_uri, "domfsthaw", domain]
