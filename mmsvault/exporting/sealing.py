"""The password of an export on its way from whoever asks for it to the worker that makes it.

It stands in the register, sealed (AES-256-GCM), until the export is made or given up. The seal's key
comes from the bucket's secret key (HKDF): every program of the vault has that, and neither the catalog
nor the queue does. Whoever can open a seal could read the messages themselves.
"""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mmsvault.errors import RejectedInputError
from mmsvault.settings import Settings

NONCE_BYTES, KEY_BYTES = 12, 32
_PURPOSE = b"mmsvault: password of an export"


def seal(settings: Settings, password: str, *, identity: str) -> str:
    """Return the password of the export `identity` as only this vault's programs can read it."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = _cipher(settings).encrypt(nonce, password.encode(), identity.encode())
    return base64.b64encode(nonce + sealed).decode()


def unseal(settings: Settings, sealed: str, *, identity: str) -> str:
    """Return the password. Raises RejectedInputError for what was not sealed here for this export."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        return _cipher(settings).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], identity.encode()).decode()
    except (InvalidTag, ValueError, binascii.Error):
        raise RejectedInputError(
            "Its password cannot be read any more: the bucket's secret key is another one since. "
            "Ask for the export again."
        ) from None


def _cipher(settings: Settings) -> AESGCM:
    _, secret = settings.bucket_keys
    return AESGCM(
        HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=_PURPOSE).derive(secret.encode())
    )
