"""How far a cluster has been set up, and what comes next: a table, and nothing that asks anybody (contract 01 §9.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ablestack_api.state.cluster_document import ClusterConfig, Host

HCI, HCI_FILES, VM, STANDALONE = (
    "ablestack-hci",
    "ablestack-hci-filesystem",
    "ablestack-vm",
    "ablestack-standalone",
)
TYPES = (HCI, HCI_FILES, VM, STANDALONE)
UNKNOWN, RUNNING, HEALTH_OK, HEALTH_ERR = "UNKNOWN", "RUNNING", "HEALTH_OK", "HEALTH_ERR"
NO_CLUSTER, NO_RESOURCE = "HEALTH_ERR1", "HEALTH_ERR2"
WARNING, SUCCESS = "warning", "success"

CONFIG_FILE, PREPARE = "download_config_file", "prepare_cluster_config"
STORAGE, CLOUD, MONITORING = "open_storage_center", "open_cloud_center", "open_monitoring_center"

Raw = dict[str, str]


@dataclass(frozen=True)
class Stage:
    """`key` is translated by consoles; `actions` are what they offer."""

    name: str
    order: int
    key: str
    actions: tuple[str, ...] = ()
    warnings: tuple[tuple[str, str], ...] = field(default=())

    @property
    def severity(self) -> str:
        return SUCCESS if self.name == "ready" and not self.warnings else WARNING


@dataclass(frozen=True)
class Row:
    """A stage that a cluster of some types is in while `applies` says so; the first that does is it."""

    types: tuple[str, ...]
    applies: Callable[[Raw], bool]
    stage: Stage


def decide(kind: str, raw: Raw) -> Stage:
    """`kind` in lower case; `raw` as `/cube/deploy/status` shows it, keys that do not apply left out."""
    if kind not in TYPES:
        return Stage("unsupported_cluster_type", 0, "unsupported_cluster_type")
    found = next((row.stage for row in ROWS if kind in row.types and row.applies(raw)), None)
    if found is None:
        return _ready(kind, raw)
    if kind in (HCI, HCI_FILES):
        return found
    actions = tuple(action for action in found.actions if action != STORAGE)
    return Stage(found.name, found.order, found.key, actions)


def config_ready(config: ClusterConfig) -> bool:
    """Is everything in cluster.json that later steps need?"""
    kind = config.type.lower()
    nic = config.mngt_nic
    if not all((config.type, config.ccvm.ip, nic.cidr, nic.gw, nic.dns)) or len(config.hosts) < _least_hosts(kind):
        return False
    names = {HCI: 3, HCI_FILES: 3, VM: 1}.get(kind, 0)
    return len(config.pcs_cluster) >= names and all(_is_complete(kind, host) for host in config.hosts)


def _least_hosts(kind: str) -> int:
    return 3 if kind in (HCI, HCI_FILES) else 1


def _is_complete(kind: str, host: Host) -> bool:
    needed: Sequence[str | None] = (host.hostname, host.ablecube)
    if kind in (HCI, HCI_FILES):
        needed = (*needed, host.ablecube_pn, host.scvm_mngt, host.scvm, host.scvm_cn)
    return all(needed)


def _is(key: str, *values: str) -> Callable[[Raw], bool]:
    return lambda raw: raw.get(key, UNKNOWN) in values


def _is_not(key: str, *values: str) -> Callable[[Raw], bool]:
    return lambda raw: raw.get(key, "") not in values


def _all(*conditions: Callable[[Raw], bool]) -> Callable[[Raw], bool]:
    return lambda raw: all(condition(raw) for condition in conditions)


NO_SCVM, NO_CCVM = _is_not("scvm_bootstrap_status", "true"), _is_not("ccvm_bootstrap_status", "true")
NO_WALL, NO_GFS = _is_not("wall_monitoring_status", "true"), _is_not("gfs_configure", "true")
BOTH_HCI, WITH_PCS = (HCI, HCI_FILES), (HCI, HCI_FILES, VM)

ROWS = (
    Row(TYPES, _is_not("ccfg_status", "true"), Stage("cluster_prepare", 1, "cluster_config_required", (PREPARE,))),
    Row(
        BOTH_HCI,
        _all(NO_SCVM, _is_not("scvm_status", RUNNING)),
        Stage("storage_vm_deploy", 2, "storage_vm_not_deployed", (CONFIG_FILE, PREPARE, "deploy_storage_vm")),
    ),
    Row(
        BOTH_HCI,
        NO_SCVM,
        Stage("storage_vm_configure", 3, "storage_vm_not_configured", (CONFIG_FILE, "configure_storage_vm")),
    ),
    Row(
        (HCI_FILES,),
        NO_GFS,
        Stage("hci_shared_file_configure", 4, "hci_shared_file_not_configured", (STORAGE, "configure_hci_shared_file")),
    ),
    Row(
        BOTH_HCI,
        _all(NO_WALL, _is("sc_status", "", UNKNOWN, HEALTH_ERR)),
        Stage("storage_cluster_configure", 5, "storage_cluster_not_configured", (STORAGE, "configure_storage_cluster")),
    ),
    Row(
        (VM,),
        NO_GFS,
        Stage("gfs_storage_configure", 6, "gfs_storage_not_configured", (CONFIG_FILE, "configure_gfs_storage")),
    ),
    Row(
        (STANDALONE,),
        _is_not("local_configure", "true"),
        Stage("local_storage_configure", 6, "local_storage_not_configured", (CONFIG_FILE, "configure_local_storage")),
    ),
    Row(
        TYPES,
        _all(NO_CCVM, _is_not("ccvm_status", RUNNING)),
        Stage("cloud_vm_deploy", 7, "cloud_vm_not_deployed", (CONFIG_FILE, STORAGE, "deploy_cloud_vm")),
    ),
    Row(TYPES, NO_CCVM, Stage("cloud_vm_configure", 8, "cloud_vm_not_configured", ("configure_cloud_vm",))),
    Row(
        WITH_PCS,
        _all(NO_WALL, _is("cc_status", NO_CLUSTER, HEALTH_ERR)),
        Stage("cloud_cluster_configure", 9, "cloud_cluster_not_configured", ("configure_cloud_cluster",)),
    ),
    Row(
        WITH_PCS,
        _all(NO_WALL, _is("cc_status", NO_RESOURCE, UNKNOWN)),
        Stage("cloud_resource_configure", 10, "cloud_resource_not_configured", ("configure_cloud_resource",)),
    ),
    Row(
        TYPES,
        NO_WALL,
        Stage("monitoring_configure", 11, "monitoring_not_configured", (STORAGE, CLOUD, "configure_monitoring")),
    ),
)

# What is told of a cluster that is ready: (key of `raw`, values that are well, key and text of the warning).
WATCHED = (
    ("scvm_status", (RUNNING,), "storage_vm_not_running", "the storage VM of this host does not run"),
    ("sc_status", (HEALTH_OK,), "storage_cluster_not_healthy", "the storage cluster is not HEALTH_OK"),
    ("cc_status", (HEALTH_OK,), "cloud_cluster_not_healthy", "the Cloud Center VM is not started by Pacemaker"),
    ("ccvm_status", (RUNNING,), "cloud_vm_not_running", "the Cloud Center VM does not answer"),
    ("security_patch", ("true",), "security_patch_required", "the security patch was not run"),
)


def _ready(kind: str, raw: Raw) -> Stage:
    """What is not known gives no warning."""
    warnings = tuple((key, text) for name, well, key, text in WATCHED if name in raw and raw[name] not in (*well, UNKNOWN))
    pages = (STORAGE, CLOUD, MONITORING) if kind in BOTH_HCI else (CLOUD, MONITORING)
    patch = ("run_security_patch",) if raw.get("security_patch") != "true" else ()
    return Stage("ready", 12, "ready", (*pages, *patch), warnings)
