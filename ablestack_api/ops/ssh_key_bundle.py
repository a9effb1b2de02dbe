"""The file in which a key pair goes from one node to another: a ZIP, encrypted (contract 06 §6.1). Pure."""

import hashlib
import io
import secrets
import zipfile
import zlib

from ablestack_api.core.errors import bad_field

MAGIC = b"ASK1"
NONCE_BYTES, TAG_BYTES = 12, 16
PURPOSE = b"ablestack-api:ssh-key-bundle:v1"
# What 0.1.2 uses where nothing is configured: it keeps nobody out.
DEFAULT_SECRET = "ablestack-api-ssh-key-bundle-default-secret-v1"  # noqa: S105
PRIVATE, PUBLIC = "id_rsa", "id_rsa.pub"
MAX_ENTRY = 256 * 1024


def key_of(secret: str) -> bytes:
    return hashlib.sha256(PURPOSE + b"\0" + (secret or DEFAULT_SECRET).encode()).digest()


def pack(private: bytes, public: bytes, secret: str) -> bytes:
    # Only where keys are handed out: it is 10 MB.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(PRIVATE, private)
        archive.writestr(PUBLIC, public)
    nonce = secrets.token_bytes(NONCE_BYTES)
    return MAGIC + nonce + AESGCM(key_of(secret)).encrypt(nonce, plain.getvalue(), PURPOSE)


def unpack(data: bytes, secret: str) -> tuple[bytes, bytes]:
    """(private, public). Raises BadInput for anything that is no such file."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + NONCE_BYTES + TAG_BYTES:
        raise bad_field("file", "is no SSH key bundle", "invalid ssh key bundle: it is none, or was cut off")
    nonce, rest = data[len(MAGIC) : len(MAGIC) + NONCE_BYTES], data[len(MAGIC) + NONCE_BYTES :]
    try:
        plain = AESGCM(key_of(secret)).decrypt(nonce, rest, PURPOSE)
    except InvalidTag as error:
        told = "invalid ssh key bundle: it was changed, or made with another ABLESTACK_SSH_KEY_BUNDLE_SECRET"
        raise bad_field("file", "cannot be decrypted", told) from error
    return _entry(plain, PRIVATE), _entry(plain, PUBLIC)


def _entry(plain: bytes, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(plain)) as archive:
            found = next((each for each in archive.infolist() if each.filename.rsplit("/", 1)[-1] == name), None)
            content = b"" if found is None else archive.open(found).read(MAX_ENTRY + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise bad_field("file", "holds no ZIP", "invalid ssh key bundle: its content is damaged") from error
    if not content or len(content) > MAX_ENTRY:
        raise bad_field("file", f"{name} is missing, empty or too large", f"invalid ssh key bundle: no usable {name}")
    return content
