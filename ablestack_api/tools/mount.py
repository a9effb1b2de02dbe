"""mount(8) and umount(8)."""

from ablestack_api.core.runner import Runner

SECONDS = 120.0


def mount(runner: Runner, device: str, folder: str, fstype: str) -> None:
    runner.run(["mount", "-t", fstype, "--", device, folder], timeout=SECONDS)


def unmount(runner: Runner, folder: str, *, lazy: bool = False) -> None:
    """Refused while anything uses it. `lazy` takes it away from view at once; it ends when its last user does."""
    runner.run(["umount", *(["--lazy"] if lazy else []), "--", folder], timeout=SECONDS)
