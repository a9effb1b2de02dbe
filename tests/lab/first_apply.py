"""Makes one cluster of a lab's nodes through the product's own API, as the first installation does."""

from itertools import zip_longest
from typing import Any

from tests.lab.api import Reply
from tests.lab.errors import LabError
from tests.lab.lab import Lab
from tests.lab.profile import Node, Profile

PASSWORD = "lab-Root-1"
TYPES = {"hci": "ablestack-hci", "vm": "ablestack-vm", "standalone": "ablestack-standalone"}
APPLY_TIMEOUT = 120.0


def request(profile: Profile) -> dict[str, Any]:
    """The body of POST /cube/cluster/apply that describes the profile; every leaf is text."""
    hosts = profile.with_role("cube")
    pairs = zip_longest(hosts, profile.with_role("scvm"))
    return {
        "action": "insert",
        "type": TYPES[profile.name],
        "ccvm": {"ip": profile.with_role("ccvm")[0].management},
        "mngtNic": {"cidr": str(profile.networks["management"].prefix.prefixlen), "gw": "", "dns": ""},
        "pcs_cluster_list": _members(profile),
        "hosts": [_host(number, host, scvm) for number, (host, scvm) in enumerate(pairs, start=1)],
        "storage_network": "false",
    }


def log_in(lab: Lab, node: str = "cube1") -> str:
    """Give root of a node the password PASSWORD and log in with it; the access token."""
    lab.run(node, ["chpasswd"], stdin=f"root:{PASSWORD}\n")
    return str(_expect(lab.api(node, "POST", "/api/v1/auth/login", {"id": "root", "password": PASSWORD}))["access_token"])


def apply(lab: Lab, node: str = "cube1") -> dict[str, Any]:
    """Apply the profile's cluster through one node; the answer. Raises LabError when it is not a success."""
    token = log_in(lab, node)
    path = "/api/v1/cube/cluster/apply"
    return _expect(lab.api(node, "POST", path, request(lab.profile), token=token, timeout=APPLY_TIMEOUT))


def _members(profile: Profile) -> list[str]:
    """The names of the Pacemaker members; empty without Pacemaker."""
    cluster = profile.pacemaker
    return [] if cluster is None else [str(profile.node(name).addresses[cluster.network]) for name in cluster.members]


def _host(number: int, host: Node, scvm: Node | None) -> dict[str, str]:
    """One entry of `hosts`: a host, and its storage VM where the profile has one."""
    entry = {"index": str(number), "hostname": host.name, "ablecube": host.management}
    if scvm is None:
        return entry
    return entry | {
        "ablecubePn": str(host.addresses["storage"]),
        "scvmMngt": scvm.management,
        "scvm": str(scvm.addresses["storage"]),
        "scvmCn": str(scvm.addresses["cluster"]),
    }


def _expect(reply: Reply) -> dict[str, Any]:
    """The body of a good answer; raises LabError with the body of any other."""
    if reply.status != 200:
        raise LabError(f"the daemon answered {reply.status}: {reply.text}")
    body: dict[str, Any] = reply.json()
    return body
