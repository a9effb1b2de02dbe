"""Is the local volume mounted, and what is it made of?"""

from typing import Any

from ablestack_api.core.errors import ApiError, NotSetUp
from ablestack_api.env import Env
from ablestack_api.hosts.block_devices import BlockDevices
from ablestack_api.hosts.device_uses import volume_group
from ablestack_api.hosts.local_storage import volume
from ablestack_api.hosts.local_storage.volume import DEVICE, LV, MOUNT_POINT, VG
from ablestack_api.tools import lvm
from ablestack_api.tools.lsblk import human_size

NOTHING = "N/A"
GOOD, BAD = "Health OK", "Health Err"
FIELDS = ("mount_path", "pv", "vg", "size")


def read(env: Env, action: str) -> dict[str, Any]:
    """Raises NotSetUp when nothing is mounted, as 500 as in 0.1.2: `val` has every field then too."""
    told = env.clock.now().isoformat(timespec="seconds")
    if not volume.mounted_device(env):
        val = {"status": BAD, **dict.fromkeys(FIELDS, NOTHING)}
        raise NotSetUp(BAD, val=val, action=action, refresh_time=told)
    return {"code": 200, "val": _facts(env), "message": "ok", "action": action, "refresh_time": told}


def _facts(env: Env) -> dict[str, str]:
    """What cannot be told is N/A: the volume is mounted all the same."""
    facts = {"status": GOOD, "mount_path": MOUNT_POINT, "pv": NOTHING, "vg": DEVICE, "size": NOTHING}
    try:
        volumes = [each for each in BlockDevices.read(env).all() if each.type == "lvm" and volume_group(each) == VG]
        facts["vg"] = "\n".join(each.path for each in volumes) or DEVICE
        facts["size"] = next((human_size(each.size) for each in volumes if each.name == f"{VG}-{LV}"), NOTHING)
        facts["pv"] = "\n".join(pv.name for pv in lvm.pvs(env.runner) if pv.vg == VG) or NOTHING
    except ApiError:
        return facts
    return facts
