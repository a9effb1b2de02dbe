"""/etc/ceph/rbdmap (rbdmap(8)): which images are mapped when the node starts."""

from collections.abc import Collection, Sequence

from ablestack_api.core.settings import Settings
from ablestack_api.state import line_file

PLACE = "etc/ceph/rbdmap"
DEFAULT_POOL = "rbd"


def images(settings: Settings) -> list[str]:
    """`pool/image` of every entry; one without a pool means the pool rbd."""
    return [name for line in line_file.read_lines(settings, PLACE) if (name := _image(line))]


def add(settings: Settings, wanted: Sequence[str], options: str) -> list[str]:
    """An entry for each image that has none; the images that got one."""
    added: list[str] = []

    def change(lines: list[bytes]) -> list[bytes]:
        present = {_image(line) for line in lines}
        added[:] = [image for image in dict.fromkeys(wanted) if image not in present]
        return line_file.appended(lines, [f"{image} {options}" for image in added])

    line_file.edit(settings, PLACE, change)
    return added


def remove(settings: Settings, unwanted: Collection[str]) -> list[bytes]:
    """Drop the entries of some images; returns the lines as they were, for `put_back`."""
    removed: list[bytes] = []

    def change(lines: list[bytes]) -> list[bytes]:
        removed[:] = [line for line in lines if _image(line) in unwanted]
        return [line for line in lines if _image(line) not in unwanted]

    line_file.edit(settings, PLACE, change)
    return removed


def put_back(settings: Settings, removed: Sequence[bytes]) -> None:
    """Entries that a change dropped which is undone; an image that has one again keeps that."""

    def change(lines: list[bytes]) -> list[bytes]:
        present = {_image(line) for line in lines}
        texts = [line.decode("utf-8", "surrogateescape").rstrip("\n") for line in removed if _image(line) not in present]
        return line_file.appended(lines, texts)

    line_file.edit(settings, PLACE, change)


def _image(line: bytes) -> str:
    words = line_file.fields(line)
    if not words:
        return ""
    return words[0] if "/" in words[0] else f"{DEFAULT_POOL}/{words[0]}"
