"""crm_mon(8): what Pacemaker knows of its cluster. The same facts as `pcs status xml`, seven times faster (D26)."""

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from ablestack_api.core.errors import CommandFailed, NotSetUp, PacemakerDown
from ablestack_api.core.runner import Runner
from ablestack_api.core.settings import Settings

SECONDS = 10.0
# The name of its reading in `env.readings`: whoever changes the cluster forgets it.
READING = "crm_mon"
ARGV = ("crm_mon", "--one-shot", "--inactive", "--output-as=xml")
COROSYNC_CONF = "etc/corosync/corosync.conf"
# CRM_EX_DISCONNECT: there is no cluster to ask on this node (crm_mon(8), EXIT STATUS).
NOT_CONNECTED = 102
# 1000 resources on 16 nodes with their history are 12 MB.
LARGEST = 16 * 1024 * 1024
STARTED = "Started"


@dataclass(frozen=True, slots=True)
class Node:
    """`attributes` are all that crm_mon prints, as texts."""

    name: str
    attributes: Mapping[str, str]

    @property
    def online(self) -> bool:
        return self.attributes.get("online") == "true"

    @property
    def usable(self) -> bool:
        """May run resources: a full member that is online and neither on standby nor in maintenance nor being fenced."""
        off = ("standby", "standby_onfail", "maintenance", "pending", "unclean", "shutdown")
        return self.online and self.is_member and all(self.attributes.get(name) != "true" for name in off)

    @property
    def is_member(self) -> bool:
        return self.attributes.get("type", "member") == "member"

    @property
    def is_dc(self) -> bool:
        return self.attributes.get("is_dc") == "true"


@dataclass(frozen=True, slots=True)
class Resource:
    """One instance of a resource: a clone has one a node. `nodes` is where it is active now, empty when nowhere.

    `clone` and `group` are the ids of what it is in (a clone's group is `glue-locking:0`), empty when in none.
    """

    id: str
    attributes: Mapping[str, str]
    nodes: tuple[str, ...] = ()
    clone: str = ""
    group: str = ""

    @property
    def agent(self) -> str:
        """`ocf:heartbeat:Filesystem`, `stonith:fence_ipmilan` …"""
        return self.attributes.get("resource_agent", "")

    @property
    def role(self) -> str:
        """Started, Stopped, Starting, Stopping, Migrating, Promoted …"""
        return self.attributes.get("role", "")

    @property
    def failed(self) -> bool:
        return self.attributes.get("failed") == "true"

    @property
    def healthy(self) -> bool:
        """Started, and nothing keeps Pacemaker from looking after it."""
        return self.role == STARTED and not self.failed and self.attributes.get("blocked") != "true"


@dataclass(frozen=True, slots=True)
class Ban:
    """A constraint that keeps a resource off a node."""

    resource: str
    node: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ResourceHistory:
    """What was done with a resource on a node, oldest first: attributes of the operations."""

    node: str
    resource: str
    operations: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An operation that failed and was not cleaned up since; `reason` in the agent's words, else its exit status."""

    node: str
    resource: str
    task: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClusterState:
    """`resources` in this order: plain ones, groups' own, then clone by clone. `summary` by element, attributes as texts."""

    nodes: tuple[Node, ...]
    resources: tuple[Resource, ...]
    bans: tuple[Ban, ...]
    history: tuple[ResourceHistory, ...]
    summary: Mapping[str, Mapping[str, str]]
    failures: tuple[Failure, ...] = ()

    @property
    def dc(self) -> str:
        """The node that decides, empty when none does."""
        return self.summary.get("current_dc", {}).get("name", "")

    @property
    def has_quorum(self) -> bool:
        return self.summary.get("current_dc", {}).get("with_quorum") == "true"

    def instances(self, resource: str) -> list[Resource]:
        return [each for each in self.resources if each.id == resource]


def read(runner: Runner, settings: Settings) -> ClusterState:
    """Ask the Pacemaker of this node. A failure says which it is:

    ProgramMissing (crm_mon is not installed), NotSetUp (no cluster was ever made on this node), PacemakerDown (there is one,
    but it does not run here), CommandTimedOut, CommandFailed (it failed otherwise, or printed no XML).
    """
    # Its own account of a failure is in the XML, so every code is welcome.
    finished = runner.run(ARGV, timeout=SECONDS, ok=range(256))
    root = _root(finished.stdout, finished.stderr, finished.code)
    if finished.code != 0:
        _refuse(settings, finished.code, _account(root))
    if root.find("nodes/node") is None:  # also what it prints, with exit code 0, for a CIB it cannot read
        _refuse(settings, NOT_CONNECTED, _state_of_daemon(root))
    return _state(root)


def parse(printed: str) -> ClusterState:
    """What `crm_mon --output-as=xml` (or `pcs status xml`) printed. Raises CommandFailed."""
    return _state(_root(printed, "", 0))


def _refuse(settings: Settings, code: int, account: str) -> NoReturn:
    if code != NOT_CONNECTED:
        raise CommandFailed(f"crm_mon ended with code {code}: {account}", program="crm_mon", exit_code=code)
    if not os.path.exists(settings.below(COROSYNC_CONF)):
        raise NotSetUp(f"no Pacemaker cluster has been set up on this node ({settings.below(COROSYNC_CONF)} does not exist)")
    raise PacemakerDown(f"Pacemaker does not run on this node ({account}); start it with pcs cluster start")


def _state_of_daemon(root: ET.Element) -> str:
    daemon = root.find("pacemakerd")
    return "it knows of no node yet" if daemon is None else f"its daemon is {daemon.get('state', 'in an unknown state')}"


def _account(root: ET.Element) -> str:
    status = root.find("status")
    errors = [error.text.strip() for error in root.iterfind("status/errors/error") if error.text]
    return "; ".join(errors) or ("" if status is None else status.get("message", "")) or "it printed nothing"


def _root(printed: str, stderr: str, code: int) -> ET.Element:
    told = (stderr or printed).strip()[:200]
    reason = ""
    if not printed.strip():
        reason = "empty pcs status xml"
    elif len(printed) > LARGEST:
        reason = f"it is larger than {LARGEST} characters"
    elif "<!DOCTYPE" in printed:  # nothing of Pacemaker's has one; without it no entity can be declared, hence expanded
        reason = "it has a document type"
    else:
        try:
            return ET.fromstring(printed)  # noqa: S314  see the two bounds above
        except (ET.ParseError, ValueError) as error:
            reason = str(error)
    raise CommandFailed(
        f"crm_mon printed no XML that can be understood: {reason}{f' ({told})' if told else ''}",
        program="crm_mon",
        exit_code=code,
    )


def _state(root: ET.Element) -> ClusterState:
    return ClusterState(
        nodes=tuple(Node(node.get("name", ""), dict(node.attrib)) for node in root.iterfind("nodes/node")),
        resources=tuple(_resources(root)),
        bans=tuple(Ban(ban.get("resource", ""), ban.get("node", ""), dict(ban.attrib)) for ban in root.iterfind("bans/ban")),
        history=tuple(_history(root)),
        summary={part.tag: dict(part.attrib) for part in root.iterfind("summary/*")},
        failures=tuple(_failure(failure) for failure in root.iterfind("failures/failure")),
    )


def _resources(root: ET.Element) -> Iterator[Resource]:
    yield from _direct(root.iterfind("resources/resource"))
    for group in root.iterfind("resources/group"):
        yield from _direct(group.iterfind("resource"), group=group.get("id", ""))
    for clone in root.iterfind("resources/clone"):
        name = clone.get("id", "")
        yield from _direct(clone.iterfind("resource"), name)
        for group in clone.iterfind("group"):
            yield from _direct(group.iterfind("resource"), name, group.get("id", ""))


def _direct(elements: Iterator[ET.Element], clone: str = "", group: str = "") -> Iterator[Resource]:
    for element in elements:
        nodes = tuple(node.get("name", "") for node in element.iterfind("node"))
        yield Resource(element.get("id", ""), dict(element.attrib), nodes, clone, group)


def _history(root: ET.Element) -> Iterator[ResourceHistory]:
    for node in root.iterfind("node_history/node"):
        for resource in node.iterfind("resource_history"):
            operations = tuple(dict(operation.attrib) for operation in resource.iterfind("operation_history"))
            yield ResourceHistory(node.get("name", ""), resource.get("id", ""), operations)


def _failure(element: ET.Element) -> Failure:
    """`op_key` is RESOURCE_TASK_INTERVAL; a resource's id may have underscores itself."""
    resource = element.get("op_key", "").rsplit("_", 2)[0]
    reason = element.get("exitreason") or element.get("exitstatus") or f"code {element.get('exitcode')}"
    return Failure(element.get("node", ""), resource, element.get("task", "operation"), reason)
