"""Thumbnails against what Chromium shows of the same file at the same size."""

import base64
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from mmsvault.media.inspecting import inspect
from mmsvault.media.pixels import GROUND
from mmsvault.sample import kinds
from mmsvault.sample.scenes import scene
from tests.chromium import new_page

CASES = Path(__file__).parents[1] / "cases" / "media"
CASES_SHOWN = (
    *("avif-mif1", "exif6.webp", "gray16.png", "gray16-white.png", "jpeg-640x1", "png-textcrc.png"),
    "xmp6.jpg",
)
KINDS_SHOWN = (
    *("JPEG", "JPEG, lying on its side", "JPEG, progressive", "JPEG, CMYK", "JPEG, 640 x 1", "PNG"),
    *("PNG, 16-bit grey", "PNG, with a damaged text", "GIF", "WebP", "BMP", "AVIF"),
    *("AVIF, told by its compatible brands", "Icon"),
)
LARGEST_DIFFERENCE = 5.0
"""Mean of the differences of colours, of 255, at 32 x 32 points; another side up differs by 50 and more."""
SHOW = """async ([source, width, height]) => {
  const image = new Image();
  image.src = source;
  document.body.replaceChildren(image);
  await image.decode();
  image.style.width = `${width}px`;
  image.style.height = `${height}px`;
  await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
  return [image.naturalWidth, image.naturalHeight];
}"""


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    with new_page(browser, viewport={"width": 400, "height": 400}) as page:
        ground = ",".join(map(str, GROUND))
        page.set_content(
            f"<style>body{{margin:0;background:rgb({ground})}}img{{display:block}}</style><body>"
        )
        yield page


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, form, **options)
    return kept.getvalue()


def with_gamma(gamma: float) -> bytes:
    data = saved(scene(3, (400, 240)), "PNG")
    told = b"gAMA" + struct.pack(">I", round(gamma * 100_000))
    return data[:33] + b"\0\0\0\4" + told + struct.pack(">I", zlib.crc32(told)) + data[33:]


def variants() -> dict[str, bytes]:
    """Return pictures that decoders take differently, by what they are."""
    picture = scene(3, (400, 240))
    clear = picture.copy()
    clear.putalpha(Image.linear_gradient("L").resize(picture.size))
    files = {f"gamma {gamma}": with_gamma(gamma) for gamma in (0.3, 0.45455, 1.0)}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for form in ("JPEG", "PNG", "WEBP", "AVIF"):
            files[f"{form} of orientation {orientation}"] = saved(picture, form, exif=exif)
    for form in ("PNG", "WEBP", "AVIF"):
        files[f"{form} with clear parts"] = saved(clear, form)
    files["a palette with clear colours"] = saved(
        picture.quantize(16), "PNG", transparency=bytes(range(0, 256, 16))
    )
    files["an inverted CMYK"] = saved(Image.eval(picture.convert("CMYK"), lambda ink: 255 - ink), "JPEG")
    return files


VARIANTS = variants()


def as_chromium_shows_it(window: Page, data: bytes, size: tuple[int, int]) -> tuple[list[int], Image.Image]:
    """Return the width and height that Chromium gives, and the picture at another size."""
    source = f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"
    natural = window.evaluate(SHOW, [source, *size])
    clip = {"x": 0, "y": 0, "width": size[0], "height": size[1]}
    return natural, Image.open(io.BytesIO(window.screenshot(clip=clip))).convert("RGB")  # type: ignore[arg-type]


def assert_shown_alike(window: Page, path: Path) -> None:
    facts = inspect(str(path), "", 100_000_000)
    assert facts.thumbnail, facts.reason
    ours = Image.open(io.BytesIO(facts.thumbnail)).convert("RGB")
    natural, theirs = as_chromium_shows_it(window, path.read_bytes(), ours.size)
    assert natural == [facts.width, facts.height]
    small = (min(32, ours.width), min(32, ours.height))
    pairs = zip(*(one.resize(small, Image.Resampling.BOX).tobytes() for one in (ours, theirs)), strict=True)
    assert sum(abs(a - b) for a, b in pairs) / (small[0] * small[1] * 3) < LARGEST_DIFFERENCE


@pytest.mark.parametrize("name", CASES_SHOWN)
def test_a_case_looks_in_the_gallery_as_it_does_in_chromium(window: Page, name: str) -> None:
    assert_shown_alike(window, CASES / name)


@pytest.mark.parametrize("kind", KINDS_SHOWN)
def test_a_picture_of_each_kind_looks_as_it_does_in_chromium(window: Page, tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(kinds.KINDS[kind]().data)
    assert_shown_alike(window, tmp_path / "file")


@pytest.mark.parametrize("name", VARIANTS)
def test_orientation_colours_and_clear_parts_are_as_in_chromium(
    window: Page, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_bytes(VARIANTS[name])
    assert_shown_alike(window, tmp_path / "file")
