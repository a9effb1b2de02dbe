"""The six seams to the world outside. `wiring` builds the real ones; a test may replace these and nothing else."""

from dataclasses import dataclass, field

from ablestack_api.core.clock import Clock
from ablestack_api.core.readings import Readings
from ablestack_api.core.runner import Runner
from ablestack_api.core.settings import Settings
from ablestack_api.hypervisor.connection import Libvirt
from ablestack_api.remote.peer import Peers
from ablestack_api.remote.ssh import Ssh


@dataclass(frozen=True)
class Env:
    """First argument of every service function.

    `readings` is no seam: it remembers what was read last from the others, for this process.
    """

    settings: Settings
    clock: Clock
    runner: Runner
    libvirt: Libvirt
    peers: Peers
    ssh: Ssh
    readings: Readings = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "readings", Readings(self.clock))
