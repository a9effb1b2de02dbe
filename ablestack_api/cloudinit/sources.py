"""What of this host goes into a guest: keys, names, scripts, the cluster's configuration (contract 03 §15.3)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from ablestack_api.cloudinit.documents import GuestFile
from ablestack_api.core.errors import FileUnusable, bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

PUBLIC_KEY, PRIVATE_KEY, HOSTS = "root/.ssh/id_rsa.pub", "root/.ssh/id_rsa", "etc/hosts"
GUEST_CLUSTER_JSON = "/etc/ablestack/properties/cluster.json"
GUEST_NODE_ROLE = "/etc/ablestack/node-role"
CLOUD_HOME = "/var/cloudstack/management"
CCVM, SCVM = "ccvm", "scvm"


@dataclass(frozen=True)
class Keys:
    public: str
    private: bytes = field(repr=False)
    hosts: bytes = field(repr=False)


def read_keys(settings: Settings, public: str = "", private: str = "", hosts: str = "") -> Keys:
    """This host's own unless given: as the text itself, or as the path of one of root's keys.

    Raises BadInput, FileUnusable.
    """
    public_text = " ".join(_content(settings, "pubkey", public, PUBLIC_KEY).decode("utf-8", "replace").split())
    private_text = _content(settings, "privkey", private, PRIVATE_KEY)
    if not public_text.startswith(("ssh-", "ecdsa-", "sk-")):
        raise bad_field("pubkey", "is not an OpenSSH public key")
    if b"PRIVATE KEY-----" not in private_text:
        raise bad_field("privkey", "is not a private key")
    return Keys(public_text, private_text, _content(settings, "hosts", hosts, HOSTS))


def files(settings: Settings, kind: str, keys: Keys, *, ceph: bool) -> tuple[list[GuestFile], list[str]]:
    """The guest's files in 0.1.2's order, and what was left out because this host does not have it.

    Scripts for root alone are 0700, and the cluster's configuration, which holds the internal token, is 0600.
    """
    made = _key_files("/root", "root:root", keys)
    made += _key_files("/var/lib/ceph", "ceph:ceph", keys) if ceph else []
    made += _key_files("/home/ablecloud", "ablecloud:ablecloud", keys)
    made.append(GuestFile("/etc/hosts", keys.hosts, "0644"))
    made += _key_files(CLOUD_HOME, "cloud:cloud", keys) if kind == CCVM else []
    warnings = []
    for place, mode, candidates in _scripts(settings, kind):
        content = _first(candidates)
        if content is None:
            warnings.append(f"{place} was left out: this node has no {' or '.join(candidates)}")
        else:
            made.append(GuestFile(place, content, mode))
    cluster = json_file.read_bytes(settings.cluster_json)
    if cluster is None:
        warnings.append(f"{GUEST_CLUSTER_JSON} was left out: this node has no cluster.json")
    else:
        made.append(GuestFile(GUEST_CLUSTER_JSON, cluster, "0600"))
    made.append(GuestFile(GUEST_NODE_ROLE, f"{kind}\n".encode(), "0644"))
    return made, warnings


def _scripts(settings: Settings, kind: str) -> list[tuple[str, str, list[str]]]:
    """(place in the guest, mode, where it may be on this host)."""
    shell = os.path.join(settings.config_root, "shell")
    bootstrap = f"{kind}_bootstrap.sh"
    scripts = [("/root/bootstrap.sh", "0700", [os.path.join(shell, "host", bootstrap), os.path.join(shell, bootstrap)])]
    if kind == SCVM:
        scripts.append(("/usr/local/bin/ipcorrector", "0755", [os.path.join(shell, "host", "ipcorrector")]))
    patch = [os.path.join(shell, "host", "security_patch.sh"), settings.security_patch_script]
    return [*scripts, ("/usr/local/sbin/security_patch.sh", "0755", patch)]


def _key_files(home: str, owner: str, keys: Keys) -> list[GuestFile]:
    return [
        GuestFile(f"{home}/.ssh/id_rsa.pub", f"{keys.public}\n".encode(), "0644", owner),
        GuestFile(f"{home}/.ssh/id_rsa", keys.private, "0600", owner),
    ]


def _content(settings: Settings, name: str, given: str, usual: str) -> bytes:
    if given.strip() and not given.lstrip().startswith("/"):
        return given.encode("utf-8", "replace") + (b"" if given.endswith("\n") else b"\n")
    path = _allowed(settings, name, given.strip()) if given.strip() else settings.below(usual)
    content = json_file.read_bytes(path)
    if not content:
        raise FileUnusable(f"{path} is missing or empty; it goes into the guest (field {name})", path=path)
    return content


def _allowed(settings: Settings, name: str, given: str) -> str:
    """A request may not name any file of the node: only root's keys, /etc/hosts and the copies of them."""
    folders = (settings.below("root/.ssh"), settings.vm_config_root)
    for path in (settings.below(given), given) if given.isascii() and given.isprintable() else ():
        real = os.path.realpath(path)
        if real == os.path.realpath(settings.below(HOSTS)) or any(_is_in(real, folder) for folder in folders):
            return real
    raise bad_field(name, "must be the text itself, or a path in /root/.ssh, in the state folder, or /etc/hosts")


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(os.path.realpath(folder).rstrip("/") + "/")


def _first(places: Sequence[str]) -> bytes | None:
    return next((json_file.read_bytes(place) for place in places if os.path.isfile(place)), None)
