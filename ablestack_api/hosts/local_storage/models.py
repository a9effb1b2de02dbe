"""Shapes of POST /cube/local/manage (contract 02 §8)."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from ablestack_api.core.errors import bad_field
from ablestack_api.state.cluster_document import distinct

# A JSON null in a text's place is an empty text, as it was for 0.1.2.
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
CREATE, STATUS, RESET = "create-local-disk", "local-disk-status", "reset"
ACTIONS = {CREATE: CREATE, "create": CREATE, STATUS: STATUS, "status": STATUS, RESET: RESET}
MOST_DISKS = 64


class LocalRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: Text = Field(default="", description="create-local-disk (create), local-disk-status (status), reset")
    disk: Text = Field(default="", description="create: comma list of whole disks")
    disks: list[Text] | None = Field(default=None, max_length=MOST_DISKS, description="as disk")
    force: StrictBool = Field(
        default=False,
        description="create: give up what lies on disks that nobody uses; reset: other volumes of the group too, and "
        "unmount although programs use it",
    )

    @property
    def every_disk(self) -> list[str]:
        """List entries first, then the comma separated ones (contract 02 §0.6)."""
        return distinct([*(self.disks or []), *self.disk.split(",")])

    def checked_action(self) -> str:
        """Raises BadInput with 0.1.2's message."""
        action = ACTIONS.get(self.action.lower())
        if action is None:
            raise bad_field("action", f"is none of {', '.join(ACTIONS)}", "unsupported action")
        return action


class LocalAnswer(BaseModel):
    code: int = 200
    val: Any = Field(description="a text; of status: status, mount_path, pv, vg, size; with plan=true the steps")
    message: str = "ok"
    action: str
