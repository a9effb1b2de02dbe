"""Shapes of POST /cube/rbd/manage (contract 02 §9)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from ablestack_api.hosts.storage_work import Text, Texts

MOST_NAMES = 256


class RbdRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: Text = Field(default="", description="create or delete; between nodes also check")
    size: StrictInt | None = Field(default=None, description="create: GiB, cut into images of 2000 GiB")
    image_name: Text = Field(default="", description="delete: comma list of image, pool/image or /dev/rbd/pool/image")
    images: Texts = Field(default_factory=list, max_length=MOST_NAMES, description="as image_name")
    pool_name: Text = Field(default="", description="default rbd")
    image_prefix: Text = Field(default="", description="create: default gfs; a number follows")
    map: StrictBool = Field(
        default=True, description="create: false only writes /etc/ceph/rbdmap; the nodes map it at their next start"
    )
    force: StrictBool = Field(
        default=False,
        description="delete: also what holds a volume or is missing, and though a node is silent; never what is open",
    )


class RbdAnswer(BaseModel):
    code: int = 200
    val: Any = Field(description="pool/image of what was made or deleted; with plan=true the steps")
    retname: str = "RBD Manage"
    message: str = "rbd manage success"
    action: str
    pool: str
    results: list[dict[str, Any]] = Field(default_factory=list, description="one entry a node, with its images")
