"""The health card of the Cloud Center VM (contract 03 §2): what the guest tells of itself and what libvirt tells of it."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ablestack_api.ccvm import guest, whereabouts
from ablestack_api.ccvm.guest import UNKNOWN
from ablestack_api.ccvm.whereabouts import Sighting
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import Bootstrap

READING, GUEST_READING, DOMAIN_READING = "ccvm status", "ccvm guest", "ccvm domain"
PATH = "/cube/ccvm/status"
GUEST_MODE = "X-Cube-CCVM-Local"
GUEST_SECONDS = 10.0
GUEST_KEYS = (
    "CPU(s)", "Max memory", "Used memory", "ip", "mac", "UUID", "prefix", *guest.DISK_KEYS,
    *(f"SECOND_{key}" for key in guest.DISK_KEYS), "GW", "DNS", "MOLD_SERVICE_STATUE", "MOLD_DB_STATUE",
)  # fmt: skip


@dataclass(frozen=True)
class Card:
    """`problem` says why the guest told nothing (then `facts` is empty)."""

    facts: dict[str, Any]
    sighting: Sighting
    problem: str = ""

    def data(self) -> dict[str, Any]:
        domain = self.sighting.domain
        data: dict[str, Any] = {"Name": whereabouts.NAME, "State": self.state, "nictype": UNKNOWN, "nicbridge": UNKNOWN}
        data |= dict.fromkeys(GUEST_KEYS, UNKNOWN)
        if domain is not None:
            nic = domain.nic(str(self.facts.get("mac", ""))) or next(iter(domain.nics), None)
            data |= {"CPU(s)": str(domain.vcpus), "Max memory": f"{domain.max_memory_kib} KiB"}
            data |= {"mac": nic.mac, "nictype": nic.kind, "nicbridge": nic.source} if nic is not None else {}
        data |= {key: value for key, value in self.facts.items() if value != UNKNOWN}
        # A guest reads its UUID from the firmware; libvirt's is the same, and is there when the guest is off.
        return data | ({"UUID": domain.uuid} if domain is not None else {})

    @property
    def state(self) -> str:
        """As libvirt has it. On no host at all is off: Pacemaker defines the domain only while it runs.

        Where not every host could be asked, a guest that answers is the proof that it runs.
        """
        if self.sighting.domain is not None:
            return self.sighting.domain.state
        if not self.sighting.problem:
            return domains.SHUT_OFF
        return UNKNOWN if self.problem else domains.RUNNING


def read(env: Env, *, refresh: bool) -> dict[str, Any]:
    """The answer. Raises PeersFailed, with the card as far as it is known, when a VM that runs does not answer."""
    reading = env.readings.get(READING, lambda: _collect(env), refresh=refresh)
    card = reading.value
    if card.problem and card.state != domains.SHUT_OFF:
        raise PeersFailed(_silent(card), data=card.data(), **reading.freshness())
    message = {"message": f"the Cloud Center VM is off: {card.problem}"} if card.problem else {}
    if not card.problem and card.sighting.domain is None:
        reason = card.sighting.problem or "no host has it, though its address answers"
        message = {"message": f"its domain: {reason}"}
    return {"code": 200, "data": card.data(), **message, **reading.freshness()}


def read_guest(env: Env, *, refresh: bool) -> dict[str, Any]:
    """What the daemon inside the VM tells the host that asks."""
    reading = env.readings.get(GUEST_READING, lambda: guest.collect(env), refresh=refresh)
    return {"code": 200, "data": {"Name": whereabouts.NAME, **reading.value}, **reading.freshness()}


def read_domain(env: Env, *, refresh: bool) -> dict[str, Any]:
    """What a host tells the node that looks for the domain."""
    return whereabouts.told(env.readings.get(DOMAIN_READING, lambda: whereabouts.look_here(env), refresh=refresh).value)


def forget(env: Env) -> None:
    """After a change of the VM."""
    env.readings.forget(READING, DOMAIN_READING)


def _collect(env: Env) -> Card:
    """Guest and domain at the same time: the slower one decides how long it takes."""
    config = cluster_file.read(env.settings).document.cluster
    target = next(iter(targets.ccvm(env.settings, config, Bootstrap())), None)
    if target is None:
        raise bad_field("ccvm.ip", "cluster.json has no address of the Cloud Center VM", "ccvm ip required")
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ccvm") as pool:
        looking = pool.submit(whereabouts.find, env, config, Deadline(env.clock, whereabouts.SECONDS))
        facts, problem = _ask_guest(env, target)
        return Card(facts, looking.result(), problem)


def _ask_guest(env: Env, target: Target) -> tuple[dict[str, Any], str]:
    """(what it told, why it told nothing)"""
    if target.local:
        return dict(read_guest(env, refresh=True)["data"]), ""
    deadline = Deadline(env.clock, GUEST_SECONDS)
    outcome = fanout.call(env, target, "GET", PATH, deadline=deadline, local_mode=GUEST_MODE)
    if not outcome.good:
        return {}, outcome.message
    data = None
    with contextlib.suppress(TypeError, KeyError):
        data = outcome.value["data"]
    if not isinstance(data, dict):
        return {}, f"ccvm status empty from {target.address}"
    # The state is the domain's, whatever a daemon of another release says of itself.
    return {key: value for key, value in data.items() if key in (*GUEST_KEYS, "blk")}, ""


def _silent(card: Card) -> str:
    where = f" on {card.sighting.host}" if card.sighting.host else ""
    state = f"its domain is {card.state}{where}" if card.sighting.domain else f"its domain: {card.sighting.problem}"
    return f"ccvm status failed: the Cloud Center VM does not answer ({card.problem}); {state}"
