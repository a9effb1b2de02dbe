"""The Cloud Center VM of a cluster of one host, which libvirt alone looks after (contract 03 §6.2)."""

import os
from collections.abc import Callable
from functools import partial

from ablestack_api.ccvm import profile_flags, storage_reset, xml
from ablestack_api.ccvm.models import LifecycleRequest
from ablestack_api.core.errors import Conflict
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.jobs import machine_steps
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress, Quiet
from ablestack_api.state import image_file, json_file, mounts
from ablestack_api.state.cluster_document import ClusterConfig
from ablestack_api.tools import qemu_img

NAME = xml.NAME
MOUNT = "/mnt/glue"
DISK, DEFINITION = "mnt/glue/ccvm.qcow2", "mnt/glue/ccvm.xml"
OLD_DISK = "var/lib/libvirt/images/ccvm.qcow2"
TEMPLATE = "var/lib/libvirt/images/ablestack-template-back.qcow2"
GROWTH = "+350G"
STATE_SECONDS = 300.0
# What the guest gets from its host: source, name in the state folder, mode.
COPIED = (
    ("etc/hosts", "hosts", 0o644),
    ("root/.ssh/id_rsa", "id_rsa", 0o600),
    ("root/.ssh/id_rsa.pub", "id_rsa.pub", 0o644),
)

Builder = Callable[["Asked"], Plan]


class Asked:
    """One request and what is known when its plan is made."""

    def __init__(self, env: Env, request: LifecycleRequest, config: ClusterConfig, progress: Progress) -> None:
        self.env, self.request, self.config, self.progress = env, request, config, progress
        self.state = domains.read_state(env.libvirt, NAME)
        self.disk, self.definition = env.settings.below(DISK), env.settings.below(DEFINITION)
        self.folder = os.path.dirname(xml.path(env.settings))

    @property
    def runs(self) -> bool:
        return self.state is not None and self.state not in domains.IDLE_STATES


def build(env: Env, request: LifecycleRequest, config: ClusterConfig, progress: Progress | None = None) -> Plan:
    """The plan for the state things are in now. Raises Conflict, NotFound: then nothing was changed."""
    return BUILDERS[str(request.action)](Asked(env, request, config, progress or Quiet()))


def _copy(asked: Asked) -> Plan:
    return Plan("copy what the guest needs of this host", [_copy_step(asked)])


def _setup(asked: Asked) -> Plan:
    env, settings = asked.env, asked.env.settings
    path, template = xml.path(settings), settings.below(TEMPLATE)
    if asked.state is not None and not asked.request.force:
        raise Conflict(f"ccvm domain already exists: state={asked.state}; nothing was changed", overridable=["replaces it"])
    if asked.runs:
        raise Conflict(
            f"ccvm domain already exists: state={asked.state}; stop it before it is replaced. Nothing was changed"
        )
    image_file.require(path, "ccvm xml not found")
    image_file.require(template, "ccvm template image not found")
    overrides = machine_steps.refuse_overwriting(NAME, asked.state, asked.disk, force=asked.request.force)
    image_file.require_space(template, asked.disk)
    content, before = json_file.read_bytes(path) or b"", json_file.read_bytes(asked.definition)
    grow = partial(qemu_img.resize, env.runner, asked.disk, GROWTH)
    steps = [
        _copy_step(asked),
        *machine_steps.new_disk(template, asked.disk, asked.progress, replaces=bool(overrides)),
        Step("grow", f"enlarge {asked.disk}", grow, commands=[["qemu-img", "resize", asked.disk, GROWTH]]),
        machine_steps.write("definition", asked.definition, content, before, 0o644),
        machine_steps.define(env, NAME, asked.definition),
        machine_steps.autostart(env, NAME),
        machine_steps.start(env, NAME),
        machine_steps.wait(env, NAME, domains.RUNNING, STATE_SECONDS),
        *machine_steps.forget_replaced(asked.disk, replaces=bool(overrides)),
    ]
    mounted = settings.below(MOUNT) in {mount.mountpoint for mount in mounts.read(settings)}
    warnings = (
        [] if mounted else [f"nothing is mounted at {MOUNT}: the disk goes to the file system of {os.path.dirname(MOUNT)}"]
    )
    return Plan("set ccvm up", steps, warnings=warnings, overrides=overrides)


def _start(asked: Asked) -> Plan:
    machine_steps.require_present(NAME, asked.state)
    return Plan("start ccvm", [] if asked.state == domains.RUNNING else _start_steps(asked))


def _stop(asked: Asked) -> Plan:
    machine_steps.require_present(NAME, asked.state)
    return Plan("stop ccvm", _stop_steps(asked, undo=None) if asked.runs else [])


def _restart(asked: Asked) -> Plan:
    machine_steps.require_present(NAME, asked.state)
    again = partial(domains.start, asked.env.libvirt, NAME)
    stop = _stop_steps(asked, undo=again) if asked.runs else []
    return Plan("restart ccvm", [*stop, *_start_steps(asked)])


def _delete(asked: Asked) -> Plan:
    steps, overrides = _gone_steps(asked, keep_nvram=False)
    if asked.request.purge:
        places = {"disk": asked.disk, "old-disk": asked.env.settings.below(OLD_DISK), "definition": asked.definition}
        steps += [machine_steps.remove(f"purge-{name}", place, no_return=True) for name, place in places.items()]
    return Plan("delete ccvm", [*steps, *_workspace_steps(asked)], overrides=overrides)


def _reset(asked: Asked) -> Plan:
    steps, overrides = _gone_steps(asked, keep_nvram=True)
    steps += [storage_reset.local_disk(asked.env, asked.config, force=asked.request.force)]
    flags = profile_flags.clear(asked.env, asked.config, ("ccvm", "wall"))
    return Plan("reset ccvm and the local disk", [*steps, *_workspace_steps(asked), flags], overrides=overrides)


BUILDERS: dict[str, Builder] = {
    "copy": _copy,
    "setup": _setup,
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "delete": _delete,
    "reset": _reset,
}


def _copy_step(asked: Asked) -> Step:
    return Step("copy", f"copy hosts and keys to {asked.folder}", partial(_copy_files, asked))


def _copy_files(asked: Asked) -> None:
    contents = []
    for source, name, mode in COPIED:
        content = json_file.read_bytes(asked.env.settings.below(source))
        if content is None:
            raise Conflict(f"/{source} does not exist on this host; nothing was copied")
        contents.append((os.path.join(asked.folder, name), content, mode))
    for path, content, mode in contents:
        json_file.write_bytes(path, content, mode=mode)


def _start_steps(asked: Asked) -> list[Step]:
    """Not undone: one that is slow to come up is not switched off for it."""
    env = asked.env
    start = Step("start", "start it", partial(domains.start, env.libvirt, NAME))
    wait = partial(domains.wait_for, env.libvirt, env.clock, NAME, [domains.RUNNING], STATE_SECONDS)
    return [start, Step("running", "wait until it runs", wait)]


def _stop_steps(asked: Asked, undo: Callable[[], None] | None) -> list[Step]:
    env = asked.env
    if asked.request.destroy:
        return [Step("stop", "switch it off", partial(domains.destroy, env.libvirt, NAME), undo=undo)]
    stop = partial(domains.shut_down_and_wait, env.libvirt, env.clock, NAME, STATE_SECONDS)
    text = "ask the guest to switch off, wait until it has"
    return [Step("stop", text, stop, undo=undo, undo_if_failed=undo is not None)]


def _gone_steps(asked: Asked, *, keep_nvram: bool) -> tuple[list[Step], list[str]]:
    return machine_steps.gone(asked.env, NAME, asked.state, keep_nvram=keep_nvram, force=asked.request.force)


def _workspace_steps(asked: Asked) -> list[Step]:
    iso = asked.env.settings.below(xml.ISO)
    return [
        machine_steps.remove("cloud-init", iso),
        Step("workspace", f"empty {asked.folder}", partial(image_file.empty, asked.folder)),
    ]
