"""multipathd(8)."""

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

SECONDS = 60.0


def resize_map(runner: Runner, name: str) -> None:
    """Have a map take the size that its paths have now. multipathd says `ok` or `fail`, and ends with 0 either way."""
    said = runner.run(["multipathd", "resize", "map", name], timeout=SECONDS).stdout.strip()
    if "fail" in said.lower() or "timeout" in said.lower():
        raise CommandFailed(f"multipathd could not resize the map {name}: {said}", program="multipathd", exit_code=0)
