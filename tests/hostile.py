"""Files made to hurt whoever opens them. Everything is made here; nothing is taken from elsewhere."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping

from PIL import Image

from mmsvault.sample import media
from mmsvault.sample.media import SampleFile
from mmsvault.sample.scenes import scene

SCRIPT = b"alert(document.cookie)"


def png(width: int, height: int) -> bytes:
    """Return a small PNG that becomes width x height black pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )


def gif(frames: int) -> bytes:
    """Return a GIF of many frames."""
    kept = io.BytesIO()
    Image.new("P", (16, 16)).save(kept, "GIF")
    data = kept.getvalue()
    at = data.index(b",\0\0\0\0")
    return data[:at] + data[at:-1] * frames + b";"


def tiff(*, loops: bool) -> bytes:
    """Return a TIFF whose directories lead to themselves, or on and on to the next."""
    entries = ((256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, 8))
    count = 1 if loops else 20_000
    size = 2 + 12 * len(entries) + 4
    directories = b"".join(
        struct.pack("<H", len(entries))
        + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
        + struct.pack("<I", 8 if loops else 8 + size * (place + 1))
        for place in range(count)
    )
    return b"II*\0" + struct.pack("<I", 8) + directories


def archive() -> bytes:
    """Return a ZIP of 5 KB in which 5 GB could be found."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        packed.writestr("0", bytes(5_000_000))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for number in range(1000):
            packed.writestr(str(number), inner.getvalue())
    return outer.getvalue()


def endless_film() -> bytes:
    """Return a 3GP that says, in each of its places, that it lasts 10^9 seconds."""
    data = bytearray(media.film_3gp().data)
    for name in (b"mvhd", b"mdhd"):
        at = data.find(name)
        while at >= 0:
            data[at + 16 : at + 24] = (1).to_bytes(4, "big") + (10**9).to_bytes(4, "big")
            at = data.find(name, at + 4)
    at = data.index(b"stts")
    data[at + 16 : at + 20] = (22_222_222).to_bytes(4, "big")
    return bytes(data)


def _jpeg(width: int, height: int) -> bytes:
    data = bytearray(media.photograph(1).data)
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _pdf(pages: int) -> bytes:
    kids = b" ".join(b"3 0 R" for _ in range(pages))
    action = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
    return (
        b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R /OpenAction " + action + b" >>\nendobj\n"
        b"2 0 obj\n<< /Type /Pages /Kids ["
        + kids
        + b" 2 0 R] /Count %d >>\nendobj\n" % pages
        + b"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 1e9 1e9] >>\nendobj\n"
        + b"trailer\n<< /Root 1 0 R >>\n%%EOF"
    )


def _photograph() -> bytes:
    kept = io.BytesIO()
    scene(1, (320, 240)).save(kept, "JPEG")
    return kept.getvalue()


MADE: Mapping[str, Callable[[], SampleFile]] = {
    "PNG of 30,000 x 30,000": lambda: SampleFile("bomb.png", "image/png", png(30_000, 30_000)),
    "JPEG that says 65,000 x 65,000": lambda: SampleFile("big.jpg", "image/jpeg", _jpeg(65_000, 65_000)),
    "GIF of 100,000 frames": lambda: SampleFile("bomb.gif", "image/gif", gif(100_000)),
    "TIFF that leads to itself": lambda: SampleFile("loop.tif", "image/tiff", tiff(loops=True)),
    "TIFF that leads on and on": lambda: SampleFile("long.tif", "image/tiff", tiff(loops=False)),
    "ZIP of ZIPs, named .jpg": lambda: SampleFile("bomb.jpg", "image/jpeg", archive()),
    "3GP of 10^9 seconds": lambda: SampleFile("long.3gp", "video/3gpp", endless_film()),
    "PDF of pages within pages": lambda: SampleFile("loop.pdf", "application/pdf", _pdf(1000)),
    "nothing at all": lambda: SampleFile("empty.jpg", "image/jpeg", b""),
    "a web page in place of a picture": lambda: SampleFile(
        "gone.jpg", "image/jpeg", b"<!DOCTYPE html><html><script>" + SCRIPT + b"</script>Gone</html>"
    ),
    "GIF and script in one": lambda: SampleFile(
        "a.gif", "text/javascript", b"GIF89a/*" + gif(2)[8:] + b"*/=1;" + SCRIPT
    ),
    "JPEG and web page in one": lambda: SampleFile(
        "a.jpg", "text/html", _photograph() + b"<html><script>" + SCRIPT + b"</script></html>"
    ),
    "SVG with a script": lambda: SampleFile(
        "a.svg",
        "image/svg+xml",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>' + SCRIPT + b"</script></svg>",
    ),
    "SMIL with entities": lambda: SampleFile(
        "a.smil", "application/smil", b'<!DOCTYPE s [<!ENTITY a "b">]><smil><ref src="&a;"/></smil>'
    ),
    "contacts within contacts": lambda: SampleFile("a.vcf", "text/x-vcard", b"BEGIN:VCARD\r\n" * 20_000),
}


def truncations(data: bytes, *, points: int) -> Iterator[bytes]:
    """Yield the file cut off at so many points, from nothing to nearly all of it."""
    for point in range(points):
        yield data[: len(data) * point // points]


def flips(data: bytes, *, count: int) -> Iterator[bytes]:
    """Yield the file with a bit turned over, more of them in every fourth; the same ones in every run."""
    chance = random.Random(len(data))
    for number in range(count):
        broken = bytearray(data)
        for _ in range(1 if number % 4 else chance.randint(2, 40)):
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        yield bytes(broken)
