"""Lines that predecessors left in root's crontab file: scripts that are gone (contract 04 §7).

The table is read and installed with crontab(1), as every other change of it: no other line is touched, and no service
has to be restarted.
"""

import os

from ablestack_api.env import Env
from ablestack_api.state import json_file
from ablestack_api.tools import crontab

SNAPSHOT_SCRIPT, DUMP_SCRIPT = "create_ccvm_snap.py", "backup_mysql.py"
DONE = "legacy ccvm snapshot cron cleanup success"


def clean(env: Env, *scripts: str) -> bool:
    """Remove the lines that name one of the scripts; True when there were any."""
    if not env.settings.is_whole_system:
        return False
    with json_file.locked(os.path.join(env.settings.state_root, "crontab")):
        before = crontab.read(env.runner)
        after = without(before, scripts)
        if after != before:
            crontab.install(env.runner, after)
    return after != before


def without(table: str, scripts: tuple[str, ...]) -> str:
    """A table in which nothing matches stays as it is; else its lines end with LF, and none is empty at the end."""
    lines = table.replace("\r\n", "\n").split("\n")
    kept = [line for line in lines if not any(script in line for script in scripts)]
    if kept == lines:
        return table
    text = "\n".join(kept).rstrip("\n")
    return f"{text}\n" if text else ""
