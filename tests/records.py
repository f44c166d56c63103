"""Records of messages and files, as a worker would have left them."""

from datetime import UTC, datetime, timedelta

from mmsvault.message import MediaItem, MediaState, Message

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def message(*items: MediaItem, **changes: object) -> Message:
    """Return a message of these files, from one sender to one short code, otherwise as `changes` say."""
    given = {
        "id": "sinch-1",
        "provider": "sinch",
        "tracking_id": "1",
        "sender": "14085550123",
        "to": ("28444",),
        "received_at": NOON,
        "deadline_at": NOON + timedelta(days=30),
        "recorded_at": NOON,
        "prefix": "messages/2026/11/20/sinch-1/",
        "media": items,
        **changes,
    }
    return Message.model_validate(given)


def item(position: int, content_type: str, **changes: object) -> MediaItem:
    """Return a stored file."""
    given = {
        "position": position,
        "url": f"http://m.example/{position}",
        "state": MediaState.STORED,
        "content_type": content_type,
        "key": f"messages/2026/11/20/sinch-1/{position:02d}.x",
        **changes,
    }
    return MediaItem.model_validate(given)
