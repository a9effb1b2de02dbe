"""Where this node keeps its licence: one file in /usr/share/<machine-id> (contract 06 §1.2).

Which file counts is recorded, so that a copy somebody leaves beside it never does. Without a record (a node that another
release set up) it is the last by name, as ever.
"""

import contextlib
import os
import re
import stat

from ablestack_api.core.errors import FileUnusable, StateFileDamaged
from ablestack_api.core.settings import Settings
from ablestack_api.ops import license_format
from ablestack_api.ops.license_format import LicenseRefused
from ablestack_api.state import json_file

DEFAULT_NAME = "license.lic"
NAME = re.compile(r"[^\W_][\w .()+@-]{0,99}")
LEFT_OVERS = (".tmp", ".bak", ".old", ".partial", ".rpmsave", "~")
# A larger file beside the licence is none, and stays.
LARGEST_OLD = 64 * 1024


def folder(settings: Settings) -> str:
    """Raises FileUnusable when this node has no usable machine id."""
    place = settings.below("etc/machine-id")
    identity = (json_file.read_bytes(place) or b"").decode("ascii", "replace").strip()
    if not re.fullmatch("[0-9a-fA-F]{32}", identity):
        raise FileUnusable(f"{place} holds no machine id, which names the folder of the license", path=place)
    return settings.below(os.path.join("usr/share", identity))


def current(settings: Settings) -> str | None:
    """The path of the licence that counts, or None."""
    names = _regular_files(folder(settings))
    recorded = _recorded(settings)
    if recorded in names:
        return os.path.join(folder(settings), recorded)
    plain = [name for name in names if not name.startswith(".") and not name.endswith(LEFT_OVERS)]
    return os.path.join(folder(settings), max(plain)) if plain else None


def is_name(name: str) -> bool:
    """One that can stand in the folder, and is seen there."""
    return NAME.fullmatch(name) is not None and not name.endswith(LEFT_OVERS)


def read(path: str) -> bytes:
    """Raises FileUnusable, also for a file that is far too large."""
    with json_file.told(path), open(path, "rb") as file:
        content = file.read(license_format.MAX_FILE + 1)
    if len(content) > license_format.MAX_FILE:
        raise FileUnusable(f"{path} is larger than any license", path=path)
    return content


def write(settings: Settings, name: str, content: bytes) -> str:
    """Put it there and make it the one that counts. Returns its path. The caller holds the lock."""
    place = folder(settings)
    path = os.path.join(place, name)
    with json_file.told(place):
        os.makedirs(place, mode=0o700, exist_ok=True)
        if os.path.islink(path):
            os.unlink(path)
    json_file.write_bytes(path, content, mode=0o600)
    json_file.write_json(_record(settings), {"name": name})
    return path


def put_back(settings: Settings, path: str, before: bytes | None, counted: str | None) -> None:
    """As it was before `write`: the file's old content, and the one that counted."""
    if before is None:
        json_file.remove(path)
    else:
        json_file.write_bytes(path, before, mode=0o600)
    if counted is None:
        json_file.remove(_record(settings))
    else:
        json_file.write_json(_record(settings), {"name": os.path.basename(counted)})


def forget_others(settings: Settings, path: str) -> list[str]:
    """Remove what are licences too; anything else in the folder is left alone. Returns their names."""
    place, gone = folder(settings), []
    for name in _regular_files(place):
        other = os.path.join(place, name)
        if other == path or not _is_license(other):
            continue
        with contextlib.suppress(FileUnusable):
            json_file.remove(other)
            gone.append(name)
    return gone


def lock_path(settings: Settings) -> str:
    return os.path.join(settings.state_root, "license")


def _is_license(path: str) -> bool:
    try:
        if os.path.getsize(path) > LARGEST_OLD:
            return False
        license_format.parse(read(path))
    except (LicenseRefused, FileUnusable, OSError):
        return False
    return True


def _regular_files(place: str) -> list[str]:
    with json_file.told(place):
        try:
            entries = list(os.scandir(place))
        except FileNotFoundError:
            return []
        return [entry.name for entry in entries if stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)]


def _record(settings: Settings) -> str:
    return os.path.join(settings.state_root, "license.json")


def _recorded(settings: Settings) -> str:
    """A damaged record is none: the name in it can be found without it."""
    try:
        value = json_file.read_json(_record(settings))
    except StateFileDamaged:
        return ""
    return str(value.get("name", "")) if isinstance(value, dict) else ""
