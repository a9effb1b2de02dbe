"""`/cube/auto-shutdown`: file systems off, storage VMs off, hosts off; three calls in this order (contract 04 §8).

Each call checks what the one before should have done. All other hosts work side by side; this one is always the last.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, Conflict, NotFound, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress, Quiet
from ablestack_api.jobs.work import Work
from ablestack_api.ops.models import ShutdownRequest
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import cluster_file, line_file, mounts, own_node
from ablestack_api.state.cluster_document import ClusterConfig
from ablestack_api.tools import crm_mon, mount, shutdown

PATH = "/cube/auto-shutdown"
LOCAL_HEADER = "X-Cube-Auto-Shutdown-Local"
SECONDS = 300.0
SCVM, CCVM, RESOURCE = "scvm", "ccvm", "cloudcenter_res"
SCVM_SECONDS = 120.0
CHECK_MOUNT, STOP_SCVMS, SHUTDOWN_HOSTS, LOOK = "check_mount", "stop_scvms", "shutdown_hosts", "look"
RETNAMES = {
    CHECK_MOUNT: "Umount Volume",
    STOP_SCVMS: "Storage Center VM Stop",
    SHUTDOWN_HOSTS: "Hosts Shutdown",
    LOOK: "Look",
}
# The system runs from these, and from whatever is below them.
PROTECTED = ("boot", "usr", "var", "home", "opt", "etc", "root", "srv", "tmp", "run", "dev", "proc", "sys")
HOLD = "shutdown"

Told = dict[str, Any]


@dataclass(frozen=True)
class Volume:
    """A file system of /etc/fstab that is named by its UUID."""

    source: str
    mount_point: str

    @property
    def protected(self) -> bool:
        first = self.mount_point.strip("/").split("/")[0]
        return not first or first in PROTECTED


def work(env: Env, request: ShutdownRequest, *, local: bool) -> Work:
    """Raises BadInput."""
    action = _action(request, local=local)
    if local:
        return Work(f"shutdown: {action}", lambda progress: here(env, action, progress), reads_only=action == LOOK)
    return Work(f"shutdown: {action}", partial(everywhere, env, action, request.force), (HOLD,))


def show_plan(env: Env, request: ShutdownRequest) -> Told:
    """What would be done, in which order, and what stands against it now."""
    action = _action(request, local=False)
    members = _members(env)
    others = [target.hostname for target in members if not target.local]
    own = [target.hostname for target in members if target.local]
    warnings = _objections(env, action, members)
    steps = [Step("check", "see that what has to be off before is off", lambda: None)]
    steps += [Step("others", f"{RETNAMES[action]} on {', '.join(others)}, side by side", lambda: None)] if others else []
    steps += [Step("own", f"{RETNAMES[action]} on {', '.join(own)}, last", lambda: None)] if own else []
    return {"code": 200, "val": Plan(action, steps, warnings).shape(), "message": "ok", "action": action}


def everywhere(env: Env, action: str, force: bool, progress: Progress) -> Told:
    """Raises Conflict when something has to be off first, PeersFailed when a host failed (the others have done it)."""
    members = _members(env)
    with progress.step("check", "what has to be off before"):
        objections = _objections(env, action, members)
        if objections and not force:
            raise Conflict(f"{'; '.join(objections)}. Nothing was done", overridable=objections)
    others = [target for target in members if not target.local]
    with progress.step("others", f"{RETNAMES[action]} on the other hosts"):
        outcomes = fanout.at_once(others, lambda target: _ask(env, target, action))
    if not any(outcome.bad for outcome in outcomes) or force:
        own = [target for target in members if target.local]
        with progress.step("own", f"{RETNAMES[action]} on this host"):
            outcomes += fanout.at_once(own, lambda target: _do(env, target, action, progress))
    return _answer(action, outcomes)


def here(env: Env, action: str, progress: Progress) -> Told:
    """This host alone."""
    return {"code": 200, "retname": RETNAMES[action], "message": "ok", "action": action, "target": "local"} | ACTIONS[
        action
    ](env, progress)


def unmount_volumes(env: Env, progress: Progress) -> Told:
    """Children before their parents. Raises what umount raises, with the mounts so far."""
    mounted = {entry.mountpoint for entry in mounts.read(env.settings)}
    volumes = volumes_of(line_file.read_lines(env.settings, "etc/fstab"))
    told: list[dict[str, str]] = []
    for volume in sorted(volumes, key=lambda each: each.mount_point.count("/"), reverse=True):
        entry = {"source": volume.source, "mount_point": volume.mount_point}
        try:
            status, message = _unmount(env, volume, mounted)
        except ApiError as error:
            told.append({**entry, "status": "failed", "message": error.detail})
            error.members["mounts"] = told
            raise
        told.append({**entry, "status": status, "message": message})
    return {"val": True, "mounts": told}


def volumes_of(lines: list[bytes]) -> list[Volume]:
    """Entries of fstab(5) that begin with UUID."""
    words = [line.split() for line in lines if not line.lstrip().startswith(b"#")]
    return [
        Volume(mounts.plain(each[0]), mounts.plain(each[1])) for each in words if len(each) > 1 and each[0][:4] == b"UUID"
    ]


def stop_scvm(env: Env, progress: Progress) -> Told:
    state = domains.read_state(env.libvirt, SCVM)
    if state is None:
        raise NotFound("scvm domain not found on this host")
    if state not in domains.IDLE_STATES:
        domains.shut_down(env.libvirt, SCVM)
        domains.wait_for(
            env.libvirt, env.clock, SCVM, (*domains.IDLE_STATES, None), SCVM_SECONDS, between=progress.check_cancelled
        )
    return {"val": True}


def power_off(env: Env, _progress: Progress) -> Told:
    """In a minute, so that this answer gets out."""
    if not env.settings.is_whole_system:
        raise Conflict("this node lives in a folder: the system around it is not switched off")
    shutdown.in_a_minute(env.runner)
    return {"val": True}


def look(env: Env, _progress: Progress) -> Told:
    """What runs on this host, for the host that leads."""
    names = (CCVM, SCVM)
    states = {name: domains.read_state(env.libvirt, name) for name in names}
    return {"val": {name: state for name, state in states.items() if state not in (None, *domains.IDLE_STATES)}}


ACTIONS: dict[str, Callable[[Env, Progress], Told]] = {
    CHECK_MOUNT: unmount_volumes,
    STOP_SCVMS: stop_scvm,
    SHUTDOWN_HOSTS: power_off,
    LOOK: look,
}


def _action(request: ShutdownRequest, *, local: bool) -> str:
    action = request.action.lower().replace("-", "_")
    if action not in RETNAMES or (action == LOOK and not local):
        raise bad_field("action", "unsupported", "unsupported action")
    return action


def _members(env: Env) -> list[Target]:
    """Remote ones in the order of cluster.json, this host last."""
    members = targets.hosts(env.settings, cluster_file.read(env.settings).document.cluster)
    if not members:
        raise bad_field("clusterConfig.hosts", "empty", "hosts[].ablecube required")
    marked = [_marked(env, target) for target in members]
    return sorted(marked, key=lambda target: target.local)


def _marked(env: Env, target: Target) -> Target:
    is_own = target.local or own_node.is_own_name(env.settings, target.hostname)
    return Target(target.address, target.hostname, target.role, local=is_own, source=target.source)


def _objections(env: Env, action: str, members: list[Target]) -> list[str]:
    """The Cloud Center VM is off before anything, storage VMs before hosts. A host that does not answer cannot be known
    to be off."""
    config = cluster_file.read(env.settings).document.cluster
    outcomes = fanout.at_once(members, lambda target: _look_at(env, target))
    found = [f"{each.target.hostname} does not tell what runs on it: {each.message}" for each in outcomes if each.bad]
    running = [(each.target.hostname, set(each.value or {})) for each in outcomes if each.good]
    found += [f"the Cloud Center VM runs on {host}" for host, names in running if CCVM in names]
    if action == SHUTDOWN_HOSTS:
        found += [f"the storage VM of {host} runs" for host, names in running if SCVM in names]
    return [*found, *_started(env, config)]


def _started(env: Env, config: ClusterConfig) -> list[str]:
    """A resource that is not disabled is started anew as soon as it is stopped."""
    if not config.pcs_cluster or not env.settings.is_whole_system:
        return []
    try:
        instances = crm_mon.read(env.runner, env.settings).instances(RESOURCE)
    except ApiError:
        return []
    kept = [each for each in instances if each.attributes.get("target_role") == "Stopped"]
    return [] if not instances or kept else [f"{RESOURCE} is not disabled: Pacemaker would start it again"]


def _look_at(env: Env, target: Target) -> Outcome:
    return _done(target, look(env, Quiet())) if target.local else _ask(env, target, LOOK)


def _ask(env: Env, target: Target, action: str) -> Outcome:
    limit = Deadline(env.clock, SECONDS)
    return fanout.call(env, target, "POST", PATH, body={"action": action}, deadline=limit, local_mode=LOCAL_HEADER)


def _do(env: Env, target: Target, action: str, progress: Progress) -> Outcome:
    return _done(target, here(env, action, progress))


def _done(target: Target, body: Told) -> Outcome:
    return Outcome(target, fanout.OK, 200, value=body["val"], body=body)


def _answer(action: str, outcomes: list[Outcome]) -> Told:
    results = [_entry(action, outcome) for outcome in outcomes]
    bad = [outcome for outcome in outcomes if outcome.bad]
    if bad:
        done = ", ".join(outcome.target.hostname for outcome in outcomes if outcome.good) or "no host"
        raise PeersFailed(
            f"{bad[0].target.hostname}: {bad[0].message}. Done on: {done}",
            val=False,
            retname=RETNAMES[action],
            action=action,
            results=results,
        )
    return {"code": 200, "val": True, "retname": RETNAMES[action], "message": "ok", "action": action, "results": results}


def _entry(action: str, outcome: Outcome) -> Told:
    mounted = outcome.body.get("mounts") or outcome.members.get("mounts")
    entry = {**outcome.entry(), "val": outcome.good, "retname": RETNAMES[action], "action": action}
    entry["message"] = outcome.message or "ok"
    return entry | ({"mounts": mounted} if mounted else {})


def _unmount(env: Env, volume: Volume, mounted: set[str]) -> tuple[str, str]:
    if volume.protected:
        return "skipped", "protected system mount"
    place = env.settings.below(volume.mount_point)
    if place not in mounted and volume.mount_point not in mounted:
        return "not-mounted", ""
    if not env.settings.is_whole_system:
        return "skipped", "this node lives in a folder"
    mount.unmount(env.runner, volume.mount_point)
    return "unmounted", ""
