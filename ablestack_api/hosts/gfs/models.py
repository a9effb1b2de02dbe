"""Shapes of POST /cube/gfs/manage (contract 02 §6.1, §6.3)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ablestack_api.hosts.storage_work import MOST, DisksRequest


class _Trimmed(BaseModel):
    """null means absent, as to 0.1.2."""

    model_config = ConfigDict(str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


class VolumePair(_Trimmed):
    vg_name: str = ""
    lv_name: str = ""


class StonithDevice(_Trimmed):
    """The management controller of one host; `host` is the node's name in the cluster of Pacemaker."""

    ipaddr: str = ""
    ipport: str = "623"
    login: str = ""
    passwd: str = Field(default="", repr=False)
    host: str = ""
    hostname: str = ""


class GfsManageRequest(_Trimmed, DisksRequest):
    """`action` decides which fields count."""

    action: str = Field(max_length=64, description="see the operator's guide; in any case")
    vg_name: str = ""
    lv_name: str = ""
    gfs_name: str = ""
    mount_point: str = ""
    volume_groups: list[VolumePair] = Field(default_factory=list, max_length=MOST)
    cluster_name: str = ""
    cluster_user: str = ""
    cluster_password: str = Field(default="", repr=False, description="of the cluster's account; generated when absent")
    non_stop_check: str = Field(default="", description='"true": maintenance mode while an extension runs')
    use_lvmlockd: bool = True
    control: str = ""
    stonith: list[StonithDevice] = Field(default_factory=list, max_length=MOST)
    force: bool = Field(default=False, description="override what the refusal (409) says can be overridden")
    partition_uuids: list[str] = Field(
        default_factory=list,
        max_length=MOST,
        description="between nodes: the GUID of the first partition of each disk",
    )
    pv_uuids: list[str] = Field(default_factory=list, max_length=MOST, description="between nodes")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(vg, lv) of `volume_groups`, then of the top level; incomplete and repeated ones dropped."""
        every = [*self.volume_groups, VolumePair(vg_name=self.vg_name, lv_name=self.lv_name)]
        return list(dict.fromkeys((pair.vg_name, pair.lv_name) for pair in every if pair.vg_name and pair.lv_name))

    @property
    def devices(self) -> list[StonithDevice]:
        return [device for device in self.stonith if device.ipaddr]

    @property
    def in_maintenance(self) -> bool:
        return self.non_stop_check.lower() == "true"


class GfsManageAnswer(BaseModel):
    """`val` depends on the action; `results` tells node by node where several took part."""

    code: int
    val: Any
    message: str
    action: str
    target: str = Field(description="local, fanout, or the address of the node that did it")
    results: list[dict[str, Any]] | None = None
    steps: list[dict[str, Any]] | None = Field(default=None, description="what was done, step by step")
