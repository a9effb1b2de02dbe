"""What insert, remove and reset do to a cluster document. Pure: a document is changed in memory only."""

from typing import Any

from ablestack_api.cluster.models import ApplyRequest, HostEntry
from ablestack_api.state.cluster_document import Ccvm, ClusterConfig, ClusterDocument, Host, MngtNic, distinct

STORED_ONLY_FOR_HCI = ("scvmMngt", "scvm", "scvmCn")


def insert(document: ClusterDocument, request: ApplyRequest, token: str, backup_path: str) -> None:
    """Replace the configuration (contract 01 §5.7). Unknown keys and the node's own profile stay."""
    config = document.cluster
    reset(document)
    config.type = request.type.lower()
    config.backup_path = backup_path
    config.ccvm = Ccvm(ip=request.ccvm.ip)
    config.mngt_nic = MngtNic(cidr=request.mngt_nic.cidr, gw=request.mngt_nic.gw, dns=request.mngt_nic.dns)
    config.pcs_cluster = distinct(request.pcs_cluster_list)
    config.external_timeserver = request.external_timeserver
    config.storage_network = "true" if request.storage_network.lower() == "true" else "false"
    config.hosts = [stored_host(host, config) for host in request.hosts]
    if token:
        document.security.internal_token = token


def remove(document: ClusterDocument, hostname: str) -> None:
    """Take a host and its PCS entries out. The others keep their index: it is part of their guests' names (ADR 0005)."""
    config = document.cluster
    host = config.host_named(hostname)
    if host is None:
        return
    gone = {value.lower() for value in (host.hostname, *host.addresses)}
    config.pcs_cluster = [name for name in config.pcs_cluster if name.lower() not in gone]
    config.hosts = [other for other in config.hosts if other is not host]


def reset(document: ClusterDocument) -> None:
    """Contract 01 §5.8: the configuration goes, the internal token and the profile stay."""
    config = document.cluster
    config.type = config.backup_path = config.external_timeserver = ""
    config.ccvm, config.mngt_nic = Ccvm(), MngtNic()
    config.pcs_cluster, config.hosts = [], []
    config.storage_network = "false"


def stored_host(host: HostEntry, config: ClusterConfig) -> Host:
    """All seven fields for HCI types; else without those of storage VMs, and the storage address where there is one."""
    values: dict[str, Any] = host.model_dump(by_alias=True)
    if not config.is_hci:
        for key in STORED_ONLY_FOR_HCI:
            del values[key]
        if not values["ablecubePn"] or config.storage_network != "true":
            del values["ablecubePn"]
    return Host.model_validate(values)


def entry_of(host: Host) -> HostEntry:
    """A stored host as a request's entry."""
    return HostEntry(
        index=host.index,
        hostname=host.hostname,
        ablecube=host.ablecube,
        ablecube_pn=host.ablecube_pn or "",
        scvm_mngt=host.scvm_mngt or "",
        scvm=host.scvm or "",
        scvm_cn=host.scvm_cn or "",
    )


def host_addresses(host: HostEntry) -> list[str]:
    return [address for address in (host.ablecube, host.ablecube_pn, host.scvm_mngt, host.scvm, host.scvm_cn) if address]
