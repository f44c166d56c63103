"""What happens in the sandbox's child: the facts of one file, found out from its bytes."""

from dataclasses import dataclass
from pathlib import Path

from mmsvault.media import images, sniffing

MOST_TEXT = 20_000
"""Characters of text that go into the record; a slide of an MMS holds up to 5,000."""


@dataclass(frozen=True)
class Facts:
    """What a file is. Sizes in pixels; `thumbnail` is WebP; `reason` says why one is missing."""

    content_type: str
    width: int | None = None
    height: int | None = None
    text: str = ""
    thumbnail: bytes | None = None
    reason: str = ""


def inspect(path: str, declared_type: str, max_pixels: int) -> Facts:
    """Return the facts of the file at `path`; a file that cannot be read is described as far as it goes."""
    with Path(path).open("rb") as file:
        head = file.read(sniffing.HEAD_BYTES)
    content_type = sniffing.true_type(head, declared_type)
    if content_type in images.FORMATS:
        try:
            width, height, thumbnail = images.thumbnail(Path(path), content_type, max_pixels=max_pixels)
        except images.NotAPictureError as error:
            return Facts(content_type, reason=str(error))
        return Facts(content_type, width=width, height=height, thumbnail=thumbnail)
    if content_type.startswith("text/"):
        text = sniffing.as_text(head, declared_type) or ""
        return Facts(content_type, text=text[:MOST_TEXT].replace("\0", ""))
    return Facts(content_type)
