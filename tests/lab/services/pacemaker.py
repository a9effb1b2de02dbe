"""The cluster of the hosts: corosync, pacemaker and pcsd.

pcs writes the configuration and makes the hosts known to one another; keys and files are distributed directly, because
`pcs cluster setup` starts itself five times on every member, which takes 20 s on two processors.
"""

import secrets
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from tests.lab import parallel
from tests.lab.errors import LabError
from tests.lab.machine import Machine
from tests.lab.profile import Pacemaker, Profile

NAME = "pacemaker"
PASSWORD = "lab-hacluster"
PCS_TIMEOUT = 180.0
STOP_TIMEOUT = 180.0
ONLINE_TIMEOUT = 180.0
POLL = 1.0

# The first configuration of the cluster. Without a fence device it must not wait for one, and a start that found
# all members need not wait 20 s for more.
FIRST_CIB = """\
<cib admin_epoch="0" epoch="1" num_updates="0" validate-with="pacemaker-3.8">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">
        <nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="false"/>
        <nvpair id="cib-bootstrap-options-dc-deadtime" name="dc-deadtime" value="2s"/>
      </cluster_property_set>
    </crm_config>
    <nodes/>
    <resources/>
    <constraints/>
  </configuration>
  <status/>
</cib>
"""
KEY_BYTES = 128
KNOWN_HOSTS = "/var/lib/pcsd/known-hosts"
COROSYNC = "/etc/corosync/corosync.conf"


def member_names(profile: Profile, cluster: Pacemaker) -> dict[str, str]:
    """Each member's name in the cluster, which is its address on the cluster's network, by node name."""
    return {name: str(profile.node(name).addresses[cluster.network]) for name in cluster.members}


def set_up(profile: Profile, cluster: Pacemaker, machines: Mapping[str, Machine]) -> None:
    """Make the cluster on members that never were in one, start it now and at boot, and wait until all are online."""
    members = member_names(profile, cluster)
    first = machines[cluster.members[0]]
    parallel.each(members, lambda name: machines[name].run(["chpasswd"], stdin=f"hacluster:{PASSWORD}\n"))
    first.run(["pcs", "host", "auth", *members.values(), "-u", "hacluster", "-p", PASSWORD], timeout=PCS_TIMEOUT)
    first.run(["pcs", "cluster", "setup", cluster.name, *members.values(), f"--corosync_conf={COROSYNC}"])
    files = {
        COROSYNC: ("root", "0644", first.run(["cat", COROSYNC]).stdout),
        "/etc/corosync/authkey": ("root", "0400", secrets.token_hex(KEY_BYTES)),
        "/etc/pacemaker/authkey": ("hacluster", "0640", secrets.token_hex(KEY_BYTES)),
        KNOWN_HOSTS: ("root", "0600", first.run(["cat", KNOWN_HOSTS]).stdout),
        "/var/lib/pacemaker/cib/cib.xml": ("hacluster", "0600", FIRST_CIB),
    }
    parallel.each(members, lambda name: _start(machines[name], files))
    wait_online(first, len(members))


def stop(profile: Profile, cluster: Pacemaker, machines: Mapping[str, Machine]) -> None:
    """Stop Pacemaker on every member, last where something runs: it would move to a member that is about to stop."""
    status = _status(machines[cluster.members[0]])
    nodes = [] if status is None else status.findall("./nodes/node")
    busy = {node.get("name", "") for node in nodes if node.get("resources_running") != "0"}
    members = member_names(profile, cluster)
    last = [name for name, address in members.items() if address in busy]
    for group in ([name for name in members if name not in last], last):
        parallel.each(group, lambda name: machines[name].run(["systemctl", "stop", "pacemaker"], timeout=STOP_TIMEOUT))


def wait_online(machine: Machine, count: int, timeout: float = ONLINE_TIMEOUT) -> None:
    """Wait until `machine` sees `count` members online and a quorum; raises LabError at the deadline (seconds)."""
    deadline = time.monotonic() + timeout
    while not (has_quorum(machine) and len(online(machine)) == count):
        if time.monotonic() > deadline:
            raise LabError(f"not {count} but {len(online(machine))} cluster members are online after {timeout:.0f} s")
        time.sleep(POLL)


def online(machine: Machine) -> list[str]:
    """The names of the members that `machine` sees online; empty while the cluster does not answer."""
    status = _status(machine)
    return [] if status is None else [each.get("name", "") for each in status.iterfind("./nodes/node[@online='true']")]


def has_quorum(machine: Machine) -> bool:
    """Whether `machine` is in a partition with quorum."""
    status = _status(machine)
    current = None if status is None else status.find("./summary/current_dc")
    return current is not None and current.get("with_quorum") == "true"


def running_on(machine: Machine, resource: str) -> list[str]:
    """The members on which a resource runs, as `machine` sees it; failed ones do not count."""
    status = _status(machine)
    path = f".//resource[@id='{resource}'][@role='Started'][@failed='false']/node"
    return [] if status is None else [each.get("name", "") for each in status.iterfind(path)]


def _status(machine: Machine) -> ET.Element | None:
    shown = machine.run(["crm_mon", "-1", "--output-as=xml"], ok=None)
    return ET.fromstring(shown.stdout) if shown.code == 0 else None


def _start(machine: Machine, files: Mapping[str, tuple[str, str, str]]) -> None:
    """Write a member's files, each path with its owner, mode and content, and start it now and at boot."""
    for path, (owner, mode, content) in files.items():
        group = "haclient" if owner == "hacluster" else "root"
        machine.run(["install", "-D", "-m", mode, "-o", owner, "-g", group, "/dev/stdin", path], stdin=content)
    machine.run(["systemctl", "enable", "--now", "corosync", "pacemaker"])
