"""Ceph of the storage VMs: monitor, manager and one OSD on each, built by hand from the daemons' own tools."""

import base64
import json
import secrets
import struct
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from tests.lab import parallel
from tests.lab.errors import LabError
from tests.lab.machine import Machine
from tests.lab.profile import Ceph, Profile

NAME = "ceph"
POOL = "rbd"
OSD_BYTES = 4 * 2**30
HEALTH_TIMEOUT = 180.0
POLL = 1.0
CEPH = ("ceph", "--connect-timeout", "20")

CONFIGURATION = """\
[global]
fsid = {fsid}
mon_initial_members = {names}
mon_host = {monitors}
public_network = {public}
cluster_network = {replication}
osd_pool_default_size = {size}
osd_pool_default_min_size = 2
osd_memory_target = 939524096
mon_allow_pool_delete = true
mon_warn_on_insecure_global_id_reclaim_allowed = false
mon_data_avail_warn = 5
"""

KEYRING_ENTRY = "[{entity}]\n\tkey = {key}\n{caps}\n"
CAPS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "mgr": "allow *", "osd": "allow *", "mds": "allow *"},
    "mgr": {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
    "osd": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
}


@dataclass(frozen=True)
class Plan:
    """All that the cluster's nodes must agree on: identity, configuration text, and a key for each entity."""

    fsid: str
    configuration: str
    members: Mapping[str, str]
    keys: Mapping[str, str]

    def keyring(self, *entities: str) -> str:
        """A keyring file with these entities."""
        return "".join(_keyring_entry(entity, self.keys[entity]) for entity in entities)


def set_up(profile: Profile, cluster: Ceph, machines: Mapping[str, Machine]) -> None:
    """Make the cluster on empty nodes, with a pool for images, and give every client its configuration."""
    plan = _plan(profile, cluster)
    first = machines[cluster.members[0]]
    parallel.each((*cluster.members, *cluster.clients), lambda name: _write_client(machines[name], plan))
    parallel.each(cluster.members, lambda name: _start_monitor(machines[name], name, plan))
    numbers = {name: _create_osd(first) for name in cluster.members}
    parallel.each(cluster.members, lambda name: _start_daemons(machines[name], name, numbers[name], plan))
    _wait_osds(first, len(cluster.members))
    first.run([*CEPH, "osd", "pool", "create", POOL, "8"])
    first.run(["rbd", "pool", "init", POOL])


def health(machine: Machine) -> tuple[str, list[str]]:
    """(HEALTH_OK, HEALTH_WARN or HEALTH_ERR; the names of the checks that fail), asked for in `machine`."""
    answer = _ask(machine, "health")
    return answer["status"], sorted(answer["checks"])


def osds_up(machine: Machine) -> int:
    """The number of OSDs that are up and in."""
    answer = _ask(machine, "osd", "stat")
    return min(int(answer["num_up_osds"]), int(answer["num_in_osds"]))


def wait_healthy(machine: Machine, known: frozenset[str] = frozenset(), timeout: float = HEALTH_TIMEOUT) -> None:
    """Wait until no check fails but the `known` ones; raises LabError at the deadline (seconds)."""
    deadline = time.monotonic() + timeout
    while set(failing := health(machine)[1]) - known:
        if time.monotonic() > deadline:
            raise LabError(f"ceph is not healthy after {timeout:.0f} s: {', '.join(failing)}")
        time.sleep(POLL)


def wait_ready(cluster: Ceph, machines: Mapping[str, Machine]) -> None:
    """Wait until a cluster whose nodes have just started has every OSD and gives its images away."""
    first = machines[cluster.members[0]]
    _wait_osds(first, len(cluster.members))
    first.run(["rbd", "ls", POOL])  # waits for the OSDs themselves: a monitor may still count those of before


def _wait_osds(machine: Machine, count: int) -> None:
    deadline = time.monotonic() + HEALTH_TIMEOUT
    while (found := osds_up(machine)) < count:
        if time.monotonic() > deadline:
            raise LabError(f"only {found} of {count} OSDs are up")
        time.sleep(POLL)


def _plan(profile: Profile, cluster: Ceph) -> Plan:
    members = {name: str(profile.node(name).addresses[cluster.public]) for name in cluster.members}
    daemons = [entity for number, name in enumerate(members) for entity in (f"mgr.{name}", f"osd.{number}")]
    fsid = str(uuid.uuid4())
    configuration = CONFIGURATION.format(
        fsid=fsid,
        names=",".join(members),
        monitors=",".join(members.values()),
        public=profile.networks[cluster.public].prefix,
        replication=profile.networks[cluster.replication].prefix,
        size=len(members),
    )
    return Plan(fsid, configuration, members, {entity: _new_key() for entity in ("mon.", "client.admin", *daemons)})


def _new_key() -> str:
    """A secret in the form of ceph-authtool: type 1, time of making, length, 16 random bytes; base64."""
    secret = secrets.token_bytes(16)
    return base64.b64encode(struct.pack("<HIIH", 1, int(time.time()), 0, len(secret)) + secret).decode()


def _keyring_entry(entity: str, key: str) -> str:
    caps = CAPS.get(entity) or CAPS[entity.partition(".")[0]]
    lines = "\n".join(f'\tcaps {service} = "{right}"' for service, right in caps.items())
    return KEYRING_ENTRY.format(entity=entity, key=key, caps=lines)


def _write(machine: Machine, path: str, content: str) -> None:
    """Write a file of the user ceph into a running node, with its folder."""
    machine.run(["install", "-d", "-o", "ceph", "-g", "ceph", path.rpartition("/")[0]])
    machine.run(["install", "-m", "0600", "-o", "ceph", "-g", "ceph", "/dev/stdin", path], stdin=content)


def _write_client(machine: Machine, plan: Plan) -> None:
    """The configuration and the administrator's key in /etc/ceph."""
    _write(machine, "/etc/ceph/ceph.conf", plan.configuration)
    machine.run(["chmod", "0644", "/etc/ceph/ceph.conf"])
    _write(machine, "/etc/ceph/ceph.client.admin.keyring", plan.keyring("client.admin"))


def _start_monitor(machine: Machine, name: str, plan: Plan) -> None:
    """Make a monitor's store from the map of all monitors and every key, and start it."""
    monmap, keyring = "/var/lib/ceph/tmp/monmap", "/var/lib/ceph/tmp/keyring"
    _write(machine, keyring, plan.keyring(*plan.keys))
    members = [("--addv", each, f"[v2:{address}:3300,v1:{address}:6789]") for each, address in plan.members.items()]
    options = [word for member in members for word in member]
    machine.run(["monmaptool", "--create", "--clobber", "--fsid", plan.fsid, *options, monmap])
    machine.run(["chmod", "0644", monmap])
    _as_ceph(machine, "ceph-mon", "--mkfs", "-i", name, "--monmap", monmap, "--keyring", keyring)
    machine.run(["rm", "-f", monmap, keyring])
    machine.run(["systemctl", "enable", "--now", "ceph.target", "ceph-mon.target", f"ceph-mon@{name}"])


def _create_osd(machine: Machine) -> tuple[int, str]:
    """Reserve an OSD; its number and the identity it must be made with. Waits for the monitors' quorum."""
    identity = str(uuid.uuid4())
    deadline = time.monotonic() + HEALTH_TIMEOUT
    while (shown := machine.run([*CEPH, "osd", "create", identity], ok=None)).code != 0:
        if time.monotonic() > deadline:
            raise LabError(f"the monitors do not answer: {shown.stderr.strip()}")
    return int(shown.stdout), identity


def _start_daemons(machine: Machine, name: str, osd: tuple[int, str], plan: Plan) -> None:
    """Make and start the node's manager, and its OSD on a sparse file in place of a disk."""
    number, identity = osd
    folder = f"/var/lib/ceph/osd/ceph-{number}"
    _write(machine, f"/var/lib/ceph/mgr/ceph-{name}/keyring", plan.keyring(f"mgr.{name}"))
    _write(machine, f"{folder}/keyring", plan.keyring(f"osd.{number}"))
    _as_ceph(machine, "truncate", "-s", str(OSD_BYTES), f"{folder}/block")
    _as_ceph(machine, "ceph-osd", "-i", str(number), "--mkfs", "--osd-uuid", identity)
    units = ["ceph-mgr.target", "ceph-osd.target", f"ceph-mgr@{name}", f"ceph-osd@{number}"]
    machine.run(["systemctl", "enable", "--now", *units])


def _as_ceph(machine: Machine, *argv: str) -> None:
    machine.run(["setpriv", "--reuid=ceph", "--regid=ceph", "--clear-groups", *argv])


def _ask(machine: Machine, *words: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(machine.run([*CEPH, *words, "--format=json"]).stdout))
