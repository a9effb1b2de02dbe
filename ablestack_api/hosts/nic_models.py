"""Shapes of `GET /cube/nics` (contract 02 §2). Keys are 0.1.2's; a key without a value is left out."""

from pydantic import BaseModel, ConfigDict, Field


class NicsQuery(BaseModel):
    action: str = Field(default="list", description="detail: with addresses, members, speed, model; anything else: list")
    refresh: bool = Field(default=False, description="wait for a reading that begins now")


class _Upper(BaseModel):
    model_config = ConfigDict(populate_by_name=True, alias_generator=str.upper)


class NicAddress(_Upper):
    family: str = Field(description="inet or inet6")
    address: str
    prefixlen: int
    scope: str = Field(description="global, site, link, host")


class IpFamily(_Upper):
    enable: bool
    addresses: list[NicAddress] | None = None


class Bond(_Upper):
    mode: str | None = None
    active_slave: str | None = None
    primary: str | None = None
    primary_reselect: str | None = None
    xmit_hash_policy: str | None = None
    lacp_active: str | None = None
    lacp_rate: str | None = None
    ad_select: str | None = None
    fail_over_mac: str | None = None
    miimon: int | None = Field(default=None, description="ms")
    updelay: int | None = Field(default=None, description="ms")
    downdelay: int | None = Field(default=None, description="ms")


class Nic(_Upper):
    device: str
    type: str = Field(description="ethernet, bridge, bond, vlan, loopback, tun …")
    state: str = Field(description="connected, disconnected, or a word of NetworkManager's")
    con_path: str = Field(default="--", alias="CON-PATH", description="D-Bus path of the active connection")
    driver: str | None = None
    pci: str | None = Field(default=None, description="PCI address of the card, for pass-through")
    speed: str | None = Field(default=None, description="10G, 2.5G, 100M")
    model: str | None = None
    mtu: int | None = None
    mac: str | None = None
    ipv4: IpFamily | None = None
    ipv6: IpFamily | None = None
    members: list[str] | None = Field(default=None, description="ports of a bridge or bond, in the kernel's order")
    bond: Bond | None = None


class NicsAnswer(BaseModel):
    """Groups without a device are left out."""

    bridges: list[Nic] | None = None
    ethernets: list[Nic] | None = None
    bonds: list[Nic] | None = None
    others: list[Nic] | None = None
    refresh_time: str = Field(default="", description="when the data was read, RFC 3339")
    stale: bool | None = Field(default=None, description="true: the last refresh failed, this is older data")
    refresh_error: str | None = Field(default=None, description="why the last refresh failed")
