import io
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageOps

from mmsvault.media import documents, images, previews
from mmsvault.media.facts import Facts, NotShownError
from mmsvault.sample import kinds, media
from mmsvault.sample.scenes import scene

MANY = 100_000_000


def described(folder: Path, data: bytes, content_type: str) -> Facts:
    path = folder / "file"
    path.write_bytes(data)
    return images.describe(path, content_type, max_pixels=MANY)


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, form, **options)
    return kept.getvalue()


def opened(data: bytes | None) -> Image.Image:
    assert data
    return Image.open(io.BytesIO(data))


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return by how much two pictures differ at a point, from 0 to 255, at small size."""
    small = [picture.convert("RGB").resize((16, 12)).tobytes() for picture in (one, other)]
    return sum(abs(a - b) for a, b in zip(*small, strict=True)) / len(small[0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_shown_upright(tmp_path: Path, orientation: int) -> None:
    lying = scene(0, (320, 240))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(lying, "JPEG", exif=exif)
    facts = described(tmp_path, data, "image/jpeg")
    expected = ImageOps.exif_transpose(opened(data))
    assert (facts.width, facts.height) == expected.size
    assert difference(opened(facts.thumbnail), expected) < 6


def test_when_and_that_somewhere_is_read_but_kept_out_of_the_thumbnail(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: "2026:11:03 09:30:00", 0x9011: "-08:00"})
    exif.get_ifd(0x8825).update({1: "N", 2: (37.0, 30.0, 0.0), 3: "W", 4: (122.0, 30.0, 0.0)})
    facts = described(tmp_path, saved(scene(1, (400, 300)), "JPEG", exif=exif), "image/jpeg")
    assert (facts.captured, facts.has_location) == ("2026-11-03T09:30:00-08:00", True)
    small = opened(facts.thumbnail)
    assert not small.getexif()
    assert not {"exif", "xmp", "icc_profile"} & set(small.info)


def test_a_time_without_a_zone_stays_without_one(tmp_path: Path) -> None:
    facts = described(tmp_path, media.photograph(2).data, "image/jpeg")
    assert (facts.captured, facts.has_location) == ("2026-11-03T09:30:00", False)


def test_colours_with_a_profile_of_their_own_become_srgb(tmp_path: Path) -> None:
    red, green = (Image.new("RGB", (400, 300), colour) for colour in ((200, 40, 40), (40, 200, 40)))
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"****"), (b"gXYZ", b"rXYZ"), (b"****", b"gXYZ")):
        swapped = swapped.replace(old, new, 1)
    facts = described(tmp_path, saved(red, "PNG", icc_profile=swapped), "image/png")
    assert difference(opened(facts.thumbnail), green) < 12
    facts = described(tmp_path, saved(red, "PNG", icc_profile=b"broken"), "image/png")
    assert difference(opened(facts.thumbnail), red) < 3, "a broken profile is passed over"


def test_a_printers_colours_look_like_the_picture(tmp_path: Path) -> None:
    facts = described(tmp_path, kinds.KINDS["JPEG, CMYK"]().data, "image/jpeg")
    assert difference(opened(facts.thumbnail), scene(2, kinds.PICTURE_SIZE)) < 12


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "WBMP", "HEIC", "AVIF", "WebP"])
def test_pictures_of_rarer_kinds_look_like_themselves(tmp_path: Path, kind: str) -> None:
    file = kinds.KINDS[kind]()
    facts = described(tmp_path, file.data, file.content_type)
    original = scene(1, (96, 64)).convert("1") if kind == "WBMP" else scene(2, kinds.PICTURE_SIZE)
    assert (facts.width, facts.height) == original.size
    assert difference(opened(facts.thumbnail), original) < 8


def test_sixteen_bits_are_not_burnt_out(tmp_path: Path) -> None:
    deep = scene(1, (400, 300)).convert("L").convert("I").point(lambda value: value * 256).convert("I;16")
    facts = described(tmp_path, saved(deep, "PNG"), "image/png")
    assert difference(opened(facts.thumbnail), scene(1, (400, 300)).convert("L")) < 30


def test_frames_are_counted_where_a_picture_can_move(tmp_path: Path) -> None:
    for kind, frames in (("GIF", 1), ("GIF, animated", 12), ("WebP, animated", 3), ("JPEG", None)):
        file = kinds.KINDS[kind]()
        assert described(tmp_path, file.data, file.content_type).frame_count == frames


def test_a_picture_that_is_cut_off_shows_what_is_there_and_says_so(tmp_path: Path) -> None:
    facts = described(tmp_path, kinds.KINDS["JPEG, cut off"]().data, "image/jpeg")
    assert facts.thumbnail
    assert facts.reason == images.CUT_OFF


def test_nothing_to_see_is_no_thumbnail(tmp_path: Path) -> None:
    with pytest.raises(NotShownError, match="cannot be decoded"):
        described(tmp_path, media.photograph(1).data[:700], "image/jpeg")


def test_a_picture_keeps_its_hash_when_it_is_made_smaller_and_has_another_than_others(tmp_path: Path) -> None:
    def hash_of(picture: Image.Image, form: str) -> int:
        return int(described(tmp_path, saved(picture, form), f"image/{form.lower()}").perceptual_hash, 16)

    def apart(one: int, other: int) -> int:
        return (one ^ other).bit_count()

    large, small = (
        hash_of(scene(3, (1600, 1200)), "JPEG"),
        hash_of(scene(3, (1600, 1200)).resize((500, 375)), "PNG"),
    )
    assert apart(large, small) <= 6
    assert apart(large, hash_of(scene(4, (1600, 1200)), "JPEG")) > 12


def test_a_preview_has_1600_px_on_its_long_edge(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(saved(scene(0, (2400, 1800)), "TIFF"))
    with opened(images.preview(path, "image/tiff", max_pixels=MANY)) as made:
        assert (made.format, made.size) == ("WEBP", (1600, 1200))


@pytest.mark.parametrize(
    ("size", "words"),
    [((30_000, 30_000), "30,000 x 30,000 pixels is over the limit of 100 million"), ((9_000, 9_000), "")],
)
def test_the_limit_of_pixels_counts_before_anything_is_decoded(
    tmp_path: Path, size: tuple[int, int], words: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(saved(Image.new("1", size), "PNG"))
    if words:
        with pytest.raises(NotShownError, match=words):
            images.describe(path, "image/png", max_pixels=MANY)
    else:
        assert images.describe(path, "image/png", max_pixels=MANY).thumbnail


def pdf(pages: int) -> bytes:
    """Return a document whose pages are each of another colour."""
    shades = [Image.new("RGB", (60, 80), (10 * number, 0, 200)) for number in range(pages)]
    return saved(shades[0], "PDF", save_all=True, append_images=shades[1:])


@pytest.mark.parametrize(("given", "shown"), [(1, 1), (3, 3), (12, 10)])
def test_a_preview_of_a_pdf_has_its_pages_below_each_other_large_enough_to_read(
    tmp_path: Path, given: int, shown: int
) -> None:
    file, made = tmp_path / "file", tmp_path / "made"
    file.write_bytes(pdf(given))
    remark = previews.make(file, "application/pdf", into=made, preview_type="image/webp", max_pixels=MANY)
    assert remark == ("the preview shows the first 10 pages of 12" if given > shown else "")
    picture = opened(made.read_bytes()).convert("RGB")
    assert picture.size == (1200, 1600 * shown + documents.GAP_PIXELS * (shown - 1))
    for number in range(shown):
        red, _, blue = picture.getpixel((600, 800 + number * (1600 + documents.GAP_PIXELS)))  # type: ignore[misc]
        assert abs(red - 10 * number) < 6
        assert abs(blue - 200) < 6


def test_a_preview_of_what_is_no_pdf_says_why_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"%PDF-1.7\nnothing")
    with pytest.raises(NotShownError, match="cannot be opened"):
        documents.pages(tmp_path / "file")
