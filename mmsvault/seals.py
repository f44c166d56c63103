"""Secrets that must be kept and read again, sealed so that the catalog and the queue alone cannot read them.

A seal is AES-256-GCM. Its key is derived (HKDF-SHA-256) from the bucket's secret key, which every program
of the vault has and neither the catalog nor the queue does. Each purpose has a key of its own.
"""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES, KEY_BYTES = 12, 32


def seal(secret: str, text: str, *, purpose: bytes, identity: str) -> str:
    """Return `text` as only `unseal` with the same secret, purpose and identity reads it."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(derived_key(secret, purpose)).encrypt(nonce, text.encode(), identity.encode())
    return base64.b64encode(nonce + sealed).decode()


def unseal(secret: str, sealed: str, *, purpose: bytes, identity: str) -> str:
    """Return the text. Raises ValueError for what was not sealed so."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        cipher = AESGCM(derived_key(secret, purpose))
        return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], identity.encode()).decode()
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise ValueError("it was sealed with another key, or for something else") from error


def derived_key(secret: str, purpose: bytes) -> bytes:
    """Return the key of a purpose, 32 bytes."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(secret.encode())
