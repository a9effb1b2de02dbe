"""Which host has the domain of the Cloud Center VM, and what libvirt tells of it there."""

from dataclasses import asdict, dataclass
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.hypervisor.domains import Disk, Domain, Nic
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state.cluster_document import ClusterConfig

NAME = "ccvm"
PATH = "/cube/ccvm/status"
LOCAL_MODE = "X-Cube-CCVM-Domain-Local"
SECONDS = 5.0


@dataclass(frozen=True)
class Sighting:
    """`host` is the name of the host that has the domain. Without a domain, `problem` says why it is not known where it
    is; it is empty when every host was asked and none has it."""

    domain: Domain | None = None
    host: str = ""
    problem: str = ""


def look_here(env: Env) -> Domain | None:
    return domains.read(env.libvirt, NAME, statistics=True)


def find(env: Env, config: ClusterConfig, deadline: Deadline) -> Sighting:
    """This host first, then all others side by side: one on which it runs, else one that has it defined."""
    members = targets.hosts(env.settings, config)
    here = [_look(env, target, deadline) for target in members if target.local]
    if any(_domain(outcome) is not None and _runs(outcome) for outcome in here):
        return _sighting(here)
    there = [target for target in members if not target.local]
    return _sighting([*here, *fanout.at_once(there, lambda target: _look(env, target, deadline))])


def told(domain: Domain | None) -> dict[str, Any]:
    """How one host tells another."""
    return {"code": 200, "val": None if domain is None else asdict(domain)}


def _look(env: Env, target: Target, deadline: Deadline) -> Outcome:
    if not target.local:
        return fanout.call(env, target, "GET", PATH, deadline=deadline, local_mode=LOCAL_MODE)
    try:
        domain = look_here(env)
    except ApiError as error:
        return Outcome(target, fanout.FAILED, error.status, error.detail, error=error)
    return Outcome(target, fanout.OK, 200, value=told(domain)["val"])


def _sighting(outcomes: list[Outcome]) -> Sighting:
    seen = [outcome for outcome in outcomes if _domain(outcome) is not None]
    best = next((outcome for outcome in seen if _runs(outcome)), next(iter(seen), None))
    if best is not None:
        return Sighting(_domain(best), best.target.hostname)
    silent = [f"{outcome.target.hostname}: {outcome.message}" for outcome in outcomes if outcome.bad]
    return Sighting(problem="; ".join(silent) if outcomes else "cluster.json names no host")


def _runs(outcome: Outcome) -> bool:
    domain = _domain(outcome)
    return domain is not None and domain.runs


def _domain(outcome: Outcome) -> Domain | None:
    """What a host told; whatever does not have the right shape tells nothing."""
    value = outcome.value
    if not (outcome.good and isinstance(value, dict) and "state" in value):
        return None
    try:
        nics = tuple(Nic(**nic) for nic in value["nics"])
        disks = tuple(Disk(**disk) for disk in value["disks"])
        return Domain(**{**value, "nics": nics, "disks": disks, "pci_devices": tuple(value["pci_devices"])})
    except (TypeError, KeyError):
        return None
