"""The cloud VM as Pacemaker sees it: a libvirt domain that one host runs, its disk in Ceph or in a file.

The guest's operating system is a boot sector that does nothing but switch off when its power button is pressed. The
machine that answers in the lab's networks under the cloud VM's address is the node `ccvm`.
"""

import re
import time
from collections.abc import Mapping
from pathlib import Path

from tests.lab import parallel
from tests.lab.errors import LabError
from tests.lab.machine import Machine
from tests.lab.profile import Disk, Node, Profile
from tests.lab.services import ceph, pacemaker

NAME = "cloud_center"
RESOURCE = "cloudcenter_res"
DOMAIN = "ccvm"
DEFINITION = "vmconfig/ccvm/ccvm.xml"
CONFIGURATION = "/etc/ablestack"
FILE_DISK = "/var/lib/libvirt/images/ccvm.qcow2"
SECRET = "11111111-1111-1111-1111-111111111111"
STARTED_TIMEOUT = 180.0
POLL = 1.0

# 16-bit code for a PC with the PIIX4 chip set, whose power management registers are at port 600h.
BOOT_SECTOR = bytes.fromhex(
    "fb"  #              sti
    "ba0206 b80001 ef"  # out 602h, 0100h   let the power button set its bit
    "f4"  #              hlt               (again:) sleep until the next tick of the timer
    "ba0006 ed"  #       in ax, 600h
    "f6c401 74f6"  #     test ah, 1; jz again
    "ba0406 b80020 ef"  # out 604h, 2000h   power off
    "f4 ebfd"  #         hlt; jmp back
)
SECTOR_BYTES = 512
BOOTABLE = b"\x55\xaa"
DISK_SIZE = "1G"

# VirtualDomain finds the name by reading lines, so it needs one of its own.
DOMAIN_XML = """\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
  <features><acpi/></features>
  <devices>
{disk}
    <console type='pty'/>
  </devices>
</domain>
"""

RBD_DISK = """\
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw'/>
      <auth username='admin'><secret type='ceph' uuid='{secret}'/></auth>
      <source protocol='rbd' name='{pool}/{name}'>{monitors}</source>
      <target dev='vda' bus='virtio'/>
    </disk>"""

FILE_DISK_XML = """\
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{file}'/>
      <target dev='vda' bus='virtio'/>
    </disk>"""

SECRET_XML = f"""\
<secret ephemeral='no' private='no'>
  <uuid>{SECRET}</uuid>
  <usage type='ceph'><name>client.admin secret</name></usage>
</secret>
"""


def set_up(profile: Profile, disk: Disk, machines: Mapping[str, Machine]) -> None:
    """Make the disk, tell every host of the cluster how to run the domain, and have Pacemaker start it."""
    if profile.pacemaker is None:
        raise LabError(f"profile {profile.name} has no Pacemaker cluster for the cloud VM")
    first = machines[profile.pacemaker.members[0]]
    if disk == "rbd":
        first.run(["rbd", "import", _write_raw_disk(first), f"{ceph.POOL}/{DOMAIN}"])
    hosts = [profile.node(name) for name in profile.pacemaker.members]
    parallel.each(hosts, lambda host: _prepare_host(profile, host, machines[host.name], disk))
    first.run(_create_resource())
    wait_started(first)


def definition(profile: Profile, disk: Disk) -> str:
    """The domain as libvirt XML."""
    if disk == "file" or profile.ceph is None:
        return DOMAIN_XML.format(name=DOMAIN, disk=FILE_DISK_XML.format(file=FILE_DISK))
    addresses = [profile.node(name).addresses[profile.ceph.public] for name in profile.ceph.members]
    monitors = "".join(f"<host name='{address}' port='6789'/>" for address in addresses)
    network_disk = RBD_DISK.format(secret=SECRET, pool=ceph.POOL, name=DOMAIN, monitors=monitors)
    return DOMAIN_XML.format(name=DOMAIN, disk=network_disk)


def wait_started(machine: Machine, *, away_from: str | None = None, timeout: float = STARTED_TIMEOUT) -> str:
    """Wait until the domain runs on exactly one host, other than `away_from`; that host's name in the cluster.

    `machine` is the member that is asked; raises LabError after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while len(hosts := pacemaker.running_on(machine, RESOURCE)) != 1 or away_from in hosts:
        if time.monotonic() > deadline:
            shown = machine.run(["crm_mon", "-1", "-r"], ok=None).stdout
            raise LabError(f"{RESOURCE} runs on {len(hosts)} hosts after {timeout:.0f} s:\n{shown}")
        time.sleep(POLL)
    return hosts[0]


def _prepare_host(profile: Profile, node: Node, machine: Machine, disk: Disk) -> None:
    """The definition in its place, and what the disk needs: a key in libvirt, or a file."""
    path = machine.root / CONFIGURATION.lstrip("/") / DEFINITION
    path.parent.mkdir(parents=True, exist_ok=True)  # the product brings this folder, but may not be there yet
    path.write_text(definition(profile, disk), encoding="ascii")
    if disk == "file":
        machine.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", _write_raw_disk(machine), FILE_DISK])
        return
    keyring = Path(machine.root / "etc/ceph/ceph.client.admin.keyring").read_text(encoding="ascii")
    key = re.search(r"key = (\S+)", keyring)
    if key is None:
        raise LabError(f"{node.name} has no key of client.admin")
    machine.run(["virsh", "secret-define", "/dev/stdin"], stdin=SECRET_XML)
    machine.run(["virsh", "secret-set-value", SECRET, "--file", "/dev/stdin"], stdin=key[1])


def _write_raw_disk(machine: Machine) -> str:
    """Write the guest's disk as a sparse file into a node; its path there."""
    path = "/var/tmp/ccvm.raw"
    padding = bytes(SECTOR_BYTES - len(BOOT_SECTOR) - len(BOOTABLE))
    (machine.root / path.lstrip("/")).write_bytes(BOOT_SECTOR + padding + BOOTABLE)
    machine.run(["truncate", "-s", DISK_SIZE, path])
    return path


def _create_resource() -> list[str]:
    """The argv with which an installation makes the resource."""
    options = ["hypervisor=qemu:///system", f"config={CONFIGURATION}/{DEFINITION}", "migration_transport=ssh"]
    meta = ["meta", "allow-migrate=true", "priority=100"]
    operations = "op start timeout=120s op stop timeout=120s op monitor timeout=30 interval=10"
    return ["pcs", "resource", "create", RESOURCE, "VirtualDomain", *options, *meta, *operations.split()]
