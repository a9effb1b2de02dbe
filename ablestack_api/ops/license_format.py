"""The licence file: decrypted, understood, judged (contract 06 §1.1, §1.3). Pure, but for the key that may be configured.

The cipher's key is the same everywhere and no secret: it hides the text, it proves nothing. Who needs proof sets
ABLESTACK_LICENSE_PUBLIC_KEY: then a licence must also carry the vendor's signature.
"""

import base64
import binascii
import hashlib
import json
from datetime import date
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, StrictStr, ValidationError

from ablestack_api.core.errors import FileUnusable
from ablestack_api.state import json_file

BLOCK = 16
KEY_BYTES = 32
# It goes into cluster.json, as the type of the licence.
LONGEST_OEM = 100
MAX_FILE = 10 * 1024 * 1024
SIGNATURE = "signature"
KEY_MISSING, INVALID, INACTIVE, NOT_YET_VALID, EXPIRED = (
    "license_key_missing",
    "invalid",
    "inactive",
    "not_yet_valid",
    "expired",
)


class LicenseRefused(Exception):
    """`kind` is one of the five above; the text is for the operator and holds nothing of the licence's key."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class License(BaseModel):
    """What the file says. A field that is there is a text."""

    model_config = ConfigDict(extra="allow")

    license_key: StrictStr = ""
    issued: StrictStr = ""
    expired: StrictStr = ""
    status: StrictStr = ""
    oem: StrictStr = ""
    product_name: StrictStr = ""
    product_version: StrictStr = ""


def parse(text: bytes) -> License:
    """The content of a licence file. Raises LicenseRefused (invalid) with what is wrong with it."""
    plain = _decrypted(_decoded(text))
    try:
        value = json.loads(plain)
    except (ValueError, RecursionError) as error:
        raise LicenseRefused(INVALID, "invalid license: its content is not JSON; is it for this product?") from error
    try:
        return License.model_validate(value)
    except ValidationError as error:
        names = ", ".join(str(part["loc"][0]) if part["loc"] else "the whole" for part in error.errors())
        raise LicenseRefused(INVALID, f"invalid license: of the wrong type: {names}") from error


def judge(license_: License, today: date) -> None:
    """Both days count in. Raises LicenseRefused; the first fault decides."""
    if not license_.license_key.strip():
        raise LicenseRefused(KEY_MISSING, "invalid license: it has no license key")
    if not license_.issued or not license_.expired:
        raise LicenseRefused(INVALID, "invalid license: it lacks issued or expired")
    if license_.status.strip() and license_.status.strip().lower() != "active":
        raise LicenseRefused(INACTIVE, "the license is not active")
    if len(license_.oem) > LONGEST_OEM or not license_.oem.isprintable():
        raise LicenseRefused(INVALID, f"invalid license: oem is no printable text of at most {LONGEST_OEM} characters")
    issued, expired = _day(license_.issued, "issued"), _day(license_.expired, "expired")
    if today < issued:
        raise LicenseRefused(NOT_YET_VALID, f"the license is not yet valid: its first day is {issued}, today is {today}")
    if today > expired:
        raise LicenseRefused(EXPIRED, f"the license has expired: its last day was {expired}, today is {today}")


def require_signature(license_: License, key_path: str) -> None:
    """Base64 in `signature`, over all other members as JSON with sorted keys and no blanks.

    Raises LicenseRefused; FileUnusable when the configured key cannot be used.
    """
    given = (license_.model_extra or {}).get(SIGNATURE)
    if not isinstance(given, str) or not given:
        raise LicenseRefused(INVALID, "invalid license: it is not signed, and this node takes signed ones only")
    key = _public_key(key_path)
    try:
        _verify(key, base64.b64decode(given, validate=True), signed_bytes(license_.model_dump(exclude_unset=True)))
    except (_invalid_signature(), binascii.Error, ValueError) as error:
        raise LicenseRefused(INVALID, "invalid license: its signature is not good") from error


def signed_bytes(members: dict[str, Any]) -> bytes:
    rest = {key: value for key, value in members.items() if key != SIGNATURE}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


@cache
def cipher_key() -> bytes:
    return hashlib.scrypt(b"password", salt=b"salt", n=16384, r=8, p=1, dklen=KEY_BYTES)


def _decoded(text: bytes) -> bytes:
    folded = text.strip().translate(None, b"\r\n")
    try:
        return base64.b64decode(folded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise LicenseRefused(INVALID, "invalid license: it is not Base64; was it changed or cut off on its way?") from error


def _decrypted(data: bytes) -> bytes:
    # Only where a licence is looked at: it is 10 MB.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    if not data:
        raise LicenseRefused(INVALID, "invalid license: it is empty")
    if len(data) % BLOCK:
        raise LicenseRefused(INVALID, f"invalid license: {len(data)} bytes are no whole number of blocks; was it cut off?")
    decryptor = Cipher(algorithms.AES(cipher_key()), modes.CBC(cipher_key()[:BLOCK])).decryptor()
    unpadder = PKCS7(BLOCK * 8).unpadder()
    try:
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise LicenseRefused(INVALID, "invalid license: it cannot be decrypted; was it changed on its way?") from error


def _day(text: str, name: str) -> date:
    try:
        if len(text) == len("2026-01-01"):  # no other of the forms that Python also takes
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise LicenseRefused(INVALID, f"invalid license: {name} is no day of the form YYYY-MM-DD")


def _public_key(path: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = json_file.read_bytes(path)
    try:
        return load_pem_public_key(content or b"")
    except (ValueError, UnsupportedAlgorithm) as error:
        told = f"{path} (ABLESTACK_LICENSE_PUBLIC_KEY) is no public key in PEM form; no license can be judged without it"
        raise FileUnusable(told, path=path) from error


def _verify(key: Any, signature: bytes, data: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, padding.PKCS1v15(), SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(SHA256()))
    else:
        raise FileUnusable("the key of ABLESTACK_LICENSE_PUBLIC_KEY is neither Ed25519, RSA nor EC")


def _invalid_signature() -> type[Exception]:
    from cryptography.exceptions import InvalidSignature

    return InvalidSignature
