"""Can this host serve what a Storage Center VM is asked for? Looked at before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ablestack_api.core.errors import ApiError, BadInput, Conflict, bad_field
from ablestack_api.env import Env
from ablestack_api.hypervisor.machine_identity import Identity
from ablestack_api.machines import disks, node_facts, pci
from ablestack_api.machines.node_facts import Check
from ablestack_api.scvm.xml_request import Asked
from ablestack_api.tools import lsblk
from ablestack_api.tools.lsblk import Device


@dataclass
class Looked:
    """What the node has of what was asked for. `overrides` are refusals that `force` set aside."""

    kinds: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    earlier: list[Identity] = field(default_factory=list)


def look(env: Env, asked: Asked, name: str, definitions: Sequence[str]) -> Looked:
    """`definitions` are files with an earlier definition of the machine.

    Raises BadInput with every field that this node cannot serve, else Conflict for what the host itself uses.
    """
    looked = Looked(checks=[node_facts.cpu_check(env.settings, asked.cpu)])
    devices = lsblk.read(env.runner) if asked.disks or asked.controllers else []
    faults: list[ApiError] = []
    for work in (_look_at_memory, _look_at_bridges, _look_at_pci, _look_at_disks):
        work(env, asked, looked, devices, faults)
    node_facts.merged_faults([fault for fault in faults if isinstance(fault, BadInput)])
    refusals = [fault.detail for fault in faults]
    if refusals and not asked.force:
        raise Conflict(f"{'; '.join(refusals)}. Nothing was changed; force: true hands it through all the same")
    looked.overrides += refusals
    looked.checks += [Check("in use by this host", "warning", refusal) for refusal in refusals]
    looked.earlier, check = node_facts.earlier_identities(env, name, definitions)
    looked.checks.append(check)
    return looked


def _look_at_memory(env: Env, asked: Asked, looked: Looked, _devices: list[Device], faults: list[ApiError]) -> None:
    try:
        looked.checks.append(node_facts.require_memory(env.settings, "memory", asked.memory))
    except BadInput as error:
        faults.append(error)


def _look_at_bridges(env: Env, asked: Asked, looked: Looked, _devices: list[Device], faults: list[ApiError]) -> None:
    for place, name in asked.bridges:
        try:
            looked.kinds[name] = node_facts.bridge_kind(env, place, name)
        except BadInput as error:
            faults.append(error)
    if node_facts.UNSEEN in looked.kinds.values():
        looked.checks.append(Check("bridges", "skipped", "this node lives in a folder without sys/class/net"))


def _look_at_pci(env: Env, asked: Asked, looked: Looked, devices: list[Device], faults: list[ApiError]) -> None:
    in_use = disks.in_use(devices)
    wanted = [(*named, pci.NETWORK) for named in asked.cards] + [(*named, pci.STORAGE) for named in asked.controllers]
    for place, address, base_class in wanted:
        try:
            looked.checks += pci.require(env.settings, place, address, base_class)
            pci.refuse_used(env.settings, place, address, in_use)
        except ApiError as error:
            faults.append(error)


def _look_at_disks(_env: Env, asked: Asked, _looked: Looked, devices: list[Device], faults: list[ApiError]) -> None:
    first: dict[str, str] = {}
    for place, name in asked.disks:
        try:
            device = disks.find(place, name, devices)
        except BadInput as error:
            faults.append(error)
            continue
        earlier = first.setdefault(device.kname, place)
        if earlier != place:
            faults.append(bad_field(place, f"{name} is the same device as {earlier}"))
        faults += [Conflict(f"{place}: {name}: {reason}") for reason in disks.host_uses(device)]
