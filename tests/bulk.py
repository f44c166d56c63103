"""A vault filled at once: thousands of messages with real thumbnails, as a gallery has them."""

import io
import os
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image

from mmsvault.media import images
from mmsvault.message import MediaItem, MediaState, Message, RawPostback
from mmsvault.sample import media
from mmsvault.vault import Vault
from tests.benchmarks import crowd

PICTURES = 48
SENDERS = 40
KEYWORDS = ("storm", "harbor", "wedding", "contest", "")
CARRIERS = ("31002", "31003", "31004")
WORDS = "red kite over the old harbor after rain while boats come home".split()
DISTANCE = timedelta(minutes=7)


def fill(vault: Vault, number: int, *, newest_at: datetime, plain: bool = False) -> list[Message]:
    """Enter that many messages with their thumbnails, the first one the newest; return them.

    Where it is `plain`, each has one picture; else there are other files among them.
    """
    thumbnails = [_thumbnail(seed) for seed in range(PICTURES)]
    made = [_message(at, newest_at - at * DISTANCE, thumbnails, plain=plain) for at in range(number)]
    crowd.enter(vault.catalog, made)
    shelf = _Shelf(vault)
    for one in made:
        for item in one.media:
            if item.thumbnail_key:
                data = thumbnails[_seed(one) % PICTURES][0]
                shelf.put(item.thumbnail_key, data)
                if item.content_type == "image/webp":
                    shelf.put(item.key, data)
    return made


def _seed(message: Message) -> int:
    return int(message.tracking_id.removeprefix("bulk-"))


def _thumbnail(seed: int) -> tuple[bytes, int, int, str]:
    width, height = ((320, 240), (240, 320), (320, 180), (300, 300))[seed % 4]
    with Image.open(io.BytesIO(media.photograph(seed, size=(width, height)).data)) as picture:
        small = picture.convert("RGB")
    return images.as_webp(small), width * 4, height * 4, images.perceptual_hash(small)


class _Shelf:
    """Puts pictures into the bucket; into an embedded one each only once, under all of its names."""

    def __init__(self, vault: Vault) -> None:
        self._bucket, self._folder = vault.bucket, vault.settings.embedded_bucket_dir
        self._first: dict[bytes, Path] = {}

    def put(self, key: str, data: bytes) -> None:
        if self._folder is None:
            self._bucket.put(key, data, content_type="image/webp")
            return
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        first = self._first.setdefault(data, path)
        if first is path:
            path.write_bytes(data)
        else:
            os.link(first, path)


def _message(
    number: int, at: datetime, thumbnails: list[tuple[bytes, int, int, str]], *, plain: bool
) -> Message:
    dice = random.Random(number)
    identity = f"sinch-bulk-{number}"
    prefix = f"messages/{at:%Y/%m/%d}/{identity}/"
    return Message(
        id=identity,
        provider="sinch",
        tracking_id=f"bulk-{number}",
        sender=f"140855501{number % SENDERS:02d}",
        to=("28444", "14085550199") if number % 11 == 5 else ("28444",),
        keyword=KEYWORDS[number % len(KEYWORDS)],
        subject=" ".join(dice.choices(WORDS, k=4)) if number % 3 == 0 else "",
        operator_id=CARRIERS[number % 3],
        received_at=at,
        deadline_at=at + timedelta(days=30),
        recorded_at=at,
        prefix=prefix,
        media=tuple(_media(number, prefix, thumbnails[number % PICTURES], dice, plain=plain)),
        postbacks=(RawPostback(name="postback.xml", sha256="0" * 64, received_at=at, source="", headers={}),),
        tags=("reviewed",) if number % 20 == 1 else (),
        hold=number % 50 == 2,
    )


def _media(
    number: int,
    prefix: str,
    thumbnail: tuple[bytes, int, int, str],
    dice: random.Random,
    *,
    plain: bool,
) -> Iterator[MediaItem]:
    """Give the files: mostly one picture, and in turn a film, a text, several pictures, something lost."""
    data, width, height, looks = thumbnail

    def item(position: int, content_type: str, **more: Any) -> MediaItem:
        given = {
            "position": position,
            "url": f"https://media.example/{number}/{position}",
            "state": MediaState.STORED,
            "content_type": content_type,
            "declared_type": content_type,
            "size": len(data),
            "sha256": f"{number:064x}",
            "key": f"{prefix}{position:02d}.bin",
            "attempts": 1,
            **more,
        }
        return MediaItem.model_validate(given)

    def shown(position: int, content_type: str, **more: Any) -> MediaItem:
        seen = {"thumbnail_key": f"{prefix}thumbs/{position:02d}.webp", "width": width, "height": height}
        return item(position, content_type, **{**seen, **more})

    kind = 0 if plain else number % 20
    if kind == 7:
        yield shown(0, "video/mp4", codecs=("h264", "aac"), duration_ms=dice.randint(2_000, 90_000))
    elif kind == 11:
        yield item(0, "text/plain", text=" ".join(dice.choices(WORDS, k=12)))
    else:
        yield shown(0, "image/webp", perceptual_hash=looks, frame_count=8 if kind == 3 else 1)
    if kind == 5:
        yield shown(1, "image/webp")
        yield item(2, "text/plain", text="both of us, and the boat")
    if kind == 13:
        lost = {"state": MediaState.LOST, "key": "", "size": None, "sha256": ""}
        yield item(1, "", **{**lost, "reason": "The provider answered 404 Not Found until the deadline."})
