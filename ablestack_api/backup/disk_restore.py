"""Giving the Cloud Center VM the disk of a backup (contract 04 §5).

The backup is proven first and copied beside the disk; only then the VM is stopped, the two files change names, and the VM
is started. The old disk is kept until it runs; when it does not come up, it is put back and started again.
"""

import os
import shutil
from dataclasses import dataclass
from typing import Any

from ablestack_api.backup import disk_files
from ablestack_api.backup.disk_files import BackupFile
from ablestack_api.core.errors import Conflict, DiskFull
from ablestack_api.env import Env
from ablestack_api.hypervisor import backup_job, domains
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.machines import cloud_resource
from ablestack_api.state import json_file
from ablestack_api.tools import cp, qemu_img

DOMAIN = "ccvm"
SHUT_DOWN_SECONDS = 120.0
STANDALONE_DISK, SHARED_DISK = "mnt/glue/ccvm.qcow2", "mnt/glue-gfs/ccvm.qcow2"
SPARE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Restore:
    """`standalone`: libvirt of this node starts and stops the VM, else Pacemaker does."""

    backup: BackupFile
    disk: str
    standalone: bool

    @property
    def fresh(self) -> str:
        return f"{self.disk}.restored"

    @property
    def old(self) -> str:
        return f"{self.disk}.before-restore"


def disk_path(env: Env, *, standalone: bool) -> str:
    return env.settings.below(STANDALONE_DISK if standalone else SHARED_DISK)


def run(env: Env, restore: Restore, progress: Progress) -> dict[str, Any]:
    """The `val` of the answer. Raises Conflict, DiskFull before anything is changed; after a failure the VM has its old
    disk, and runs if it can."""
    plan.run(plan_of(env, restore), progress)
    return {"disk_path": restore.disk, "source": restore.backup.path}


def plan_of(env: Env, restore: Restore) -> Plan:
    check(env, restore)
    return Plan(
        f"the disk of {DOMAIN} from {restore.backup.name}",
        [
            Step(
                "copy",
                f"copy {restore.backup.path} to {restore.fresh}, and compare",
                lambda: _copy(env, restore),
                lambda: json_file.remove(restore.fresh),
                undo_if_failed=True,
            ),
            Step("stop", f"stop {DOMAIN}", lambda: _stop(env, restore), lambda: _start(env, restore), undo_if_failed=True),
            Step(
                "swap",
                f"the old disk is kept as {restore.old}",
                lambda: _swap(restore),
                lambda: _swap_back(restore),
                undo_if_failed=True,
            ),
            Step(
                "start",
                f"start {DOMAIN}, and see it run",
                lambda: _start(env, restore),
                lambda: _stop(env, restore),
                undo_if_failed=True,
            ),
            Step("clean", "remove the old disk", lambda: json_file.remove(restore.old)),
        ],
    )


def check(env: Env, restore: Restore) -> None:
    """All that can be known before."""
    if os.path.exists(restore.old):
        raise Conflict(
            f"{restore.old} is there: an earlier restore did not end. See which of the two disks is the right one, "
            "and remove or rename the other. Nothing was changed",
            path=restore.old,
        )
    disk_files.require_unchanged(restore.backup)
    qemu_img.check(env.runner, restore.backup.path)
    image = qemu_img.info(env.runner, restore.backup.path)
    if image.format != "qcow2" or image.backing:
        raise Conflict(f"{restore.backup.path} is no complete qcow2 image; nothing was changed", path=restore.backup.path)
    _refuse_other_vm(env, restore, image.virtual_size)
    with json_file.told(os.path.dirname(restore.disk)):
        free = shutil.disk_usage(os.path.dirname(restore.disk)).free
    needed = image.actual_size + SPARE_BYTES
    if free < needed:
        raise DiskFull(
            f"{os.path.dirname(restore.disk)} has {free >> 20} MiB free, the restored disk needs {needed >> 20} MiB beside "
            "the old one; nothing was changed",
            path=restore.disk,
        )


def _refuse_other_vm(env: Env, restore: Restore, size: int) -> None:
    manifest = restore.backup.manifest
    if manifest is not None and manifest.get("domain") != DOMAIN:
        raise Conflict(
            f"{restore.backup.path} is a backup of {manifest.get('domain')}, not of {DOMAIN}; nothing was changed"
        )
    if os.path.exists(restore.disk):
        present = qemu_img.info(env.runner, restore.disk)
        if size > present.virtual_size:
            raise Conflict(
                f"{restore.backup.path} is of a larger disk ({size >> 20} MiB) than {restore.disk} "
                f"({present.virtual_size >> 20} MiB): it is not of this VM. Nothing was changed"
            )
    job = backup_job.read(env.libvirt, DOMAIN) if domains.read_state(env.libvirt, DOMAIN) == domains.RUNNING else None
    if job is not None and job.active:
        raise Conflict(f"libvirt is busy with {DOMAIN} ({job.operation or job.kind}); nothing was changed")


def _copy(env: Env, restore: Restore) -> None:
    cp.copy_file(env.runner, restore.backup.path, restore.fresh)
    if os.path.exists(restore.disk):
        like = os.stat(restore.disk)
        os.chown(restore.fresh, like.st_uid, like.st_gid)
        os.chmod(restore.fresh, like.st_mode & 0o7777)
    if not qemu_img.compare(env.runner, restore.backup.path, restore.fresh):
        raise Conflict(f"{restore.fresh} does not hold what {restore.backup.path} holds: check the disk of {restore.fresh}")


def _stop(env: Env, restore: Restore) -> None:
    if not restore.standalone:
        cloud_resource.disable(env)
        return
    if domains.read_state(env.libvirt, DOMAIN) in (None, *domains.IDLE_STATES):
        return
    domains.shut_down(env.libvirt, DOMAIN)
    domains.wait_for(env.libvirt, env.clock, DOMAIN, (*domains.IDLE_STATES, None), SHUT_DOWN_SECONDS)


def _start(env: Env, restore: Restore) -> None:
    if restore.standalone:
        domains.start(env.libvirt, DOMAIN)
        domains.wait_for(env.libvirt, env.clock, DOMAIN, (domains.RUNNING,), domains.START_SECONDS)
    else:
        cloud_resource.enable(env)


def _swap(restore: Restore) -> None:
    with json_file.told(restore.disk):
        if os.path.exists(restore.disk):
            os.rename(restore.disk, restore.old)
        os.rename(restore.fresh, restore.disk)
        json_file.sync_folder(restore.disk)


def _swap_back(restore: Restore) -> None:
    """Whichever of the two renames was done."""
    with json_file.told(restore.disk):
        if os.path.exists(restore.old):
            if os.path.exists(restore.disk):
                os.rename(restore.disk, restore.fresh)
            os.rename(restore.old, restore.disk)
        json_file.sync_folder(restore.disk)
