"""qemu-img(1)."""

import json
from dataclasses import dataclass

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

SECONDS = 1800.0
INFO_SECONDS = 30.0


@dataclass(frozen=True)
class Image:
    """Sizes in bytes: what the guest sees, and what the file takes. `backing` is the file it needs, empty for none."""

    format: str
    virtual_size: int
    actual_size: int
    backing: str = ""


def convert_to_rbd(runner: Runner, source: str, image: str) -> None:
    """A qcow2 file as a new RBD image (`pool/name`)."""
    runner.run(["qemu-img", "convert", "-f", "qcow2", "-O", "rbd", "--", source, f"rbd:{image}"], timeout=SECONDS)


def resize(runner: Runner, path: str, size: str) -> None:
    """`size` as qemu-img has it: `+350G`, `500G`."""
    runner.run(["qemu-img", "resize", "-f", "qcow2", "--", path, size], timeout=SECONDS)


def info(runner: Runner, path: str) -> Image:
    """Also of a disk that a guest has open (`-U`). Raises CommandFailed for what is no image."""
    printed = runner.run(["qemu-img", "info", "-U", "--output=json", "--", path], timeout=INFO_SECONDS).stdout
    try:
        found = json.loads(printed)
        return Image(
            format=str(found["format"]),
            virtual_size=int(found["virtual-size"]),
            actual_size=int(found["actual-size"]),
            backing=str(found.get("backing-filename", "")),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed("qemu-img info printed no JSON", program="qemu-img", exit_code=0) from error


def check(runner: Runner, path: str) -> None:
    """Is a qcow2 file consistent in itself? Raises CommandFailed: errors (2), leaked clusters (3), unreadable (1)."""
    runner.run(["qemu-img", "check", "-q", "-f", "qcow2", "--", path], timeout=SECONDS)


def compare(runner: Runner, path: str, other: str) -> bool:
    """Do two images hold the same for a guest?"""
    return runner.run(["qemu-img", "compare", "-q", "-s", "--", path, other], timeout=SECONDS, ok=(0, 1)).code == 0
