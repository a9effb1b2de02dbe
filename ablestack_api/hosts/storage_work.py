"""What the storage endpoints of one host share: the disks of a request, its action, running a plan."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ablestack_api.core.errors import ApiError, Conflict, bad_field
from ablestack_api.env import Env
from ablestack_api.hosts import storage_readings
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan
from ablestack_api.jobs.progress import Progress
from ablestack_api.state.cluster_document import distinct

# One job at a time writes disks, groups and images of a node.
HOLD = "storage"
MOST = 64
# A JSON null is an empty text, or an empty list, as it was for 0.1.2.
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Texts = Annotated[list[Text], BeforeValidator(lambda value: [] if value is None else value)]


class DisksRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    disk: Text = Field(default="", description="comma list of whole disks")
    disks: Texts = Field(default_factory=list, max_length=MOST, description="as disk")

    @property
    def every_disk(self) -> list[str]:
        """List entries first, then the comma separated ones (contract 02 §0.6)."""
        return distinct([*self.disks, *self.disk.split(",")])


def action_of(text: str, known: Mapping[str, str]) -> str:
    """The action behind its names, in any case. Raises BadInput with 0.1.2's message."""
    action = known.get(text.lower())
    if action is None:
        raise bad_field("action", f"is none of {', '.join(known)}", "unsupported action")
    return action


def require_whole_system(env: Env) -> None:
    """A node in a folder shares disks and cluster with the system around it. Raises Conflict."""
    if not env.settings.is_whole_system:
        raise Conflict(
            f"this node lives in the folder {env.settings.sysroot} (ABLESTACK_SYSROOT): disks and cluster are not its own; "
            "nothing was changed"
        )


def run(env: Env, steps: Plan, progress: Progress, failure: str) -> None:
    """Walk a plan that changes devices; what goes wrong begins with `failure`, as 0.1.2's texts do."""
    try:
        plan.run(steps, progress)
    except ApiError as error:
        error.detail = f"{failure}: {error.detail}"
        raise
    finally:
        storage_readings.forget(env)
