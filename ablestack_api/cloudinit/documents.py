"""The three documents of cloud-init's NoCloud drive (contract 03 §15.3). Pure functions.

Source: cloud-init's documentation: "Cloud config examples", "Networking config Version 2", "NoCloud".
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

SUDO = "ALL=(ALL) NOPASSWD:ALL"
ROOT = "root:root"
Command = list[str]


@dataclass(frozen=True)
class Nic:
    """`address` with its prefix, as `10.10.31.10/16`; `gateway` empty for a network without a way out."""

    name: str
    address: str
    gateway: str = ""
    dns: tuple[str, ...] = ()
    mtu: int | None = None


@dataclass(frozen=True)
class GuestFile:
    """A file in the guest; `mode` as cloud-init takes it, a text of octal digits."""

    path: str
    content: bytes = field(repr=False)
    mode: str
    owner: str = ROOT


@dataclass(frozen=True)
class Guest:
    """`password_hash` is crypt(5)'s, for root and ablecloud; `ceph` adds that account, which logs in by key only."""

    hostname: str
    nics: tuple[Nic, ...]
    public_key: str
    password_hash: str = field(repr=False)
    files: tuple[GuestFile, ...]
    ceph: bool = False
    ssh_pwauth: bool = False
    bootcmd: tuple[Command, ...] = ()
    runcmd: tuple[Command, ...] = ()


def meta_data(hostname: str) -> str:
    return _yaml({"instance-id": hostname, "local-hostname": hostname})


def network_config(nics: Sequence[Nic]) -> str:
    """Version 2. The default route is written as a prefix: older cloud-init does not know the word `default`."""
    return _yaml({"network": {"version": 2, "ethernets": {nic.name: _ethernet(nic) for nic in nics}}})


def user_data(guest: Guest) -> str:
    document: dict[str, Any] = {
        "disable_root": False,
        "ssh_pwauth": guest.ssh_pwauth,
        "users": _users(guest),
        "write_files": [_written(file) for file in guest.files],
    }
    if guest.bootcmd:
        document["bootcmd"] = [list(command) for command in guest.bootcmd]
    if guest.runcmd:
        document["runcmd"] = [list(command) for command in guest.runcmd]
    return f"#cloud-config\n{_yaml(document)}"


def _ethernet(nic: Nic) -> dict[str, Any]:
    card: dict[str, Any] = {"dhcp4": False, "dhcp6": False, "addresses": [nic.address]}
    if nic.mtu:
        card["mtu"] = nic.mtu
    if nic.gateway:
        card["routes"] = [{"to": "::/0" if ":" in nic.gateway else "0.0.0.0/0", "via": nic.gateway}]
    if nic.dns:
        card["nameservers"] = {"addresses": list(nic.dns)}
    return card


def _users(guest: Guest) -> list[dict[str, Any]]:
    keys = {"ssh_authorized_keys": [guest.public_key]}
    # hashed_passwd also changes an account that the image already has; passwd does not.
    password = {"lock_passwd": False, "hashed_passwd": guest.password_hash}
    rights = {"groups": ["wheel"], "sudo": SUDO}
    ceph = {"name": "ceph", "homedir": "/var/lib/ceph", **rights, "lock_passwd": True, **keys}
    people = [{"name": "ablecloud", **rights, **password, **keys}, {"name": "root", **password, **keys}]
    return [ceph, *people] if guest.ceph else people


def _written(file: GuestFile) -> dict[str, Any]:
    """What belongs to an account that may only be made on this start is written after the accounts."""
    entry = {
        "encoding": "base64",
        "content": base64.b64encode(file.content).decode(),
        "owner": file.owner,
        "path": file.path,
        "permissions": file.mode,
    }
    return entry if file.owner == ROOT else {**entry, "defer": True}


class _Plain(yaml.SafeDumper):
    """Nothing is written as a reference to what came before: an operator reads this."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(document: dict[str, Any]) -> str:
    text: str = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=10**6)
    return text
