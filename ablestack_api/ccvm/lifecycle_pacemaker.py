"""The Cloud Center VM as a resource of Pacemaker (contract 03 §6.1, §6.3): on a node of that cluster."""

import glob
import os
from collections.abc import Callable
from functools import partial

from ablestack_api.ccvm import executor, lifecycle_node, profile_flags, storage_reset, whereabouts
from ablestack_api.ccvm.models import LifecycleRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import Conflict, NotSetUp, PacemakerDown
from ablestack_api.env import Env
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.machines import cloud_resource
from ablestack_api.machines.cloud_resource import RESOURCE, Place
from ablestack_api.state import image_file, mounts
from ablestack_api.state.cluster_document import ClusterConfig
from ablestack_api.tools import pcs, rbd, rbd_snapshots

POOL, IMAGE_NAME = "rbd", "ccvm"
IMAGE = f"{POOL}/{IMAGE_NAME}"
SHARED = "mnt/glue-gfs"
SWITCHES_OFF = "switches ccvm off"
DESTROY_SECONDS = 300.0


class Asked:
    """One request and what is known when its plan is made."""

    def __init__(self, env: Env, request: LifecycleRequest, config: ClusterConfig) -> None:
        self.env, self.request, self.config = env, request, config
        self.place = _place(env, request)
        self.overrides: list[str] = []

    @property
    def runs(self) -> bool:
        return self.place is not None and not self.place.stopped

    def require_place(self) -> Place:
        if self.place is None:
            raise Conflict(f"Pacemaker has no resource {RESOURCE}; nothing was changed. Set the Cloud Center VM up first")
        return self.place

    def require_off(self) -> None:
        """Removing it while it runs anywhere is only done when that is wanted (D20)."""
        found = whereabouts.find(self.env, self.config, Deadline(self.env.clock, whereabouts.SECONDS))
        outside = f"its domain is {found.domain.state} on {found.host}" if found.domain and found.domain.runs else ""
        told = f"{RESOURCE} is {self.place.role}" if self.runs and self.place is not None else outside
        if told and not self.request.force:
            raise Conflict(
                f"the Cloud Center VM runs: {told}; nothing was changed. Stop it first, or force: true switches it off",
                overridable=[SWITCHES_OFF],
            )
        self.overrides += [SWITCHES_OFF] if told else []


def build(env: Env, request: LifecycleRequest, config: ClusterConfig) -> Plan:
    """The plan for the state things are in now. Raises Conflict and what Pacemaker, Ceph or libvirt raise when they are
    asked: then nothing was changed."""
    return BUILDERS[str(request.action)](Asked(env, request, config))


def _start(asked: Asked) -> Plan:
    place = asked.require_place()
    if place.started and not place.disabled:
        return Plan(f"{RESOURCE} is started already", [])
    return Plan(f"start {RESOURCE}", [_start_step(asked)])


def _stop(asked: Asked) -> Plan:
    place = asked.require_place()
    if place.stopped and place.disabled:
        return Plan(f"{RESOURCE} is stopped already", [])
    return Plan(f"stop {RESOURCE}", [_stop_step(asked)])


def _restart(asked: Asked) -> Plan:
    asked.require_place()
    again = partial(_let_it_run, asked.env)
    stop = [_stop_step(asked, undo=again)] if asked.runs else []
    return Plan(f"restart {RESOURCE}", [*stop, _start_step(asked)])


def _delete(asked: Asked) -> Plan:
    asked.require_off()
    steps = _resource_steps(asked)
    if asked.config.is_hci:
        steps += _image_steps(asked)
    elif asked.request.purge:
        steps += [_files_step(asked, "ccvm.qcow2", "ccvm.xml")]
    return Plan("delete ccvm", [*steps, _hosts_step(asked, empty=True)], overrides=asked.overrides)


def _reset(asked: Asked) -> Plan:
    asked.require_off()
    kind = asked.config.type.lower()
    steps, flags = _resource_steps(asked), ["ccvm", "wall"]
    shared = kind in (executor.VM, executor.HCI_FILES)
    images = _image_steps(asked) if asked.config.is_hci else []
    if shared:
        steps += [storage_reset.gfs(asked.env, asked.config, asked.request.disk, force=asked.request.force), *images]
        flags.append("gfs_configure")
    else:
        steps += [*images, _destroy_step(asked)]
    steps.append(_hosts_step(asked, empty=kind != executor.HCI_FILES))
    steps.append(profile_flags.clear(asked.env, asked.config, flags))
    return Plan("reset ccvm", steps, overrides=asked.overrides)


def _initialize(asked: Asked) -> Plan:
    asked.require_off()
    files = _files_step(asked, "ccvm*") if asked.config.type.lower() == executor.VM else Step("files", "no files", lambda: 0)
    return Plan("initialize ccvm", [*_resource_steps(asked), files], overrides=asked.overrides)


BUILDERS: dict[str, Callable[[Asked], Plan]] = {
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "delete": _delete,
    "reset": _reset,
    "initialize": _initialize,
}


def _place(env: Env, request: LifecycleRequest) -> Place | None:
    """None when there is no such resource. A cluster that does not run cannot tell: for a reset that is forced, that will
    do."""
    try:
        return cloud_resource.read(env)
    except NotSetUp:
        return None
    except PacemakerDown:
        if request.action == "reset" and request.force:
            return None
        raise


def _start_step(asked: Asked) -> Step:
    commands = [["pcs", "resource", "cleanup", RESOURCE], ["pcs", "resource", "enable", RESOURCE]]
    return Step("start", "start it, wait until Pacemaker has", partial(cloud_resource.enable, asked.env), commands=commands)


def _stop_step(asked: Asked, undo: Callable[[], None] | None = None) -> Step:
    return Step(
        "stop",
        "stop it, wait until Pacemaker has",
        partial(cloud_resource.disable, asked.env),
        undo=undo,
        undo_if_failed=undo is not None,
        commands=[["pcs", "resource", "disable", RESOURCE]],
    )


def _resource_steps(asked: Asked) -> list[Step]:
    """Stop and forget the resource; when something fails before anything is destroyed, what ran is let run again."""
    if asked.place is None:
        return []
    again = partial(_let_it_run, asked.env) if not asked.place.disabled else None
    return [
        _stop_step(asked, undo=again),
        Step("resource", f"remove {RESOURCE}", partial(_remove, asked.env), no_return=True),
    ]


def _remove(env: Env) -> bool:
    pcs.resource_delete(pcs.connect(env.runner), RESOURCE)
    return True


def _let_it_run(env: Env) -> None:
    pcs.resource_enable(pcs.connect(env.runner), RESOURCE)


def _image_steps(asked: Asked) -> list[Step]:
    """Absent is only what Ceph says is absent: one that does not answer stops everything."""
    if IMAGE_NAME not in (rbd.list_images(asked.env.runner, POOL) or []):
        return []
    snapshots = [snapshot.name for snapshot in rbd_snapshots.read(asked.env.runner, IMAGE)]
    if snapshots and not asked.request.force:
        told = ", ".join(snapshots[:8])
        raise Conflict(
            f"{IMAGE} has {len(snapshots)} snapshots ({told}); nothing was changed. force: true removes them with it",
            overridable=[f"removes the snapshots of {IMAGE}"],
        )
    asked.overrides += [f"removes the snapshots of {IMAGE}"] if snapshots else []
    commands = [["rbd", "rm", IMAGE]]
    return [
        Step("image", f"remove {IMAGE}", partial(_remove_image, asked.env, snapshots), commands=commands, no_return=True)
    ]


def _remove_image(env: Env, snapshots: list[str]) -> None:
    for name in snapshots:
        rbd_snapshots.remove(env.runner, IMAGE, name)
    rbd.remove(env.runner, IMAGE)


def _files_step(asked: Asked, *patterns: str) -> Step:
    """On the shared file system, and only when that is there: an empty mount point belongs to something else."""
    folder = asked.env.settings.below(SHARED)
    if folder not in {mount.mountpoint for mount in mounts.read(asked.env.settings)}:
        raise Conflict(f"gfs mount point is not mounted: /{SHARED}; nothing was changed")

    def remove() -> int:
        paths = [path for pattern in patterns for path in glob.glob(os.path.join(glob.escape(folder), pattern))]
        for path in paths:
            image_file.remove_tree(path)
        return len(paths)

    return Step("files", f"remove {', '.join(patterns)} in /{SHARED}", remove, no_return=True)


def _destroy_step(asked: Asked) -> Step:
    def destroy() -> None:
        pcs.connect(asked.env.runner).run(["cluster", "destroy", "--all"], seconds=DESTROY_SECONDS)

    if asked.place is None and not os.path.exists(asked.env.settings.below("etc/corosync/corosync.conf")):
        return Step("cluster", "there is no Pacemaker cluster", lambda: None)
    commands = [["pcs", "cluster", "destroy", "--all"]]
    return Step("cluster", "destroy the Pacemaker cluster on every node", destroy, commands=commands, no_return=True)


def _hosts_step(asked: Asked, *, empty: bool) -> Step:
    clean = partial(lifecycle_node.clean_everywhere, asked.env, asked.config, force=asked.request.force, empty=empty)
    return Step("hosts", "remove what is left of it on every host", clean)
