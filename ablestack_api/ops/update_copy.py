"""The working copy that an update runs from: made fresh, checked against the medium's checksums (contract 06 §2.2).

What is checked is the copy, and the copy is what runs: a medium that changes in between changes nothing.
"""

import hashlib
import os
import re
import shutil
import stat

from ablestack_api.core.errors import ApiError, Conflict, DiskFull
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Progress
from ablestack_api.ops import update_media
from ablestack_api.ops.update_media import Medium
from ablestack_api.state import json_file, mounts
from ablestack_api.tools import cp

# What has to stay free beside the copy: the update itself installs packages.
MARGIN = 1024 * 1024 * 1024
_PLAIN = re.compile(r"\\?(?P<digest>[0-9a-fA-F]{64})[ \t][ *]?(?P<name>.+)")
_TAGGED = re.compile(r"SHA256 \((?P<name>.+)\) = (?P<digest>[0-9a-fA-F]{64})")


def path(env: Env) -> str:
    return env.settings.below(update_media.COPY)


def require_place(env: Env, medium: Medium) -> None:
    """Raises Conflict when the copy cannot be where it has to be, DiskFull when it does not fit."""
    target = path(env)
    inside = (medium.root + os.sep).startswith(target + os.sep) or (target + os.sep).startswith(medium.root + os.sep)
    if inside or os.path.realpath(target) == medium.root:
        raise Conflict(f"{medium.root} and the place of the working copy, {target}, are in each other; mount it elsewhere")
    if os.path.lexists(target):
        if not stat.S_ISDIR(os.lstat(target).st_mode):
            raise Conflict(f"{target} is no folder; the working copy is made there. Move it away")
        if target in {each.mountpoint for each in mounts.read(env.settings)} or os.path.ismount(target):
            raise Conflict(f"{target} is a mount point, which is not emptied; unmount it")
    _require_space(env, medium, target)


def make(env: Env, medium: Medium) -> str:
    """Replace the old copy. Raises what `cp` raises; then there is none."""
    target = path(env)
    require_place(env, medium)
    remove(env)
    with json_file.told(target):
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        os.mkdir(target, 0o700)
    try:
        cp.copy_tree(env.runner, medium.root, target)
    except ApiError:
        remove(env)
        raise
    with json_file.told(target):
        os.chmod(target, 0o755)  # noqa: S103  the update reads it under accounts of its own
    return f"{target} holds the medium"


def remove(env: Env) -> None:
    """Links in it are not followed, whatever happens meanwhile (shutil.rmtree.avoids_symlink_attacks)."""
    target = path(env)
    with json_file.told(target):
        if os.path.lexists(target):
            shutil.rmtree(target)


def verify(env: Env, medium: Medium, progress: Progress) -> str:
    """Every file that the checksum file names, in the copy; what runs must be among them. Raises Conflict; the
    copy is then gone."""
    if not medium.checksums:
        return "the medium has no checksum file"
    try:
        return _verify(path(env), medium, progress)
    except ApiError:
        remove(env)
        raise


def _verify(root: str, medium: Medium, progress: Progress) -> str:
    listed = _listed(root, medium.checksums)
    for name in (medium.script, update_media.KS_FILE):
        if name not in listed:
            raise Conflict(f"{medium.checksums} of the medium does not name {name}; it is not run")
    for number, (name, digest) in enumerate(sorted(listed.items())):
        if number % 100 == 0:
            progress.check_cancelled()
        _require_digest(root, name, digest)
    return f"{len(listed)} files are as {medium.checksums} says"


def parse_checksums(text: str) -> dict[str, str]:
    """sha256sum(1), with or without --tag: file name -> digest. Raises Conflict for a line that is neither."""
    found = {}
    for line in text.splitlines():
        match = _TAGGED.fullmatch(line.strip()) or _PLAIN.fullmatch(line.strip())
        if match is not None:
            found[os.path.normpath(match["name"])] = match["digest"].lower()
        elif line.strip() and not line.startswith(("#", "-", "Hash:")):
            raise Conflict(f"the checksum file of the medium has a line that is no checksum: {line[:100]!r}")
    return found


def _listed(root: str, name: str) -> dict[str, str]:
    text = (json_file.read_bytes(os.path.join(root, name)) or b"").decode("utf-8", "surrogateescape")
    listed = parse_checksums(text)
    outside = [each for each in listed if os.path.isabs(each) or each.split(os.sep)[0] == os.pardir]
    if outside or not listed:
        raise Conflict(
            f"{name} of the medium {'names files outside of it' if outside else 'names no file'}; nothing was run"
        )
    return listed


def _require_digest(root: str, name: str, digest: str) -> None:
    place = os.path.join(root, name)
    try:
        if not stat.S_ISREG(os.lstat(place).st_mode):
            raise Conflict(f"{name} of the medium is no plain file, but has a checksum; nothing was run")
        with open(place, "rb") as file:
            real = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Conflict(
            f"{name} has a checksum, but cannot be read from the medium ({error.strerror}); nothing was run"
        ) from error
    if real != digest:
        raise Conflict(f"{name} is not what its checksum says; nothing was run. Is the medium damaged, or was it changed?")


def _require_space(env: Env, medium: Medium, target: str) -> None:
    """What the old copy takes is free by then."""
    place = target
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    with json_file.told(place):
        found = os.statvfs(place)
        free = found.f_bavail * found.f_frsize + (update_media.size(target) if os.path.isdir(target) else 0)
        need = update_media.size(medium.root) + MARGIN
    if free < need:
        raise DiskFull(
            f"{place} has {free // 2**20} MiB free, the working copy of the medium needs {need // 2**20} MiB;"
            " nothing was begun. Free some space and try again",
            path=place,
        )
