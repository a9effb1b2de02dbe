"""set-alert: have Pacemaker write its events to a file (contract 02 §6.9)."""

import os

from ablestack_api.core.errors import Conflict
from ablestack_api.core.settings import Settings
from ablestack_api.hosts.gfs import cib_change, node_cluster
from ablestack_api.hosts.gfs.call import Call
from ablestack_api.tools import pcs
from ablestack_api.tools.cib import Cib
from ablestack_api.tools.pcs import Pcs

NAME, RECIPIENT = "alert_file", "alert_logfile"
LOG = "/var/log/pcmk_alert_file.log"
SCRIPTS = ("shell/alert_file.sh", "shell/host/alert_file.sh")


def script(settings: Settings) -> str:
    """Raises Conflict when it is not installed: Pacemaker would fail at every event."""
    places = [os.path.join(settings.config_root, name) for name in SCRIPTS]
    found = next((place for place in places if os.path.isfile(place)), None)
    if found is None:
        raise Conflict(f"the alert script is not installed: there is no {places[0]}; nothing was changed")
    return found


def set_up(call: Call) -> str:
    """Repeatable: an alert of the same name is replaced, in one change."""
    path = script(call.env.settings)
    node_cluster.prepare_alert_files(call)
    cib_change.change(call, lambda tool, facts: _replace(tool, facts, path))
    return "Pcs Alert Success"


def _replace(tool: Pcs, facts: Cib, path: str) -> None:
    if NAME in facts.alerts:
        pcs.alert_remove(tool, NAME)
    pcs.alert_create(tool, NAME, "Log events to a file.", path)
    pcs.alert_recipient_add(tool, NAME, RECIPIENT, LOG)
