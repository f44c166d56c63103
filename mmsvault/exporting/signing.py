"""A signature over a bag: Ed25519 (RFC 8032) over the tag manifest, which leads to every byte.

The tag manifest names the manifest, that names every file with its SHA-256. The public key lies in
the bag, so anybody can check that the whole was signed by its owner; whose key it is, its owner
says by another way: by publishing the fingerprint.
"""

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from mmsvault.core.durable_files import force
from mmsvault.errors import ConfigurationError

PUBLIC_KEY = "signing-key.pem"
SIGNATURE = "tagmanifest-sha256.txt.sig"
KEY_FILE = "signing-key.pem"


@dataclass(frozen=True)
class Signer:
    """Signs with one private key."""

    key: Ed25519PrivateKey

    def sign(self, data: bytes) -> bytes:
        """Return the signature as text: one line of base64."""
        return base64.b64encode(self.key.sign(data)) + b"\n"

    @property
    def public_key(self) -> bytes:
        """The public key as PEM."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def fingerprint(self) -> str:
        """The public key's fingerprint."""
        return fingerprint(self.public_key)


def own_signer(data_dir: Path) -> Signer:
    """Return the signer of this vault; its key is made when it is first needed, for its owner only.

    Raises ConfigurationError.
    """
    path = data_dir / KEY_FILE
    try:
        if not path.exists():
            _make(path)
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise ConfigurationError("MMSVAULT_DATA_DIR", f"{path} cannot be used as a key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError("MMSVAULT_DATA_DIR", f"{path} is no Ed25519 key")
    return Signer(key)


def is_authentic(data: bytes, signature: bytes, public_key: bytes) -> bool:
    """Return whether the holder of the key signed the data."""
    try:
        key = load_pem_public_key(public_key)
        if not isinstance(key, Ed25519PublicKey):
            return False
        key.verify(base64.b64decode(signature, validate=False), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public_key: bytes) -> str:
    """Return the SHA-256 of a public key, as its owner may publish it. Raises ValueError."""
    key = load_pem_public_key(public_key)
    raw = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(raw).hexdigest()


def _make(path: Path) -> None:
    """Make a key, whole or not at all; of two that do it at once, the first one counts."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    force(path.parent)
