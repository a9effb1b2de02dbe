"""The libvirt secret with which a domain opens its Ceph disk."""

import base64
import binascii
from typing import TYPE_CHECKING

from ablestack_api.core.errors import LibvirtFailed
from ablestack_api.core.secret import Secret
from ablestack_api.hypervisor.connection import Libvirt

if TYPE_CHECKING:
    import libvirt

SECONDS = 10.0
XML = """<secret ephemeral='no' private='no'>
  <uuid>{uuid}</uuid>
  <usage type='ceph'>
    <name>client.admin secret</name>
  </usage>
</secret>"""


def ensure(hypervisor: Libvirt, uuid: str, key: Secret) -> None:
    """Define the secret unless it is there, and give it the key (base64, as Ceph prints it).

    The present one is never undefined: a domain that starts meanwhile finds it. Raises LibvirtFailed, LibvirtTimedOut.
    """
    value = _decoded(key)

    def work(connection: "libvirt.virConnect") -> None:
        present = [found for found in connection.listAllSecrets() if found.UUIDString() == uuid]
        secret = present[0] if present else connection.secretDefineXML(XML.format(uuid=uuid))
        secret.setValue(value)

    hypervisor.call(work, timeout=SECONDS)


def _decoded(key: Secret) -> bytes:
    try:
        value = base64.b64decode(key.reveal().strip(), validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if not value:
        raise LibvirtFailed("Ceph's key of client.admin is not base64; the libvirt secret was left as it is")
    return value
