"""The lab's guest: a virtual machine under QEMU's own processor (no KVM needed), with a cloud-init drive.

Devices are where the product's domain XML puts them: the drive on SATA, network cards in the PCI slots of their names.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.command import ENVIRONMENT, Output, run
from tests.lab.errors import LabError
from tests.lab.guest_image import GuestImage
from tests.lab.rootfs import DIES_WITH_US

PROGRAMS = ("qemu-system-x86_64", "qemu-img", "mkfs.ext4", "ssh", "openssl")
REPORT_SECONDS = 600.0  # 157 beside other test runs
SSH_SECONDS = 180.0
OFF_SECONDS = 180.0
TOLD_EVERY = 15.0
POLL = 0.5
TAIL_CHARACTERS = 3000
# Each brings the network up as cloud-init wrote it for it: (name of cloud-init's renderer, unit).
NETWORKD = ("networkd", "systemd-networkd.service")
NETWORK_MANAGER = ("network-manager", "NetworkManager.service")
Manager = tuple[str, str]


@dataclass(frozen=True)
class Wire:
    """What the first card is connected to: QEMU's own small network, closed but for one port to the guest's sshd."""

    network: str
    host: str
    dns: str
    ssh_from: str  # ADDRESS:PORT here
    ssh_to: str  # the guest's address

    def backend(self, name: str) -> str:
        """The value of -netdev."""
        own = f"net={self.network},host={self.host},dns={self.dns},ipv6=off,restrict=on"
        return f"user,id={name},{own},hostfwd=tcp:{self.ssh_from}-{self.ssh_to}:22"


@dataclass
class Guest:
    """A machine that is switched on; `disk` is what it wrote over the image."""

    folder: Path
    wire: Wire
    process: "subprocess.Popen[bytes]"
    say: Callable[[str], None]

    @property
    def disk(self) -> Path:
        return self.folder / "disk.qcow2"

    def console(self) -> str:
        path = self.folder / "console.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def report(self, seconds: float = REPORT_SECONDS) -> dict[str, Any]:
        """What the guest tells when cloud-init has ended. Raises LabError with the end of its console."""
        path, started, told = self.folder / "report", time.monotonic(), 0.0
        while not (text := path.read_text(encoding="utf-8")).endswith("\n"):
            past = time.monotonic() - started
            if self.process.poll() is not None or past > seconds:
                raise LabError(f"no report of the guest after {past:.0f} s:\n{self.console()[-TAIL_CHARACTERS:]}")
            if past >= told + TOLD_EVERY:
                told = past
                self.say(f"guest, {past:.0f} s: {self._last_line()}")
            time.sleep(POLL)
        self.say(f"guest: cloud-init has ended after {time.monotonic() - started:.0f} s")
        loaded: dict[str, Any] = json.loads(text)
        return loaded

    def ssh(self, key: Path, command: str, *, ok: Sequence[int] | None = (0,), user: str = "root") -> Output:
        """Run a command as somebody who has this private key and nothing else."""
        address, port = self.wire.ssh_from.split(":")
        known = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        only = ["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", str(key), "-p", port]
        return run(["ssh", *known, *only, f"{user}@{address}", command], ok=ok, timeout=SSH_SECONDS)

    def wait_off(self) -> None:
        """Until the guest has switched itself off, its disk written."""
        try:
            self.process.wait(OFF_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"the guest did not switch off:\n{self.console()[-TAIL_CHARACTERS:]}") from error

    def _last_line(self) -> str:
        lines = [line.strip() for line in self.console()[-TAIL_CHARACTERS:].splitlines() if line.strip()]
        return lines[-1][:100] if lines else "nothing on the console yet"


@contextmanager
def running(
    image: GuestImage,
    drive: Path,
    cards: Sequence[str],
    wire: Wire,
    *,
    folder: Path,
    say: Callable[[str], None],
    manager: Manager = NETWORKD,
) -> Iterator[Guest]:
    """A guest with `cards` (names it gives them itself, as enp0s20; the first on `wire`) until the block ends."""
    folder.mkdir()
    (folder / "report").touch()
    overlay = folder / "disk.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image.disk), str(overlay)])
    argv = [*_machine(image, manager), *_devices(folder, overlay, drive), *_network(cards, wire)]
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(
            [*DIES_WITH_US, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT, start_new_session=True
        )
    try:
        yield Guest(folder, wire, process, say)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        overlay.unlink()


def _machine(image: GuestImage, manager: Manager) -> list[str]:
    renderer, unit = manager
    choice = json.dumps({"system_info": {"network": {"renderers": [renderer]}}})
    command_line = (
        f"root=/dev/vda rw console=ttyS0 panic=1 quiet systemd.show_status=1 systemd.wants={unit} cc: {choice} end_cc"
    )
    return [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "512"),
        *("-display", "none", "-no-reboot", "-nodefaults"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", command_line),
    ]


def _devices(folder: Path, overlay: Path, drive: Path) -> list[str]:
    return [
        *("-serial", f"file:{folder / 'console.log'}"),
        *("-drive", f"if=none,id=disk,file={overlay},format=qcow2,cache=unsafe", "-device", "virtio-blk-pci,drive=disk"),
        *("-drive", f"if=none,id=drive,file={drive},format=raw,media=cdrom,readonly=on"),
        *("-device", "ide-cd,drive=drive,bus=ide.0"),
        *("-chardev", f"file,id=report,path={folder / 'report'}", "-device", "virtio-serial-pci"),
        *("-device", "virtserialport,chardev=report,name=org.ablestack.lab", "-device", "virtio-rng-pci"),
    ]


def _network(cards: Sequence[str], wire: Wire) -> list[str]:
    """Cards after the first are each alone on a hub: connected, and to nobody."""
    options = []
    for number, card in enumerate(cards):
        backend = f"hubport,id=net{number},hubid={number}" if number else wire.backend("net0")
        slot = int(card.removeprefix("enp0s"))
        options += ["-netdev", backend, "-device", f"virtio-net-pci,netdev=net{number},bus=pcie.0,addr={slot:#x}"]
    return options
