"""Which decoder opens a picture: its own and no other, and none for one that is too large."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, UnidentifiedImageError

from mmsvault.media import decoders
from mmsvault.media.facts import NotShownError
from mmsvault.media.sniffing import WBMP

MANY = 1_000_000


def picture(folder: Path, kind: str) -> Path:
    path = folder / kind
    Image.new("RGB", (8, 4), "red").save(path, kind)
    return path


@pytest.mark.parametrize("content_type", decoders.FORMATS)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "PPM", "PCX", "TGA", "SGI", "EPS"])
def test_a_picture_of_another_kind_is_not_opened(tmp_path: Path, content_type: str, kind: str) -> None:
    path = picture(tmp_path, kind)
    if content_type == f"image/{kind.lower()}":
        with decoders.opened(path, content_type, max_pixels=MANY) as found:
            assert found.size == (8, 4)
    else:
        with pytest.raises(UnidentifiedImageError):
            decoders.opened(path, content_type, max_pixels=MANY)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG"])
@pytest.mark.parametrize("content_type", ["image/bmp", "image/avif", "image/heic"])
def test_ffmpeg_reads_a_picture_as_its_own_kind_only(tmp_path: Path, content_type: str, kind: str) -> None:
    assert decoders.decoded_by_ffmpeg(picture(tmp_path, kind), content_type, max_pixels=MANY) is None
    bitmap = decoders.decoded_by_ffmpeg(picture(tmp_path, "BMP"), "image/bmp", max_pixels=MANY)
    assert bitmap is not None
    assert bitmap.size == (8, 4)


def test_as_many_pixels_as_may_be_are_decoded_and_not_one_more() -> None:
    decoders.check_size(10, 10, max_pixels=100)
    with pytest.raises(NotShownError, match="10 x 10 pixels is over the limit of 99"):
        decoders.check_size(10, 10, max_pixels=99)


def test_a_picture_that_is_too_large_is_refused_before_ffmpeg_decodes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: Any) -> None:
        pytest.fail("it was decoded")

    monkeypatch.setattr(decoders, "_first_frame", decode)
    with pytest.raises(NotShownError, match="over the limit"):
        decoders.decoded_by_ffmpeg(picture(tmp_path, "BMP"), "image/bmp", max_pixels=31)


def test_a_wireless_bitmap_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "wbmp"
    path.write_bytes(b"\0\0\x08\x08" + bytes(8))
    assert decoders.opened(path, WBMP, max_pixels=64).size == (8, 8)
    with pytest.raises(NotShownError, match="over the limit"):
        decoders.opened(path, WBMP, max_pixels=63)
