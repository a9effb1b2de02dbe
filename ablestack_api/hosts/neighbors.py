"""The neighbour list of 0.1.2 (contract 01 §8)."""

import ipaddress
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import BadInput, bad_fields
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hosts.models import Neighbor
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import cluster_file, neighbor_file

SECONDS = 5.0
MOST = 256
LONGEST_NAME = 253


def list_neighbors(env: Env) -> list[dict[str, str]]:
    return neighbor_file.listed(env.settings)


def add(env: Env, neighbor: Neighbor) -> list[dict[str, str]]:
    """Both values are needed; adding a pair that is there changes nothing. Raises BadInput."""
    _check(neighbor)
    entry = {"ip": neighbor.ip, "hostname": neighbor.hostname}

    def change(present: list[dict[str, str]]) -> list[dict[str, str]]:
        if entry in present:
            return present
        if len(present) >= MOST:
            raise BadInput(f"the list has {MOST} neighbours already; remove some first")
        return [*present, entry]

    return neighbor_file.edit(env.settings, change)


def remove(env: Env, neighbor: Neighbor) -> list[dict[str, str]]:
    """Both values: exact matches go; one: matches of it; none: all."""

    def stays(entry: dict[str, str]) -> bool:
        given = {key: value for key, value in (("ip", neighbor.ip), ("hostname", neighbor.hostname)) if value}
        return any(entry[key] != value for key, value in given.items())

    return neighbor_file.edit(env.settings, lambda present: [entry for entry in present if stays(entry)])


def read_info(env: Env, deadline: Deadline) -> dict[str, Any]:
    """Each neighbour's own list. Only hosts of this cluster are called: nobody else gets the internal token (D7)."""
    config = cluster_file.read_or_empty(env.settings).document.cluster
    hosts = {target.address: target for target in targets.hosts(env.settings, config)}
    listed = list_neighbors(env)
    called = [hosts[entry["ip"]] for entry in listed if entry["ip"] in hosts]
    outcomes = fanout.at_once(called, lambda target: _ask(env, target, deadline))
    by_address = {outcome.target.address: outcome for outcome in outcomes}
    return {"neighbors": {entry["hostname"] or entry["ip"]: _info(by_address.get(entry["ip"])) for entry in listed}}


def _ask(env: Env, target: Target, deadline: Deadline) -> Outcome:
    if target.local:
        return Outcome(target, fanout.OK, 200, value={"neighbors": list_neighbors(env)})
    return fanout.call(env, target, "GET", "/neighbor", deadline=deadline)


def _info(outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"info": {"err": "is not a host of this cluster; nothing was sent to it"}, "code": 400}
    if not outcome.good:
        return {"info": {"err": outcome.message}, "code": outcome.code}
    return {"info": {**outcome.value, "err": None}, "code": outcome.code}


def _check(neighbor: Neighbor) -> None:
    faults = []
    try:
        ipaddress.ip_address(neighbor.ip)
    except ValueError:
        faults.append(("ip", "is not an IP address" if neighbor.ip else "required"))
    name = neighbor.hostname
    if (
        not name
        or len(name) > LONGEST_NAME
        or name.startswith("-")
        or not name.isprintable()
        or any(c.isspace() for c in name)
    ):
        faults.append(("hostname", "is not a host name" if name else "required"))
    if faults:
        raise bad_fields(faults)
