"""cloud-init's drive (NoCloud: an ISO image with the label cidata): made, put in its place, put back (contract 03 §15.3).

The image holds a private key: it is 0600 on the host, as are the documents on it, and what it is made from lies in a folder
of the daemon for as long as that takes. libvirt gives the image to QEMU's account while the machine runs.
"""

import contextlib
import os
import re
import shutil
import tempfile
from datetime import UTC, datetime
from typing import Any

from ablestack_api.cloudinit import documents
from ablestack_api.cloudinit.documents import Guest
from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.state import json_file
from ablestack_api.tools import iso

FOLDER = "/var/lib/libvirt/images"
LABEL = "cidata"
PREFIX = "gencloudinit-"
IMAGE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.iso")
CHANGE = re.compile(r"[0-9a-f]{32}")
IMAGE_MODE = 0o600
LONGEST_CHANGE_SECONDS = 3600.0


def usual_path(kind: str) -> str:
    return f"{FOLDER}/{kind}-cloudinit.iso"


def checked_path(field: str, given: str) -> str:
    """An image of libvirt's folder and no other file. Raises BadInput."""
    folder, name = os.path.split(given)
    if folder != FOLDER or not IMAGE_NAME.fullmatch(name) or ".." in name:
        raise bad_field(field, f"must be {FOLDER}/NAME.iso: the image may be written nowhere else")
    return given


def place(settings: Settings, path: str) -> str:
    """Where an image lies on this node."""
    return os.path.join(os.path.realpath(settings.below(FOLDER)), os.path.basename(path))


def make(env: Env, guest: Guest) -> bytes:
    """The image. Nothing stays behind, also when it fails; what a killed daemon left goes first."""
    folder = os.path.join(env.settings.state_root, "cloudinit")
    with json_file.locked(os.path.join(folder, "drive")), json_file.told(folder):
        for left in os.listdir(folder):
            if left.startswith(PREFIX):
                shutil.rmtree(os.path.join(folder, left), ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=folder) as work:
            return _made(env, guest, work)


def _made(env: Env, guest: Guest, work: str) -> bytes:
    texts = {
        "user-data": documents.user_data(guest),
        "meta-data": documents.meta_data(guest.hostname),
        "network-config": documents.network_config(guest.nics),
    }
    for name, text in texts.items():
        _write_private(os.path.join(work, name), text.encode())
    image = os.path.join(work, "image.iso")
    iso.make(env.runner, image, LABEL, [os.path.join(work, name) for name in texts])
    with open(image, "rb") as file:
        return file.read()


def put(settings: Settings, path: str, image: bytes, change: str) -> None:
    """Put an image in its place at once; a machine that runs keeps the one it has open. What was there is kept aside."""
    where = place(settings, path)
    with json_file.locked(where):
        if os.path.islink(where):
            raise Conflict(f"{where} is a link; the image is written nowhere else. Remove the link")
        before = json_file.read_bytes(where)
        json_file.write_bytes(_aside(where, change), b"" if before is None else before, mode=IMAGE_MODE)
        json_file.write_bytes(where, image, mode=IMAGE_MODE)


def put_back(settings: Settings, path: str, change: str) -> None:
    """Take back what `put` did in this change; fine when it did nothing."""
    where = place(settings, path)
    with json_file.locked(where):
        before = json_file.read_bytes(_aside(where, change))
        if before:
            json_file.write_bytes(where, before, mode=IMAGE_MODE)
        elif before is not None:
            json_file.remove(where)
        json_file.remove(_aside(where, change))


def settle(env: Env, path: str, change: str) -> None:
    """The change is decided: what it kept aside goes, and what changes kept aside that never heard their end."""
    where = place(env.settings, path)
    folder = os.path.dirname(where)
    json_file.remove(_aside(where, change))
    with json_file.told(where), contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            kept = os.path.join(folder, name)
            is_old = name.startswith(f".{os.path.basename(where)}.before-") and _age(env, kept) > LONGEST_CHANGE_SECONDS
            if is_old:
                json_file.remove(kept)


def facts(settings: Settings, path: str) -> dict[str, Any]:
    """The answer's `val`: the image as it lies there. The key `tmpdir` is 0.1.2's; there is nothing to tell."""
    where = place(settings, path)
    with json_file.told(where):
        found = os.stat(where)
    times = {"ctime": found.st_ctime, "mtime": found.st_mtime, "atime": found.st_atime}
    told = {name: datetime.fromtimestamp(seconds, UTC).astimezone() for name, seconds in times.items()}
    return {
        **{name: time.isoformat("T", "seconds") for name, time in told.items()},
        "size": found.st_size,
        "filepath": path,
        "tmpdir": "",
    }


def _aside(where: str, change: str) -> str:
    if not CHANGE.fullmatch(change):
        raise bad_field("change", "is not the name of a change")
    return os.path.join(os.path.dirname(where), f".{os.path.basename(where)}.before-{change}")


def _age(env: Env, path: str) -> float:
    return env.clock.now().timestamp() - os.stat(path).st_mtime


def _write_private(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
