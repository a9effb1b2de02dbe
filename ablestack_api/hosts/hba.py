"""World wide names of the Fibre Channel adapters of every host (contract 02 §10)."""

import os
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import FileUnusable, PeersFailed, bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hosts import cluster_hosts
from ablestack_api.orchestrator import fanout
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import own_node

PATH = "/cube/hba/manage"
LOCAL_MODE = "X-Cube-HBA-Manage-Local"
SECONDS = 20.0
LIST = "list-hba-wwn"
ACTIONS = ("", "list", LIST)
FC_HOSTS = "sys/class/fc_host"


class HbaRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: str | None = Field(default="", description="list-hba-wwn, list, or nothing")


class HbaNode(BaseModel):
    """The adapters of one host. `wwn` is as the kernel writes it (`0x10000090fa000001`), empty without adapters."""

    hostname: str = ""
    target: str | None = Field(default=None, description="address of the node")
    wwn: list[str] = Field(default_factory=list)
    error: str | None = Field(default=None, description="why names are missing")


class HbaAnswer(BaseModel):
    code: int = 200
    val: list[HbaNode]
    message: str = "ok"
    action: str = LIST
    results: list[dict[str, Any]] | None = Field(default=None, description="of the calls, in the cluster's order")


@dataclass(frozen=True)
class Ports:
    """`error` names the ports that could not be read; the others are there all the same."""

    wwns: list[str]
    error: str = ""


def check(request: HbaRequest) -> None:
    """Raises BadInput."""
    if (request.action or "").lower() not in ACTIONS:
        raise bad_field("action", f"is none of {', '.join(ACTIONS[1:])}", "unsupported action")


def list_here(env: Env) -> HbaAnswer:
    """This node alone. Raises FileUnusable when a port could not be read, with what could be (`val`)."""
    ports = read_ports(env.settings)
    entry = HbaNode(hostname=own_node.hostname(env.settings), wwn=ports.wwns, error=ports.error or None)
    if ports.error:
        raise FileUnusable(ports.error, val=[entry.model_dump(exclude_none=True)], action=LIST)
    return HbaAnswer(val=[entry])


def list_everywhere(env: Env, deadline: Deadline) -> HbaAnswer:
    """Every host, side by side. Raises PeersFailed when one could not tell; its `val` holds what all did tell."""
    outcomes = fanout.at_once(cluster_hosts.every(env), lambda target: _ask(env, target, deadline))
    nodes = [_node(outcome) for outcome in outcomes]
    results = [outcome.entry() for outcome in outcomes]
    failed = [f"{node.hostname or node.target}: {node.error}" for node in nodes if node.error]
    if failed:
        raise PeersFailed(
            f"the HBA ports of {len(failed)} of {len(nodes)} hosts are not known: {'; '.join(failed)}",
            val=[node.model_dump(exclude_none=True) for node in nodes],
            action=LIST,
            results=results,
        )
    return HbaAnswer(val=nodes, results=results)


def read_ports(settings: Settings) -> Ports:
    """The port names in /sys/class/fc_host, each once. A node without Fibre Channel has none: no error."""
    folder = settings.below(FC_HOSTS)
    try:
        hosts = sorted(os.listdir(folder), key=_number)
    except OSError:
        return Ports([])
    names: list[str] = []
    errors: list[str] = []
    for host in hosts:
        try:
            with open(os.path.join(folder, host, "port_name"), encoding="ascii", errors="replace") as file:
                names.append(file.read().strip())
        except OSError as error:
            errors.append(f"/{FC_HOSTS}/{host}/port_name: {error.strerror}")
    return Ports(list(dict.fromkeys(name for name in names if name)), "; ".join(errors))


def _ask(env: Env, target: Target, deadline: Deadline) -> Outcome:
    if target.local:
        ports = read_ports(env.settings)
        entry = {"hostname": target.hostname, "wwn": ports.wwns}
        kind, code = (fanout.FAILED, FileUnusable.status) if ports.error else (fanout.OK, 200)
        return Outcome(target, kind, code, ports.error, body={"val": [entry]})
    return fanout.call(env, target, "POST", PATH, body={"action": LIST}, deadline=deadline, local_mode=LOCAL_MODE)


def _node(outcome: Outcome) -> HbaNode:
    """What one host told, under the name and address that the cluster knows it by."""
    entries = _entries(outcome.body.get("val"))
    error = outcome.message or "failed" if outcome.bad else ""
    if not error and not entries:
        error = "empty hba response"
    told = entries[0] if entries else HbaNode()
    return HbaNode(
        hostname=outcome.target.hostname or told.hostname,
        target=outcome.target.address,
        wwn=told.wwn,
        error=error or told.error or None,
    )


def _entries(value: Any) -> list[HbaNode]:
    try:
        return TypeAdapter(list[HbaNode]).validate_python(value)
    except ValidationError:
        return []


def _number(name: str) -> tuple[int, str]:
    """host2 before host10."""
    digits = name.removeprefix("host")
    return (int(digits) if digits.isdecimal() else 0, name)
