"""What a request for Pacemaker asks for, checked: every word of it becomes an argument of pcs (D19, contract 04 B-3)."""

import os
import re

from ablestack_api.core.errors import bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.orchestrator.pacemaker_nodes import PacemakerNode, find
from ablestack_api.pacemaker.request import ControlRequest

SETUP, SETUP_CRON, CONFIG, CREATE, ENABLE, DISABLE, MOVE = (
    "setup",
    "setup-cron",
    "config",
    "create",
    "enable",
    "disable",
    "move",
)
CLEANUP, STATUS, REMOVE, DESTROY, STOP, SYNC, CCVM_STATUS = (
    "cleanup",
    "status",
    "remove",
    "destroy",
    "stop",
    "sync",
    "ccvm-status",
)
ACTIONS = frozenset(
    (SETUP, SETUP_CRON, CONFIG, CREATE, ENABLE, DISABLE, MOVE, CLEANUP, STATUS, REMOVE, DESTROY, STOP, SYNC, CCVM_STATUS)
)
READS = frozenset((STATUS, CCVM_STATUS))
DEFAULT_RESOURCE = "cloudcenter_res"
# A resource id is an XML id: a letter or _ first.
RESOURCE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
CLUSTER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,31}")
NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}")
# corosync.conf(5): the default is 3000 ms; below a second a cluster falls apart at every hiccup.
SHORTEST_TOKEN, LONGEST_TOKEN = 1000, 300_000
SHARED_FOLDERS = ("mnt/glue-gfs", "mnt/glue")


def check(request: ControlRequest) -> ControlRequest:
    """The request with its defaults. Raises BadInput with 0.1.2's texts where there are any."""
    action = request.action.lower()
    if action not in ACTIONS:
        raise bad_field("action", "unsupported", "unsupported action")
    resource = request.resource or DEFAULT_RESOURCE
    if not RESOURCE.fullmatch(resource):
        raise bad_field("resource", "must be 1 to 63 letters, digits, . - and _, and begin with a letter or _")
    for wanted, field in ((CONFIG, "cluster"), (CREATE, "xml"), (MOVE, "target"), (SYNC, "time")):
        if action == wanted and not getattr(request, field):
            raise bad_field(field, "required", f"{field} required")
    if action == CONFIG and not CLUSTER.fullmatch(request.cluster):
        raise bad_field("cluster", "must be 1 to 32 letters, digits, - and _, no dash in front")
    if action == MOVE and not NODE.fullmatch(request.target):
        raise bad_field("target", "is no name of a node")
    if action == SYNC:
        _token(request.time)
    hosts = list(dict.fromkeys(host for host in request.hosts if host))
    if action == CONFIG and not hosts:
        raise bad_field("hosts", "required", "hosts required")
    return request.model_copy(update={"action": action, "resource": resource, "hosts": hosts})


def members(nodes: list[PacemakerNode], hosts: list[str]) -> list[str]:
    """The names of a new cluster's nodes. Raises BadInput for one that is no host of cluster.json: the password of the
    cluster is sent to it (D7)."""
    for host in hosts:
        if find(nodes, host) is None:
            raise bad_field("hosts", f"{host} is not among clusterConfig.pcsCluster")
    return hosts


def xml_path(settings: Settings, path: str) -> str:
    """A domain's XML where the appliance VMs have theirs, wherever links lead. Raises BadInput."""
    real = os.path.realpath(path if path.startswith(settings.sysroot) else settings.below(path))
    roots = [settings.vm_config_root, *(settings.below(folder) for folder in SHARED_FOLDERS)]
    if not path.startswith("/") or not any(real.startswith(f"{os.path.realpath(root)}/") for root in roots):
        raise bad_field("xml", f"must be a file below {settings.vm_config_root} or /{', /'.join(SHARED_FOLDERS)}")
    if not os.path.isfile(real):
        raise bad_field("xml", f"{path} is no file on this node")
    return real


def _token(text: str) -> None:
    if not re.fullmatch(r"[0-9]{1,7}", text) or not SHORTEST_TOKEN <= int(text) <= LONGEST_TOKEN:
        raise bad_field("time", f"must be a number of milliseconds from {SHORTEST_TOKEN} to {LONGEST_TOKEN}")
