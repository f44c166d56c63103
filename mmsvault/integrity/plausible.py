"""Whether a view is whole as far as its form tells, where no hash of it is recorded.

Views that were made before their hashes were recorded have none. WebP and MP4 say how long they are, so one
that was cut short shows without being decoded.
"""

from mmsvault.bucket import Bucket
from mmsvault.media import playing

HEADER_BYTES = 16
WEBP = "image/webp"
CUT_SHORT = "is not whole: its own header says that it is longer or shorter"


def problem_of(bucket: Bucket, key: str) -> str:
    """Return what is wrong with a view's form; mostly nothing. Raises NotFoundError, UnavailableError."""
    size, _ = bucket.look_up(key)
    kind = playing.type_of_preview(key)
    if kind == WEBP:
        head = bucket.beginning(key, most_bytes=HEADER_BYTES)
        if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
            return "is no picture"
        return "" if _webp_length(head) == size else CUT_SHORT
    return _problem_of_boxes(bucket, key, size) if kind else ""


def _webp_length(head: bytes) -> int:
    return int.from_bytes(head[4:8], "little") + 8


def _problem_of_boxes(bucket: Bucket, key: str, size: int) -> str:
    """Return what is wrong with the boxes of an MP4 file (ISO 14496-12, 4.2)."""
    at, kinds = 0, set()
    while at < size:
        head = b"".join(bucket.chunks(key, offset=at, length=min(HEADER_BYTES, size - at)))
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        length = length or size - at
        if length < 8 or at + length > size:  # noqa: PLR2004 - a box's own head
            return CUT_SHORT
        kinds.add(head[4:8])
        at += length
    return "" if {b"ftyp", b"moov"} <= kinds else "has no moving picture or sound in it"
