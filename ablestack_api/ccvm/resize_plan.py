"""The steps of enlarging the Cloud Center VM's disk; whatever fails, the VM is brought back (contract 03 §9)."""

from collections.abc import Callable
from functools import partial

from ablestack_api.ccvm import executor, resize_guest
from ablestack_api.ccvm.lifecycle_pacemaker import IMAGE
from ablestack_api.ccvm.models import ResizeRequest
from ablestack_api.core.errors import Conflict, NotSetUp, bad_field
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.machines import cloud_resource
from ablestack_api.state import mounts
from ablestack_api.state.cluster_document import ClusterConfig
from ablestack_api.tools import guest_growth, qemu_img, rbd, rbd_snapshots

NAME = "ccvm"
GIB = 2**30
LARGEST_GIB = 2000
SHARED, SHARED_DISK, LOCAL_DISK = "mnt/glue-gfs", "mnt/glue-gfs/ccvm.qcow2", "mnt/glue/ccvm.qcow2"
STOP_SECONDS, START_SECONDS = 600.0, 300.0
FIRST_ANSWER_SECONDS, ANSWER_SECONDS = 10.0, 600.0
NOT_RUNNING = "Please check if CCVM status is running normally."


def build(env: Env, config: ClusterConfig, request: ResizeRequest) -> Plan:
    """Raises Conflict (it does not run or answer, its disk is not there), BadInput (too large): nothing was changed."""
    standalone, hci = executor.is_standalone(config), config.is_hci
    agent = hci or standalone
    present = _size(env, config)
    wanted = -(-present // GIB) + request.add_size
    if wanted > LARGEST_GIB:
        reason = f"the disk has {-(-present // GIB)} GiB, with it {wanted}; the most is {LARGEST_GIB}"
        raise bad_field("add_size", reason, "CCVM can support capacities up to 2 TiB.")
    _require_running(env, standalone)
    resize_guest.require_answer(env, config, through_agent=agent, seconds=FIRST_ANSWER_SECONDS)
    snapshots = [snapshot.name for snapshot in rbd_snapshots.read(env.runner, IMAGE)] if hci else []
    purged = snapshots if request.purge_snapshots else []
    stop, start = _libvirt_steps(env) if standalone else _pacemaker_steps(env)
    steps = [
        stop,
        *([_purge_step(env, purged)] if purged else []),
        _enlarge_step(env, config, wanted),
        start,
        Step(
            "answer",
            "wait until the guest answers",
            partial(resize_guest.require_answer, env, config, through_agent=agent, seconds=ANSWER_SECONDS),
        ),
        Step(
            "grow",
            "grow partition, volume and file system in the guest",
            partial(resize_guest.grow, env, config, through_agent=agent),
            commands=guest_growth.COMMANDS,
        ),
    ]
    overrides = [f"removes {len(purged)} snapshots of {IMAGE}: {', '.join(purged)}"] if purged else []
    title = f"enlarge the disk of ccvm from {-(-present // GIB)} to {wanted} GiB"
    return Plan(title, steps, warnings=_warnings(len(snapshots) - len(purged)), overrides=overrides)


def _warnings(kept: int) -> list[str]:
    told = ["the Cloud Center VM is off for some minutes", "a disk that was enlarged stays so, also when a later step fails"]
    return told + ([f"{kept} snapshots stay; rolling back to one also gives the disk its old size"] if kept else [])


def _size(env: Env, config: ClusterConfig) -> int:
    if config.is_hci:
        return rbd.read_size(env.runner, IMAGE)
    if not executor.is_standalone(config):
        mounted = {mount.mountpoint for mount in mounts.read(env.settings)}
        if env.settings.below(SHARED) not in mounted:
            raise Conflict(f"gfs mount point is not mounted: /{SHARED}; nothing was changed")
    return qemu_img.info(env.runner, _file(env, config)).virtual_size


def _file(env: Env, config: ClusterConfig) -> str:
    return env.settings.below(LOCAL_DISK if executor.is_standalone(config) else SHARED_DISK)


def _require_running(env: Env, standalone: bool) -> None:
    if standalone:
        state = domains.read_state(env.libvirt, NAME)
        told = "" if state == domains.RUNNING else f"its domain is {state or 'not defined'}"
    else:
        try:
            place = cloud_resource.read(env)
        except NotSetUp:
            place = None
        told = "" if place is not None and place.started else f"{cloud_resource.RESOURCE} is not started"
    if told:
        raise Conflict(f"{NOT_RUNNING} {told}; nothing was changed")


def _pacemaker_steps(env: Env) -> tuple[Step, Step]:
    stop = Step(
        "stop",
        "stop it, wait until Pacemaker has",
        partial(cloud_resource.disable, env),
        undo=partial(cloud_resource.enable, env),
        undo_if_failed=True,
    )
    return stop, Step("start", "start it, wait until Pacemaker has", partial(cloud_resource.enable, env))


def _libvirt_steps(env: Env) -> tuple[Step, Step]:
    stop = partial(domains.shut_down_and_wait, env.libvirt, env.clock, NAME, STOP_SECONDS)

    def start() -> None:
        domains.start(env.libvirt, NAME)
        domains.wait_for(env.libvirt, env.clock, NAME, [domains.RUNNING], START_SECONDS)

    off = Step("stop", "ask the guest to switch off, wait until it has", stop, undo=start, undo_if_failed=True)
    return off, Step("start", "start it", start)


def _purge_step(env: Env, snapshots: list[str]) -> Step:
    def purge() -> None:
        for name in snapshots:
            rbd_snapshots.remove(env.runner, IMAGE, name)

    return Step("snapshots", f"remove {len(snapshots)} snapshots of {IMAGE}", purge)


def _enlarge_step(env: Env, config: ClusterConfig, gib: int) -> Step:
    if config.is_hci:
        do: Callable[[], None] = partial(rbd.resize, env.runner, IMAGE, f"{gib}G")
        return Step("disk", f"enlarge {IMAGE} to {gib} GiB", do, commands=[["rbd", "resize", "-s", f"{gib}G", IMAGE]])
    path = _file(env, config)
    do = partial(qemu_img.resize, env.runner, path, f"{gib}G")
    return Step("disk", f"enlarge {path} to {gib} GiB", do, commands=[["qemu-img", "resize", path, f"{gib}G"]])
