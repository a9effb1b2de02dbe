"""Steps of plans for a virtual machine that libvirt alone looks after: the storage VM, the Cloud Center VM of one host."""

import os
from functools import partial

from ablestack_api.core.errors import Conflict
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.jobs.plan import Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.state import image_file, json_file

REPLACED = ".replaced"


def require_present(name: str, state: str | None) -> None:
    if state is None:
        raise Conflict(f"{name} domain not found on this host; nothing was changed")


def start(env: Env, name: str) -> Step:
    """Undone by switching it off: for machines that did not run before."""
    do, undo = partial(domains.start, env.libvirt, name), partial(domains.destroy, env.libvirt, name)
    return Step("start", "start it", do, undo=undo)


def wait(env: Env, name: str, wanted: str, seconds: float) -> Step:
    do = partial(domains.wait_for, env.libvirt, env.clock, name, [wanted], seconds)
    return Step("wait", f"wait until it is {wanted}", do)


def autostart(env: Env, name: str) -> Step:
    return Step("autostart", "start it with this host", partial(domains.set_autostart, env.libvirt, name))


def gone(env: Env, name: str, state: str | None, *, keep_nvram: bool, force: bool) -> tuple[list[Step], list[str]]:
    """(steps that switch it off and remove its definition, what `force` overrides); undone by defining and starting it.

    Raises Conflict when it runs and that is not to be overridden.
    """
    running = state is not None and state not in domains.IDLE_STATES
    overrides = [f"switches {name} off"] if running else []
    if running and not force:
        told = f"{name} is {state}; nothing was changed. Stop it first, or force: true switches it off"
        raise Conflict(told, overridable=overrides)
    if state is None:
        return [], []
    definition = domains.read_definition(env.libvirt, name) or ""
    off = Step(
        "switch-off",
        "switch it off",
        partial(domains.destroy, env.libvirt, name),
        undo=partial(domains.start, env.libvirt, name),
    )
    undefine = Step(
        "undefine",
        "remove its definition",
        partial(domains.undefine, env.libvirt, name, keep_nvram=keep_nvram),
        undo=partial(domains.define, env.libvirt, definition),
    )
    return [*([off] if running else []), undefine], overrides


def define(env: Env, name: str, path: str) -> Step:
    """As in a file, read when the step is done; undone to what libvirt knew before."""
    before = domains.read_definition(env.libvirt, name)

    def do() -> None:
        domains.define(env.libvirt, (json_file.read_bytes(path) or b"").decode("utf-8", "replace"))

    def undo() -> None:
        if before is None:
            domains.undefine(env.libvirt, name, keep_nvram=True)
        else:
            domains.define(env.libvirt, before)

    return Step("define", f"define it as in {path}", do, undo=undo)


def refuse_overwriting(name: str, state: str | None, disk: str, *, force: bool) -> list[str]:
    """What a set-up would overwrite. Raises Conflict unless that is what is wanted (D20)."""
    present = os.path.lexists(disk)
    found = [f"the disk {disk} exists"] if present else []
    found += [f"the domain {name} exists ({state})"] if state is not None else []
    if found and not force:
        told = " and ".join(found)
        raise Conflict(
            f"{name} is set up already: {told}; nothing was overwritten. force: true replaces it", overridable=found
        )
    return [f"overwrites {disk}"] if present else []


def new_disk(template: str, disk: str, progress: Progress, *, replaces: bool) -> list[Step]:
    """Copy the template; one that is there is put aside, and back when anything later fails. See `forget_replaced`."""
    aside = disk + REPLACED

    def copy() -> None:
        image_file.copy(template, disk, lambda _done: progress.check_cancelled())

    put_aside = Step(
        "put-aside",
        f"keep {disk} as {aside} until the new one runs",
        partial(image_file.rename, disk, aside),
        undo=partial(image_file.rename, aside, disk),
    )
    copied = Step("disk", f"copy {template} to {disk}", copy, undo=partial(json_file.remove, disk))
    return [*([put_aside] if replaces else []), copied]


def forget_replaced(disk: str, *, replaces: bool) -> list[Step]:
    return [remove("replaced-disk", disk + REPLACED)] if replaces else []


def remove(name: str, path: str, *, no_return: bool = False) -> Step:
    return Step(name, f"remove {path}", partial(json_file.remove, path), no_return=no_return)


def write(name: str, path: str, content: bytes, before: bytes | None, mode: int | None = None) -> Step:
    """Replace a small file; undone to what it held before."""

    def undo() -> None:
        if before is None:
            json_file.remove(path)
        else:
            json_file.write_bytes(path, before, mode=mode)

    return Step(name, f"write {path}", partial(json_file.write_bytes, path, content, mode=mode), undo=undo)
