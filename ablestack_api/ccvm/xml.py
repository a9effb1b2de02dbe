"""The domain XML of the Cloud Center VM (contract 03 §3.2, §5.2)."""

import os
from collections.abc import Mapping, Sequence

from ablestack_api.ccvm.xml_models import XmlRequest
from ablestack_api.core.errors import BadInput, bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.hypervisor import machine_identity, templates
from ablestack_api.hypervisor.machine_identity import Identity
from ablestack_api.hypervisor.templates import NetworkCard
from ablestack_api.machines import node_facts
from ablestack_api.state.cluster_document import HCI_TYPES, ClusterConfig

NAME = "ccvm"
TEMPLATE = "ccvm-xml-template.xml"
ISO = "/var/lib/libvirt/images/ccvm-cloudinit.iso"
SOUND_SLOT = 0x1B
# QEMU starts no more on a q35 machine without further settings.
MOST_CPUS = 255
MOST_MEMORY_GIB = 65536
VM_TYPE, STANDALONE_TYPE = "ablestack-vm", "ablestack-standalone"
# Setup, edit and resize look there and nowhere else.
GFS_MOUNT_POINT = "/mnt/glue-gfs"
STANDALONE_DISK = "/mnt/glue/ccvm.qcow2"
OTHER_DISK = "/var/lib/libvirt/images/ablestack-template.qcow2"
SECRET_UUID = "11111111-1111-1111-1111-111111111111"  # noqa: S105  the name of a libvirt secret, not its value
# Where the definition that is in force lies, by type; on every host there is a copy in the state folder.
SHARED_FILES = {VM_TYPE: f"{GFS_MOUNT_POINT}/ccvm.xml", STANDALONE_TYPE: "/mnt/glue/ccvm.xml"}


def path(settings: Settings) -> str:
    """This node's copy."""
    return os.path.join(settings.vm_config_root, NAME, "ccvm.xml")


def definition_files(settings: Settings, cluster_type: str) -> list[str]:
    """Where an earlier definition may be, the one in force first."""
    shared = SHARED_FILES.get(cluster_type.lower())
    return [*([settings.below(shared)] if shared else []), path(settings)]


def bridges(request: XmlRequest) -> dict[str, str]:
    """Field -> name of every bridge that is asked for, in the order of the cards."""
    named = {
        "management_network_bridge": request.management_network_bridge,
        "service_network_bridge": request.service_network_bridge,
    }
    return {field: name for field, name in named.items() if name}


def require(request: XmlRequest, cluster_type: str) -> None:
    """The values alone, whatever the hosts have. Raises BadInput; first with the texts of 0.1.2."""
    is_vm = cluster_type.lower() == VM_TYPE
    for field, given in (
        ("cpu", request.cpu > 0),
        ("memory", request.memory > 0),
        ("management_network_bridge", bool(request.management_network_bridge)),
        ("gfs_mount_point", bool(request.gfs_mount_point) or not is_vm),
    ):
        if not given:
            raise bad_field(field, "required", f"{field} required")
    faults: list[BadInput] = []
    if request.cpu > MOST_CPUS:
        faults.append(bad_field("cpu", f"must be at most {MOST_CPUS}"))
    if request.memory > MOST_MEMORY_GIB:
        faults.append(bad_field("memory", f"must be at most {MOST_MEMORY_GIB} GiB"))
    if is_vm and os.path.normpath(request.gfs_mount_point) != GFS_MOUNT_POINT:
        faults.append(bad_field("gfs_mount_point", f"must be {GFS_MOUNT_POINT}: the machine is looked for there"))
    for field, name in bridges(request).items():
        fault = node_facts.interface_name_fault(name)
        faults += [bad_field(field, fault)] if fault else []
    node_facts.merged_faults(faults)


def identity(config: ClusterConfig, request: XmlRequest, earlier: Sequence[Identity | None]) -> Identity:
    """The same on every host of the cluster, and at every rendering."""
    return machine_identity.settled(NAME, config.ccvm.ip, len(bridges(request)), earlier)


def render(env: Env, config: ClusterConfig, request: XmlRequest, who: Identity, kinds: Mapping[str, str]) -> str:
    """The XML; `kinds` says of each bridge whether it is `linux` or `openvswitch`. Raises TemplateUnusable."""
    slots = templates.slots(len(who.macs), frozenset([SOUND_SLOT]))
    cards = [
        NetworkCard(number, mac, bridge, slot, kinds.get(bridge) == node_facts.OPENVSWITCH)
        for number, (mac, bridge, slot) in enumerate(zip(who.macs, bridges(request).values(), slots, strict=True))
    ]
    values = {
        "name": NAME,
        "uuid": who.uuid,
        "memory": request.memory,
        "cpu": request.cpu,
        "cards": cards,
        "iso": ISO,
        "disk": _disk(config.type.lower()),
        "sound_slot": f"0x{SOUND_SLOT:02x}",
        "emulator": node_facts.emulator(env.settings),
        "firmware": node_facts.firmware(env.settings),
    }
    return templates.render(env.settings, TEMPLATE, values)


def _disk(cluster_type: str) -> dict[str, object]:
    if cluster_type in HCI_TYPES:
        return {"kind": "rbd", "source": "rbd/ccvm", "secret": SECRET_UUID}
    if cluster_type == VM_TYPE:
        return {"kind": "file", "source": f"{GFS_MOUNT_POINT}/ccvm.qcow2", "fixed_slot": True}
    source = STANDALONE_DISK if cluster_type == STANDALONE_TYPE else OTHER_DISK
    return {"kind": "file", "source": source, "fixed_slot": False}
