"""What is known of this node's storage, and no longer true after something has written to it."""

from ablestack_api.env import Env
from ablestack_api.hosts import disks, gfs_disk_status
from ablestack_api.tools import crm_mon

READINGS = (disks.READING, disks.MULTIPATH_READING, gfs_disk_status.READING, crm_mon.READING)


def forget(env: Env) -> None:
    """Also after a write that failed: nobody knows how far it came."""
    env.readings.forget(*READINGS)
