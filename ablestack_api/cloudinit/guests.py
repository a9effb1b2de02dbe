"""What each machine finds on its first start: from cluster.json, this host's files and the request (contract 03 §15)."""

import secrets
from dataclasses import dataclass, field

from ablestack_api.cloudinit import network, sources
from ablestack_api.cloudinit.documents import Command, Guest, Nic
from ablestack_api.cloudinit.models import CcvmRequest, FreeRequest, ScvmRequest
from ablestack_api.cloudinit.network import Fields
from ablestack_api.cloudinit.sources import CCVM, SCVM, Keys
from ablestack_api.core.errors import BadInput, bad_field
from ablestack_api.core.secret import Secret
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.state import cluster_file, own_node
from ablestack_api.state.cluster_document import ClusterConfig, Host
from ablestack_api.tools import openssl

MANAGEMENT_CARD, STORAGE_CARD, REPLICATION_CARD = "enp0s20", "enp0s21", "enp0s22"
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 128
GENERATED_BYTES = 15
SORT_CARDS = "/usr/local/sbin/sortEth.sh"
# cloud-init makes the folders of a file root's; the cloud's account must be able to write its known_hosts beside its key.
OWN_KEY_FOLDER = ["/usr/bin/install", "-d", "-o", "cloud", "-g", "cloud", "-m", "0700", f"{sources.CLOUD_HOME}/.ssh"]


@dataclass(frozen=True)
class Draft:
    """A guest but for its password and its files."""

    kind: str
    hostname: str
    nics: tuple[Nic, ...]
    keys: Keys = field(repr=False)
    ceph: bool
    ssh_pwauth: bool = False


def of_ccvm(settings: Settings, request: CcvmRequest) -> Draft:
    """Raises BadInput with 0.1.2's texts."""
    config = cluster_file.read(settings).document.cluster
    nics = [_management_card(config, "ccvm.ip", config.ccvm.ip, "ccvm.ip required")]
    if request.sn_nic or request.sn_ip or request.sn_prefix or request.sn_gw or request.sn_dns:
        if not (request.sn_nic and request.sn_ip and request.sn_prefix > 0):
            told = "sn_nic, sn_ip and sn_prefix are required when service network is provided"
            missing = [name for name in ("sn_nic", "sn_ip", "sn_prefix") if not getattr(request, name)]
            raise BadInput(told, fields=[(name, "required") for name in missing])
        nics.append(_card_of_form(request, "sn"))
    network.require_distinct(nics)
    return Draft(CCVM, CCVM, tuple(nics), sources.read_keys(settings), config.is_hci, request.ssh_pwauth)


def of_scvm(settings: Settings, request: ScvmRequest) -> Draft:
    """The Storage Center VM of this host. Raises BadInput with 0.1.2's texts."""
    config = cluster_file.read(settings).document.cluster
    if not config.is_hci:
        raise BadInput("scvm cloudinit requires hci cluster type")
    own = own_node.find_self(settings, config)
    if own is None:
        raise BadInput("self host not found in cluster.json")
    if not own.index:
        raise bad_field("hosts[].index", "required", "hosts[].index required for self host")
    missing = "mgmt_nic, mgmt_ip and mgmt_prefix are required"
    nics = [_management_card(config, "hosts[].scvmMngt", own.scvm_mngt or "", missing)]
    nics += _storage_cards(config, own, request)
    network.require_distinct(nics)
    return Draft(SCVM, f"{SCVM}{own.index}", tuple(nics), sources.read_keys(settings), True, request.ssh_pwauth)


def of_form(settings: Settings, request: FreeRequest) -> Draft:
    """Everything as the request says. Raises BadInput."""
    kind = request.type.lower()
    if kind not in (CCVM, SCVM):
        raise bad_field("type", "must be ccvm or scvm")
    if not node_name(request.hostname):
        raise bad_field("hostname", "is not a host name: letters, digits and dashes, not a dash at either end")
    nics = _cards_of_form(request, kind)
    network.require_distinct(nics)
    keys = sources.read_keys(settings, request.pubkey, request.privkey, request.hosts)
    ceph = kind == SCVM or cluster_file.read_or_empty(settings).document.cluster.is_hci
    return Draft(kind, request.hostname, tuple(nics), keys, ceph, request.ssh_pwauth)


def chosen_password(given: str) -> tuple[Secret, bool]:
    """(password, whether it was made here). Raises BadInput for one that nobody could type or that is too short."""
    if not given:
        return Secret(secrets.token_urlsafe(GENERATED_BYTES)), True
    if not SHORTEST_PASSWORD <= len(given) <= LONGEST_PASSWORD:
        raise bad_field("password", f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    if not given.isascii() or not given.isprintable():
        raise bad_field("password", "must be of printable ASCII characters")
    return Secret(given), False


def finished(env: Env, draft: Draft, password: Secret) -> tuple[Guest, list[str]]:
    """The guest with its files, and what was left out."""
    files, warnings = sources.files(env.settings, draft.kind, draft.keys, ceph=draft.ceph)
    guest = Guest(
        hostname=draft.hostname,
        nics=draft.nics,
        public_key=draft.keys.public,
        password_hash=openssl.hash_password(env.runner, password),
        files=tuple(files),
        ceph=draft.ceph,
        ssh_pwauth=draft.ssh_pwauth,
        bootcmd=_bootcmd(draft.kind),
        runcmd=_runcmd(env.settings, draft.kind),
    )
    return guest, warnings


def node_name(text: str) -> bool:
    """One label of a host name."""
    return 0 < len(text) <= 63 and text.replace("-", "").isalnum() and text.isascii() and text.strip("-") == text


def _management_card(config: ClusterConfig, field: str, address: str, missing: str) -> Nic:
    prefix = config.mngt_nic.cidr.strip().removeprefix("/")
    if not address:
        raise BadInput(missing)
    if not prefix:
        raise bad_field("mngtNic.cidr", "required", "mngtNic.cidr required")
    if not (prefix.isascii() and prefix.isdigit() and len(prefix) <= 3):
        raise bad_field("mngtNic.cidr", "is not a prefix length", "invalid mngtNic.cidr")
    fields = Fields("mgmt_nic", field, "mngtNic.cidr", "mngtNic.gw", "mngtNic.dns")
    nic = config.mngt_nic
    return network.card(fields, MANAGEMENT_CARD, address, int(prefix), gateway=nic.gw, dns=nic.dns)


def _storage_cards(config: ClusterConfig, own: Host, request: ScvmRequest) -> list[Nic]:
    if not (own.scvm and own.scvm_cn):
        raise BadInput("pn_nic, pn_ip, cn_nic and cn_ip are required for scvm")
    usual = int(config.mngt_nic.cidr.strip().removeprefix("/"))
    places = (
        (Fields("pn_nic", "hosts[].scvm", "pn_prefix"), STORAGE_CARD, own.scvm, request.pn_prefix),
        (Fields("cn_nic", "hosts[].scvmCn", "cn_prefix"), REPLICATION_CARD, own.scvm_cn, request.cn_prefix),
    )
    return [
        network.card(fields, name, address, prefix or usual, mtu=network.STORAGE_MTU)
        for fields, name, address, prefix in places
    ]


def _cards_of_form(request: FreeRequest, kind: str) -> list[Nic]:
    if not (request.mgmt_nic and request.mgmt_ip and request.mgmt_prefix):
        raise BadInput("mgmt_nic, mgmt_ip and mgmt_prefix are required")
    if kind == SCVM and not (request.pn_nic and request.pn_ip and request.cn_nic and request.cn_ip):
        raise BadInput("pn_nic, pn_ip, cn_nic and cn_ip are required for scvm")
    cards: list[Nic] = []
    faults: list[BadInput] = []
    for name in ("mgmt", "sn") if kind == CCVM else ("mgmt", "pn", "cn"):
        if getattr(request, f"{name}_nic") or getattr(request, f"{name}_ip"):
            try:
                cards.append(_card_of_form(request, name))
            except BadInput as error:
                faults.append(error)
    network.merged(faults)
    return cards


def _card_of_form(request: FreeRequest | CcvmRequest, name: str) -> Nic:
    return network.card(
        Fields.of(name),
        getattr(request, f"{name}_nic"),
        getattr(request, f"{name}_ip"),
        getattr(request, f"{name}_prefix") or getattr(request, "mgmt_prefix", 0),
        gateway=getattr(request, f"{name}_gw", ""),
        dns=getattr(request, "dns" if name == "mgmt" else f"{name}_dns", ""),
        mtu=network.STORAGE_MTU if name in ("pn", "cn") else None,
    )


def _bootcmd(kind: str) -> tuple[Command, ...]:
    """Waits for no unit: where cloud-init itself is part of the system's start, as in Debian, both would wait for ever."""
    return (["/usr/bin/systemctl", "enable", "--now", "--no-block", "cockpit.socket"],) if kind == SCVM else ()


def _runcmd(settings: Settings, kind: str) -> tuple[Command, ...]:
    if kind == SCVM:
        sort = f"if [ -f {SORT_CARDS} ]; then exec /usr/bin/sh {SORT_CARDS}; fi"
        return (["/usr/bin/sh", "-c", sort], ["/usr/bin/systemctl", "enable", "--now", "cockpit.service"])
    port = f"--add-port={settings.peer_port}/tcp"
    firewall = (
        "if command -v firewall-cmd >/dev/null 2>&1; then systemctl enable --now firewalld || true; "
        f"firewall-cmd --permanent {port} || true; firewall-cmd {port} || true; fi"
    )
    return (
        OWN_KEY_FOLDER,
        ["/bin/bash", "-lc", firewall],
        ["/usr/bin/systemctl", "enable", "--now", "ablestack-api.service"],
    )
