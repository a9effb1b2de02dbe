"""cluster.deploy_stage: the table of contract 01 §9.1."""

import pytest

from ablestack_api.cluster import deploy_stage
from ablestack_api.cluster.deploy_stage import HCI, HCI_FILES, STANDALONE, VM
from ablestack_api.state.cluster_document import ClusterConfig
from tests.support import documents

READY = {
    "ccfg_status": "true",
    "scvm_status": "RUNNING",
    "scvm_bootstrap_status": "true",
    "sc_status": "HEALTH_OK",
    "cc_status": "HEALTH_OK",
    "ccvm_status": "RUNNING",
    "ccvm_bootstrap_status": "true",
    "wall_monitoring_status": "true",
    "gfs_configure": "true",
    "local_configure": "true",
    "security_patch": "true",
}
PAGES = ("open_storage_center", "open_cloud_center", "open_monitoring_center")


@pytest.mark.parametrize(
    ("kind", "changes", "stage", "order", "actions"),
    [
        (HCI, {"ccfg_status": "false"}, "cluster_prepare", 1, 1),
        (HCI, {"scvm_bootstrap_status": "false", "scvm_status": "HEALTH_ERR"}, "storage_vm_deploy", 2, 3),
        (HCI, {"scvm_bootstrap_status": "false"}, "storage_vm_configure", 3, 2),
        (HCI_FILES, {"gfs_configure": "false"}, "hci_shared_file_configure", 4, 2),
        (HCI, {"wall_monitoring_status": "false", "sc_status": "HEALTH_ERR"}, "storage_cluster_configure", 5, 2),
        (HCI, {"wall_monitoring_status": "false", "sc_status": ""}, "storage_cluster_configure", 5, 2),
        (VM, {"gfs_configure": "false"}, "gfs_storage_configure", 6, 2),
        (STANDALONE, {"local_configure": "false"}, "local_storage_configure", 6, 2),
        (HCI, {"ccvm_bootstrap_status": "false", "ccvm_status": "HEALTH_ERR"}, "cloud_vm_deploy", 7, 3),
        (VM, {"ccvm_bootstrap_status": "false", "ccvm_status": "HEALTH_ERR"}, "cloud_vm_deploy", 7, 2),
        (HCI, {"ccvm_bootstrap_status": "false"}, "cloud_vm_configure", 8, 1),
        (HCI, {"wall_monitoring_status": "false", "cc_status": "HEALTH_ERR1"}, "cloud_cluster_configure", 9, 1),
        (VM, {"wall_monitoring_status": "false", "cc_status": "HEALTH_ERR2"}, "cloud_resource_configure", 10, 1),
        (VM, {"wall_monitoring_status": "false", "cc_status": "UNKNOWN"}, "cloud_resource_configure", 10, 1),
        (HCI, {"wall_monitoring_status": "false"}, "monitoring_configure", 11, 3),
        (VM, {"wall_monitoring_status": "false"}, "monitoring_configure", 11, 2),
        (STANDALONE, {"wall_monitoring_status": "false", "cc_status": "HEALTH_ERR1"}, "monitoring_configure", 11, 2),
        ("ablestack-other", {}, "unsupported_cluster_type", 0, 0),
    ],
)
def test_every_stage(kind: str, changes: dict[str, str], stage: str, order: int, actions: int) -> None:
    found = deploy_stage.decide(kind, {**READY, **changes})
    assert (found.name, found.order, len(found.actions)) == (stage, order, actions)
    assert found.severity == "warning"


@pytest.mark.parametrize(("kind", "pages"), [(HCI, PAGES), (HCI_FILES, PAGES), (VM, PAGES[1:]), (STANDALONE, PAGES[1:])])
def test_ready(kind: str, pages: tuple[str, ...]) -> None:
    found = deploy_stage.decide(kind, READY)
    assert (found.name, found.severity, found.actions, found.warnings) == ("ready", "success", pages, ())


@pytest.mark.parametrize(
    ("key", "value", "warning"),
    [
        ("scvm_status", "SHUT OFF", "storage_vm_not_running"),
        ("sc_status", "HEALTH_WARN", "storage_cluster_not_healthy"),
        ("cc_status", "HEALTH_ERR2", "cloud_cluster_not_healthy"),
        ("ccvm_status", "HEALTH_ERR", "cloud_vm_not_running"),
        ("security_patch", "false", "security_patch_required"),
    ],
)
def test_warnings_of_a_ready_cluster(key: str, value: str, warning: str) -> None:
    found = deploy_stage.decide(HCI, {**READY, key: value})
    assert ([name for name, _ in found.warnings], found.severity) == ([warning], "warning")
    assert ("run_security_patch" in found.actions) is (key == "security_patch")


def test_what_is_not_known_gives_no_warning() -> None:
    assert deploy_stage.decide(HCI, {**READY, "sc_status": "UNKNOWN"}).severity == "success"


@pytest.mark.parametrize("kind", [HCI, HCI_FILES, VM, STANDALONE])
def test_a_complete_configuration(kind: str) -> None:
    assert deploy_stage.config_ready(ClusterConfig.model_validate(_config(kind)))


@pytest.mark.parametrize("missing", ["type", "ccvm", "mngtNic", "hosts", "pcs_cluster"])
def test_an_incomplete_one(missing: str) -> None:
    config = ClusterConfig.model_validate(_config(HCI))
    if missing == "pcs_cluster":
        config.pcs_cluster = config.pcs_cluster[:2]
    elif missing == "hosts":
        config.hosts[2].scvm_cn = ""
    elif missing == "ccvm":
        config.ccvm.ip = ""
    elif missing == "mngtNic":
        config.mngt_nic.dns = ""
    else:
        config.type = ""
    assert not deploy_stage.config_ready(config)


def _config(kind: str) -> object:
    shape = documents.document(kind)["clusterConfig"]
    names = [name for name in shape["pcsCluster"].values() if name]
    return {**shape, "pcsCluster": names}
