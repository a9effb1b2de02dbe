"""What a host needs beside its configuration: bridge filtering and the timers of its cluster type (D16).

Files are drop-ins of our own, every step may be repeated, and each is told in the answer; none of them can fail an
apply that was decided.
"""

from collections.abc import Callable

from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.hypervisor import nwfilters
from ablestack_api.orchestrator.participant import Facts
from ablestack_api.state import json_file
from ablestack_api.tools import sysctl, systemctl

MODULES_FILE = "etc/modules-load.d/ablestack.conf"
SYSCTL_FILE = "etc/sysctl.d/90-ablestack-bridge.conf"
FILTER_FILE = "usr/local/sbin/nwfilter-allow-all.xml"
FILTER_NAME = "allow-all"
MODULE = "br_netfilter"
SYSCTL_TEXT = "".join(f"net.bridge.bridge-nf-call-{table}=1\n" for table in ("arptables", "iptables", "ip6tables"))
TIMERS = {"ablestack-vm": "auto-umount.timer", "ablestack-hci": "cleanup-rbd.timer"}

Step = tuple[str, Callable[[Env], str]]


def prepare(env: Env, cluster_type: str) -> list[Facts]:
    """One entry a step: `step`, `outcome` (done, unchanged, skipped, failed), `message` where there is one."""
    steps: list[Step] = [
        ("bridge filtering: settings", _write_drop_ins),
        ("bridge filtering: kernel", _load),
        ("bridge filtering: libvirt filter", _define_filter),
    ]
    timer = TIMERS.get(cluster_type)
    if timer:
        steps.append((f"timer {timer}", lambda env: _enable(env, timer)))
    return [_told(env, name, work) for name, work in steps]


def _told(env: Env, name: str, work: Callable[[Env], str]) -> Facts:
    try:
        outcome, _, message = work(env).partition(": ")
    except ApiError as error:
        outcome, message = "failed", error.detail
    return {"step": name, "outcome": outcome} | ({"message": message} if message else {})


def _write_drop_ins(env: Env) -> str:
    if _openvswitch(env):
        return "skipped: Open vSwitch filters by itself"
    wrote = [_write(env, MODULES_FILE, f"{MODULE}\n"), _write(env, SYSCTL_FILE, SYSCTL_TEXT)]
    return "done" if any(wrote) else "unchanged"


def _load(env: Env) -> str:
    if not env.settings.is_whole_system:
        return "skipped: this node lives in a folder"
    if _openvswitch(env):
        return "skipped: Open vSwitch filters by itself"
    sysctl.load_module(env.runner, MODULE)
    sysctl.load_file(env.runner, env.settings.below(SYSCTL_FILE))
    return "done"


def _define_filter(env: Env) -> str:
    if not env.settings.is_whole_system:
        return "skipped: this node lives in a folder"
    xml = json_file.read_bytes(env.settings.below(FILTER_FILE))
    if xml is None:
        return f"skipped: there is no /{FILTER_FILE}"
    return "done" if nwfilters.ensure(env.libvirt, FILTER_NAME, xml.decode("utf-8", "replace")) else "unchanged"


def _enable(env: Env, timer: str) -> str:
    if not env.settings.is_whole_system:
        return "skipped: this node lives in a folder"
    if not systemctl.has_unit(env.runner, timer):
        return f"skipped: there is no unit {timer} on this node"
    systemctl.enable_now(env.runner, timer)
    return "done"


def _openvswitch(env: Env) -> bool:
    return env.settings.is_whole_system and systemctl.is_active(env.runner, "openvswitch")


def _write(env: Env, place: str, text: str) -> bool:
    path = env.settings.below(place)
    if json_file.read_bytes(path) == text.encode():
        return False
    json_file.write_bytes(path, text.encode(), mode=0o644)
    return True
