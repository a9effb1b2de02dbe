"""Having the kernel look for new SCSI devices (/sys/class/scsi_host/*/scan)."""

import os
from concurrent.futures import ThreadPoolExecutor

from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.tools import tee

SCSI_HOSTS = "sys/class/scsi_host"
# All channels, targets and LUNs.
EVERYTHING = "- - -\n"
AT_ONCE = 16


def adapters(env: Env) -> list[str]:
    """`host0`, `host1` …; none on a node that has no SCSI adapter (NVMe or virtio only)."""
    try:
        names = os.listdir(env.settings.below(SCSI_HOSTS))
    except OSError:
        return []
    return sorted(names, key=lambda name: (len(name), name))


def rescan(env: Env) -> list[str]:
    """Rescan every adapter, side by side; returns their names. Without adapters there is nothing to do: no error.

    The kernel answers a write only after the scan, and an adapter that hangs never does: each is written by a program with
    a deadline. All are tried; raises the first error, naming every adapter that failed.
    """
    names = adapters(env)
    if not names:
        return []
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(names)), thread_name_prefix="scan") as pool:
        errors = list(pool.map(lambda name: _scan(env, name), names))
    failed = {name: error for name, error in zip(names, errors, strict=True) if error is not None}
    if failed:
        first = next(iter(failed.values()))
        first.detail = "; ".join(f"{name}: {error.detail}" for name, error in failed.items())
        raise first
    return names


def _scan(env: Env, name: str) -> ApiError | None:
    try:
        tee.write(env.runner, env.settings.below(f"{SCSI_HOSTS}/{name}/scan"), EVERYTHING)
    except ApiError as error:
        return error
    return None
