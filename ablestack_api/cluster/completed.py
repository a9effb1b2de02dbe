"""A cluster request completed from this node's own cluster.json and checked (contract 01 §5.5 steps 2 to 9)."""

from ablestack_api.cluster import check_request, edits
from ablestack_api.cluster.models import ApplyRequest, CcvmEntry, HostEntry, NicEntry
from ablestack_api.core.errors import BadInput, NotFound, bad_field
from ablestack_api.state.cluster_document import ClusterDocument

INSERT, REMOVE, RESET, CHECK = "insert", "remove", "reset", "check"
LEGACY_INSERTS = ("insertallhost", "insertscvmhost")


def action_of(request: ApplyRequest) -> str:
    """insert, remove, reset or check, in any case. Raises BadInput."""
    action = request.action.lower()
    if action in LEGACY_INSERTS:
        return INSERT
    if action not in (INSERT, REMOVE, RESET, CHECK):
        raise bad_field("action", "is none of insert, remove, reset, check", "unsupported action")
    return action


def option_of(request: ApplyRequest) -> str:
    """Without case, dashes, underscores and blanks, as 0.1.2 compared it."""
    return request.option.lower().replace("-", "").replace("_", "").replace(" ", "")


def complete(request: ApplyRequest, document: ClusterDocument) -> ApplyRequest:
    """A copy with everything filled in that may be left out, and every rule checked. Raises BadInput, NotFound."""
    action, option = action_of(request), option_of(request)
    if request.action.lower() == INSERT and option != "add":
        check_request.required(request)
    done = request.model_copy(deep=True)
    _move_old_places(done)
    if action == INSERT:
        _complete_insert(done, document, option)
        check_request.required(done)
        check_request.pcs_list(done)
        _require_hosts(done)
        check_request.values(done)
    else:
        check_request.values(done)
        if action == REMOVE:
            _require_known(done, document)
        _refuse_strangers(done, document)
        _fill(done, document)
    return done


def _move_old_places(request: ApplyRequest) -> None:
    for key in ("cidr", "gw", "dns"):
        if not getattr(request.mngt_nic, key):
            setattr(request.mngt_nic, key, getattr(request.ccvm, key))


def _complete_insert(request: ApplyRequest, document: ClusterDocument, option: str) -> None:
    config = document.cluster
    if option == "add":
        _fill_network(request, document)
        request.type = request.type or config.type
        request.external_timeserver = request.external_timeserver or config.external_timeserver
        request.storage_network = request.storage_network or config.storage_network
        given = {host.hostname.lower(): host for host in request.hosts}
        present = [given.pop(host.hostname.lower(), edits.entry_of(host)) for host in config.hosts]
        request.hosts = [*present, *given.values()]
    elif not request.hosts and option == "all":
        _fill_network(request, document)
        request.hosts = [edits.entry_of(host) for host in config.hosts]
    elif request.action.lower() in LEGACY_INSERTS:
        _fill_network(request, document)
        request.type = request.type or config.type
        request.storage_network = request.storage_network or config.storage_network


def _fill(request: ApplyRequest, document: ClusterDocument) -> None:
    _fill_network(request, document)
    request.type = request.type or document.cluster.type
    if not request.hosts:
        request.hosts = [edits.entry_of(host) for host in document.cluster.hosts]


def _fill_network(request: ApplyRequest, document: ClusterDocument) -> None:
    config = document.cluster
    request.ccvm = CcvmEntry(ip=request.ccvm.ip or config.ccvm.ip)
    nic = request.mngt_nic
    request.mngt_nic = NicEntry(
        cidr=nic.cidr or config.mngt_nic.cidr, gw=nic.gw or config.mngt_nic.gw, dns=nic.dns or config.mngt_nic.dns
    )


def _require_hosts(request: ApplyRequest) -> None:
    if not request.hosts:
        raise bad_field("hosts", "required", "no targets to apply")


def _require_known(request: ApplyRequest, document: ClusterDocument) -> None:
    name = request.remove_hostname
    if not name:
        raise bad_field("remove_hostname", "required", "target hostname required")
    known = [host.hostname for host in document.cluster.hosts]
    if document.cluster.host_named(name) is None:
        raise NotFound(f"the host {name!r} is not in this cluster; nothing was changed. Hosts: {', '.join(known)}"[:500])


def _refuse_strangers(request: ApplyRequest, document: ClusterDocument) -> None:
    """Only an insert may bring addresses: the internal token goes nowhere else (D7)."""
    known = document.cluster.addresses
    given = [(f"hosts.{n}", address) for n, host in enumerate(request.hosts) for address in _called_addresses(host)]
    given += [("ccvm.ip", request.ccvm.ip)] if request.ccvm.ip else []
    strangers = [(place, f"{address} is not an address of this cluster") for place, address in given if address not in known]
    if strangers:
        raise BadInput(f"{strangers[0][1]}; nothing was sent", fields=strangers)


def _called_addresses(host: HostEntry) -> list[str]:
    return [address for address in (host.ablecube, host.scvm_mngt) if address]
