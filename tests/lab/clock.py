"""Moves the clock of one unit of one node: a machine has one real clock, so libfaketime answers in its place."""

import hashlib
import shutil
from datetime import timedelta
from pathlib import Path

from tests.lab import cache, mounts, paths, rootfs
from tests.lab.machine import Machine

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
SLEEP = "/usr/local/lib/lab-monotonic-sleep.so"
KEPT_LIBRARIES = 3
SLEEP_SOURCE = Path(__file__).with_name("monotonic_sleep.c")
DROP_IN = "lab-clock.conf"
# Only what asks for the date is shifted: time that passes, and the dates of files, stay real.
TEXT = """\
[Service]
Environment=LD_PRELOAD={libraries}
Environment=FAKETIME={seconds:+d}
Environment=FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1
"""


def move(machine: Machine, unit: str, offset: timedelta) -> None:
    """Restart a service (`cron`, `atd`, `ablestack-api` …) with a clock that is `offset` away from the real one."""
    shutil.copy2(_sleep_library(), machine.root / SLEEP.lstrip("/"))
    drop_in = _folder(machine, unit) / DROP_IN
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    seconds = round(offset.total_seconds())
    drop_in.write_text(TEXT.format(libraries=f"{SLEEP}:{FAKETIME}", seconds=seconds), encoding="ascii")
    _restart(machine, unit)


def restore(machine: Machine, unit: str) -> None:
    """Restart a service with the real clock; nothing happens when it has it."""
    if (_folder(machine, unit) / DROP_IN).exists():
        (_folder(machine, unit) / DROP_IN).unlink()
        _restart(machine, unit)


def restore_all(machine: Machine) -> None:
    """Give every service of a node the real clock back."""
    for drop_in in (machine.root / "etc/systemd/system").glob(f"*.service.d/{DROP_IN}"):
        restore(machine, drop_in.parent.name.removesuffix(".service.d"))


def _sleep_library() -> Path:
    """The library made of SLEEP_SOURCE, compiled first when the cache has none."""
    wanted = hashlib.sha256(SLEEP_SOURCE.read_bytes() + rootfs.key().encode()).hexdigest()[:12]
    finished = paths.cache() / f"preload-{wanted}"
    layers = (rootfs.provide_builder(print), rootfs.provide(print))
    with cache.building(finished) as partial:
        if partial is not None:
            with mounts.scratch(layers) as root:
                shutil.copy2(SLEEP_SOURCE, root / "mnt/sleep.c")
                rootfs.inside(root, ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-o", "/mnt/sleep.so", "/mnt/sleep.c"])
                shutil.copy2(root / "mnt/sleep.so", partial / "sleep.so")
            cache.keep_newest("preload-*", KEPT_LIBRARIES)
    return finished / "sleep.so"


def _folder(machine: Machine, unit: str) -> Path:
    return machine.root / f"etc/systemd/system/{unit}.service.d"


def _restart(machine: Machine, unit: str) -> None:
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "restart", f"{unit}.service"])
