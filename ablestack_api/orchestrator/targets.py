"""Who may be called: addresses of the cluster's configuration, nobody else (D7)."""

from collections.abc import Iterable

from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target
from ablestack_api.state import own_node
from ablestack_api.state.cluster_document import Bootstrap, ClusterConfig, Host

HOST, SCVM, CCVM = "host", "scvm", "ccvm"


def hosts(settings: Settings, config: ClusterConfig) -> list[Target]:
    """Every host by its management address, in the order of the file."""
    source = _own_source(settings, config)
    return _distinct(
        Target(
            address=host.ablecube,
            hostname=host.hostname,
            role=HOST,
            local=own_node.has_address(settings, host.ablecube),
            source=source,
        )
        for host in config.hosts
        if host.ablecube
    )


def scvms(settings: Settings, config: ClusterConfig, bootstrap: Bootstrap, *, storage_network: bool = False) -> list[Target]:
    """The storage VMs by their management address, or by the one on the storage network; HCI types only."""
    if not config.is_hci:
        return []
    return _distinct(
        Target(
            address=address,
            hostname=scvm_name(host),
            role=SCVM,
            local=own_node.has_address(settings, address),
            optional=bootstrap.scvm != "true",
        )
        for host in config.hosts
        if (address := (host.scvm if storage_network else host.scvm_mngt) or "")
    )


def ccvm(settings: Settings, config: ClusterConfig, bootstrap: Bootstrap) -> list[Target]:
    """The Cloud Center VM as a list of one, or none."""
    address = config.ccvm.ip
    if not address:
        return []
    local = own_node.has_address(settings, address)
    return [Target(address=address, hostname=CCVM, role=CCVM, local=local, optional=bootstrap.ccvm != "true")]


def everyone(settings: Settings, config: ClusterConfig, bootstrap: Bootstrap) -> list[Target]:
    """Hosts, then storage VMs, then the Cloud Center VM; an address that comes twice is called once."""
    every = [*hosts(settings, config), *scvms(settings, config, bootstrap), *ccvm(settings, config, bootstrap)]
    return list({target.address: target for target in reversed(every)}.values())[::-1]


def this_node(settings: Settings) -> Target:
    """For changes of this node alone; shown as 0.1.2 showed it."""
    return Target(address="127.0.0.1", hostname=own_node.hostname(settings), role=HOST, local=True)


def scvm_name(host: Host) -> str:
    return f"scvm{host.index}"


def _own_source(settings: Settings, config: ClusterConfig) -> str:
    own = own_node.find_self(settings, config)
    if own is None or not own_node.has_address(settings, own.ablecube):
        return ""
    return own.ablecube


def _distinct(targets: Iterable[Target]) -> list[Target]:
    return list({target.address: target for target in targets}.values())
