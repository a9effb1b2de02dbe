"""The only place that reads the environment and builds the real seams."""

from ablestack_api.auth import internal_token, sync
from ablestack_api.cluster import local_apply, system_config
from ablestack_api.core.clock import SystemClock
from ablestack_api.core.runner import SystemRunner
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.glue import ceph_files
from ablestack_api.hypervisor.connection import SystemLibvirt
from ablestack_api.orchestrator.participant import Kind
from ablestack_api.remote.peer import HttpPeers
from ablestack_api.remote.ssh import ParamikoSsh

# Every kind of change that all nodes make or none; recovery finds them by the name in a record.
KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (local_apply.KIND, internal_token.KIND, sync.KIND, system_config.KIND, ceph_files.KIND)
}


def build_env(settings: Settings | None = None) -> Env:
    """Raises SettingsError when a variable cannot be used."""
    settings = settings or Settings.of_process()
    clock = SystemClock()
    return Env(
        settings=settings,
        clock=clock,
        runner=SystemRunner(settings.program_path, settings.home),
        libvirt=SystemLibvirt(settings.libvirt_uri),
        peers=HttpPeers(settings, clock),
        ssh=ParamikoSsh(settings),
    )
