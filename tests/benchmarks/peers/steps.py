"""The steps that all peers take: one download, one thumbnail, three puts, over kept connections.

They promise nothing: no lease, no catalog, no fsync, no check of the address, no sandbox.
"""

import io
import os

import httpx
import urllib3
from minio import Minio
from PIL import Image, ImageOps

EDGE, QUALITY, EFFORT = 320, 80, 2  # those of mmsvault.media.images

bucket = Minio(
    os.environ["BENCH_S3"],
    access_key=os.environ["BENCH_S3_KEY"],
    secret_key=os.environ["BENCH_S3_SECRET"],
    secure=False,
    region="us-east-1",
    http_client=urllib3.PoolManager(maxsize=16),
)
client = httpx.Client(trust_env=False)
done = os.open(os.environ["BENCH_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def archive(prefix: str, url: str, postback: str) -> None:
    """Do all of it, one after the other."""
    keep(prefix, postback, client.get(url).raise_for_status().content)


def keep(prefix: str, postback: str, original: bytes) -> None:
    """Make the thumbnail and put everything into the bucket."""
    _put(f"{prefix}/postback.xml", postback.encode())
    _put(f"{prefix}/00.jpg", original)
    _put(f"{prefix}/thumbs/00.webp", thumbnail(original))
    os.write(done, b".")


def thumbnail(original: bytes) -> bytes:
    with Image.open(io.BytesIO(original)) as picture:
        picture.draft("RGB", (EDGE * 2, EDGE * 2))
        small = ImageOps.exif_transpose(picture)
        small.thumbnail((EDGE, EDGE), reducing_gap=2.0)
        into = io.BytesIO()
        small.convert("RGB").save(into, "WEBP", quality=QUALITY, method=EFFORT)
    return into.getvalue()


def _put(key: str, content: bytes) -> None:
    bucket.put_object("peers", key, io.BytesIO(content), len(content))
