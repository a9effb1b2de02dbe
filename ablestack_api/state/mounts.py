"""proc(5), /proc/self/mounts: what is mounted, as the kernel tells it. Nothing of a file system itself is touched."""

import re
from dataclasses import dataclass

from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

# The kernel writes blanks, tabs, newlines, backslashes and # as three octal digits.
_ESCAPE = re.compile(rb"\\(?:([0-7]{3})|(\\))")


@dataclass(frozen=True, slots=True)
class Mount:
    device: str
    mountpoint: str
    fstype: str


def read(settings: Settings) -> list[Mount]:
    """Oldest first; a later one hides an earlier one of the same mount point. Raises FileUnusable."""
    content = json_file.read_bytes(settings.below("proc/self/mounts"))
    if content is None:
        content = json_file.read_bytes(settings.below("proc/mounts")) or b""
    return parse(content)


def parse(content: bytes) -> list[Mount]:
    lines = [line.split(b" ") for line in content.split(b"\n")]
    return [Mount(plain(line[0]), plain(line[1]), plain(line[2])) for line in lines if len(line) > 2]


def plain(field: bytes) -> str:
    """A field of proc(5) or fstab(5) with its escapes undone."""
    decoded = _ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 0xFF]) if found[1] else b"\\", field)
    return decoded.decode("utf-8", "surrogateescape")
