"""/etc/lvm/lvm.conf: single settings changed where they are set, everything else left as it is (lvm.conf(5))."""

import os
import re
from collections.abc import Mapping

from ablestack_api.core.errors import FileUnusable
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

SECTION = re.compile(r"^\s*([A-Za-z0-9_/]+)\s*\{")
SETTING = re.compile(r"^(\s*)([A-Za-z0-9_/]+)(\s*=\s*)(.*)$")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def path(settings: Settings) -> str:
    return settings.below("etc/lvm/lvm.conf")


def backup_path(settings: Settings) -> str:
    return path(settings) + ".before-ablestack"


def change(settings: Settings, values: Mapping[str, str]) -> bytes | None:
    """Set `section/name` to a number or a quoted text. Returns what the file was, None when nothing had to change.

    The file as it was before the first change of ours is kept beside it. Raises FileUnusable, DiskFull.
    """
    with json_file.locked(path(settings)):
        before = json_file.read_bytes(path(settings))
        if before is None:
            raise FileUnusable(f"{path(settings)} does not exist; install the package lvm2", path=path(settings))
        after = edited(before.decode("utf-8", "surrogateescape"), values).encode("utf-8", "surrogateescape")
        if after == before:
            return None
        if not os.path.exists(backup_path(settings)):
            json_file.write_bytes(backup_path(settings), before, default_mode=0o644)
        json_file.write_bytes(path(settings), after, default_mode=0o644)
        return before


def restore(settings: Settings, before: bytes) -> None:
    with json_file.locked(path(settings)):
        json_file.write_bytes(path(settings), before, default_mode=0o644)


def edited(text: str, values: Mapping[str, str]) -> str:
    """The text with these settings; only lines that set them now are touched, or one is added to their section."""
    lines = text.split("\n")
    for name, value in values.items():
        lines = _with(lines, name, value)
    return "\n".join(lines)


def _with(lines: list[str], name: str, value: str) -> list[str]:
    section, key = name.rsplit("/", 1)
    places = _places(lines)
    # `section/key = value` outside of any section means the same.
    found = [number for number, (inside, set_here) in enumerate(places) if f"{inside}/{set_here}".strip("/") == name]
    if found:
        return [_set(line, value) if number in found else line for number, line in enumerate(lines)]
    heading = next((number for number, line in enumerate(lines) if _opens(line) == section and not places[number][0]), None)
    if heading is None:
        tail = [""] if lines and lines[-1] == "" else []
        return [*lines[: len(lines) - len(tail)], f"{section} {{", f"\t{key} = {value}", "}", *tail]
    place = _default_of(lines, places, section, key, heading) + 1
    return [*lines[:place], f"\t{key} = {value}", *lines[place:]]


def _places(lines: list[str]) -> list[tuple[str, str]]:
    """For each line the section it is in and the setting it makes, both empty where there is none."""
    inside: list[str] = []
    told = []
    for line in lines:
        bare = _bare(line)
        setting = SETTING.match(bare)
        told.append(("/".join(inside), setting[2] if setting else ""))
        for mark in re.findall(r"[{}]", bare):
            if mark == "{":
                inside.append(_opens(line) or "?")
            elif inside:
                inside.pop()
    return told


def _bare(line: str) -> str:
    """Without texts in quotes and without the comment."""
    return QUOTED.sub('""', line).split("#", 1)[0]


def _opens(line: str) -> str:
    found = SECTION.match(_bare(line))
    return found[1] if found else ""


def _set(line: str, value: str) -> str:
    """Indent, name and comment stay."""
    setting = SETTING.match(line)
    assert setting is not None
    after = QUOTED.sub(lambda text: "_" * len(text[0]), setting[4])
    comment = after.find("#")
    told = f" {setting[4][comment:]}" if comment >= 0 else ""
    return f"{setting[1]}{setting[2]}{setting[3]}{value}{told}"


def _default_of(lines: list[str], places: list[tuple[str, str]], section: str, key: str, heading: int) -> int:
    """The commented line of this section that shows the default, else the section's first line."""
    shown = re.compile(rf"^\s*#\s*{re.escape(key)}\s*=")
    return next((n for n, line in enumerate(lines) if places[n][0] == section and shown.match(line)), heading)
