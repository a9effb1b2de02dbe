"""What a node needs to be a client of the storage cluster: /etc/ceph/ceph.conf and the administrator's keyring.

All nodes of the cluster get them or none does (ADR 0002). Nothing else of /etc/ceph is ever touched.
"""

import configparser
import hashlib
import os
import re
import tempfile
import uuid
from dataclasses import dataclass

from ablestack_api.core.errors import CommandFailed, Conflict, bad_field
from ablestack_api.core.secret import Secret
from ablestack_api.env import Env
from ablestack_api.glue import storage_status
from ablestack_api.orchestrator.participant import Facts, Kind, Payload
from ablestack_api.state import json_file
from ablestack_api.tools import ceph, ceph_auth

PATH = "/cube/glue/config/update"
ENTITY = "client.admin"
CONF, KEYRING = "etc/ceph/ceph.conf", "etc/ceph/ceph.client.admin.keyring"
# What stood in ceph.conf before the last change of it.
PREVIOUS = "etc/ceph/ceph.conf.previous"
PROBE_FOLDER = "ceph"
LONGEST = 64 * 1024
CONF_MODE, KEYRING_MODE = 0o644, 0o600
_KEY = re.compile(r"[A-Za-z0-9+/]{20,}={0,2}")


@dataclass(frozen=True)
class Client:
    """Both files as texts."""

    conf: str
    keyring: Secret

    @property
    def fsid(self) -> str:
        return fsid_of(self.conf)

    def payload(self, *, force: bool) -> Payload:
        return {"conf": self.conf, "keyring": self.keyring.reveal(), "force": force}


def read_from_cluster(env: Env) -> Client:
    """What the monitors give, tried out before anybody gets it. Raises CommandFailed, CommandTimedOut, ProgramMissing."""
    client = Client(ceph_auth.generate_minimal_conf(env.runner), ceph_auth.read_keyring(env.runner, ENTITY))
    fault = _fault(client.payload(force=False))
    if fault:
        raise CommandFailed(f"ceph gave no usable configuration: {fault[1]}", program="ceph", exit_code=0)
    found = _probe(env, client)
    if found != client.fsid:
        told = f"the configuration that ceph gave leads to the cluster {found}, not to {client.fsid}"
        raise CommandFailed(told, program="ceph", exit_code=0)
    return client


def fsid_of(conf: str) -> str:
    """The cluster that a ceph.conf belongs to, empty when it names none. Keys may be written with spaces or dashes."""
    return _global(conf).get("fsid", "").lower()


def _global(conf: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, inline_comment_prefixes=("#", ";"))
    try:
        parser.read_string("\n".join(line.strip() for line in conf.splitlines()))
        items = parser.items("global")
    except configparser.Error:
        return {}
    return {re.sub(r"[\s-]+", "_", name): (value or "").strip() for name, value in items}


def _probe(env: Env, client: Client) -> str:
    folder = os.path.join(env.settings.state_root, PROBE_FOLDER)
    with json_file.told(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            conf, keyring = os.path.join(place, "ceph.conf"), os.path.join(place, "keyring")
            json_file.write_bytes(conf, client.conf.encode(), mode=0o600)
            json_file.write_bytes(keyring, client.keyring.reveal().encode(), mode=0o600)
            return ceph_auth.read_fsid(env.runner, conf, keyring).lower()


def _fault(payload: Payload) -> tuple[str, str] | None:
    """(field, what is wrong with it). Never shows a value: one of them is a key."""
    for field in ("conf", "keyring"):
        text = payload.get(field)
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST or "\0" in text:
            return field, "must be a text"
    options = _global(payload["conf"])
    try:
        uuid.UUID(options.get("fsid", ""))
    except ValueError:
        return "conf", "has no fsid in its [global] section"
    if not options.get("mon_host"):
        return "conf", "has no mon_host in its [global] section"
    return None if _has_key(payload["keyring"]) else ("keyring", f"has no key of {ENTITY}")


def _has_key(keyring: str) -> bool:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string("\n".join(line.strip() for line in keyring.splitlines()))
        return _KEY.fullmatch(parser.get(ENTITY, "key", fallback="")) is not None
    except configparser.Error:
        return False


def _paths(env: Env, _payload: Payload) -> list[str]:
    return [env.settings.below(name) for name in (CONF, KEYRING, PREVIOUS)]


def _check(env: Env, payload: Payload) -> None:
    fault = _fault(payload)
    if fault:
        raise bad_field(f"request.{fault[0]}", fault[1])
    present = _present(env, CONF)
    own, given = fsid_of(present), fsid_of(payload["conf"])
    if own and own != given and payload.get("force") is not True:
        raise Conflict(
            f"/etc/ceph/ceph.conf here belongs to another cluster ({own}, not {given}); nothing was changed. "
            "force: true replaces it"
        )


def _apply(env: Env, payload: Payload) -> Facts:
    conf, keyring = payload["conf"], payload["keyring"]
    present = _present(env, CONF)
    if present and present != conf:
        json_file.write_bytes(env.settings.below(PREVIOUS), present.encode("utf-8", "surrogateescape"), mode=CONF_MODE)
    for name, text, mode in ((CONF, conf, CONF_MODE), (KEYRING, keyring, KEYRING_MODE)):
        _write(env, name, text, mode)
    return {"revision": hashlib.sha256(f"{conf}\0{keyring}".encode()).hexdigest()[:16]}


def _write(env: Env, name: str, text: str, mode: int) -> None:
    """Owner is kept where the file is there already (daemons run as ceph); the keyring is never left for others to read.

    A change holds the lock of all changes of this node.
    """
    path = env.settings.below(name)
    json_file.write_bytes(path, text.encode("utf-8", "surrogateescape"), mode=mode)


def _present(env: Env, name: str) -> str:
    return (json_file.read_bytes(env.settings.below(name)) or b"").decode("utf-8", "surrogateescape")


def _finish(env: Env, _payload: Payload) -> list[Facts]:
    """What was read with the old files, or could not be read, is not told any more."""
    env.readings.forget(storage_status.READING, ceph.READING)
    return []


KIND = Kind(name="storage configuration", path=PATH, files=_paths, check=_check, apply=_apply, finish=_finish)
