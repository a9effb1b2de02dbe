"""libvirt's backup of a running guest's disk into a file: begun, watched, ended (libvirt-domain, virDomainBackupBegin).

The copy is of the moment at which it was begun, however long it takes. libvirt runs one job a domain.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ablestack_api.hypervisor.connection import Libvirt

if TYPE_CHECKING:
    import libvirt

SECONDS = 30.0
READ_SECONDS = 10.0
# virDomainJobType, in the order of its numbers, with virsh's words.
TYPES = ("None", "Bounded", "Unbounded", "Completed", "Failed", "Cancelled")
NONE, COMPLETED = "None", "Completed"
OPERATIONS = {9: "Backup", 3: "Outgoing migration", 4: "Snapshot", 6: "Dump"}
MIB = 1024 * 1024


@dataclass(frozen=True)
class Job:
    """`kind` in virsh's words; sizes in bytes."""

    kind: str
    operation: str = ""
    elapsed_ms: int = 0
    processed: int = 0
    total: int = 0
    success: bool = False
    error: str = ""

    @property
    def active(self) -> bool:
        return self.kind in ("Bounded", "Unbounded")

    @property
    def percent(self) -> float:
        return 100.0 * self.processed / self.total if self.total else 0.0

    def fields(self) -> dict[str, str]:
        """As `virsh domjobinfo` names and prints them."""
        shown = {"Job type": self.kind}
        if self.kind != NONE:
            shown |= {
                "Operation": self.operation,
                "Time elapsed": f"{self.elapsed_ms} ms",
                "File processed": f"{self.processed / MIB:.3f} MiB",
                "File remaining": f"{max(0, self.total - self.processed) / MIB:.3f} MiB",
                "File total": f"{self.total / MIB:.3f} MiB",
            }
        return shown


def begin(hypervisor: Libvirt, name: str, disk: str, path: str) -> None:
    """Start copying `disk` (`vda`) into a new qcow2 file. Raises LibvirtFailed: also when another job runs."""
    root = ET.Element("domainbackup", mode="push")
    entry = ET.SubElement(ET.SubElement(root, "disks"), "disk", name=disk, backup="yes", type="file")
    ET.SubElement(entry, "driver", type="qcow2")
    ET.SubElement(entry, "target", file=path)
    text = ET.tostring(root, encoding="unicode")
    hypervisor.call(lambda connection: connection.lookupByName(name).backupBegin(text, None, 0), timeout=SECONDS)


def read(hypervisor: Libvirt, name: str) -> Job:
    """What is running now; its `kind` is None when nothing is."""
    return _job(hypervisor.call(lambda connection: connection.lookupByName(name).jobStats(0), timeout=READ_SECONDS))


def read_completed(hypervisor: Libvirt, name: str) -> Job:
    """How the last one ended. libvirt forgets it when it was asked once."""

    def work(connection: "libvirt.virConnect") -> Any:
        import libvirt

        return connection.lookupByName(name).jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)

    return _job(hypervisor.call(work, timeout=READ_SECONDS))


def abort(hypervisor: Libvirt, name: str) -> None:
    hypervisor.call(lambda connection: connection.lookupByName(name).abortJob(), timeout=SECONDS)


def _job(stats: dict[str, Any]) -> Job:
    number = int(stats.get("type", 0))
    return Job(
        kind=TYPES[number] if 0 <= number < len(TYPES) else "Unknown",
        operation=OPERATIONS.get(int(stats.get("operation", 0)), ""),
        elapsed_ms=int(stats.get("time_elapsed", 0)),
        processed=int(stats.get("disk_processed", 0)),
        total=int(stats.get("disk_total", 0)),
        success=bool(stats.get("success", number == TYPES.index(COMPLETED))),
        error=str(stats.get("errmsg", "")),
    )
