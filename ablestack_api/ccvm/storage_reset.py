"""The storage that is reset with the Cloud Center VM: done by the endpoints that own it, asked before anything is begun."""

from functools import partial
from typing import Any

from ablestack_api.ccvm import profile_flags
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import Conflict
from ablestack_api.env import Env
from ablestack_api.jobs.plan import Step
from ablestack_api.orchestrator import hand_on
from ablestack_api.state.cluster_document import ClusterConfig
from ablestack_api.tools import lsblk, lvm

GFS_PATH, LOCAL_PATH = "/cube/gfs/manage", "/cube/local/manage"
GFS_MARK = "vg_glue"
SECONDS, PLAN_SECONDS = 900.0, 60.0


def local_disk(env: Env, config: ClusterConfig, *, force: bool) -> Step:
    return _step(env, config, "local-disk", "reset the local disk", LOCAL_PATH, {"action": "reset", "force": force})


def gfs(env: Env, config: ClusterConfig, disk: str, *, force: bool) -> Step:
    """Remove the shared volumes and set Pacemaker up anew. Raises what the plan of that raises."""
    body: dict[str, Any] = {"action": "init-pcs-cluster", "force": force}
    volumes = [volume for volume in lvm.pvs(env.runner) if GFS_MARK in volume.vg]
    groups = sorted({volume.vg for volume in volumes})
    if groups:
        given = [part.strip() for part in disk.split(",") if part.strip()]
        body["disks"] = given or base_disks(env, [volume.name for volume in volumes])
        body["volume_groups"] = [{"vg_name": name, "lv_name": name.replace("vg", "lv", 1)} for name in groups]
    return _step(env, config, "gfs", "remove the shared volumes, set Pacemaker up anew", GFS_PATH, body)


def base_disks(env: Env, volumes: list[str]) -> list[str]:
    """The disks (or multipath maps) below some physical volumes, as the kernel tells it: never by cutting digits off a
    name."""
    every = [device for root in lsblk.read(env.runner) for device in root.family()]
    found: list[str] = []
    for name in volumes:
        device = next((each for each in every if name in (each.path, each.node)), None)
        below = [device, *device.foundations()] if device is not None else []
        base = next((each for each in below if not each.is_partition and each.type in ("disk", "mpath", "loop")), None)
        if base is None:
            raise Conflict(f"gfs disk not found: lsblk knows no disk below the physical volume {name}; name it as disk")
        found.append(base.path)
    return list(dict.fromkeys(found))


def _step(env: Env, config: ClusterConfig, name: str, text: str, path: str, body: dict[str, Any]) -> Step:
    own = profile_flags.own_host(env, config)
    hand_on.call(env, own, f"{path}?plan=true", body, Deadline(env.clock, PLAN_SECONDS), "")
    return Step(name, text, partial(_reset, env, config, path, body), no_return=True)


def _reset(env: Env, config: ClusterConfig, path: str, body: dict[str, Any]) -> Any:
    own = profile_flags.own_host(env, config)
    return hand_on.call(env, own, path, body, Deadline(env.clock, SECONDS), "").get("message", "ok")
