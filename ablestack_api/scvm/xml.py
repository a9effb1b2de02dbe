"""POST /cube/scvm/xml: huge pages and the domain XML of this host's Storage Center VM (contract 03 §13, §5.3).

Everything the request names is looked at first; then the files are written, or none of them is.
"""

import os
from typing import Any

from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.hypervisor import machine_identity, templates
from ablestack_api.hypervisor.machine_identity import Identity
from ablestack_api.hypervisor.templates import NetworkCard
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.machines import node_facts, schema
from ablestack_api.scvm import hugepages, xml_checks, xml_request
from ablestack_api.scvm.xml_checks import Looked
from ablestack_api.scvm.xml_models import XmlRequest
from ablestack_api.scvm.xml_request import Asked
from ablestack_api.state import json_file, own_node

NAME = "scvm"
TEMPLATE = "scvm-xml-template.xml"
ISO = "/var/lib/libvirt/images/scvm-cloudinit.iso"
SOUND_SLOT = 0x13
FILE_MODE = 0o644
SUCCESS = "scvm xml create success"
# What tells this host from every other, together with its name.
HOST_MARKS = ("etc/machine-id", "sys/class/dmi/id/product_uuid")


def path(settings: Settings) -> str:
    return os.path.join(settings.vm_config_root, NAME, "scvm.xml")


def prepare(env: Env, request: XmlRequest) -> Plan:
    """Look at everything that is asked for and render; says what will be done.

    Raises BadInput, Conflict, TemplateUnusable.
    """
    return _prepared(env, request)[0]


def apply(env: Env, request: XmlRequest, progress: Progress) -> dict[str, Any]:
    """The body of the answer."""
    work, looked = _prepared(env, request)
    outcomes = plan.run(work, progress)
    looked.checks.append(hugepages.check_reserved(env.settings, request.memory))
    return {
        "code": 200,
        "val": {},
        "message": SUCCESS,
        "xml_path": path(env.settings),
        "checks": [check.entry() for check in looked.checks],
        "steps": [_entry(name, str(outcome)) for name, outcome in outcomes.items()],
    }


def render(env: Env, asked: Asked, who: Identity, kinds: dict[str, str]) -> str:
    """The XML; `kinds` says of each bridge whether it is `linux` or `openvswitch`. Raises TemplateUnusable."""
    devices = [address for _, address in (*asked.cards, *asked.controllers)]
    slots = templates.slots(len(asked.bridges) + len(devices), frozenset([SOUND_SLOT]))
    cards = [
        NetworkCard(number, mac, bridge, slot, kinds.get(bridge) == node_facts.OPENVSWITCH)
        for number, (mac, (_, bridge), slot) in enumerate(zip(who.macs, asked.bridges, slots, strict=False))
    ]
    handed_through = [
        {"number": number, "address": address, "slot": slot}
        for number, (address, slot) in enumerate(zip(devices, slots[len(cards) :], strict=True))
    ]
    values = {
        "name": NAME,
        "uuid": who.uuid,
        "memory": asked.memory,
        "cpu": asked.cpu,
        "cards": cards,
        "handed_through": handed_through,
        "disks": [
            {"path": place, "device": asked.disk_device, "target": f"sd{chr(ord('a') + unit)}", "unit": unit}
            for unit, (_, place) in enumerate(asked.disks)
        ],
        "iso": ISO,
        "sound_slot": f"0x{SOUND_SLOT:02x}",
        "emulator": node_facts.emulator(env.settings),
        "firmware": node_facts.firmware(env.settings),
    }
    return templates.render(env.settings, TEMPLATE, values)


def identity(env: Env, cards: int, earlier: list[Identity]) -> Identity:
    """The same at every rendering on this host."""
    marks = [own_node.hostname(env.settings)]
    contents = [json_file.read_bytes(env.settings.below(mark)) or b"" for mark in HOST_MARKS]
    marks += [content.decode("utf-8", "replace").strip() for content in contents]
    return machine_identity.settled(NAME, "|".join(marks), cards, earlier)


def _prepared(env: Env, request: XmlRequest) -> tuple[Plan, Looked]:
    asked = xml_request.asked(request)
    looked = xml_checks.look(env, asked, NAME, [path(env.settings)])
    text = render(env, asked, identity(env, len(asked.bridges), looked.earlier), looked.kinds)
    looked.checks.append(schema.check(env, TEMPLATE, text))
    steps = [*hugepages.steps(env, asked.memory), _install(env.settings, text)]
    warnings = [f"{check.name}: {check.message}" for check in looked.checks if check.outcome == "warning"]
    return Plan("XML of the Storage Center VM", steps, warnings=warnings, overrides=looked.overrides), looked


def _install(settings: Settings, text: str) -> Step:
    place = path(settings)

    def write() -> str:
        with json_file.locked(place):
            json_file.write_bytes(place, text.encode(), mode=FILE_MODE)
        return "done"

    return Step("install", f"write {place}", write)


def _entry(name: str, outcome: str) -> dict[str, str]:
    word, _, message = outcome.partition(": ")
    return {"step": name, "outcome": word} | ({"message": message} if message else {})
