"""The QEMU guest agent: what it is asked, and what its answers mean (QEMU Guest Agent Protocol Reference)."""

import base64
import binascii
import contextlib
import json
from dataclasses import dataclass
from typing import Any

from ablestack_api.core.clock import Clock, Deadline
from ablestack_api.core.errors import LibvirtFailed, LibvirtTimedOut
from ablestack_api.hypervisor.connection import Libvirt

SECONDS = 3.0
CLOSE_SECONDS = 1.0
POLL_SECONDS = 1.0
MAX_FILE = 65536
ANSWER_BYTES = 4096


@dataclass(frozen=True)
class Executed:
    """How a program in the guest ended; its output is cut to what the agent keeps (16 MiB)."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class GuestNic:
    """A network card as the guest sees it; `addresses` are IPv4 as `address/prefix`."""

    name: str
    mac: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class FileSystem:
    name: str
    mountpoint: str
    total_bytes: int
    used_bytes: int


def ask(hypervisor: Libvirt, domain: str, command: str, arguments: dict[str, Any] | None = None, *, seconds: float) -> Any:
    """The `return` of one command. Raises LibvirtFailed, LibvirtTimedOut."""
    message = {"execute": command} | ({"arguments": arguments} if arguments else {})
    text = hypervisor.ask_agent(domain, json.dumps(message), timeout=seconds)
    try:
        answer = json.loads(text)
        return answer["return"]
    except (ValueError, KeyError, TypeError) as error:
        raise LibvirtFailed(
            f"the guest agent of {domain} answered {command} with what is no answer: {text[:200]}"
        ) from error


def ping(hypervisor: Libvirt, domain: str, *, seconds: float = SECONDS) -> None:
    ask(hypervisor, domain, "guest-ping", seconds=seconds)


def execute(hypervisor: Libvirt, clock: Clock, domain: str, argv: list[str], *, seconds: float) -> Executed:
    """Run a program in the guest and wait for its end. Raises LibvirtTimedOut: the program then still runs there."""
    limit = Deadline(clock, seconds)
    started = {"path": argv[0], "arg": argv[1:], "capture-output": True}
    pid = ask(hypervisor, domain, "guest-exec", started, seconds=SECONDS)["pid"]
    while True:
        status = ask(hypervisor, domain, "guest-exec-status", {"pid": pid}, seconds=SECONDS)
        if status.get("exited"):
            code = int(status.get("exitcode", -int(status.get("signal", 1))))
            return Executed(code, _text(status.get("out-data")), _text(status.get("err-data")))
        if limit.remaining() <= 0:
            raise LibvirtTimedOut(f"{argv[0]} in {domain} did not end within {seconds:g} s; it still runs there (pid {pid})")
        clock.sleep(POLL_SECONDS)


def read_file(hypervisor: Libvirt, clock: Clock, domain: str, path: str, *, seconds: float = SECONDS) -> str:
    """A small file of the guest, at most 64 KiB; every byte of every piece is kept."""
    limit = Deadline(clock, seconds)
    handle = ask(hypervisor, domain, "guest-file-open", {"path": path, "mode": "r"}, seconds=seconds)
    content = b""
    try:
        while len(content) < MAX_FILE:
            arguments = {"handle": handle, "count": ANSWER_BYTES}
            piece = ask(hypervisor, domain, "guest-file-read", arguments, seconds=_left(limit, domain, path))
            content += base64.b64decode(piece.get("buf-b64", ""))
            if piece.get("eof") or not piece.get("count"):
                break
    finally:
        with contextlib.suppress(LibvirtFailed, LibvirtTimedOut):  # what went wrong before counts
            ask(hypervisor, domain, "guest-file-close", {"handle": handle}, seconds=CLOSE_SECONDS)
    return content[:MAX_FILE].decode("utf-8", "replace")


def read_nics(hypervisor: Libvirt, domain: str, *, seconds: float = SECONDS) -> list[GuestNic]:
    return nics_of(ask(hypervisor, domain, "guest-network-get-interfaces", seconds=seconds))


def read_file_systems(hypervisor: Libvirt, domain: str, *, seconds: float = SECONDS) -> list[FileSystem]:
    return file_systems_of(ask(hypervisor, domain, "guest-get-fsinfo", seconds=seconds))


def nics_of(answer: Any) -> list[GuestNic]:
    """The cards of a `guest-network-get-interfaces` answer, those without a hardware address left out."""
    return [
        GuestNic(
            name=str(entry.get("name", "")),
            mac=str(entry["hardware-address"]).lower(),
            addresses=tuple(
                f"{address['ip-address']}/{address['prefix']}"
                for address in entry.get("ip-addresses", ())
                if address.get("ip-address-type") == "ipv4"
            ),
        )
        for entry in answer
        if entry.get("hardware-address")
    ]


def file_systems_of(answer: Any) -> list[FileSystem]:
    """The file systems of a `guest-get-fsinfo` answer that tell their size (older agents tell none)."""
    return [
        FileSystem(str(entry.get("name", "")), str(entry["mountpoint"]), int(entry["total-bytes"]), int(entry["used-bytes"]))
        for entry in answer
        if "total-bytes" in entry and "used-bytes" in entry and "mountpoint" in entry
    ]


def _left(limit: Deadline, domain: str, path: str) -> float:
    left = limit.remaining()
    if left <= 0:
        raise LibvirtTimedOut(f"the guest agent of {domain} did not give {path} in time")
    return left


def _text(encoded: str | None) -> str:
    try:
        return base64.b64decode(encoded or "").decode("utf-8", "replace")
    except binascii.Error:
        return ""
