"""A domain's XML: read as facts, its size altered without touching anything else. Pure functions on texts.

Source: libvirt's "Domain XML format". A document type is refused: no domain has one, and entities are how XML bombs work.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.parsers import expat

from ablestack_api.hypervisor.domains import Disk, Nic, devices_of

SIZE_TAGS = ("vcpu", "memory", "currentMemory")
# libvirt's units of memory ("memory" in the format's description), in bytes; without one it is KiB.
UNITS = {
    **dict.fromkeys(("b", "bytes"), 1),
    "kb": 10**3, "k": 2**10, "kib": 2**10,
    "mb": 10**6, "m": 2**20, "mib": 2**20,
    "gb": 10**9, "g": 2**30, "gib": 2**30,
    "tb": 10**12, "t": 2**40, "tib": 2**40,
}  # fmt: skip
ATTRIBUTE = rb"""\s+[^\s=>/]+\s*=\s*(?:"[^"]*"|'[^']*')"""
START_TAG = re.compile(rb"<[^\s>/]+(?:" + ATTRIBUTE + rb")*\s*(/?)>")


class NotADomain(ValueError):
    """The text is no XML of a domain; says why and where."""


@dataclass(frozen=True)
class Definition:
    """`memory` in KiB; `pci` are the host's devices handed through, as `dddd:bb:ss.f`."""

    name: str
    uuid: str
    vcpus: int
    memory: int
    nics: tuple[Nic, ...]
    disks: tuple[Disk, ...]
    pci: tuple[str, ...]

    @property
    def macs(self) -> tuple[str, ...]:
        return tuple(nic.mac for nic in self.nics)


def read(text: str) -> Definition:
    """The facts of a domain. Raises NotADomain."""
    _walk(text.encode("utf-8", "replace"), lambda _tag, _begin, _end: None)
    root = ElementTree.fromstring(text)  # noqa: S314  a document type was refused above
    if root.tag != "domain":
        raise NotADomain(f"the root element is {root.tag}, not domain")
    try:
        nics, disks, pci = devices_of(text)
    except ValueError as error:
        raise NotADomain(f"an address is no number: {error}") from error
    return Definition(
        name=_text(root, "name"),
        uuid=_text(root, "uuid").lower(),
        vcpus=_whole(_text(root, "vcpu")),
        memory=_memory(root),
        nics=nics,
        disks=disks,
        pci=pci,
    )


def resized(text: str, vcpus: int, memory_gib: int) -> str:
    """The same text with another number of vCPUs and another memory; every other byte stays as it is.

    The first `vcpu`, `memory` and `currentMemory` below `domain` count; the unit becomes GiB, and a lower number of
    vCPUs at start (`current`) goes. Raises NotADomain, with 0.1.2's `<tag> tag not found` where one is missing.
    """
    content = text.encode("utf-8", "replace")
    places: dict[str, tuple[int, int]] = {}
    root = _walk(content, lambda tag, begin, end: places.setdefault(tag, (begin, end)))
    if root != "domain":
        raise NotADomain(f"the root element is {root}, not domain")
    missing = next((tag for tag in SIZE_TAGS if tag not in places), None)
    if missing is not None:
        raise NotADomain(f"{missing} tag not found")
    for tag in sorted(SIZE_TAGS, key=lambda tag: places[tag], reverse=True):
        begin, end = places[tag]
        content = content[:begin] + _replaced(content[begin:end], tag, vcpus, memory_gib) + content[end:]
    return content.decode()


def _replaced(element: bytes, tag: str, vcpus: int, memory_gib: int) -> bytes:
    """`element` runs from its start tag to before its end tag (all of it when it is self-closing)."""
    start = START_TAG.match(element)
    if start is None:
        raise NotADomain(f"the start tag of {tag} cannot be read")
    opening = start.group()
    closing = f"</{tag}>".encode() if start.group(1) else b""
    opening = re.sub(rb"\s*/>$", b">", opening)
    if tag == "vcpu":
        return re.sub(rb"""\s+current\s*=\s*(?:"[^"]*"|'[^']*')""", b"", opening) + str(vcpus).encode() + closing
    return _in_gib(opening) + str(memory_gib).encode() + closing


def _in_gib(opening: bytes) -> bytes:
    replaced, count = re.subn(rb"""(\sunit\s*=\s*)(["'])[^"']*\2""", rb"\1\2GiB\2", opening)
    return replaced if count else opening[:-1] + b" unit='GiB'>"


def _walk(content: bytes, found: Callable[[str, int, int], object]) -> str:
    """Parse once; tell every element right below the root with the bytes from its start tag to before its end tag.

    Returns the root's name. Raises NotADomain when the content is not well-formed or has a document type.
    """
    parser = expat.ParserCreate()
    open_tags: list[tuple[str, int]] = []
    root: list[str] = []

    def start(tag: str, _attributes: dict[str, str]) -> None:
        root[:] = root or [tag]
        open_tags.append((tag, parser.CurrentByteIndex))

    def end(tag: str) -> None:
        _, begin = open_tags.pop()
        if len(open_tags) == 1:
            here = parser.CurrentByteIndex
            found(tag, begin, here if here > begin else _end_of_tag(content, begin))

    def refuse_doctype(*_what: object) -> None:
        raise NotADomain("it has a document type, which no domain has")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = refuse_doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise NotADomain(f"not well-formed: {error}") from error
    return root[0]


def _end_of_tag(content: bytes, begin: int) -> int:
    tag = START_TAG.match(content, begin)
    return tag.end() if tag else begin


def _text(root: ElementTree.Element, path: str) -> str:
    return (root.findtext(path) or "").strip()


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _memory(root: ElementTree.Element) -> int:
    element = root.find("memory")
    if element is None:
        return 0
    unit = UNITS.get(element.get("unit", "KiB").lower(), 2**10)
    return _whole((element.text or "").strip()) * unit // 2**10
