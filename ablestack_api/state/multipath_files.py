"""multipathd's own files: which WWID is which map (bindings), which WWIDs are multipath at all (wwids), and its settings."""

import os
from collections.abc import Mapping

from ablestack_api.core.errors import Conflict, FileUnusable
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

BINDINGS, WWIDS = "etc/multipath/bindings", "etc/multipath/wwids"
CONFIG, DROP_IN = "etc/multipath.conf", "etc/multipath/conf.d/ablestack.conf"
BACKUP_SUFFIX = ".ablestack-backup"
FILE_MODE = 0o600
# The text that `mpathconf --enable` writes where there is none; find_multipaths is `on` in words of newer releases.
SETTINGS = """\
# Written by the ABLESTACK API: names of maps are short, and the same on every node after a multipath sync.
defaults {
    user_friendly_names yes
    find_multipaths yes
}
"""

# Content of each file before a change, by place; None where there was no file.
Before = Mapping[str, bytes | None]


def read_source(settings: Settings) -> dict[str, str]:
    """Both files of this node, by place, to be sent to others. Raises FileUnusable, Conflict when one is damaged."""
    texts = {}
    for place in (BINDINGS, WWIDS):
        content = json_file.read_bytes(settings.below(place))
        if content is None:
            raise FileUnusable(
                f"failed to read /{place}: it does not exist; multipathd writes it when it makes the first map", path=place
            )
        texts[place] = content.decode("utf-8", "surrogateescape")
        if fault := fault_of(place, texts[place]):
            raise Conflict(f"/{place} {fault}; nothing was sent to any node. Put the file right first", path=place)
    return texts


def fault_of(place: str, text: str) -> str:
    """What keeps a text from being such a file (multipath.conf(5)), empty when nothing does."""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        good = len(words) == 2 if place == BINDINGS else len(words) == 1 and len(line) > 2 and line[0] == line[-1] == "/"
        if not good or not line.replace("\t", " ").isprintable():
            return f"is damaged: line {number} is no {'binding of a name to a WWID' if place == BINDINGS else 'WWID'}"
    return ""


def differs(settings: Settings, texts: Mapping[str, str]) -> bool:
    """Is there anything to write?"""
    return any(json_file.read_bytes(settings.below(place)) != text.encode() for place, text in texts.items())


def write(settings: Settings, texts: Mapping[str, str]) -> Before:
    """Write what differs, atomically, the earlier content kept beside each file too. Returns it.

    Raises FileUnusable, DiskFull; then everything is as before.
    """
    with json_file.locked(_lock_path(settings)):
        before = {place: json_file.read_bytes(settings.below(place)) for place in texts}
        changed = [place for place, text in texts.items() if before[place] != text.encode()]
        try:
            for place in changed:
                _write(settings, place, texts[place].encode(), before[place])
        except BaseException:
            _put_back(settings, {place: before[place] for place in changed})
            raise
        return {place: before[place] for place in changed}


def put_back(settings: Settings, before: Before) -> None:
    """Undo `write`."""
    with json_file.locked(_lock_path(settings)):
        _put_back(settings, before)


def snapshot(settings: Settings) -> Before:
    """The settings as they are."""
    return {place: json_file.read_bytes(settings.below(place)) for place in (CONFIG, DROP_IN)}


def is_configured(settings: Settings) -> bool:
    """An operator's file, or ours, is there: what it says stands."""
    return any(os.path.exists(settings.below(place)) for place in (CONFIG, DROP_IN))


def write_settings(settings: Settings) -> None:
    """Where there is no mpathconf. Raises FileUnusable, DiskFull."""
    with json_file.locked(_lock_path(settings)):
        json_file.write_bytes(settings.below(DROP_IN), SETTINGS.encode(), default_mode=0o644)


def _write(settings: Settings, place: str, content: bytes, before: bytes | None) -> None:
    path = settings.below(place)
    if before is not None:
        json_file.write_bytes(path + BACKUP_SUFFIX, before, mode=FILE_MODE)
    json_file.write_bytes(path, content, mode=FILE_MODE)


def _put_back(settings: Settings, before: Before) -> None:
    for place, content in before.items():
        path = settings.below(place)
        if content is None:
            json_file.remove(path)
        elif json_file.read_bytes(path) != content:
            json_file.write_bytes(path, content, default_mode=FILE_MODE)


def _lock_path(settings: Settings) -> str:
    """What our writers lock: beside our own state, not a stray file in /etc."""
    return os.path.join(settings.state_root, "multipath")
