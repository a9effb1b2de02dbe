"""The network devices of this node (contract 02 §2)."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.hosts import network_sysfs
from ablestack_api.hosts.nic_models import Bond, IpFamily, Nic, NicAddress, NicsAnswer, NicsQuery
from ablestack_api.tools import ip, lspci, nmcli
from ablestack_api.tools.ip import Address, Link

LIST, DETAIL = "list", "detail"
NO_CONNECTION = "--"
TYPE_OF_LINK = {"ether": "ethernet", "loopback": "loopback", "tun": "tun"}
CONNECTED = ("up", "unknown")
DISCONNECTED = ("down", "dormant", "lowerlayerdown", "notpresent", "")
BONDS = ("bond", "bonding")
GROUP_OF_TYPE = {"bridge": "bridges", "ethernet": "ethernets", "bond": "bonds", "bonding": "bonds"}


def list_nics(env: Env, query: NicsQuery) -> NicsAnswer:
    """By group, in the order of their source. Raises what the programs raise when there is no earlier reading."""
    action = DETAIL if query.action.strip().lower() == DETAIL else LIST
    collect = partial(_collect, env, _details if action == DETAIL else _listed)
    reading = env.readings.get(f"nics {action}", collect, refresh=query.refresh)
    return NicsAnswer(**_grouped(reading.value), **reading.freshness())


def _collect(env: Env, source: Callable[[Env], list[Nic]]) -> list[Nic]:
    try:
        return source(env)
    except ApiError as error:
        error.detail = f"failed to read nics: {error.detail}"
        raise


def _listed(env: Env) -> list[Nic]:
    """As NetworkManager names things; as the kernel does where NetworkManager is not installed or does not answer."""
    try:
        found = [_nic(env, *_of_device(device)) for device in nmcli.read_devices(env.runner)]
    except ApiError:
        found = [_nic(env, link.name, _type(link), _state(link)) for link in ip.read_links(env.runner)]
    return found


def _details(env: Env) -> list[Nic]:
    links = ip.read_addresses(env.runner)
    nics = [_detailed(env, link, links) for link in links]
    models = _models(env) if any(nic.pci for nic in nics) else {}
    for nic in nics:
        nic.model = models.get(_slot(nic.pci or ""))
    return nics


def _of_device(device: nmcli.Device) -> tuple[str, str, str, str]:
    return device.name, device.type, device.state, device.connection_path


def _nic(env: Env, name: str, kind: str, state: str, path: str = "") -> Nic:
    return Nic(
        device=name,
        type=kind,
        state=state,
        con_path=path or NO_CONNECTION,
        driver=network_sysfs.driver(env.settings, name) or None,
        pci=network_sysfs.pci_address(env.settings, name) or None,
    )


def _detailed(env: Env, link: Link, links: Sequence[Link]) -> Nic:
    nic = _nic(env, link.name, _type(link), _state(link))
    nic.speed = shown_speed(network_sysfs.speed(env.settings, link.name)) or None
    nic.mtu, nic.mac = link.mtu or None, link.mac or None
    ipv4, ipv6 = _addresses(link, "inet"), _addresses(link, "inet6")
    disabled = network_sysfs.ipv6_is_disabled(env.settings, link.name)
    nic.ipv4 = IpFamily(enable=bool(ipv4), addresses=ipv4 or None)
    nic.ipv6 = IpFamily(enable=bool(ipv6) if disabled is None else not disabled, addresses=ipv6 or None)
    nic.members = [other.name for other in links if other.master == link.name] or None
    nic.bond = _bond(link) if nic.type.lower() in BONDS else None
    return nic


def _type(link: Link) -> str:
    return link.kind or TYPE_OF_LINK.get(link.link_type, link.link_type) or "other"


def _state(link: Link) -> str:
    state = link.operstate.lower()
    if state in CONNECTED:
        return "connected"
    return "disconnected" if state in DISCONNECTED else state


def _addresses(link: Link, family: str) -> list[NicAddress]:
    return [_address(address) for address in link.addresses if address.family == family]


def _address(address: Address) -> NicAddress:
    return NicAddress(family=address.family, address=address.address, prefixlen=address.prefix_length, scope=address.scope)


def _bond(link: Link) -> Bond | None:
    def text(name: str) -> str | None:
        return str(link.details.get(name) or "") or None

    def milliseconds(name: str) -> int | None:
        value = link.details.get(name)
        return value if isinstance(value, int) and value > 0 else None

    bond = Bond(
        mode=text("mode"),
        active_slave=text("active_slave"),
        primary=text("primary"),
        primary_reselect=text("primary_reselect"),
        xmit_hash_policy=text("xmit_hash_policy"),
        lacp_active=text("ad_lacp_active"),
        lacp_rate=text("ad_lacp_rate"),
        ad_select=text("ad_select"),
        fail_over_mac=text("fail_over_mac"),
        miimon=milliseconds("miimon"),
        updelay=milliseconds("updelay"),
        downdelay=milliseconds("downdelay"),
    )
    return bond if bond.model_dump(exclude_none=True) else None


def shown_speed(megabits: int) -> str:
    """`100M`, `10G`, `2.5G`; empty for none."""
    if megabits <= 0:
        return ""
    return f"{megabits}M" if megabits < 1000 else f"{megabits / 1000:g}G"


def _models(env: Env) -> dict[str, str]:
    """PCI slot -> name of the card. Without lspci there are none: an answer without names is better than none."""
    try:
        devices = lspci.read(env.runner)
    except ApiError:
        return {}
    return {_slot(device.get("Slot", "")): _model(device) for device in devices}


def _model(device: dict[str, str]) -> str:
    name = f"{device.get('Vendor', '')} {device.get('Device', '')}".strip()
    return f"{name} ({device['SDevice']})" if device.get("SDevice") else name


def _slot(address: str) -> str:
    return address.removeprefix("0000:")


def _grouped(nics: Iterable[Nic]) -> dict[str, list[Nic]]:
    groups: dict[str, list[Nic]] = {}
    for nic in nics:
        groups.setdefault(GROUP_OF_TYPE.get(nic.type.lower(), "others"), []).append(nic)
    return groups
