"""Shapes of POST /cube/local/manage (contract 02 §8)."""

from typing import Any

from pydantic import BaseModel, Field, StrictBool

from ablestack_api.hosts.storage_work import DisksRequest, Text, action_of

CREATE, STATUS, RESET = "create-local-disk", "local-disk-status", "reset"
ACTIONS = {CREATE: CREATE, "create": CREATE, STATUS: STATUS, "status": STATUS, RESET: RESET}


class LocalRequest(DisksRequest):
    action: Text = Field(default="", description="create-local-disk (create), local-disk-status (status), reset")
    force: StrictBool = Field(
        default=False,
        description="create: give up what lies on disks that nobody uses; reset: other volumes of the group too, and "
        "unmount although programs use it",
    )

    def checked_action(self) -> str:
        """Raises BadInput."""
        return action_of(self.action, ACTIONS)


class LocalAnswer(BaseModel):
    code: int = 200
    val: Any = Field(description="a text; of status: status, mount_path, pv, vg, size; with plan=true the steps")
    message: str = "ok"
    action: str
