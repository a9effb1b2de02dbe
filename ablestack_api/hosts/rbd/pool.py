"""What a pool holds."""

from ablestack_api.core.errors import bad_field
from ablestack_api.env import Env
from ablestack_api.tools import rbd


def images(env: Env, pool: str) -> list[str]:
    """Raises BadInput when there is no such pool."""
    names = rbd.list_images(env.runner, pool)
    if names is None:
        raise bad_field("pool_name", f"there is no pool {pool}")
    return names
