"""This node's part of RBD images: the lines of /etc/ceph/rbdmap and the mapped devices.

Images in use are never disturbed: nothing here restarts rbdmap.service, whose stop unmaps every image. New images are
mapped one by one, and only the named ones are unmapped.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from errno import EBUSY
from typing import Any

from ablestack_api.core.errors import CommandFailed, Conflict
from ablestack_api.env import Env
from ablestack_api.hosts.block_devices import BlockDevices
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.state import rbdmap
from ablestack_api.tools import rbd, systemctl

UNIT = "rbdmap.service"
OPTIONS = f"id={rbd.USER},keyring={rbd.KEYRING}"


@dataclass(frozen=True)
class Usage:
    """What one image is to this node: listed in rbdmap, mapped as `devices`, and what stands on those."""

    image: str
    listed: bool
    devices: tuple[str, ...]
    uses: tuple[str, ...]

    @classmethod
    def of_peer(cls, told: dict[str, Any]) -> "Usage":
        devices, uses = (tuple(str(each) for each in told.get(key) or ()) for key in ("devices", "uses"))
        return cls(str(told.get("image", "")), bool(told.get("listed")), devices, uses)

    def shape(self) -> dict[str, Any]:
        return asdict(self)


def usage(env: Env, images: Sequence[str]) -> list[Usage]:
    listed = set(rbdmap.images(env.settings))
    mapped = _mapped(env)
    devices = BlockDevices.read(env) if any(mapped.get(image) for image in images) else None
    return [
        Usage(image, image in listed, tuple(mapped.get(image, ())), _uses(devices, mapped.get(image, ())))
        for image in images
    ]


def attach(env: Env, images: Sequence[str], *, map_now: bool, progress: Progress) -> None:
    """List the images in rbdmap and, unless `map_now` is false, map those that are not mapped."""
    plan.run(attach_plan(env, images, map_now=map_now), progress)


def attach_plan(env: Env, images: Sequence[str], *, map_now: bool) -> Plan:
    added: list[str] = []
    steps = [
        Step(
            "rbdmap-lines",
            f"list {', '.join(images)} in /{rbdmap.PLACE}",
            lambda: added.extend(rbdmap.add(env.settings, images, OPTIONS)),
            lambda: rbdmap.remove(env.settings, set(added)),
        )
    ]
    if env.settings.is_whole_system:
        steps += [_mapping(env, image) for image in images] if map_now else []
        steps.append(_enabling(env, start=map_now))
    return Plan("attach RBD images", steps)


def detach(env: Env, images: Sequence[str], *, force: bool, progress: Progress) -> None:
    """Unmap the images and take them out of rbdmap. Raises Conflict when something stands on one of them."""
    found = usage(env, images)
    held = [f"{each.image} is in use: {', '.join(each.uses)}" for each in found if each.uses]
    if held and not force:
        raise Conflict("; ".join(held) + ". Nothing was changed; stop what uses it first", reasons=held)
    plan.run(detach_plan(env, found), progress)


def detach_plan(env: Env, found: Sequence[Usage]) -> Plan:
    lines: list[bytes] = []
    names = [each.image for each in found]
    steps = [_unmapping(env, each.image, device) for each in found for device in each.devices]
    steps.append(
        Step(
            "rbdmap-lines",
            f"take {', '.join(names)} out of /{rbdmap.PLACE}",
            lambda: lines.extend(rbdmap.remove(env.settings, set(names))),
            lambda: rbdmap.put_back(env.settings, lines),
        )
    )
    return Plan("detach RBD images", steps)


def _enabling(env: Env, *, start: bool) -> Step:
    """From now on the listed images are mapped when the node starts, and unmapped when it stops if the unit is active.

    The last step: a start maps whatever is listed and not mapped, and must not do that while we map the same image.
    """

    def enable() -> None:
        systemctl.enable(env.runner, UNIT)
        if start:
            systemctl.start_soon(env.runner, UNIT)

    commands = [["systemctl", "enable", UNIT], *([["systemctl", "start", "--no-block", UNIT]] if start else [])]
    return Step("enable-rbdmap", f"enable {UNIT}", enable, commands=commands)


def _mapping(env: Env, image: str) -> Step:
    made: list[str] = []

    def do() -> str:
        present = _mapped(env).get(image)
        if present:
            return present[0]
        made.append(rbd.map_image(env.runner, image))
        return made[0]

    def undo() -> None:
        for device in made:
            rbd.unmap_device(env.runner, device)

    return Step(f"map-{image}", f"map {image}", do, undo, commands=(["rbd", "device", "map", image],))


def _unmapping(env: Env, image: str, device: str) -> Step:
    return Step(
        f"unmap-{image}",
        f"unmap {image} ({device})",
        lambda: _unmap(env, image, device),
        lambda: rbd.map_image(env.runner, image),
        commands=(["rbd", "device", "unmap", device],),
    )


def _unmap(env: Env, image: str, device: str) -> None:
    """The kernel has the last word: it tells of programs that hold the device open without a mount."""
    try:
        rbd.unmap_device(env.runner, device)
    except CommandFailed as error:
        if error.members.get("exit_code") != EBUSY:
            raise
        raise Conflict(f"{image} is in use: a program of this node has {device} open") from error


def _mapped(env: Env) -> dict[str, list[str]]:
    """Image -> its devices. A node in a folder maps nothing."""
    found: dict[str, list[str]] = {}
    if env.settings.is_whole_system:
        for mapping in rbd.mappings(env.runner):
            found.setdefault(mapping.image, []).append(mapping.device)
    return found


def _uses(devices: BlockDevices | None, paths: Sequence[str]) -> tuple[str, ...]:
    if devices is None:
        return ()
    return tuple(reason for path in paths for reason in devices.uses(devices.find(path, "images")))
