"""What is asked of the Pacemaker cluster (contract 04 §1.1); also what one node asks of another."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class ControlRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: Text = Field(
        default="",
        description="setup, setup-cron, config, create, enable, disable, move, cleanup, status, remove, destroy, stop, "
        "sync, ccvm-status",
    )
    cluster: Text = Field(default="", description="config: name of the new cluster")
    hosts: list[Text] = Field(default_factory=list, max_length=64, description="config: its nodes, hosts of cluster.json")
    resource: Text = Field(default="", description="resource id; cloudcenter_res when empty")
    xml: Text = Field(default="", description="create: path of the libvirt domain XML")
    target: Text = Field(default="", description="move: destination, as Pacemaker calls the node")
    time: Text = Field(default="", description="sync: totem token in ms")
    create_only: bool = Field(default=False, description="setup: create the resource disabled and do not wait")
    disabled: bool = Field(default=False, description="create: leave it stopped")
    force: bool = Field(default=False, description="destroy: although the Cloud Center VM is started")
