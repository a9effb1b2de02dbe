"""The resources of Pacemaker under a GFS2 file system: their names, waiting for them, taking them away."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, Conflict, NotSetUp, PacemakerDown
from ablestack_api.hosts.gfs.call import Call
from ablestack_api.tools import cib, crm_mon, pcs
from ablestack_api.tools.cib import Cib
from ablestack_api.tools.crm_mon import ClusterState

LOCKING_GROUP = "glue-locking"
LOCKING = "glue-locking-clone"
LOCKING_RESOURCES = {"glue-dlm": "ocf:pacemaker:controld", "glue-lvmlockd": "ocf:heartbeat:lvmlockd"}
VOLUME_AGENT, MOUNT_AGENT = "ocf:heartbeat:LVM-activate", "ocf:heartbeat:Filesystem"
ONLINE_SECONDS, READY_SECONDS, START_SECONDS, STOP_SECONDS = 120.0, 90.0, 120.0, 120.0
POLL_SECONDS = 3.0
NOT_READY = "the PCS cluster is not ready; run init-pcs-cluster first"


@dataclass(frozen=True)
class Names:
    """Of one file system: the resource that activates its volume, the one that mounts it."""

    volume: str
    mount: str

    @classmethod
    def of(cls, gfs_name: str) -> "Names":
        return cls(f"{gfs_name}_res", gfs_name)

    @property
    def both(self) -> tuple[str, str]:
        return self.volume, self.mount

    @property
    def clones(self) -> tuple[str, str]:
        return f"{self.volume}-clone", f"{self.mount}-clone"


def read_cib(call: Call) -> str:
    """The configuration of the running cluster. Raises Conflict when none runs here."""
    try:
        return cib.query(call.env.runner)
    except CommandFailed as error:
        raise Conflict(f"{NOT_READY} ({error.detail})") from error


def facts(call: Call) -> Cib:
    return cib.parse(read_cib(call))


def wait_ready(call: Call) -> None:
    """Until the locks work on every usable node, and the file systems that are there already are mounted.

    Twice in a row: right after a start a first good monitor may be followed by a bad one.
    """
    good = 0

    def ready(state: ClusterState) -> str:
        nonlocal good
        reason = not_ready(state)
        good = 0 if reason else good + 1
        return reason or ("" if good >= 2 else "seen once only")

    _wait(call, ready, READY_SECONDS, "the locking resources are not ready")


def wait_online(call: Call, nodes: Sequence[str]) -> None:
    """Until every node has joined a cluster that was just started."""

    def joined(state: ClusterState) -> str:
        missing = sorted(set(nodes) - {node.name for node in state.nodes if node.online})
        return f"not online: {', '.join(missing)}" if missing else ""

    _wait(call, joined, ONLINE_SECONDS, "the new cluster did not come up")


def wait_started(call: Call, names: Names) -> None:
    _wait(
        call,
        lambda state: _not_started(state, names.both),
        START_SECONDS,
        f"{names.mount} is not mounted on every node",
    )


def wait_stopped(call: Call, names: Names) -> None:
    def stopped(state: ClusterState) -> str:
        running = [
            f"{each.id} on {', '.join(each.nodes)}" for each in state.resources if each.id in names.both and each.nodes
        ]
        return "; ".join(running)

    _wait(call, stopped, STOP_SECONDS, f"{names.mount} does not stop")


def not_ready(state: ClusterState) -> str:
    """Why a new file system cannot be made yet; empty when it can. Resources that an operator stopped do not count."""
    if state.summary.get("cluster_options", {}).get("maintenance-mode") == "true":
        return "the cluster is in maintenance mode and starts nothing"
    present = {each.id for each in state.resources if each.clone == LOCKING}
    if missing := sorted(set(LOCKING_RESOURCES) - present):
        return f"there is no {', '.join(missing)} in {LOCKING}; run configure-stonith first"
    storage = [
        each.id
        for each in state.resources
        if each.agent in (VOLUME_AGENT, MOUNT_AGENT) and each.clone and each.attributes.get("target_role") != "Stopped"
    ]
    return _not_started(state, tuple(dict.fromkeys([*LOCKING_RESOURCES, *storage])))


def remove(call: Call, names: Names) -> None:
    """Stop both resources, wait until they have stopped, delete them. Those that are gone already are fine."""
    known = facts(call)
    present = [name for name in names.both if name in known]
    if not present:
        return
    tool = pcs.connect(call.env.runner)
    pcs.resource_disable(tool, *present)
    wait_stopped(call, names)
    delete(call, names)


def delete(call: Call, names: Names) -> None:
    """What stands on the other first."""
    tool = pcs.connect(call.env.runner)
    for name in (names.mount, names.volume):
        if name in facts(call):
            pcs.resource_delete(tool, name)


def cleanup_quietly(call: Call) -> None:
    """Old failures in the status help nobody; that they are still shown harms nobody either."""
    try:
        pcs.resource_cleanup(pcs.connect(call.env.runner))
    except (CommandFailed, CommandTimedOut) as error:
        call.progress.log(f"pcs resource cleanup: {error.detail}")


def _not_started(state: ClusterState, names: tuple[str, ...]) -> str:
    wanted = {node.name for node in state.nodes if node.usable}
    if not wanted:
        return "no node of the cluster may run resources"
    for name in names:
        healthy = {node for each in state.instances(name) if each.healthy for node in each.nodes}
        if missing := sorted(wanted - healthy):
            failed = any(each.failed for each in state.instances(name))
            return f"{name} {'failed' if failed else 'is not started'} on {', '.join(missing)}"
    return ""


def _wait(call: Call, judge: Callable[[ClusterState], str], seconds: float, told: str) -> None:
    """Poll until `judge` finds nothing to complain of. Raises CommandTimedOut with its last complaint."""
    clock = call.env.clock
    end = clock.monotonic() + min(seconds, call.deadline.remaining())
    while True:
        try:
            reason = judge(crm_mon.read(call.env.runner, call.env.settings))
        except (CommandFailed, CommandTimedOut, NotSetUp, PacemakerDown) as error:
            reason = error.detail
        if not reason:
            return
        if clock.monotonic() >= end:
            raise _too_late(told, reason, seconds)
        clock.sleep(POLL_SECONDS)


def _too_late(told: str, reason: str, seconds: float) -> ApiError:
    return CommandTimedOut(f"{told} after {seconds:g} s: {reason}", program="pacemaker", seconds=seconds)
