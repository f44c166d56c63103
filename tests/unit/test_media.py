import io
from pathlib import Path

import pytest
from PIL import Image

from mmsvault.media import images, sniffing
from mmsvault.media.charsets import as_text
from mmsvault.media.facts import Facts
from mmsvault.media.inspecting import inspect

MANY = 100_000_000


def picture(form: str, size: tuple[int, int] = (64, 48), *, mode: str = "RGB", **options: object) -> bytes:
    kept = io.BytesIO()
    Image.new(mode, size, "red" if mode != "P" else 1).save(kept, form, **options)
    return kept.getvalue()


def kept(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


def thumbnail_of(facts: Facts) -> Image.Image:
    assert facts.thumbnail, facts.reason
    return Image.open(io.BytesIO(facts.thumbnail))


@pytest.mark.parametrize(
    ("data", "declared", "found"),
    [
        (picture("JPEG"), "text/plain", "image/jpeg"),
        (picture("PNG"), "image/jpeg", "image/png"),
        (picture("GIF"), "", "image/gif"),
        (b"\0\0\0\x1cftyp3gp4\0\0\0\0", "video/mp4", "video/3gpp"),
        (b"\0\0\0\x1cftyp3g2a\0\0\0\0", "", "video/3gpp2"),
        (b"\0\0\0\x1cftypisom\0\0\0\0", "", "video/mp4"),
        (b"\0\0\0\x1cftypM4A \0\0\0\0", "", "audio/mp4"),
        (b"#!AMR\n\x3c", "", "audio/amr"),
        (b"#!AMR-WB\n\x3c", "", "audio/amr-wb"),
        (b"ID3\x04\0\0", "", "audio/mpeg"),
        (b"%PDF-1.7\n", "", "application/pdf"),
        ("Grüße 🐟".encode(), "image/jpeg", "text/plain"),
        ("Grüße".encode("latin-1"), "text/plain; charset=iso-8859-1", "text/plain"),
        ("\ufeffhi".encode("utf-16"), "", "text/plain"),
        (b"BEGIN:VCARD\r\nVERSION:2.1\r\nEND:VCARD", "text/plain", "text/vcard"),
        (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR", "text/plain", "text/calendar"),
        (b"<smil><body/></smil>", "application/smil", "application/smil"),
        (b"<!DOCTYPE html><p>gone", "image/jpeg", "text/html"),
        (b'<?xml version="1.0"?><svg xmlns="x"><script/></svg>', "image/png", "image/svg+xml"),
        (b"", "image/jpeg", "application/octet-stream"),
        (bytes(range(256)), "text/plain", "application/octet-stream"),
    ],
)
def test_the_bytes_decide_what_a_file_is(data: bytes, declared: str, found: str) -> None:
    assert sniffing.true_type(data, declared) == found


def test_an_extension_is_short_and_plain_for_any_type() -> None:
    assert sniffing.extension("image/jpeg") == ".jpg"
    assert sniffing.extension("../../etc/passwd") == ".bin"


def test_a_character_cut_off_at_the_end_does_not_make_text_unreadable() -> None:
    assert as_text("äbc🐟".encode()[:-1], "") == "äbc"


def test_a_picture_is_described_and_gets_a_thumbnail_of_320_px(tmp_path: Path) -> None:
    facts = inspect(str(kept(tmp_path, picture("JPEG", (1280, 960)))), "", MANY)
    assert (facts.content_type, facts.width, facts.height) == ("image/jpeg", 1280, 960)
    assert facts.thumbnail is not None
    with Image.open(io.BytesIO(facts.thumbnail)) as small:
        assert (small.format, small.size) == ("WEBP", (320, 240))


def test_a_picture_that_lies_on_its_side_is_shown_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    facts = inspect(str(kept(tmp_path, picture("JPEG", (640, 480), exif=exif))), "", MANY)
    assert (facts.width, facts.height) == (480, 640)
    assert facts.thumbnail is not None
    with Image.open(io.BytesIO(facts.thumbnail)) as small:
        assert small.size == (240, 320)
        assert not small.getexif()


def test_a_small_picture_is_not_blown_up(tmp_path: Path) -> None:
    with thumbnail_of(inspect(str(kept(tmp_path, picture("PNG"))), "", MANY)) as small:
        assert small.size == (64, 48)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_every_mode_of_a_png_has_a_thumbnail(tmp_path: Path, mode: str) -> None:
    kept_png = io.BytesIO()
    Image.new(mode, (400, 300)).save(kept_png, "PNG")
    facts = inspect(str(kept(tmp_path, kept_png.getvalue())), "", MANY)
    assert (facts.width, facts.height, facts.reason) == (400, 300, "")
    assert facts.thumbnail


def test_transparent_parts_show_a_light_ground(tmp_path: Path) -> None:
    with thumbnail_of(inspect(str(kept(tmp_path, _clear_png())), "", MANY)) as small:
        assert small.convert("RGB").getpixel((10, 10)) == pytest.approx(images.GROUND, abs=4)


def _clear_png() -> bytes:
    data = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(data, "PNG")
    return data.getvalue()


def test_too_many_pixels_are_refused_before_decoding_and_say_so(tmp_path: Path) -> None:
    facts = inspect(str(kept(tmp_path, picture("PNG", (300, 200)))), "", 50_000)
    assert facts.thumbnail is None
    assert facts.reason == "thumbnail not made: 300 x 200 pixels is over the limit of 50,000"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF"])
def test_a_broken_picture_is_a_fact_not_an_error(tmp_path: Path, form: str) -> None:
    facts = inspect(str(kept(tmp_path, picture(form, (200, 200))[:60])), "", MANY)
    assert facts.thumbnail is None
    assert facts.reason.startswith("thumbnail not made: the picture cannot be decoded")


def test_text_is_read_out(tmp_path: Path) -> None:
    facts = inspect(str(kept(tmp_path, "Hallo 🐟".encode())), "text/plain", MANY)
    assert (facts.content_type, facts.text) == ("text/plain", "Hallo 🐟")
