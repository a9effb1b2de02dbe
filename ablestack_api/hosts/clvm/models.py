"""Shapes of POST /cube/clvm/manage (contract 02 §7)."""

from typing import Any

from pydantic import BaseModel, Field, StrictBool, StrictInt

from ablestack_api.core.errors import bad_field
from ablestack_api.hosts.storage_work import MOST, DisksRequest, Text, Texts, action_of

CREATE, LIST, DELETE = "create-clvm", "list-clvm", "delete-clvm"
ACTIONS = {CREATE: CREATE, "create": CREATE, LIST: LIST, "list": LIST, DELETE: DELETE, "delete": DELETE}
# Between nodes only.
RESERVE, RELEASE = "reserve-numbers", "release-numbers"
INTERNAL = {RESERVE: RESERVE, RELEASE: RELEASE}


class ClvmRequest(DisksRequest):
    action: Text = Field(default="", description="create-clvm (create), list-clvm (list), delete-clvm (delete)")
    vg_name: Text = Field(default="", description="delete: comma list of groups")
    vg_names: Texts = Field(default_factory=list, max_length=MOST, description="as vg_name")
    pv_name: Text = Field(default="", description="delete: the physical volume of each group, in the same order")
    pv_names: Texts = Field(default_factory=list, max_length=MOST, description="as pv_name")
    force: StrictBool = Field(
        default=False,
        description="create: give up what lies on disks that nobody uses, and do without hosts that do not answer; "
        "delete: with the volumes in it",
    )
    numbers: list[StrictInt] = Field(default_factory=list, max_length=MOST, description="between nodes")
    above: StrictInt = Field(default=0, ge=0, le=10**9, description="between nodes")
    count: StrictInt = Field(default=0, ge=0, le=MOST, description="between nodes")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(group, physical volume), each once. Raises BadInput when there is not one volume for every group."""
        groups, volumes = _listed(self.vg_names, self.vg_name), _listed(self.pv_names, self.pv_name)
        if not groups or not volumes:
            field = "pv_names" if groups else "vg_names"
            raise bad_field(field, "required", "vg_names and pv_names required")
        if len(groups) != len(volumes):
            told = (
                f"{len(groups)} vg_names and {len(volumes)} pv_names: name one physical volume for each group, in its order"
            )
            raise bad_field("pv_names", told)
        return list(dict.fromkeys(zip(groups, volumes, strict=True)))

    def checked_action(self, *, local: bool) -> str:
        """`local`: another node asks. Raises BadInput."""
        return action_of(self.action, {**ACTIONS, **INTERNAL} if local else ACTIONS)


class ClvmAnswer(BaseModel):
    code: int = 200
    val: Any = Field(description="a text; of list: vg_name, pv_name, pv_size, uuid, path_mode, disk_id of each volume")
    message: str = "ok"
    action: str


def _listed(entries: list[str], joined: str) -> list[str]:
    """Repetitions stay: two volumes of one group are two pairs."""
    return [text for each in [*entries, *joined.split(",")] if (text := each.strip())]
