"""What each action on the Storage Center VM of this host consists of, and how each of it is taken back (contract 03 §14)."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from ablestack_api.core.errors import Conflict
from ablestack_api.env import Env
from ablestack_api.hypervisor import domain_xml, domains
from ablestack_api.hypervisor.domain_xml import NotADomain
from ablestack_api.jobs import machine_steps
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress, Quiet
from ablestack_api.machines import node_facts
from ablestack_api.scvm import hugepages, xml
from ablestack_api.scvm.models import LifecycleRequest
from ablestack_api.state import image_file, json_file, moved_aside

NAME = xml.NAME
DISK = "var/lib/libvirt/images/scvm.qcow2"
TEMPLATE = "var/lib/libvirt/images/ablestack-template-back.qcow2"
CEPH_FOLDER = "etc/ceph"
START_SECONDS, SETUP_SECONDS = 120.0, 300.0
# A Ceph node hands its daemons over before it is off: 0.1.2's two minutes were short for that.
STOP_SECONDS = 600.0


def build(env: Env, request: LifecycleRequest, progress: Progress | None = None) -> Plan:
    """The plan for the state things are in now. Raises Conflict, BadInput: then nothing was changed."""
    state = domains.read_state(env.libvirt, NAME)
    return PLANS[request.action](env, request, state, progress or Quiet())


def remarks(done: dict[str, Any]) -> dict[str, str]:
    """Further members of the answer: what an operator has to know afterwards."""
    told = {}
    if done.get("ceph-configuration"):
        told["kept"] = f"what was in /etc/ceph is in {done['ceph-configuration']}"
    if "size-domain" in done or "size-file" in done:
        told["pending"] = f"in force at the next start of {NAME}"
    return told


def _start(env: Env, request: LifecycleRequest, state: str | None, progress: Progress) -> Plan:
    machine_steps.require_present(NAME, state)
    if state == domains.RUNNING:
        return Plan("scvm runs already", [])
    return Plan("start scvm", [_plain_start(env), machine_steps.wait(env, NAME, domains.RUNNING, START_SECONDS)])


def _stop(env: Env, request: LifecycleRequest, state: str | None, progress: Progress) -> Plan:
    machine_steps.require_present(NAME, state)
    if state in domains.IDLE_STATES:
        return Plan("scvm is off already", [])
    stop = partial(domains.shut_down_and_wait, env.libvirt, env.clock, NAME, STOP_SECONDS)
    return Plan("stop scvm", [Step("stop", "ask the guest to switch off, wait until it has", stop)])


def _resource(env: Env, request: LifecycleRequest, state: str | None, progress: Progress) -> Plan:
    """The definition in libvirt and the stored one alike, so that a later setup does not take it back."""
    path = xml.path(env.settings)
    stored = json_file.read_bytes(path)
    if state is None and stored is None:
        raise Conflict(f"scvm domain not found, and there is no {path}; nothing was changed. Set the storage VM up first")
    node_facts.require_memory(env.settings, "memory", request.memory or 0)
    cpu, memory = request.cpu or None, request.memory or None
    steps = hugepages.steps(env, memory) if memory else []
    if stored is not None:
        text = _resized(stored.decode("utf-8", "replace"), path, cpu, memory)
        steps.append(machine_steps.write("size-file", path, text.encode(), stored))
    if state is not None:
        steps.append(_size_domain(env, cpu, memory))
    return Plan("change the size of scvm", steps, warnings=[f"in force at the next start of {NAME}"])


def _setup(env: Env, request: LifecycleRequest, state: str | None, progress: Progress) -> Plan:
    autostart = machine_steps.autostart(env, NAME)
    if state == domains.RUNNING:
        return Plan("scvm runs already", [autostart])
    path, template, disk = xml.path(env.settings), env.settings.below(TEMPLATE), env.settings.below(DISK)
    image_file.require(path, "scvm xml not found")
    image_file.require(template, "scvm template image not found")
    overrides = machine_steps.refuse_overwriting(NAME, state, disk, force=request.force)
    image_file.require_space(template, disk)
    steps = [
        *machine_steps.new_disk(template, disk, progress, replaces=bool(overrides)),
        machine_steps.define(env, NAME, path),
        autostart,
        machine_steps.start(env, NAME),
        machine_steps.wait(env, NAME, domains.RUNNING, SETUP_SECONDS),
        *machine_steps.forget_replaced(disk, replaces=bool(overrides)),
    ]
    return Plan("set scvm up", steps, overrides=overrides)


def _delete(env: Env, request: LifecycleRequest, state: str | None, progress: Progress) -> Plan:
    steps, overrides = machine_steps.gone(env, NAME, state, keep_nvram=False, force=request.force)
    steps += [_ceph_configuration(env), machine_steps.remove("cloud-init", env.settings.below(xml.ISO))]
    return Plan("delete scvm", steps, warnings=[_kept_warning(env)], overrides=overrides)


def _reset(env: Env, request: LifecycleRequest, state: str | None, progress: Progress) -> Plan:
    steps, overrides = machine_steps.gone(env, NAME, state, keep_nvram=True, force=request.force)
    folder = os.path.dirname(xml.path(env.settings))
    steps += [
        _ceph_configuration(env),
        machine_steps.remove("disk", env.settings.below(DISK), no_return=True),
        machine_steps.remove("cloud-init", env.settings.below(xml.ISO)),
        Step("workspace", f"empty {folder}", partial(image_file.empty, folder)),
    ]
    return Plan("reset scvm", steps, warnings=[_kept_warning(env)], overrides=overrides)


PLANS: dict[str, Callable[[Env, LifecycleRequest, str | None, Progress], Plan]] = {
    "start": _start,
    "stop": _stop,
    "resource": _resource,
    "setup": _setup,
    "delete": _delete,
    "reset": _reset,
}


def _plain_start(env: Env) -> Step:
    """Not undone: one that is slow to come up is not switched off for it."""
    return Step("start", "start it", partial(domains.start, env.libvirt, NAME))


def _size_domain(env: Env, cpu: int | None, memory: int | None) -> Step:
    before = domains.read_definition(env.libvirt, NAME) or ""
    change = partial(domains.set_resources, env.libvirt, NAME, vcpus=cpu, memory_gib=memory)
    return Step("size-domain", "change its definition in libvirt", change, undo=partial(domains.define, env.libvirt, before))


def _resized(text: str, path: str, cpu: int | None, memory: int | None) -> str:
    try:
        now = domain_xml.read(text)
        return domain_xml.resized(text, cpu or now.vcpus, memory or max(1, now.memory // 2**20))
    except NotADomain as error:
        raise Conflict(f"{path} cannot be changed: {error}; nothing was changed. Render it again") from error


def _ceph_configuration(env: Env) -> Step:
    """This host's Ceph configuration is that of the storage cluster: taken out of its place, but not lost."""
    folder = env.settings.below(CEPH_FOLDER)
    place: list[str] = []

    def move() -> str:
        place.append(moved_aside.move_content(env.settings, env.clock, folder, "etc-ceph"))
        return place[0]

    return Step(
        "ceph-configuration",
        f"move what is in {folder} aside",
        move,
        undo=lambda: moved_aside.put_back(place[0] if place else "", folder),
    )


def _kept_warning(env: Env) -> str:
    kept = os.path.join(env.settings.state_root, moved_aside.FOLDER)
    return f"{env.settings.below(CEPH_FOLDER)} is emptied; its files are kept below {kept}"
