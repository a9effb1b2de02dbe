"""What cron and at run: nobody reads what a program of theirs prints, so a failure is told in `GET /err`, too."""

import contextlib
from collections.abc import Iterator

from ablestack_api.backup import dump, dump_files, roots
from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Quiet
from ablestack_api.state import error_list


def make(env: Env, folder: str) -> str:
    """The path of the dump. Raises as `dump.make`."""
    with _told(env, f"the scheduled database dump into {folder} failed"):
        return dump.make(env, roots.checked(env.settings, "path", folder), Quiet())


def prune(env: Env, folder: str, days: int) -> list[str]:
    """The paths of the dumps that were deleted. Raises as `dump_files.remove_older`."""
    with _told(env, f"deleting old database dumps in {folder} by schedule failed"):
        real = roots.checked(env.settings, "path", folder)
        return dump_files.remove_older(real, max(0, days), env.clock.now().timestamp())


@contextlib.contextmanager
def _told(env: Env, what: str) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        error_list.record(env.settings, env.clock, f"{what}: {error.detail}")
        raise
