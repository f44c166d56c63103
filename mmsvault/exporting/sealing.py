"""The password of an export on its way from whoever asks for it to the worker that makes it.

It stands in the register, sealed (`mmsvault.seals`), until the export is made or given up. Whoever can
open a seal could read the messages themselves.
"""

from mmsvault import seals
from mmsvault.errors import RejectedInputError
from mmsvault.settings import Settings

_PURPOSE = b"mmsvault: password of an export"


def seal(settings: Settings, password: str, *, identity: str) -> str:
    """Return the password of the export `identity` as only this vault's programs can read it."""
    return seals.seal(settings.bucket_keys[1], password, purpose=_PURPOSE, identity=identity)


def unseal(settings: Settings, sealed: str, *, identity: str) -> str:
    """Return the password. Raises RejectedInputError for what was not sealed here for this export."""
    try:
        return seals.unseal(settings.bucket_keys[1], sealed, purpose=_PURPOSE, identity=identity)
    except ValueError:
        raise RejectedInputError(
            "Its password cannot be read any more: the bucket's secret key is another one since. "
            "Ask for the export again."
        ) from None
