"""Shapes of the hosts and neighbour endpoints (contract 01 §7.1, §8)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class HostLine(BaseModel):
    ip: str
    hostnames: list[str]


class NetworkGroup(BaseModel):
    ccvm: HostLine | None = None
    ablecube: list[HostLine] | None = None
    scvm: list[HostLine] | None = None
    self_: HostLine | None = Field(default=None, alias="self")
    model_config = ConfigDict(populate_by_name=True)


class HostsAnswer(BaseModel):
    """/etc/hosts by network and role; empty keys are left out."""

    model_config = ConfigDict(populate_by_name=True)

    localhost: list[HostLine] | None = None
    management_network: NetworkGroup | None = Field(default=None, alias="management-network")
    public_network: NetworkGroup | None = Field(default=None, alias="public-network")
    client_network: NetworkGroup | None = Field(default=None, alias="client-network")
    others: list[HostLine] | None = None
    refresh_time: str = Field(description="RFC 3339")


class Neighbor(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    ip: str = ""
    hostname: str = ""


class NeighborsAnswer(BaseModel):
    neighbors: list[Neighbor]


class NeighborInfoAnswer(BaseModel):
    neighbors: dict[str, Any] = Field(description="hostname -> code and info of that node (err: why there is none)")
