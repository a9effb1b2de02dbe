"""`POST /cube/ssh/key`: the key that root of this node logs in to the others with (contract 06 §6.1).

Of authorized_keys only the line of the key before is replaced: 0.1.2 dropped everybody else's.
"""

import os
import stat
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ablestack_api.core import log
from ablestack_api.core.errors import ApiError, BadInput, Conflict, NotFound, bad_field
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.ops import ssh_key_bundle
from ablestack_api.ops.ssh_key_bundle import PRIVATE, PUBLIC
from ablestack_api.ops.ssh_key_models import KeyFile, KeyRequest, KeyState
from ablestack_api.state import json_file

GENERATE, DOWNLOAD, UPLOAD = "generate", "download", "upload"
ACTIONS = {
    GENERATE: GENERATE,
    "create": GENERATE,
    DOWNLOAD: DOWNLOAD,
    "export": DOWNLOAD,
    UPLOAD: UPLOAD,
    "import": UPLOAD,
}
AUTHORIZED = "authorized_keys"
MODES = {PRIVATE: 0o600, PUBLIC: 0o644, AUTHORIZED: 0o600}
LEAST_BITS, MOST_BITS = 2048, 8192
RETNAME = "SSH Key"
FOLDER_MODE = 0o700

Told = dict[str, Any]


def action_of(request: KeyRequest) -> str:
    """Raises BadInput."""
    action = ACTIONS.get(request.action.lower())
    if action is None:
        raise bad_field("action", "is none of generate, download, upload", "unsupported action")
    return action


def work(env: Env, request: KeyRequest, upload: bytes | None) -> Work:
    """To generate a key, or to take one over. Raises BadInput, Conflict."""
    action = action_of(request)
    if action == UPLOAD:
        if not upload:
            raise _refused(bad_field("file", "required", "an ssh key bundle is required: file, ssh_key or bundle"), action)
        pair = _checked(*_unpacked(env, upload), action)
    elif not LEAST_BITS <= request.bits <= MOST_BITS:
        raise bad_field("bits", f"must be {LEAST_BITS} to {MOST_BITS}", f"bits must be between {LEAST_BITS} and {MOST_BITS}")
    _require_free(env, request, action)

    def do(progress: Progress) -> Told:
        with progress.step("key", f"{action} the key"):
            made = pair if action == UPLOAD else _generated(request.bits)
        with progress.step("files", f"write it to {env.settings.ssh_key_folder}"):
            _require_free(env, request, action)
            _write(env, *made)
        return _answer(env, action, f"the key was {'generated' if action == GENERATE else 'taken over'}")

    return Work(f"ssh key {action}", do, holds=("ssh-key",))


def bundle(env: Env) -> bytes:
    """The key pair for another node. Raises NotFound, BadInput when the two files are no pair."""
    private, public = (json_file.read_bytes(os.path.join(env.settings.ssh_key_folder, name)) for name in (PRIVATE, PUBLIC))
    if not private or not public:
        text = f"there is no key pair in {env.settings.ssh_key_folder}; generate one first"
        raise NotFound(text, val=text, action=DOWNLOAD, retname=RETNAME)
    _checked(private, public, DOWNLOAD)
    event = {"type": "audit", "event": "ssh key handed out", "folder": env.settings.ssh_key_folder}
    log.append(env.settings.audit_log, {"time": env.clock.now().isoformat(), **event})
    return ssh_key_bundle.pack(private, public, env.settings.ssh_key_bundle_secret)


def state(env: Env, message: str) -> KeyState:
    folder = env.settings.ssh_key_folder
    return KeyState(message=message, directory=folder, files=[_file(env, os.path.join(folder, name)) for name in MODES])


def _answer(env: Env, action: str, message: str) -> Told:
    shape = state(env, message).model_dump(exclude_none=True)
    return {"code": 200, "val": shape, "retname": RETNAME, "message": message, "action": action}


def _file(env: Env, path: str) -> KeyFile:
    try:
        found = os.stat(path)
    except OSError:
        return KeyFile(name=os.path.basename(path), path=path, exists=False)
    changed = datetime.fromtimestamp(found.st_mtime, env.clock.now().tzinfo)
    return KeyFile(
        name=os.path.basename(path),
        path=path,
        exists=True,
        size=found.st_size,
        mode=f"{stat.S_IMODE(found.st_mode):04o}",
        modified_at=changed.isoformat(timespec="seconds"),
    )


def _require_free(env: Env, request: KeyRequest, action: str) -> None:
    present = [name for name in MODES if os.path.lexists(os.path.join(env.settings.ssh_key_folder, name))]
    if present and not request.overwrite:
        text = (
            f"{', '.join(present)} exists already in {env.settings.ssh_key_folder}; nothing was changed (overwrite is false)"
        )
        raise Conflict(text, val=state(env, text).model_dump(exclude_none=True), action=action, retname=RETNAME)


def _generated(bits: int) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n"


def _unpacked(env: Env, upload: bytes) -> tuple[bytes, bytes]:
    try:
        return ssh_key_bundle.unpack(upload, env.settings.ssh_key_bundle_secret)
    except BadInput as error:
        raise _refused(error, UPLOAD) from error


def _checked(private: bytes, public: bytes, action: str) -> tuple[bytes, bytes]:
    """Do they belong together? Raises BadInput. The private key may be in either form of OpenSSH."""
    if _public_of(private) != tuple(public.split()[:2]):
        fault = bad_field("file", "no pair", f"{PRIVATE} and {PUBLIC} are not the two halves of one RSA key")
        raise _refused(fault, action)
    return private, public


def _public_of(private: bytes) -> tuple[bytes, ...]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
        load_ssh_private_key,
    )

    for load in (load_pem_private_key, load_ssh_private_key):
        try:
            key = load(private, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, RSAPrivateKey):
            return tuple(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split())
    return ()


def _write(env: Env, private: bytes, public: bytes) -> None:
    """All three files or none."""
    folder = env.settings.ssh_key_folder
    with json_file.told(folder):
        os.makedirs(folder, mode=FOLDER_MODE, exist_ok=True)
        os.chmod(folder, FOLDER_MODE)
    before = {name: json_file.read_bytes(os.path.join(folder, name)) for name in MODES}
    wanted = {PRIVATE: private, PUBLIC: public}
    wanted[AUTHORIZED] = authorized(before[AUTHORIZED] or b"", before[PUBLIC] or b"", public)
    done: list[str] = []
    try:
        for name, content in wanted.items():
            done.append(name)
            json_file.write_bytes(os.path.join(folder, name), content, mode=MODES[name])
    except ApiError:
        _put_back(folder, done, before)
        raise


def _put_back(folder: str, names: Sequence[str], before: dict[str, bytes | None]) -> None:
    for name in names:
        content, path = before[name], os.path.join(folder, name)
        if content is None:
            json_file.remove(path)
        else:
            json_file.write_bytes(path, content, mode=MODES[name])


def authorized(present: bytes, old: bytes, new: bytes) -> bytes:
    """authorized_keys with the new key in it; the line of the old one goes, all others stay as they are."""
    old_key, new_key = _key(old), _key(new)
    kept = [line for line in present.splitlines(keepends=True) if not old_key or old_key == new_key or old_key not in line]
    if any(new_key in line for line in kept if not line.lstrip().startswith(b"#")):
        return b"".join(kept)
    if kept and not kept[-1].endswith(b"\n"):
        kept[-1] += b"\n"
    return b"".join([*kept, new.strip(), b"\n"])


def _key(line: bytes) -> bytes:
    """The Base64 of a public key: what makes it the same key, whatever stands around it."""
    words = line.split()
    return words[1] if len(words) > 1 else b""


def _refused(error: BadInput, action: str) -> BadInput:
    error.members |= {"val": error.detail, "action": action, "retname": RETNAME}
    return error
