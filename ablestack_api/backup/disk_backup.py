"""A backup of the Cloud Center VM's disk through libvirt, on the node where it runs (contract 04 §4.5).

It counts only when libvirt's job ended well, the file is on the disk, qemu-img finds nothing wrong with it and it has the
size of the disk; then it gets its name. Only after that older ones are deleted.
"""

import contextlib
import os
import shutil
from typing import Any

from ablestack_api.backup import disk_files, unfinished
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, Conflict, DiskFull, LibvirtFailed, LibvirtTimedOut
from ablestack_api.env import Env
from ablestack_api.hypervisor import backup_job, domains
from ablestack_api.hypervisor.backup_job import Job
from ablestack_api.jobs.progress import Progress
from ablestack_api.machines.frozen import frozen
from ablestack_api.state import json_file
from ablestack_api.tools import qemu_img, sync

DOMAIN, DISK = "ccvm", "vda"
POLL_SECONDS = 1.0
ABORT_SECONDS, ABORT_POLL_SECONDS = 30.0, 0.2
COPY_SECONDS = 4 * 3600.0
SPARE_BYTES = 256 * 1024 * 1024


def make(env: Env, folder: str, progress: Progress) -> dict[str, Any]:
    """The `val` of the answer. Raises Conflict (not running here, busy), DiskFull, LibvirtFailed …; no file stays then."""
    source = _source(env)
    with json_file.told(folder):
        os.makedirs(folder, mode=0o755, exist_ok=True)
    with json_file.locked(os.path.join(folder, ".ccvm_backup")):
        disk_files.remove_leftovers(folder)
        size = _check(env, source, folder)
        path = unfinished.free_path(env, folder, disk_files.name_at)
        with unfinished.named_when_proven(path) as temporary:
            consistency = _copy(env, temporary, progress)
            with progress.step("verify", "sync, qemu-img check, size, checksum"):
                _prove(env, temporary, path, size, consistency)
            with json_file.told(path):
                os.rename(temporary, path)
                json_file.sync_folder(path)
        with progress.step("retention", f"keep the newest {disk_files.KEPT}"):
            deleted = disk_files.prune(folder)
    return {
        "target_file": path,
        "deleted_backups": deleted,
        "retention_count": disk_files.KEPT,
        "manifest": disk_files.manifest_path(path),
        "consistency": consistency,
    }


def _source(env: Env) -> str:
    domain = domains.read(env.libvirt, DOMAIN)
    if domain is None or domain.state != domains.RUNNING:
        state = "not defined" if domain is None else domain.state
        raise Conflict(f"{DOMAIN} is {state} on this node: a backup is made of a running VM; nothing was done")
    disk = next((disk for disk in domain.disks if disk.target == DISK), None)
    if disk is None or not disk.source:
        raise Conflict(f"{DOMAIN} has no disk {DISK}; nothing was done")
    return disk.source


def _check(env: Env, source: str, folder: str) -> int:
    """Nothing else runs, and there is room; returns the size of the disk as the guest sees it, 0 when unknown."""
    running = backup_job.read(env.libvirt, DOMAIN)
    if running.active:
        raise Conflict(f"libvirt is busy with {DOMAIN} ({running.operation or running.kind}); nothing was done")
    if not os.path.isfile(source):
        return 0
    image = qemu_img.info(env.runner, source)
    with json_file.told(folder):
        free = shutil.disk_usage(folder).free
    needed = image.actual_size + SPARE_BYTES
    if free < needed:
        raise DiskFull(
            f"{folder} has {free >> 20} MiB free, a backup needs up to {needed >> 20} MiB; nothing was written. "
            "Free some space or give another folder",
            path=folder,
        )
    return image.virtual_size


def _copy(env: Env, temporary: str, progress: Progress) -> str:
    """Begin libvirt's job while the guest stands still, then watch it to its end. Returns the sort of consistency."""
    with progress.step("begin", f"backup of {DOMAIN}/{DISK}"), frozen(env, DOMAIN) as still:
        backup_job.begin(env.libvirt, DOMAIN, DISK, temporary)
    try:
        with progress.step("copy", temporary):
            _watch(env, progress)
    except BaseException:
        with contextlib.suppress(ApiError):
            _abort(env)
        raise
    return "file systems" if still else "crash"


def _watch(env: Env, progress: Progress) -> None:
    limit = Deadline(env.clock, COPY_SECONDS)
    while (job := backup_job.read(env.libvirt, DOMAIN)).active:
        progress.check_cancelled()
        progress.percent(job.percent)
        if limit.remaining() <= 0:
            raise LibvirtTimedOut(f"the backup of {DOMAIN} did not end within {COPY_SECONDS:g} s and was ended")
        env.clock.sleep(POLL_SECONDS)
    _require_success(backup_job.read_completed(env.libvirt, DOMAIN))


def _abort(env: Env) -> None:
    """Returns when libvirt has let go of the file: it ends a job in its own time."""
    backup_job.abort(env.libvirt, DOMAIN)
    limit = Deadline(env.clock, ABORT_SECONDS)
    while backup_job.read(env.libvirt, DOMAIN).active and limit.remaining() > 0:
        env.clock.sleep(ABORT_POLL_SECONDS)


def _require_success(job: Job) -> None:
    if job.kind != backup_job.COMPLETED or not job.success:
        raise LibvirtFailed(f"libvirt's backup job of {DOMAIN} ended as {job.kind}{f': {job.error}' if job.error else ''}")


def _prove(env: Env, temporary: str, path: str, size: int, consistency: str) -> None:
    sync.file(env.runner, temporary)
    qemu_img.check(env.runner, temporary)
    image = qemu_img.info(env.runner, temporary)
    if size and image.virtual_size != size:
        raise Conflict(f"the backup is of {image.virtual_size} bytes, the disk of {size}: it was removed")
    manifest = {
        "file": os.path.basename(path),
        "domain": DOMAIN,
        "disk": DISK,
        "created": env.clock.now().isoformat(timespec="seconds"),
        "size_bytes": os.stat(temporary).st_size,
        "virtual_size_bytes": image.virtual_size,
        "sha256": unfinished.digest(temporary),
        "consistency": consistency,
    }
    json_file.write_json(disk_files.manifest_path(path), manifest)
