"""libvirt's network filters."""

from typing import TYPE_CHECKING

from ablestack_api.hypervisor.connection import Libvirt

if TYPE_CHECKING:
    import libvirt

SECONDS = 10.0


def ensure(hypervisor: Libvirt, name: str, xml: str) -> bool:
    """Define a filter unless one of that name exists; True when it was defined now."""

    def work(connection: "libvirt.virConnect") -> bool:
        if name in connection.listNWFilters():
            return False
        connection.nwfilterDefineXML(xml)
        return True

    return hypervisor.call(work, timeout=SECONDS)
