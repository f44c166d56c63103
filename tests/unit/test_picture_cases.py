"""Pictures that decoders and browsers take differently, with what Chromium shows of them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsvault.media import decoders, images, sniffing
from mmsvault.media.facts import Facts
from mmsvault.media.inspecting import inspect
from mmsvault.sample import kinds
from mmsvault.sample.scenes import scene

CASES = Path(__file__).parents[1] / "cases" / "media"
MANY = 100_000_000
RED, GREEN, BLUE, YELLOW = (220, 20, 20), (20, 180, 20), (20, 20, 220), (230, 200, 20)
DULL = ((200, 40, 40), (40, 160, 40), (40, 40, 180), (210, 180, 40))

Colour = tuple[int, int, int]


def facts_of(folder: Path, data: bytes, declared: str = "") -> Facts:
    path = folder / "file"
    path.write_bytes(data)
    return inspect(str(path), declared, MANY)


def seen(facts: Facts) -> Image.Image:
    assert facts.thumbnail, facts.reason
    return Image.open(io.BytesIO(facts.thumbnail)).convert("RGB")


def corners(picture: Image.Image) -> list[Colour]:
    """Return the colours in the middle of each quarter: above left and right, below left and right."""
    width, height = picture.size
    left, upper = width // 8, height // 8
    places = ((left, upper), (width - 1 - left, upper), (left, height - 1 - upper))
    return [picture.getpixel(place) for place in (*places, (width - 1 - left, height - 1 - upper))]  # type: ignore[misc]


def assert_alike(found: list[Colour], expected: tuple[Colour, ...], *, within: int = 12) -> None:
    pairs = zip(found, expected, strict=True)
    assert all(abs(a - b) <= within for one, other in pairs for a, b in zip(one, other, strict=True)), found


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, form, **options)
    return kept.getvalue()


def four_colours(size: tuple[int, int] = (64, 32)) -> Image.Image:
    picture = Image.new("RGB", size, YELLOW)
    width, height = size[0] // 2, size[1] // 2
    picture.paste(RED, (0, 0, width, height))
    picture.paste(GREEN, (width, 0, size[0], height))
    picture.paste(BLUE, (0, height, width, size[1]))
    return picture


def chunk(name: bytes, data: bytes, *, checksum: int | None = None) -> bytes:
    right = zlib.crc32(name + data)
    return (
        struct.pack(">I", len(data))
        + name
        + data
        + struct.pack(">I", right if checksum is None else checksum)
    )


def png_with(*chunks: bytes) -> bytes:
    """Return a PNG with these chunks behind its header."""
    data = saved(four_colours(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


@pytest.mark.parametrize(
    ("name", "content_type", "size", "expected"),
    [
        ("avif-mif1", "image/avif", (400, 240), (RED, GREEN, BLUE, YELLOW)),
        ("heic-miaf", "image/heic", (400, 240), (RED, GREEN, BLUE, YELLOW)),
        ("exif6.webp", "image/webp", (400, 240), DULL),
        ("xmp6.jpg", "image/jpeg", (400, 240), DULL),
        ("gif-blank-first", "image/gif", (120, 90), (RED, GREEN, BLUE, YELLOW)),
        ("gray16.png", "image/png", (64, 48), ((84,) * 3, (121,) * 3, (84,) * 3, (121,) * 3)),
        ("gray16-white.png", "image/png", (64, 48), ((255, 255, 255),) * 4),
        ("jpeg-640x1", "image/jpeg", (640, 1), (RED,) * 4),
        ("png-textcrc.png", "image/png", (400, 240), DULL),
        ("jp2", "image/jp2", (400, 240), (RED, GREEN, BLUE, YELLOW)),
    ],
)
def test_each_case_is_shown_as_chromium_or_a_second_decoder_shows_it(
    name: str, content_type: str, size: tuple[int, int], expected: tuple[Colour, ...]
) -> None:
    facts = inspect(str(CASES / name), "", MANY)
    assert (facts.content_type, (facts.width, facts.height), facts.reason) == (content_type, size, "")
    assert_alike(corners(seen(facts)), expected)
    assert (facts.preview_type == "image/webp") == (content_type in ("image/heic", "image/jp2"))


@pytest.mark.parametrize(
    ("major", "others", "found"),
    [
        (b"mif1", (b"mif1", b"avif"), "image/avif"),
        (b"miaf", (b"mif1", b"miaf", b"heic"), "image/heic"),
        (b"msf1", (b"msf1", b"hevc"), "image/heic"),
        (b"heix", (), "image/heic"),
        (b"mif1", (b"mif1",), "image/heif"),
        (b"mif3", (b"avif",), "image/avif"),
        (b"1pic", (b"mif1", b"heic"), "image/heic"),
        (b"avci", (b"mif1",), "image/avci"),
        (b"mif1", (b"j2ki",), "image/hej2k"),
        (b"vvic", (b"mif1",), "image/heif"),
        (b"heic", (b"mif1", b"mp42"), "image/heic"),
        (b"mp42", (b"isom", b"heic"), "video/mp4"),
        (b"qt  ", (b"heic",), "video/quicktime"),
        (b"new1", (b"isom",), "video/mp4"),
        (b"crx ", (b"isom",), "image/x-canon-cr3"),
    ],
)
def test_the_brands_of_a_file_of_boxes_tell_its_type(
    major: bytes, others: tuple[bytes, ...], found: str
) -> None:
    brands = major + bytes(4) + b"".join(others)
    head = struct.pack(">I", len(brands) + 8) + b"ftyp" + brands
    assert sniffing.true_type(head, "") == found


def test_the_short_form_of_heif_tells_its_codec_in_place_of_a_version() -> None:
    assert sniffing.true_type(b"\0\0\0\x10ftypmif3avif", "") == "image/avif"


def test_a_box_of_pictures_that_follows_at_once_outweighs_the_brand_of_a_film() -> None:
    pictures = struct.pack(">I4sxxxxI4sxxxxxxxx4s", 100, b"meta", 33, b"hdlr", b"pict")
    assert sniffing.true_type(b"\0\0\0\x14ftypmp42\0\0\0\0avif" + pictures, "") == "image/avif"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "image/jp2"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjpx ", "image/jpx"),
        (b"\xff\x4f\xff\x51\0\x2f", "image/j2c"),
        (b"\xff\x0a\x50\x02", "image/jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
        (kinds.KINDS["Icon"]().data, "image/x-icon"),
        (b"BM\xff\xff\xff\xffhs\0\0" + struct.pack("<IIHHHH", 26, 12, 2, 2, 1, 24) + bytes(16), "image/bmp"),
    ],
)
def test_rarer_pictures_are_told_by_their_bytes(data: bytes, found: str) -> None:
    assert sniffing.true_type(data, "") == found


@pytest.mark.parametrize(
    ("brand", "item", "content_type", "codec"),
    [
        (b"avci", b"avc1", "image/avci", "AVC"),
        (b"j2ki", b"j2k1", "image/hej2k", "JPEG 2000"),
        (b"vvic", b"vvc1", "image/heif", "VVC"),
    ],
)
def test_a_reason_names_the_codec_of_an_heif_that_cannot_be_decoded(
    tmp_path: Path, brand: bytes, item: bytes, content_type: str, codec: str
) -> None:
    facts = facts_of(tmp_path, kinds.heif_of(item, b"pixels", brand=brand))
    assert (facts.content_type, facts.thumbnail, facts.preview_type) == (content_type, None, "")
    assert facts.reason == f"thumbnail not made: the picture cannot be decoded (it is coded in {codec})"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\x0a" + bytes(40), "JPEG XL files cannot be decoded here"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI" + bytes(40), "Apple's own form of PNG"),
    ],
)
def test_what_nothing_here_decodes_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in facts_of(tmp_path, data).reason


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("size", [(640, 1), (1, 640), (4000, 3), (3, 4000)])
def test_a_narrow_picture_has_a_thumbnail_of_at_least_one_pixel(
    tmp_path: Path, form: str, size: tuple[int, int]
) -> None:
    facts = facts_of(tmp_path, saved(Image.new("RGB", size, RED), form))
    assert (facts.width, facts.height, facts.reason) == (*size, "")
    small = seen(facts)
    assert max(small.size) == 320
    assert min(small.size) == 1
    assert_alike([small.getpixel((0, 0))], (RED,), within=20)  # type: ignore[list-item]


def test_a_jpeg_of_20000_x_10_looks_like_itself(tmp_path: Path) -> None:
    wide = four_colours((20_000, 10))
    assert_alike(corners(seen(facts_of(tmp_path, saved(wide, "JPEG", quality=95))))[:1], ((120, 20, 120),))


# Sixteen bits and more.


def grey(values: object, form: str) -> bytes:
    return saved(Image.fromarray(np.asarray(values)), form)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_grey_of_sixteen_bits_keeps_its_lightness(tmp_path: Path, form: str) -> None:
    values = np.repeat(np.array([[84, 100, 121]], np.uint16) * 257, 16, axis=0).repeat(16, axis=1)
    small = seen(facts_of(tmp_path, grey(values, form)))
    assert [small.getpixel((x, 8)) for x in (8, 24, 40)] == [(level,) * 3 for level in (84, 100, 121)]


def test_grey_tiff_of_the_other_byte_order_is_read_alike(tmp_path: Path) -> None:
    values = np.full((16, 16), 0x4000, np.uint16)
    assert seen(facts_of(tmp_path, grey(values.astype(">u2"), "TIFF"))).getpixel((8, 8)) == (64, 64, 64)


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (np.array([[0, 128, 255]], np.int32), (0, 128, 255)),
        (np.array([[0, 128 * 257, 65535]], np.int32), (0, 128, 255)),
        (np.array([[-1000, 0, 1000]], np.int32), (0, 127, 255)),
        (np.array([[0, 0.5, 1]], np.float32), (0, 127, 255)),
        (np.array([[0, 128, 200]], np.float32), (0, 128, 200)),
        (np.array([[0, np.nan, 1]], np.float32), (0, 0, 255)),
    ],
)
def test_numbers_of_an_unknown_range_are_shown_within_the_first_usual_one_that_holds_them(
    tmp_path: Path, values: object, levels: tuple[int, ...]
) -> None:
    large = np.asarray(values).repeat(16, axis=0).repeat(16, axis=1)
    small = seen(facts_of(tmp_path, grey(large, "TIFF")))
    assert [small.getpixel((x, 8)) for x in (8, 24, 40)] == [(level,) * 3 for level in levels]


def test_a_clear_level_of_sixteen_bits_shows_the_ground(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + struct.pack(">16H", *(0x8000,) * 8, *(0x4000,) * 8) for _ in range(16))
    header = struct.pack(">IIBBBBB", 16, 16, 16, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"tRNS", b"\x80\0"), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    small = seen(facts_of(tmp_path, b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)))
    assert small.getpixel((3, 8)) == images.GROUND
    assert small.getpixel((12, 8)) == (64, 64, 64)


# Which side is up.


def exif(orientation: int, *, form: int = 3, count: int = 1) -> bytes:
    entry = struct.pack("<HHIHH", 0x0112, form, count, orientation, 0)
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4)


UPRIGHT = {
    1: (RED, GREEN, BLUE, YELLOW),
    2: (GREEN, RED, YELLOW, BLUE),
    3: (YELLOW, BLUE, GREEN, RED),
    4: (BLUE, YELLOW, RED, GREEN),
    5: (RED, BLUE, GREEN, YELLOW),
    6: (BLUE, RED, YELLOW, GREEN),
    7: (YELLOW, GREEN, BLUE, RED),
    8: (GREEN, YELLOW, RED, BLUE),
}
"""What Chromium shows of the four colours, by the orientation in the file."""
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "AVIF", "WEBP", "TIFF", "HEIF"])
def test_an_orientation_is_followed_where_browsers_and_viewers_do(
    tmp_path: Path, form: str, orientation: int
) -> None:
    told = {"tiffinfo": {0x0112: orientation}} if form == "TIFF" else {"exif": exif(orientation)}
    if form == "WEBP":
        told["lossless"] = True
    data = saved(four_colours((128, 64)), form, quality=95, **told)
    expected = UPRIGHT[1 if form == "WEBP" else orientation]
    facts = facts_of(tmp_path, data)
    lies = form != "WEBP" and orientation > 4
    assert (facts.width, facts.height) == ((64, 128) if lies else (128, 64))
    assert_alike(corners(seen(facts)), expected, within=30)


@pytest.mark.parametrize(
    ("told", "orientation"),
    [
        ({"xmp": XMP}, 1),
        ({"exif": exif(6, form=4)}, 1),
        ({"exif": exif(6, count=2)}, 1),
        ({"exif": exif(9)}, 1),
        ({"exif": b"Exif\0\0XX*\0broken"}, 1),
        ({"exif": exif(6), "xmp": XMP.replace(b'"6"', b'"3"')}, 6),
    ],
)
def test_an_orientation_counts_as_chromium_reads_it(
    tmp_path: Path, told: dict[str, bytes], orientation: int
) -> None:
    facts = facts_of(tmp_path, saved(four_colours(), "JPEG", quality=95, subsampling=0, **told))
    assert_alike(corners(seen(facts)), UPRIGHT[orientation], within=30)


def test_the_first_of_two_exif_blocks_counts(tmp_path: Path) -> None:
    data = saved(four_colours(), "JPEG", quality=95, subsampling=0)
    blocks = [b"\xff\xe1" + struct.pack(">H", len(exif(n)) + 2) + exif(n) for n in (3, 6)]
    facts = facts_of(tmp_path, data[:2] + b"".join(blocks) + data[2:])
    assert_alike(corners(seen(facts)), UPRIGHT[3], within=30)


# What moves.


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("first", [(0, 0, 0, 0), (255, 255, 255, 255)])
def test_a_first_frame_with_nothing_in_it_is_passed_over(
    tmp_path: Path, form: str, first: tuple[int, int, int, int]
) -> None:
    frames = [Image.new("RGBA", (64, 32), first), four_colours().convert("RGBA")]
    facts = facts_of(tmp_path, saved(frames[0], form, save_all=True, append_images=frames[1:], duration=200))
    assert facts.frame_count == 2
    assert_alike(corners(seen(facts)), UPRIGHT[1], within=40)


def test_an_animation_without_anything_to_see_shows_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 32), colour) for colour in ("white", "black")]
    facts = facts_of(tmp_path, saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=200))
    assert corners(seen(facts)) == [(255, 255, 255)] * 4


def test_what_the_first_frame_of_a_gif_leaves_out_is_clear(tmp_path: Path) -> None:
    data = bytearray(saved(Image.new("P", (16, 16), 1), "GIF"))
    data[6:10] = struct.pack("<HH", 32, 32)
    small = seen(facts_of(tmp_path, bytes(data)))
    assert small.size == (32, 32)
    assert small.getpixel((28, 28)) == images.GROUND
    assert small.getpixel((4, 4)) != images.GROUND


# What stands beside the pixels, and what ends early.


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", b"Comment\0pier", checksum=1),
        chunk(b"pHYs", bytes(9), checksum=1),
        chunk(b"iCCP", b"x\0\0" + zlib.compress(b"x"), checksum=1),
        chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(3 << 20))),
        chunk(b"iTXt", b"x\0\1\0\0\0" + zlib.compress(bytes(3 << 20))),
        chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(3 << 20))),
        chunk(b"iCCP", b"x\0\x07unknown"),
    ],
    ids=["text", "density", "profile", "large zTXt", "large iTXt", "large profile", "unknown packing"],
)
def test_a_png_is_whole_whatever_stands_beside_its_pixels(tmp_path: Path, extra: bytes) -> None:
    facts = facts_of(tmp_path, png_with(extra))
    assert facts.reason == ""
    assert_alike(corners(seen(facts)), UPRIGHT[1])


def test_a_png_that_ends_early_says_so_whatever_stands_beside_its_pixels(tmp_path: Path) -> None:
    text = chunk(b"tEXt", b"Comment\0pier", checksum=1)
    data = saved(scene(1, (400, 300)), "PNG")
    data = data[:33] + text + data[33:]
    assert facts_of(tmp_path, data[: len(data) // 2]).reason == images.CUT_OFF


def test_a_jpeg_without_its_end_mark_is_whole(tmp_path: Path) -> None:
    data = saved(scene(1, (400, 300)), "JPEG")
    assert facts_of(tmp_path, data[:-2]).reason == ""


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_jpeg_whose_pixels_end_early_says_so(tmp_path: Path, part: float, *, progressive: bool) -> None:
    data = saved(scene(1, (400, 300)), "JPEG", progressive=progressive)
    facts = facts_of(tmp_path, data[: int(len(data) * part)])
    assert facts.thumbnail
    assert facts.reason == images.CUT_OFF


@pytest.mark.parametrize("more", [b"junk" * 50, bytes(5000), saved(Image.new("RGB", (9, 9)), "JPEG")])
def test_what_follows_a_jpeg_is_no_part_of_it(tmp_path: Path, more: bytes) -> None:
    facts = facts_of(tmp_path, saved(four_colours(), "JPEG", quality=95, subsampling=0) + more)
    assert facts.reason == ""
    assert_alike(corners(seen(facts)), UPRIGHT[1])


# Colours.


@pytest.mark.parametrize(("gamma", "level"), [(0.45455, 128), (1.0, 186), (0.3, 93)])
def test_the_gamma_of_a_png_is_applied(tmp_path: Path, gamma: float, level: int) -> None:
    data = saved(Image.new("RGB", (32, 32), (128, 128, 128)), "PNG")
    told = chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    found = corners(seen(facts_of(tmp_path, data[:33] + told + data[33:])))
    assert_alike(found, ((level,) * 3,) * 4, within=3)


def bmp(rows: bytes, *, height: int, bits: int, packing: int, after_header: bytes, size: int = 40) -> bytes:
    """Return a BMP two pixels wide."""
    header = struct.pack("<IiiHHIIiiII", size, 2, height, 1, bits, packing, len(rows), 0, 0, 0, 0)
    start = 14 + len(header) + len(after_header)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + after_header + rows


MASKS_4444 = struct.pack("<4I", 0xF00, 0xF0, 0xF, 0xF000)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            bmp(
                struct.pack("<2H", 0xFF00, 0x0F00),
                height=1,
                bits=16,
                packing=3,
                after_header=MASKS_4444,
                size=56,
            ),
            [(255, 0, 0), images.GROUND],
        ),
        (
            bmp(
                struct.pack("<2H", 0x0F00, 0x000F),
                height=1,
                bits=16,
                packing=3,
                after_header=MASKS_4444,
                size=56,
            ),
            [(255, 0, 0), (0, 0, 255)],
        ),
        (
            bmp(
                struct.pack("<4I", 0x3FF, 0, 0, 0xFFC00),
                height=-2,
                bits=32,
                packing=3,
                after_header=struct.pack("<3I", 0x3FF, 0xFFC00, 0x3FF00000) + bytes(20),
            ),
            [(255, 0, 0), (0, 0, 0), (0, 0, 0), (0, 255, 0)],
        ),
        (
            bmp(
                b"\x20\0\0\0", height=1, bits=2, packing=0, after_header=struct.pack("<4I", 255, 0, 0xFF00, 0)
            ),
            [(0, 0, 255), (0, 255, 0)],
        ),
    ],
    ids=["4444 with alpha", "4444 whose alpha is nowhere set", "ten bits each, top first", "two bits"],
)
def test_a_bmp_of_rare_layout_is_shown(tmp_path: Path, data: bytes, expected: list[Colour]) -> None:
    small = seen(facts_of(tmp_path, data))
    assert small.tobytes() == b"".join(map(bytes, expected))


def test_a_small_picture_loses_nothing(tmp_path: Path) -> None:
    dots = Image.effect_noise((32, 32), 100).convert("RGB")
    assert seen(facts_of(tmp_path, saved(dots, "PNG"))).tobytes() == dots.tobytes()


@pytest.mark.parametrize("name", ["scan.jp2", "scan.j2k"])
def test_jpeg_2000_has_thumbnail_and_preview(tmp_path: Path, name: str) -> None:
    data = saved(scene(1, (1000, 750)), "JPEG2000", no_jp2=name.endswith("j2k"))
    facts = facts_of(tmp_path, data)
    assert (facts.width, facts.height, facts.preview_type) == (1000, 750, "image/webp")
    assert seen(facts).size == (320, 240)
    made = images.preview(tmp_path / "file", facts.content_type, max_pixels=MANY)
    assert Image.open(io.BytesIO(made)).size == (1000, 750)


def test_ffmpeg_shows_an_avif_with_its_clear_parts_where_pillow_cannot(tmp_path: Path) -> None:
    picture = four_colours((128, 64)).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 64, 32))
    path = tmp_path / "file"
    for orientation, shape in ((1, (128, 64)), (6, (64, 128))):
        path.write_bytes(saved(picture, "AVIF", quality=95, exif=exif(orientation)))
        decoded = decoders.decoded_by_ffmpeg(path, "image/avif", max_pixels=MANY)
        assert decoded is not None
        assert decoded.size == shape
        alphas = [colour[3] > 128 for colour in corners(decoded)]  # type: ignore[misc]
        assert alphas == ([False, True, True, True] if orientation == 1 else [True, False, True, True])
