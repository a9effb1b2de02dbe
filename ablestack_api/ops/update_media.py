"""An update medium: is it one, which versions are on it, may it be run (contract 06 §2.2)."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ablestack_api.core.errors import NotFound, bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.ops import versions
from ablestack_api.state import json_file

COPY = "opt/ABLESTACK_UPDATE"
KS_FILE = "ks/ablestack-ks.cfg"
MOLD_FOLDER = "AppStream/Packages/mold"
HELP_TEXT = "cloudstack-help-text"
HELP_FOLDER = "usr/share/cloudstack-common/scripts/installer"
ALL, MOLD = "all", "mold"
TYPES = {
    **dict.fromkeys(("all", "update-all", "update-all.sh"), ALL),
    **dict.fromkeys(("mold", "update-mold", "update-mold.sh"), MOLD),
}
SCRIPTS = {ALL: "update-all.sh", MOLD: "update-mold.sh"}
# What media had before there were two kinds of update.
OLD_SCRIPT = "update.sh"
LABELS = {ALL: "full update", MOLD: "Mold update"}
CHECKSUM_FILES = ("SHA256SUMS", "SHA256SUM", "sha256sums.txt", "sha256sum.txt", "CHECKSUM")
PREFIXES = ("cloudstack-common", "cloudstack-management", "cloudstack-agent", "cloudstack-ui", "cloudstack-usage", "mold")
RPM = re.compile(r"-(?P<version>[0-9][^-]*)-(?P<release>[^-]+)\.[^.]+\.rpm")
KS_KEYS = ("MOLD_VERSION", "ACS_VERSION", "CLOUDSTACK_VERSION")
# A medium has a few thousand files; a whole file system that was named by mistake has millions.
MOST_ENTRIES = 100_000


@dataclass(frozen=True)
class Medium:
    """`root` is the folder with symbolic links resolved, `script` a name in it, `checksums` one too or empty."""

    root: str
    kind: str
    script: str
    checksums: str
    ks: dict[str, str]

    @property
    def target_version(self) -> str:
        return self.ks["ABLESTACK_VERSION"]


def kind_of(text: str) -> str:
    """Raises BadInput."""
    kind = TYPES.get(text.lower() or ALL)
    if kind is None:
        raise bad_field("update_type", "is neither all nor mold", "unsupported update_type")
    return kind


def read(settings: Settings, mount_path: str, update_type: str) -> Medium:
    """Raises BadInput, NotFound; FileUnusable for a medium that cannot be read any more."""
    kind = kind_of(update_type)
    root = _folder(settings, mount_path)
    script = SCRIPTS[kind]
    if not update_type and not os.path.lexists(os.path.join(root, script)) and _is_file(os.path.join(root, OLD_SCRIPT)):
        script = OLD_SCRIPT
    for name in (KS_FILE, script):
        _require_file(root, name)
    ks = versions.key_values((json_file.read_bytes(os.path.join(root, KS_FILE)) or b"").decode("utf-8", "replace"))
    if not ks.get("ABLESTACK_VERSION", "").strip():
        raise bad_field("mount_path", f"{KS_FILE} there has no ABLESTACK_VERSION")
    checksums = next((name for name in CHECKSUM_FILES if _is_file(os.path.join(root, name))), "")
    return Medium(root, kind, script, checksums, ks)


def mold_version(medium: Medium) -> str:
    """From the names of packages, else from texts of the medium, else N/A."""
    found = _of_packages(_names(os.path.join(medium.root, MOLD_FOLDER)))
    if found:
        return found
    files = list(_files_below(medium.root))
    from_ks = next((medium.ks[key] for key in KS_KEYS if medium.ks.get(key)), "")
    found = _of_packages([os.path.basename(path) for path in files]) or from_ks
    return found or _of_help_texts(medium.root, files) or versions.UNKNOWN


def writable_by_others(medium: Medium) -> list[str]:
    """Why somebody else than root could change what is about to run as root; nothing for a read-only medium."""
    if os.statvfs(medium.root).f_flag & os.ST_RDONLY:
        return []
    told = []
    for path in (medium.root, *(os.path.join(medium.root, name) for name in (medium.script, medium.checksums) if name)):
        found = os.lstat(path)
        if found.st_uid not in (0, os.geteuid()):
            told.append(f"{path} belongs to the account {found.st_uid}, not to root")
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            told.append(f"{path} can be written by others than root (mode {stat.S_IMODE(found.st_mode):04o})")
    return told


def size(root: str) -> int:
    """Bytes of all its files, in whole blocks."""
    total = 0
    for path in _files_below(root):
        total += -(-os.lstat(path).st_size // 4096) * 4096
    return total


def _folder(settings: Settings, mount_path: str) -> str:
    if not mount_path:
        raise bad_field("mount_path", "required", "mount_path required")
    path = mount_path
    if path == "~" or path.startswith("~/"):
        path = settings.home + path[1:]
    if not os.path.isabs(path) or "\0" in path:
        raise bad_field("mount_path", "must be an absolute path")
    root = os.path.realpath(settings.below(path))
    with json_file.told(root):
        try:
            found = os.stat(root)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"{mount_path} does not exist; mount the update medium first") from error
    if not stat.S_ISDIR(found.st_mode):
        raise bad_field("mount_path", "is no folder; mount the medium, and name the mount point")
    return root


def _require_file(root: str, name: str) -> None:
    """A plain file of the medium itself: a link may point anywhere."""
    path = os.path.join(root, name)
    if not os.path.lexists(path):
        raise bad_field("mount_path", f"there is no {name}; is this an update medium?")
    if not _is_file(path):
        raise bad_field("mount_path", f"{name} there is no plain file")


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _files_below(root: str) -> Iterator[str]:
    seen = 0
    for folder, folders, names in os.walk(root):
        seen += len(folders) + len(names)
        if seen > MOST_ENTRIES:
            raise bad_field("mount_path", f"holds more than {MOST_ENTRIES} files; that is no update medium")
        for name in names:
            yield os.path.join(folder, name)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _of_packages(names: list[str]) -> str:
    for prefix in PREFIXES:
        matches = [found for name in names if name.startswith(prefix) and (found := RPM.fullmatch(name[len(prefix) :]))]
        if matches:
            newest = max(matches, key=lambda each: (_sortable(each["version"]), _sortable(each["release"])))
            return _shown(newest["version"], newest["release"])
    return ""


def _sortable(text: str) -> list[tuple[int, int, str]]:
    """Numbers count as numbers: 4.10 comes after 4.9 (rpm compares so too)."""
    parts = re.findall(r"[0-9]+|[a-zA-Z]+", text)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def _shown(version: str, release: str) -> str:
    """With the parts of the release up to its date."""
    parts = release.split(".")
    for at, part in enumerate(parts):
        if re.fullmatch("[0-9]{8,14}", part):
            return f"{version}-{'.'.join(parts[: at + 1])}"
    return version


def _of_help_texts(root: str, files: list[str]) -> str:
    first = [os.path.join(root, HELP_FOLDER, HELP_TEXT), os.path.join(root, HELP_TEXT)]
    for path in [*first, *(path for path in files if os.path.basename(path) == HELP_TEXT)]:
        if _is_file(path):
            text = (json_file.read_bytes(path) or b"").decode("utf-8", "replace")
            return versions.key_values(text).get("ACS_VERSION", "")
    return ""
