"""How the files of a backup are written: as they are, or encrypted by age (https://age-encryption.org/v1).

An encrypted backup has a key pair of its own, whose private half lies beside the files, encrypted with a
passphrase. Names tell nothing of what is in a file: they are HMACs with a key that follows from that half.
"""

import base64
import hashlib
import hmac
from typing import BinaryIO, Protocol

import pyrage

from mmsvault import seals
from mmsvault.errors import DamagedError, RejectedInputError

SHORTEST_PASSPHRASE = 12
_NAMES = b"mmsvault: names in a backup"


class Encryption(Protocol):
    """What writes and reads files of a backup."""

    ending: str
    """How the names of snapshots end."""
    is_secret: bool
    """Whether nobody else can read the files."""

    def encrypt(self, plain: BinaryIO, into: BinaryIO) -> None:
        """Write a file as it is kept."""

    def decrypt(self, kept: BinaryIO, into: BinaryIO) -> None:
        """Write a kept file as it was. Raises DamagedError."""

    def name_of(self, sha256: str) -> str:
        """Return the name of a file with these bytes, 64 hex digits."""


class Plain:
    """Files as they are, named by their SHA-256."""

    ending = ""
    is_secret = False

    def encrypt(self, plain: BinaryIO, into: BinaryIO) -> None:
        """See Encryption."""
        _copy(plain, into)

    def decrypt(self, kept: BinaryIO, into: BinaryIO) -> None:
        """See Encryption."""
        _copy(kept, into)

    def name_of(self, sha256: str) -> str:
        """See Encryption."""
        return sha256


class Age:
    """Files as age writes them, for one identity."""

    ending = ".age"
    is_secret = True

    def __init__(self, identity: pyrage.x25519.Identity) -> None:
        self._identity = identity
        self._recipient = identity.to_public()
        self._names = seals.derived_key(str(identity), _NAMES)

    def encrypt(self, plain: BinaryIO, into: BinaryIO) -> None:
        """See Encryption."""
        pyrage.encrypt_io(plain, into, [self._recipient])

    def decrypt(self, kept: BinaryIO, into: BinaryIO) -> None:
        """See Encryption."""
        try:
            pyrage.decrypt_io(kept, into, [self._identity])
        except pyrage.DecryptError as error:
            raise DamagedError("", "it cannot be decrypted") from error

    def name_of(self, sha256: str) -> str:
        """See Encryption."""
        return hmac.new(self._names, sha256.encode(), hashlib.sha256).hexdigest()


def new_age(passphrase: str) -> tuple[Age, str]:
    """Return a new key pair, and its private half as only the passphrase opens it.

    Raises RejectedInputError for a passphrase that is too short.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise RejectedInputError(f"A passphrase has at least {SHORTEST_PASSPHRASE} characters.")
    identity = pyrage.x25519.Identity.generate()
    locked = pyrage.passphrase.encrypt(str(identity).encode(), passphrase)
    return Age(identity), base64.b64encode(locked).decode()


def opened_age(locked: str, passphrase: str) -> Age:
    """Return the key pair that `new_age` made. Raises RejectedInputError for a wrong passphrase."""
    try:
        told = pyrage.passphrase.decrypt(base64.b64decode(locked), passphrase)
        return Age(pyrage.x25519.Identity.from_str(told.decode()))
    except (pyrage.DecryptError, pyrage.IdentityError, ValueError) as error:
        raise RejectedInputError("The passphrase is not that of this backup.") from error


def _copy(source: BinaryIO, into: BinaryIO) -> None:
    while chunk := source.read(1 << 18):
        into.write(chunk)
