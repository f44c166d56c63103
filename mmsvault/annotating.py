"""What people add to a message: tags and a note, in the catalog and in its record in the bucket."""

from collections.abc import Sequence

from mmsvault.catalog import writes
from mmsvault.message import Message, utc_now
from mmsvault.settling import refresh
from mmsvault.vault import Vault


def annotate(
    vault: Vault,
    message_id: str,
    *,
    tag: Sequence[str] = (),
    untag: Sequence[str] = (),
    note: str | None = None,
) -> Message:
    """Add tags, take tags away, set the note, and return the message.

    Raises NotFoundError, and RejectedInputError for a tag or a note that is too long.
    Where a worker has the message in hand, it writes the record.
    """
    message = writes.annotate(vault.catalog, message_id, tag=tag, untag=untag, note=note, now=utc_now())
    refresh(vault, message_id)
    return message
