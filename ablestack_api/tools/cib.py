"""The configuration of Pacemaker as typed facts (cibadmin(8), crm_verify(8))."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

SECONDS = 30.0
LARGEST = 16 * 1024 * 1024


@dataclass(frozen=True)
class Primitive:
    """`agent` is `ocf:heartbeat:Filesystem`, `stonith:fence_ipmilan` …; `disabled` when an operator stopped it."""

    id: str
    agent: str
    options: Mapping[str, str]
    disabled: bool = False

    @property
    def is_fence_device(self) -> bool:
        return self.agent.startswith("stonith:")


@dataclass(frozen=True)
class Location:
    id: str
    resource: str
    node: str
    score: str


@dataclass(frozen=True)
class Cib:
    """`clones` and `groups` by id to the ids of what they hold."""

    primitives: Mapping[str, Primitive]
    clones: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]
    locations: tuple[Location, ...]
    properties: Mapping[str, str]
    alerts: frozenset[str]

    def __contains__(self, name: str) -> bool:
        """Whether a resource of any kind has this id."""
        return name in self.primitives or name in self.clones or name in self.groups

    @property
    def fence_devices(self) -> list[Primitive]:
        return [primitive for primitive in self.primitives.values() if primitive.is_fence_device]


def query(runner: Runner) -> str:
    """The running cluster's CIB as XML. Raises CommandFailed (no cluster runs), CommandTimedOut, ProgramMissing."""
    return runner.run(["cibadmin", "--query"], timeout=SECONDS).stdout


def verify(runner: Runner, path: str) -> None:
    """Raises CommandFailed with what Pacemaker would not accept in a file."""
    runner.run(["crm_verify", "--verbose", "--xml-file", path], timeout=SECONDS)


def parse(printed: str) -> Cib:
    """Raises CommandFailed when it is no CIB."""
    root = _root(printed)
    return Cib(
        primitives={each.get("id", ""): _primitive(each) for each in root.iterfind("configuration/resources//primitive")},
        clones=_members(root, "clone"),
        groups=_members(root, "group"),
        locations=tuple(
            Location(each.get("id", ""), each.get("rsc", ""), each.get("node", ""), each.get("score", ""))
            for each in root.iterfind("configuration/constraints/rsc_location")
        ),
        properties=_pairs(root, "configuration/crm_config/cluster_property_set/nvpair"),
        alerts=frozenset(each.get("id", "") for each in root.iterfind("configuration/alerts/alert")),
    )


def _root(printed: str) -> ET.Element:
    reason = ""
    if len(printed) > LARGEST:
        reason = f"it is larger than {LARGEST} characters"
    elif "<!DOCTYPE" in printed:  # nothing of Pacemaker's has one; without it no entity can be declared, hence expanded
        reason = "it has a document type"
    else:
        try:
            root = ET.fromstring(printed)  # noqa: S314  see the two bounds above
            reason = "" if root.tag == "cib" else f"it is a {root.tag!r}"
        except (ET.ParseError, ValueError) as error:
            reason = str(error)
    if reason:
        raise CommandFailed(
            f"cibadmin printed no configuration that can be understood: {reason}", program="cibadmin", exit_code=0
        )
    return root


def _primitive(element: ET.Element) -> Primitive:
    kind = (element.get("class", ""), element.get("provider", ""), element.get("type", ""))
    meta = _pairs(element, "meta_attributes/nvpair")
    return Primitive(
        id=element.get("id", ""),
        agent=":".join(part for part in kind if part),
        options=_pairs(element, "instance_attributes/nvpair"),
        disabled=meta.get("target-role") == "Stopped",
    )


def _members(root: ET.Element, tag: str) -> dict[str, tuple[str, ...]]:
    found = root.iterfind(f"configuration/resources//{tag}")
    return {
        each.get("id", ""): tuple(child.get("id", "") for child in each if child.tag in ("primitive", "group"))
        for each in found
    }


def _pairs(element: ET.Element, path: str) -> dict[str, str]:
    return {pair.get("name", ""): pair.get("value", "") for pair in element.iterfind(path)}
