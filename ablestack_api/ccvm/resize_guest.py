"""Does the guest answer, and its file system grown: on the host that runs it, or inside it."""

from ablestack_api.ccvm import whereabouts, xml
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, CommandFailed, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hypervisor import guest_agent
from ablestack_api.machines import own_hypervisor
from ablestack_api.orchestrator import hand_on, targets
from ablestack_api.state.cluster_document import Bootstrap, ClusterConfig
from ablestack_api.tools import guest_growth

PATH = "/cube/ccvm/secondary/resize"
LOCAL_MODE = "X-Cube-CCVM-Secondary-Resize-Local"
PING, GROW, GUEST_PING, GUEST_GROW = "ping", "grow", "guest-ping", "guest-grow"
PING_SECONDS = 10.0
GROW_SECONDS = guest_growth.SECONDS
POLL_SECONDS = 5.0
FAILED = "CCVM secondary filesystem expansion failed"


def take(env: Env, part: str) -> str:
    """What a host (ping, grow) or the guest itself (guest-ping, guest-grow) is asked for."""
    if part == PING:
        guest_agent.ping(env.libvirt, xml.NAME)
    elif part == GROW:
        _grow_through_agent(env)
    elif part == GUEST_GROW:
        own_hypervisor.require_guest(env.settings)
        guest_growth.run(env.runner)
    elif part != GUEST_PING:
        raise bad_field("part", f"is none of {PING}, {GROW}, {GUEST_PING}, {GUEST_GROW}", "unsupported local mode")
    return part


def require_answer(env: Env, config: ClusterConfig, *, through_agent: bool, seconds: float) -> None:
    """Ask until the guest answers. Raises the last error when the time is over."""
    limit = Deadline(env.clock, seconds)
    while True:
        try:
            _ask(env, config, PING if through_agent else GUEST_PING, PING_SECONDS)
            return
        except ApiError as error:
            if limit.remaining() <= 0:
                error.detail = f"the guest does not answer within {seconds:g} s: {error.detail}"
                raise
        env.clock.sleep(POLL_SECONDS)


def grow(env: Env, config: ClusterConfig, *, through_agent: bool) -> None:
    _ask(env, config, GROW if through_agent else GUEST_GROW, GROW_SECONDS)


def _ask(env: Env, config: ClusterConfig, part: str, seconds: float) -> None:
    target = _guest(env, config) if part in (GUEST_PING, GUEST_GROW) else _host(env, config)
    if target.local:
        take(env, part)
    else:
        hand_on.call(env, target, PATH, {"part": part}, Deadline(env.clock, seconds + 10), LOCAL_MODE)


def _host(env: Env, config: ClusterConfig) -> Target:
    """The host on which it runs now."""
    found = whereabouts.find(env, config, Deadline(env.clock, whereabouts.SECONDS))
    if found.domain is None or not found.domain.runs:
        raise PeersFailed(f"no host runs the domain {xml.NAME}: {found.problem or 'it is off'}")
    return next(target for target in targets.hosts(env.settings, config) if target.hostname == found.host)


def _guest(env: Env, config: ClusterConfig) -> Target:
    target = next(iter(targets.ccvm(env.settings, config, Bootstrap())), None)
    if target is None:
        raise bad_field("ccvm.ip", "cluster.json has no address of the Cloud Center VM", "ccvm.ip required")
    return target


def _grow_through_agent(env: Env) -> None:
    argv = ["/bin/sh", "-c", guest_growth.shell_line()]
    done = guest_agent.execute(env.libvirt, env.clock, xml.NAME, argv, seconds=GROW_SECONDS)
    if done.code != 0:
        told = (done.stderr or done.stdout).strip()[-500:] or f"exit code {done.code}"
        raise CommandFailed(f"{FAILED}: {told}", program="sh", exit_code=done.code)
