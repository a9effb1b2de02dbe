"""fstab(5): one mount of ours, everybody else's lines untouched."""

from ablestack_api.core.settings import Settings
from ablestack_api.state import line_file

PLACE = "etc/fstab"


def mounts(settings: Settings) -> list[tuple[str, str]]:
    """(device, mount point) of every entry."""
    found = [line_file.fields(line) for line in line_file.read_lines(settings, PLACE)]
    return [(words[0], words[1]) for words in found if len(words) > 1]


def put(settings: Settings, device: str, mount_point: str, fstype: str) -> bytes | None:
    """One entry for the device and the mount point, whatever entries either had; the earlier content if it changed."""
    entry = f"{device} {mount_point} {fstype} defaults 0 0"

    def change(lines: list[bytes]) -> list[bytes]:
        if [line for line in lines if _concerns(line, device, mount_point)] == [f"{entry}\n".encode()]:
            return lines
        return line_file.appended([line for line in lines if not _concerns(line, device, mount_point)], [entry])

    return line_file.edit(settings, PLACE, change)


def remove(settings: Settings, device: str) -> bytes | None:
    """Drop every entry of the device; the earlier content if it changed."""
    return line_file.edit(settings, PLACE, lambda lines: [line for line in lines if line_file.fields(line)[:1] != [device]])


def put_back(settings: Settings, before: bytes) -> None:
    """The content of before a change that is undone."""
    line_file.edit(settings, PLACE, lambda _: [before])


def _concerns(line: bytes, device: str, mount_point: str) -> bool:
    words = line_file.fields(line)
    return bool(words) and (words[0] == device or (len(words) > 1 and words[1].rstrip("/") == mount_point))
