"""crontab(1): root's table, read and replaced as a whole."""

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

SECONDS = 10.0
ARGV = ["crontab", "-u", "root"]


def read(runner: Runner) -> str:
    """The table as it stands, empty when root has none. Raises CommandFailed when it cannot be read: then nothing may be
    installed over it."""
    done = runner.run([*ARGV, "-l"], timeout=SECONDS, ok=(0, 1))
    if done.code == 0:
        return done.stdout
    if "no crontab for" in done.stderr:
        return ""
    raise CommandFailed(
        f"root's crontab cannot be read: {done.stderr.strip() or 'crontab printed nothing'}; it was left as it is",
        program="crontab",
        exit_code=done.code,
    )


def install(runner: Runner, table: str) -> None:
    runner.run([*ARGV, "-"], timeout=SECONDS, stdin=table)
