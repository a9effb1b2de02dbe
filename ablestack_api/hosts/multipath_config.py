"""Switching multipath on: mpathconf where the distribution has it (EL), else settings of our own (Debian)."""

from ablestack_api.core.errors import ProgramMissing
from ablestack_api.env import Env
from ablestack_api.state import multipath_files
from ablestack_api.state.multipath_files import DROP_IN
from ablestack_api.tools import mpathconf


def enable(env: Env) -> str:
    """Returns what was done, in words. Raises CommandFailed, CommandTimedOut, FileUnusable, DiskFull."""
    if env.settings.is_whole_system:
        try:
            mpathconf.enable(env.runner)
        except ProgramMissing:
            pass
        else:
            return ""
    if multipath_files.is_configured(env.settings):
        return "there is no mpathconf here; the settings that are there were left alone"
    multipath_files.write_settings(env.settings)
    return f"there is no mpathconf here; wrote /{DROP_IN}"
