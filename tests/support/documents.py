"""Invented cluster documents and requests, one for each cluster type."""

from typing import Any

from tests.support.node_under_test import INTERNAL_TOKEN

TYPES = ("ablestack-hci", "ablestack-hci-filesystem", "ablestack-vm", "ablestack-standalone")


def is_hci(cluster_type: str) -> bool:
    return cluster_type.startswith("ablestack-hci")


def host(number: int, cluster_type: str = "ablestack-hci") -> dict[str, str]:
    """Host N of the invented cluster, with the fields of its cluster type."""
    plain = {"index": str(number), "hostname": f"ablecube31-{number}", "ablecube": f"10.10.31.{number}"}
    if not is_hci(cluster_type):
        return plain
    return {
        **plain,
        "ablecubePn": f"100.100.31.{number}",
        "scvmMngt": f"10.10.31.{10 + number}",
        "scvm": f"100.100.31.{10 + number}",
        "scvmCn": f"100.200.31.{10 + number}",
    }


def count(cluster_type: str) -> int:
    return 1 if cluster_type == "ablestack-standalone" else 3


def insert(cluster_type: str = "ablestack-hci", **more: Any) -> dict[str, Any]:
    """The body of an insert."""
    hosts = [host(number, cluster_type) for number in range(1, count(cluster_type) + 1)]
    pcs = [entry.get("ablecubePn", entry["ablecube"]) for entry in hosts]
    return {
        "action": "insert",
        "type": cluster_type,
        "ccvm": {"ip": "10.10.31.10"},
        "mngtNic": {"cidr": "16", "gw": "10.10.0.1", "dns": "10.10.0.2"},
        "pcs_cluster_list": [] if cluster_type == "ablestack-standalone" else pcs,
        "hosts": hosts,
        "external_timeserver": "ntp.example",
        "iscsi_storage": "false",
        **more,
    }


def document(cluster_type: str = "ablestack-hci", *, token: str = INTERNAL_TOKEN, **bootstrap: str) -> dict[str, Any]:
    """cluster.json of the configured invented cluster; `bootstrap` flags are "false" unless given."""
    hosts = [host(number, cluster_type) for number in range(1, count(cluster_type) + 1)]
    flags = dict.fromkeys(("scvm", "ccvm", "wall", "gfs_configure", "local_configure"), "false")
    names = [entry.get("ablecubePn", entry["ablecube"]) for entry in hosts]
    if cluster_type == "ablestack-standalone":
        names = []
    padded = [*names, "", "", ""][: max(3, len(names))]
    return {
        "clusterConfig": {
            "type": cluster_type,
            "backup_path": "",
            "ccvm": {"ip": "10.10.31.10"},
            "mngtNic": {"cidr": "16", "gw": "10.10.0.1", "dns": "10.10.0.2"},
            "pcsCluster": {f"hostname{position}": name for position, name in enumerate(padded, 1)},
            "hosts": hosts,
            "external_timeserver": "ntp.example",
            "storage_network": "false",
            "iscsi_storage": "false",
        },
        "security": {"internal_token": token},
        "systemProfile": {
            "bootstrap": {**flags, **bootstrap},
            "license": {"status": "false", "type": ""},
            "security_patch": {"status": "false"},
        },
    }
