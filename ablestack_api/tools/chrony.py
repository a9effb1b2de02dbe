"""chrony.conf(5): the text of our configuration and where the distribution keeps it."""

import os
from dataclasses import dataclass

from ablestack_api.core.settings import Settings

HEADER = "# Written by the ABLESTACK API (time server of the cluster); changes are lost at the next apply."
LOCAL = "local stratum 10 orphan"
UNIT = "chronyd"  # Debian's chrony.service has this name as an alias


@dataclass(frozen=True)
class Plan:
    """`servers` are the cluster's time servers this node follows; `networks` (CIDR) may ask this node for the time."""

    external: str
    servers: tuple[str, ...]
    networks: tuple[str, ...]

    @property
    def mode(self) -> str:
        if self.servers:
            return "internal"
        return "external" if self.external else "none"


def config_path(settings: Settings) -> str:
    """/etc/chrony.conf (EL), or /etc/chrony/chrony.conf where the distribution has that folder (Debian)."""
    folder = settings.below("etc/chrony")
    return os.path.join(folder, "chrony.conf") if os.path.isdir(folder) else settings.below("etc/chrony.conf")


def lock_path(settings: Settings) -> str:
    """What our writers lock: beside our own state, not a stray file beside chrony's."""
    return os.path.join(settings.state_root, "chrony.conf")


def render(plan: Plan, path: str) -> str:
    """The whole file. All values were checked to be addresses or host names."""
    keys = "/etc/chrony/chrony.keys" if os.path.basename(os.path.dirname(path)) == "chrony" else "/etc/chrony.keys"
    lines = [HEADER]
    lines += [f"server {plan.external} iburst"] if plan.external else []
    lines += [
        f"server {server} {'prefer ' if position == 1 else ''}iburst minpoll 4 maxpoll 6"
        for position, server in enumerate(plan.servers)
    ]
    lines += ["driftfile /var/lib/chrony/drift", "makestep 1.0 3", "rtcsync"]
    lines += [f"allow {network}" for network in plan.networks]
    # The first two hosts follow each other. With orphan (chrony.conf(5)) one of them leads, always the same while it lives.
    lines += [LOCAL if plan.mode == "internal" else f"#{LOCAL}"]
    lines += [f"keyfile {keys}", "leapsectz right/UTC", "logdir /var/log/chrony"]
    return "\n".join(lines) + "\n"
