"""Overlay mounts: a disk of its own over shared read-only layers."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lab import paths
from tests.lab.command import run

TEMPORARY = "tmp-"
OCTAL_SPACE = "\\040"


def mount_overlay(target: Path, *, layers: Sequence[Path], upper: Path, work: Path) -> None:
    """Mount `layers` (topmost first, never to be changed while mounted) under the writable `upper` at `target`."""
    for folder in (target, upper, work):
        folder.mkdir(parents=True, exist_ok=True)
    lower = ":".join(str(layer) for layer in layers)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    run(["mount", "-t", "overlay", "ablestack-lab", "-o", options, str(target)])


def unmount(target: Path) -> None:
    """Take a mount away, also while a straggler still holds a file of it open."""
    if is_mounted(target):
        run(["umount", "--lazy", str(target)])


def is_mounted(target: Path) -> bool:
    """Whether something is mounted exactly at `target`."""
    return target in below(target)


def below(folder: Path) -> list[Path]:
    """The mount points at or below `folder`, deepest first."""
    found = [point for point, _ in _table() if point == folder or folder in point.parents]
    return sorted(found, key=lambda point: len(point.parts), reverse=True)


def is_layer_in_use(layer: Path) -> bool:
    """Whether an overlay that is mounted now has `layer` as one of its lower layers."""
    return any(str(layer) in options for _, options in _table())


@contextmanager
def scratch(layers: Sequence[Path], *, upper: Path | None = None) -> Iterator[Path]:
    """A temporary writable view of `layers`; what is written stays in `upper` when that is given."""
    folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}scratch-", dir=paths.cache()))
    try:
        mount_overlay(folder / "root", layers=layers, upper=upper or folder / "upper", work=folder / "work")
        yield folder / "root"
    finally:
        _remove(folder)


def remove_abandoned(parent: Path) -> None:
    """Unmount and delete temporary folders that a process which was killed left below `parent`."""
    for folder in parent.glob(f"{TEMPORARY}*/"):
        _remove(folder)


def _remove(folder: Path) -> None:
    for point in below(folder):
        unmount(point)
    shutil.rmtree(folder, ignore_errors=True)


def _table() -> list[tuple[Path, str]]:
    """(mount point, rest of the line) of every mount, from /proc/self/mountinfo."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return [(Path(line.split(" ")[4].replace(OCTAL_SPACE, " ")), line) for line in lines]
