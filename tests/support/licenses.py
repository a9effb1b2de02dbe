"""Makes licence files for tests: invented ones, in the very format (contract 06 §1.1).

`python -m tests.support.licenses --expired 2030-12-31 > license.lic` writes one to try out.
"""

import argparse
import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ablestack_api.ops import license_format

# The vector of the contract, its licence invented there.
VECTOR_FIELDS = {
    "license_key": "DEMO-0000-0001",
    "issued": "2025-01-01",
    "expired": "2035-12-31",
    "status": "active",
    "oem": "demo",
    "product_name": "Demo",
    "product_version": "1.0",
}
VECTOR_FILE = (
    "EC5KDEUf5Xp26YXAdgP8Y2ftfFz02UeoQSkXzMhrb9nmlzSgmRKU0wKWuUelD4CIllqSAjU5DceqBAISYKB/m8PKhRVH11JMqfczruhGd9Wh"
    "vPvxYBD7ok7EyabOfRkq+g44WcMCunvBVtwGkxj1zB1SRxyoBNQWPYObzOENoifefoJDejzciGjhUqIQV13TBj7s4pCJBC+LKlE2l4vvoA=="
)


def fields(**changed: Any) -> dict[str, Any]:
    """Those of the vector, some of them changed; a value of None leaves one out."""
    return {key: value for key, value in {**VECTOR_FIELDS, **changed}.items() if value is not None}


def make(value: Any = None, **changed: Any) -> str:
    """The text of a licence file; `value` instead of fields is any JSON value, or bytes as they are."""
    chosen = fields(**changed) if value is None else value
    plain = chosen if isinstance(chosen, bytes) else json.dumps(chosen, separators=(",", ":")).encode()
    padder = PKCS7(128).padder()
    return encrypted(padder.update(plain) + padder.finalize())


def encrypted(blocks: bytes) -> str:
    key = license_format.cipher_key()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(blocks) + encryptor.finalize()).decode()


def content(text: str) -> str:
    """As `license_content` carries it: Base64 of the file's text."""
    return base64.b64encode(text.encode()).decode()


def signed(key: Ed25519PrivateKey, **changed: Any) -> str:
    plain = fields(**changed)
    signature = base64.b64encode(key.sign(license_format.signed_bytes(plain))).decode()
    return make({**plain, "signature": signature})


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print an invented licence file.")
    for name, value in VECTOR_FIELDS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", default=value)
    print(make(vars(parser.parse_args())))


if __name__ == "__main__":
    main()
