"""check-host and list-gfs: what there is, as 0.1.2's clients ask for it."""

from typing import Any

from ablestack_api.hosts.gfs.call import Call
from ablestack_api.tools import lvm

GROUPS = "vg_glue"


def list_hosts(call: Call) -> list[dict[str, Any]]:
    """The hosts of cluster.json by name; values that are empty are left out."""
    always = ("index", "hostname", "ablecube")
    hosts = sorted(call.config.hosts, key=lambda host: host.hostname)
    shapes = [host.model_dump(by_alias=True, include=set(type(host).model_fields)) for host in hosts]
    return [{key: value for key, value in shape.items() if value or key in always} for shape in shapes]


def list_gfs(call: Call) -> list[dict[str, str]]:
    """The volume groups of GFS2 file systems that this node sees."""
    return [{"vg_name": group.name} for group in lvm.vgs(call.env.runner) if GROUPS in group.name]
