"""genisoimage(1) or xorriso(1), whichever is installed: a folder of files as an ISO 9660 image."""

from collections.abc import Sequence

from ablestack_api.core.errors import ProgramMissing
from ablestack_api.core.runner import Finished, Runner

SECONDS = 120.0
PROGRAMS: tuple[tuple[str, ...], ...] = (("genisoimage",), ("xorriso", "-as", "mkisofs"))
PACKAGES = "genisoimage or xorriso"


def make(runner: Runner, image: str, volume: str, files: Sequence[str]) -> None:
    """Write an image with these files at its root, Rock Ridge keeping their modes and owners.

    `-uid 0 -gid 0`: they belong to root in the guest, whoever made them. Raises CommandFailed, CommandTimedOut,
    ProgramMissing (naming both packages).
    """
    options = ["-output", image, "-volid", volume, "-joliet", "-input-charset", "utf-8", "-rock", "-uid", "0", "-gid", "0"]
    _first_installed(runner, [*options, *files])


def _first_installed(runner: Runner, options: list[str]) -> Finished:
    for program in PROGRAMS:
        try:
            return runner.run([*program, *options], timeout=SECONDS)
        except ProgramMissing as error:
            missing = error
    raise ProgramMissing(
        f"neither genisoimage nor xorriso is installed on this node; the package {PACKAGES} brings one",
        program="genisoimage",
        package=PACKAGES,
    ) from missing
