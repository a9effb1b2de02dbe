"""configure-stonith: the fence devices of the cluster and the locks that need them (contract 02 §6.7)."""

from typing import Any

from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.hosts import storage_names
from ablestack_api.hosts.gfs import cib_change, everywhere, fence_passwords, node_cluster, resources
from ablestack_api.hosts.gfs.call import Call, Course
from ablestack_api.hosts.gfs.everywhere import explained
from ablestack_api.hosts.gfs.models import StonithDevice
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.tools import pcs
from ablestack_api.tools.cib import Cib
from ablestack_api.tools.pcs import Pcs

AGENT = "fence_ipmilan"
PREFIX = "fence-"
# Options that an earlier release set, and that would give the password away.
REVEALING = ("password", "passwd", "passwd_script", "debug_file")
MONITOR = ("monitor", "interval=45s", "on-fail=fence")


def configure_course(call: Call) -> Course:
    """Repeatable: what is there already is brought up to date. Raises BadInput, Conflict."""
    devices = completed(call)
    new = _new(resources.facts(call), devices)
    steps = [
        _password_step(call, devices, new),
        Step(
            "configure-fencing",
            f"make or update {', '.join(_id(device) for device in devices)} and the locking resources",
            lambda: cib_change.change(call, lambda tool, now: _apply(call, tool, now, devices)),
            commands=[["pcs", "stonith", "create", _id(device), AGENT, "…"] for device in new],
        ),
    ]

    def told(values: dict[str, Any]) -> dict[str, Any]:
        return {
            "message": "Configure Stonith Devices Success",
            "stonithAction": "reboot",
            "clusterStatus": pcs.cluster_status(pcs.connect(call.env.runner)),
            "devices": values["configure-fencing"],
        }

    return Course(Plan("configure the fence devices", steps), told)


def _new(facts: Cib, devices: list[StonithDevice]) -> list[StonithDevice]:
    """Those that the cluster has not yet. Raises Conflict."""
    for device in devices:
        present = facts.primitives.get(_id(device))
        if present is not None and not present.is_fence_device:
            raise Conflict(f"the cluster has a resource {_id(device)} that is no fence device ({present.agent})")
    return [device for device in devices if _id(device) not in facts.primitives]


def completed(call: Call) -> list[StonithDevice]:
    """The devices with what was left out taken from the hosts of the cluster, by position. Raises BadInput."""
    given = call.request.devices
    if not given:
        raise bad_field("stonith", "required", "stonith required")
    devices = [_completed(call, number, device) for number, device in enumerate(given)]
    names = [device.hostname.lower() for device in devices]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        raise bad_field("stonith", f"names {repeated} more than once")
    return devices


def _completed(call: Call, number: int, device: StonithDevice) -> StonithDevice:
    hosts = call.config.hosts
    own = hosts[number] if number < len(hosts) else None
    host = device.host or (own and (own.ablecube or own.ablecube_pn)) or ""
    hostname = device.hostname or (own.hostname if own else "")
    place = f"stonith[{number}]"
    if not host:
        raise bad_field(f"{place}.host", "required", f"{place}.host required")
    if not hostname:
        raise bad_field(f"{place}.hostname", "required", f"{place}.hostname required")
    storage_names.hostname(hostname, f"{place}.hostname", f"{place}.hostname is invalid")
    storage_names.address(host, f"{place}.host")
    checked_controller(number, device)
    return device.model_copy(update={"host": host, "hostname": hostname})


def checked_controller(number: int, device: StonithDevice) -> None:
    """Address, port, login and password of one controller. Raises BadInput."""
    place = f"stonith[{number}]"
    storage_names.address(device.ipaddr, f"{place}.ipaddr")
    storage_names.port(device.ipport or "623", f"{place}.ipport")
    if not (device.login and device.passwd):
        raise bad_field(f"{place}.login", "both are required", f"{place} login and passwd required")
    storage_names.login(device.login, f"{place}.login")
    storage_names.one_line(device.passwd, f"{place}.passwd")


def _password_step(call: Call, devices: list[StonithDevice], new: list[StonithDevice]) -> Step:
    def do() -> None:
        explained(
            "store-fence-passwords",
            lambda: everywhere.on_all(call, "store-fence-passwords", node_cluster.store_fence_passwords, stonith=devices),
        )

    def undo() -> None:
        nameless = [device.model_copy(update={"passwd": ""}) for device in new]
        everywhere.on_all(call.undoing(), "forget-fence-passwords", node_cluster.forget_fence_passwords, stonith=nameless)

    return Step("store-passwords", "keep the passwords on every node (mode 0600)", do, undo, undo_if_failed=True)


def _apply(call: Call, tool: Pcs, facts: Cib, devices: list[StonithDevice]) -> list[dict[str, str]]:
    told = [_apply_device(call, tool, facts, device) for device in devices]
    pcs.set_properties(tool, {"stonith-enabled": "true", "stonith-action": "reboot"})
    explained("configure locking resource", lambda: _apply_locking(tool, facts))
    return told


def _apply_device(call: Call, tool: Pcs, facts: Cib, device: StonithDevice) -> dict[str, str]:
    name = _id(device)
    options = {
        "delay": "10",
        "ip": device.ipaddr,
        "ipport": device.ipport or "623",
        "lanplus": "1",
        "method": "onoff",
        "username": device.login,
        "password_script": fence_passwords.script(call.env.settings, device.hostname),
        "pcmk_host_list": device.host,
        "pcmk_off_action": "off",
        "pcmk_reboot_action": "reboot",
    }
    present = facts.primitives.get(name)
    if present is None:
        pcs.stonith_create(tool, name, AGENT, options)
    else:
        pcs.stonith_update(tool, name, {**options, **{key: "" for key in REVEALING if key in present.options}})
    _apply_constraint(tool, facts, name, device.host)
    return {
        "resource": name,
        "host": device.host,
        "ipaddr": device.ipaddr,
        "action": "create" if present is None else "update",
    }


def _apply_constraint(tool: Pcs, facts: Cib, name: str, host: str) -> None:
    """A node never runs the device that fences it; a constraint for another host is out of date."""
    own = [each for each in facts.locations if each.resource == name and each.score == "-INFINITY"]
    for constraint in own:
        if constraint.node != host:
            pcs.constraint_remove(tool, constraint.id)
    if not any(constraint.node == host for constraint in own):
        pcs.avoid(tool, name, host)


def _apply_locking(tool: Pcs, facts: Cib) -> None:
    for name, agent in resources.LOCKING_RESOURCES.items():
        if name not in facts:
            pcs.resource_create(tool, name, agent, {}, operations=MONITOR, group=resources.LOCKING_GROUP)
    if resources.LOCKING not in facts:
        pcs.resource_clone(tool, resources.LOCKING_GROUP)


def _id(device: StonithDevice) -> str:
    return f"{PREFIX}{device.hostname}"
