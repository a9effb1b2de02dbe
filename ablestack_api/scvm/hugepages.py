"""Memory that the host keeps for the Storage Center VM: huge pages, and the right to lock them (contract 03 §5.4, D16).

Two drop-in files of our own; nobody else's line is touched. Bridge filtering has files of its own (cluster/apply).
"""

import os
import re

from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.jobs.plan import Step
from ablestack_api.machines.node_facts import Check
from ablestack_api.state import json_file
from ablestack_api.tools import sysctl

LIMITS_FILE = "etc/security/limits.d/90-ablestack-scvm.conf"
SYSCTL_FILE = "etc/sysctl.d/90-ablestack-scvm.conf"
PAGE_SIZE = re.compile(r"^Hugepagesize:\s+(\d+) kB$", re.MULTILINE)
USUAL_PAGE_KIB = 2048
KVM_GROUP = re.compile(r"^kvm:[^:]*:(\d+):", re.MULTILINE)
USUAL_KVM_GROUP = "36"
FILE_MODE = 0o644


def limits_text(memory_gib: int) -> str:
    """memlock is in KiB (limits.conf(5)); `*` does not mean root."""
    kib = memory_gib * 1024 * 1024
    lines = [f"{domain} {kind} memlock {kib}\n" for domain in ("*", "root") for kind in ("soft", "hard")]
    return "# Memory of the Storage Center VM; written by ablestack-api.\n" + "".join(lines)


def sysctl_text(pages: int, group: str) -> str:
    """The dash: a kernel that does not know the setting is fine (sysctl.conf(5))."""
    return (
        "# Memory of the Storage Center VM; written by ablestack-api.\n"
        "-kernel.io_uring_disabled = 0\n"
        f"vm.nr_hugepages = {pages}\n"
        f"vm.hugetlb_shm_group = {group}\n"
    )


def pages(settings: Settings, memory_gib: int) -> int:
    """How many pages of the kernel's size make up the memory."""
    found = PAGE_SIZE.search(_text(settings, "proc/meminfo"))
    size = int(found.group(1)) if found else USUAL_PAGE_KIB
    return -(-memory_gib * 1024 * 1024 // size)


def steps(env: Env, memory_gib: int) -> list[Step]:
    """Write both files and let the kernel reserve the pages; each is undone to what was there before."""
    settings = env.settings
    found = KVM_GROUP.search(_text(settings, "etc/group"))
    text = sysctl_text(pages(settings, memory_gib), found.group(1) if found else USUAL_KVM_GROUP)
    return [
        _file_step(settings, "limits", LIMITS_FILE, limits_text(memory_gib)),
        _file_step(settings, "sysctl", SYSCTL_FILE, text),
        _kernel_step(env),
    ]


def check_reserved(settings: Settings, memory_gib: int) -> Check:
    """The kernel reserves what it finds in one piece, and says nothing when that is less."""
    if not settings.is_whole_system:
        return Check("huge pages", "skipped", "this node lives in a folder")
    wanted, got = pages(settings, memory_gib), _reserved(settings)
    if got is not None and got < wanted:
        told = f"the kernel reserved {got} of {wanted} huge pages: the memory is in pieces; restart this host before the VM"
        return Check("huge pages", "warning", told)
    return Check("huge pages")


def _file_step(settings: Settings, name: str, place: str, text: str) -> Step:
    path = settings.below(place)
    before = json_file.read_bytes(path)

    def write() -> str:
        if before == text.encode():
            return "unchanged"
        json_file.write_bytes(path, text.encode(), mode=FILE_MODE)
        return "done"

    def put_back() -> None:
        if before is None:
            json_file.remove(path)
        else:
            json_file.write_bytes(path, before, mode=FILE_MODE)

    return Step(name, f"write {path}", write, undo=put_back)


def _kernel_step(env: Env) -> Step:
    settings = env.settings
    path = settings.below(SYSCTL_FILE)
    if not settings.is_whole_system:
        return Step("kernel", "skipped: this node lives in a folder", lambda: "skipped: this node lives in a folder")
    before = _reserved(settings)

    def load() -> str:
        sysctl.load_file(env.runner, path)
        return "done"

    def put_back() -> None:
        if before is not None:
            sysctl.set_value(env.runner, "vm.nr_hugepages", str(before))

    commands: list[list[str]] = [["sysctl", "-q", "-p", path]]
    return Step("kernel", "let the kernel reserve the pages", load, undo=put_back, undo_if_failed=True, commands=commands)


def _reserved(settings: Settings) -> int | None:
    text = _text(settings, "proc/sys/vm/nr_hugepages").strip()
    return int(text) if text.isdigit() else None


def _text(settings: Settings, place: str) -> str:
    path = settings.below(place)
    return (json_file.read_bytes(path) or b"").decode("utf-8", "replace") if os.path.exists(path) else ""
