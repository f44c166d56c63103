import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from mmsvault.media import frames, playing, previews, recordings, sniffing, tracks
from mmsvault.media.facts import Facts, NotShownError
from mmsvault.sample import kinds, media
from mmsvault.sample.media import film

CASES = Path(__file__).parents[1] / "cases" / "media"
MANY = 100_000_000
SIDEWAYS = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
"""The matrix of a film that is to be shown turned by 90 degrees to the right."""


def described(folder: Path, data: bytes) -> Facts:
    path = folder / "file"
    path.write_bytes(data)
    return recordings.describe(path, sniffing.true_type(data[: sniffing.HEAD_BYTES], ""), max_pixels=MANY)


def previewed(folder: Path, data: bytes, preview_type: str) -> Facts:
    (folder / "file").write_bytes(data)
    made = folder / "made"
    content_type = sniffing.true_type(data[: sniffing.HEAD_BYTES], "")
    previews.make(folder / "file", content_type, into=made, preview_type=preview_type, max_pixels=MANY)
    return described(folder, made.read_bytes())


def case(name: str) -> bytes:
    return (CASES / name).read_bytes()


def corners(pixels: Any) -> str:
    """Name the colors of the four quarters, a row after the other; see `quarters`."""
    high, wide = pixels.shape[:2]
    places = [(high // 4, wide // 4), (high // 4, wide * 3 // 4)]
    places += [(high * 3 // 4, column) for _, column in places]
    names = {(1, 0, 0): "R", (0, 1, 0): "G", (0, 0, 1): "B", (1, 1, 0): "Y"}
    return "".join(names[tuple((pixels[place] > 128).astype(int).tolist())] for place in places)


def quarters(
    matrix: Sequence[int] = (), *, pixel_aspect: Fraction | None = None, size: tuple[int, int] = (64, 44)
) -> bytes:
    """Return a film of one picture: red and green above, blue and yellow below."""
    wide, high = size
    pixels = np.zeros((high, wide, 3), np.uint8)
    for rows, columns, color in (
        (slice(high // 2), slice(wide // 2), (255, 0, 0)),
        (slice(high // 2), slice(wide // 2, None), (0, 255, 0)),
        (slice(high // 2, None), slice(wide // 2), (0, 0, 255)),
        (slice(high // 2, None), slice(wide // 2, None), (255, 255, 0)),
    ):
        pixels[rows, columns] = color
    kept = io.BytesIO()
    with av.open(kept, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=15)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if matrix:
            stream.set_display_matrix(
                [value << 16 for value in matrix[:2]]
                + [0]
                + [value << 16 for value in matrix[2:]]
                + [0, 0, 0, 1 << 30]
            )
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return kept.getvalue()


def lightness(data: bytes | None) -> float:
    assert data
    return float(np.asarray(Image.open(io.BytesIO(data)).convert("L")).mean())


def turned(data: bytes) -> bytes:
    """Write the matrix of a phone held upright into the header of the film's pictures."""
    at = data.index(b"tkhd") + 4 + 40
    return (
        data[:at] + b"".join((value & 0xFFFFFFFF).to_bytes(4, "big") for value in SIDEWAYS) + data[at + 36 :]
    )


def test_a_poster_is_not_black_where_a_later_one_is_better(tmp_path: Path) -> None:
    facts = described(tmp_path, film("mp4", "libx264", "aac", black_seconds=1.2))
    assert lightness(facts.thumbnail) > 40


def test_a_film_that_is_all_black_still_has_a_poster(tmp_path: Path) -> None:
    facts = described(tmp_path, film("mp4", "libx264", black_seconds=9))
    assert lightness(facts.thumbnail) < 20
    assert facts.codecs == ("h264",)


def test_a_film_of_a_phone_held_upright_is_upright(tmp_path: Path) -> None:
    lying = film("mp4", "libx264", "aac", size=(320, 240))
    facts, flat = described(tmp_path, turned(lying)), described(tmp_path, lying)
    assert (facts.width, facts.height) == (240, 320)
    upright, before = (Image.open(io.BytesIO(one.thumbnail or b"")) for one in (facts, flat))
    assert upright.size == (240, 320)
    right = np.asarray(before.rotate(-90, expand=True).convert("L"), dtype=float)
    assert np.abs(right - np.asarray(upright.convert("L"), dtype=float)).mean() < 8


def test_a_preview_is_turned_for_good(tmp_path: Path) -> None:
    facts = previewed(tmp_path, turned(film("mp4", "libx265", "aac", size=(320, 240))), "video/mp4")
    assert (facts.content_type, facts.width, facts.height) == ("video/mp4", 240, 320)
    assert facts.codecs == ("h264", "aac")


@pytest.mark.parametrize("kind", ["3GP: H.263, AMR", "WMV", "MPEG-1", "AMR", "QCELP"])
def test_a_preview_plays_in_browsers_and_is_as_long_as_the_original(tmp_path: Path, kind: str) -> None:
    file = kinds.KINDS[kind]()
    facts = described(tmp_path, file.data)
    needed = playing.preview_type(facts.content_type, facts.codecs, size=len(file.data))
    made = previewed(tmp_path, file.data, needed)
    assert playing.plays(made.content_type, made.codecs)
    assert made.duration_ms == pytest.approx(facts.duration_ms, abs=250)
    data = (tmp_path / "made").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "a browser can start before the end has come"


def test_a_preview_ends_where_it_would_be_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "LONGEST_SECONDS", 1)
    made = previewed(tmp_path, media.film_3gp().data, "video/mp4")
    assert made.duration_ms == pytest.approx(1000, abs=200)


def test_a_film_is_called_by_what_is_in_it_and_not_by_its_container(tmp_path: Path) -> None:
    assert described(tmp_path, media.sound("3gp", "aac")).content_type == "audio/3gpp"
    assert described(tmp_path, media.sound("mp4", "aac")).content_type == "audio/mp4"
    assert described(tmp_path, media.sound("webm", "libopus", rate=48000)).content_type == "audio/webm"
    windows = media.sound("asf", "wmav2")
    assert described(tmp_path, windows).content_type == "audio/x-ms-wma"
    made = tmp_path / "made"
    previews.make(tmp_path / "file", "audio/x-ms-wma", into=made, preview_type="audio/mp4", max_pixels=MANY)
    assert described(tmp_path, made.read_bytes()).codecs == ("aac",)


def test_every_type_that_is_found_out_can_be_opened_again() -> None:
    assert set(recordings._WITHOUT_PICTURES.values()) <= set(tracks.DEMUXERS)


def test_sound_has_its_wave_as_a_picture(tmp_path: Path) -> None:
    facts = described(tmp_path, media.music().data)
    assert (facts.width, facts.height, facts.duration_ms) == (None, None, 2000)
    wave = np.asarray(Image.open(io.BytesIO(facts.thumbnail or b"")).convert("L"), dtype=float)
    assert wave.shape == recordings.WAVE_SIZE[::-1]
    left, right = (wave[:, part].std() for part in (slice(16, 80), slice(240, 304)))
    assert left > right, "the tone fades"


def test_a_length_that_cannot_be_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = media.film_3gp().data
    at = data.index(b"mvhd") + 4 + 12
    lying = data[:at] + (1).to_bytes(4, "big") + (10**9).to_bytes(4, "big") + data[at + 8 :]
    facts = described(tmp_path, lying)
    assert facts.thumbnail
    assert facts.duration_ms is None or facts.duration_ms <= recordings.LONGEST * 1000
    monkeypatch.setattr(recordings, "LONGEST", 2)
    facts = described(tmp_path, data)
    assert (facts.duration_ms, facts.reason) == (None, "its length is not known: the file says 3 s")


def test_album_art_does_not_make_a_film_of_a_song(tmp_path: Path) -> None:
    song = io.BytesIO()
    art = Image.new("RGB", (64, 64), "red")
    cover = io.BytesIO()
    art.save(cover, "JPEG")
    frame = b"\0image/jpeg\0\x03\0" + cover.getvalue()
    size = len(frame)
    body = b"APIC" + size.to_bytes(4, "big") + b"\0\0" + frame
    total = len(body)
    safe = bytes((total >> shift) & 0x7F for shift in (21, 14, 7, 0))
    song.write(b"ID3\x03\0\0" + safe + body + media.music().data)
    facts = described(tmp_path, song.getvalue())
    assert (facts.content_type, facts.codecs, facts.width) == ("audio/mpeg", ("mp3",), None)


def test_a_playlist_cannot_pass_for_a_film(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(media.film_mp4().data)
    listed = (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://"
        + str(secret).encode()
        + b"\n#EXT-X-ENDLIST\n"
    )
    for content_type in ("video/mp4", "video/mp2t", "audio/mpeg"):
        path = tmp_path / "list"
        path.write_bytes(listed)
        try:
            facts = recordings.describe(path, content_type, max_pixels=MANY)
        except NotShownError:
            continue
        assert not facts.codecs or not facts.thumbnail


def test_a_film_with_too_many_pixels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(media.film_mp4().data)
    facts = recordings.describe(path, "video/mp4", max_pixels=1000)
    assert facts.reason == "thumbnail not made: 640 x 360 pixels is over the limit of 1,000"
    assert not facts.thumbnail


def test_browsers_play_by_codec_and_not_by_container() -> None:
    assert playing.preview_type("video/3gpp", ("h264", "aac"), size=1) == ""
    assert playing.preview_type("video/3gpp", ("h264", "amr_nb"), size=1) == "video/mp4"
    assert playing.preview_type("video/mp4", ("hevc", "aac"), size=1) == "video/mp4"
    assert playing.preview_type("video/mp4", ("h264/yuv444p", "aac"), size=1) == "video/mp4"
    assert playing.preview_type("audio/amr", ("amr_nb",), size=1) == "audio/mp4"
    assert playing.preview_type("image/jpeg", (), size=4_000_001) == "image/webp"
    assert playing.preview_type("image/gif", (), size=4_000_001, animated=True) == ""
    assert playing.preview_type("application/pdf", (), size=1) == "image/webp"
    assert playing.preview_type("video/mp4", (), size=1) == "", "what cannot be read has no preview"


def test_a_rate_that_no_screen_has_is_brought_into_bounds() -> None:
    class Stream:
        average_rate = Fraction(90_000)
        guessed_rate = None

    assert recordings.frame_rate(Stream()) == 30


@pytest.mark.parametrize(
    ("name", "codecs", "remark"),
    [
        ("f2-apac-second.mov", ("h264", "aac"), "a track of sound is left out"),
        ("f2-vunknown.mp4", ("aac",), "a track of pictures is left out"),
    ],
)
def test_a_track_of_an_unknown_codec_hides_no_other_and_is_named(
    tmp_path: Path, name: str, codecs: tuple[str, ...], remark: str
) -> None:
    facts = described(tmp_path, case(name))
    assert (facts.codecs, bool(facts.thumbnail), facts.duration_ms) == (codecs, True, 3000)
    assert facts.content_type == sniffing.true_type(case(name), "")
    assert remark in facts.reason
    assert "apac" in facts.reason or "zzzz" in facts.reason


@pytest.mark.parametrize(("letters", "called"), [(b"ssmv", "smv"), (b"sawp", "sawp"), (b"ac-4", "ac4")])
def test_a_codec_is_called_by_its_name_or_the_letters_of_its_container(
    tmp_path: Path, letters: bytes, called: str
) -> None:
    facts = described(tmp_path, case("f2-apac-second.mov").replace(b"apac", letters))
    assert f"(codec: {called})" in facts.reason


def test_a_film_of_unknown_codecs_alone_says_so(tmp_path: Path) -> None:
    facts = described(tmp_path, case("f2-vunknown.mp4").replace(b"mp4a", b"sawp").replace(b"esds", b"free"))
    assert (facts.content_type, facts.codecs, facts.thumbnail) == ("video/mp4", (), None)
    assert "codec: zzzz" in facts.reason
    assert "codec: sawp" in facts.reason


def test_an_unknown_first_sound_leaves_the_second_to_be_heard(tmp_path: Path) -> None:
    data = media.film("mp4", "libx264", "aac", sound_tracks=2)
    facts = described(tmp_path, data.replace(b"mp4a", b"apac", 1).replace(b"esds", b"dapa", 1))
    assert facts.codecs == ("h264", "aac")
    assert "(codec: apac)" in facts.reason


def test_a_voice_message_in_caf_has_a_wave_and_a_preview(tmp_path: Path) -> None:
    facts = described(tmp_path, case("f-voice.caf"))
    assert (facts.content_type, facts.codecs, facts.duration_ms) == ("audio/x-caf", ("opus",), 3020)
    assert facts.thumbnail
    assert playing.preview_type(facts.content_type, facts.codecs, size=1) == "audio/mp4"
    made = previewed(tmp_path, case("f-voice.caf"), "audio/mp4")
    assert (made.content_type, made.codecs) == ("audio/mp4", ("aac",))
    assert made.duration_ms == pytest.approx(facts.duration_ms, abs=50)


@pytest.mark.parametrize(
    ("form", "codec", "content_type"),
    [
        ("caf", "alac", "audio/x-caf"),
        ("caf", "pcm_s16be", "audio/x-caf"),
        ("caf", "adpcm_ima_qt", "audio/x-caf"),
        ("aiff", "pcm_s16be", "audio/x-aiff"),
        ("aiff", "pcm_mulaw", "audio/x-aiff"),
        ("au", "pcm_alaw", "audio/basic"),
    ],
)
def test_sound_of_other_systems_has_a_wave_and_a_preview(
    tmp_path: Path, form: str, codec: str, content_type: str
) -> None:
    facts = described(tmp_path, media.sound(form, codec))
    assert (facts.content_type, facts.codecs, bool(facts.thumbnail)) == (content_type, (codec,), True)
    assert playing.preview_type(content_type, facts.codecs, size=1) == "audio/mp4"


def tag(length: int) -> bytes:
    return b"ID3\4\0\0" + bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(length)


@pytest.mark.parametrize("length", [25, 70_000, 400_000])
@pytest.mark.parametrize(
    ("beginning", "content_type"),
    [(b"\xff\xf1\x50\x80\0", "audio/aac"), (b"\xff\xfb\x90\0\0", "audio/mpeg"), (b"fLaC\0", "audio/flac")],
)
def test_what_follows_a_tag_decides_however_long_the_tag_is(
    tmp_path: Path, length: int, beginning: bytes, content_type: str
) -> None:
    path = tmp_path / "file"
    for before in (tag(length), tag(40) + tag(length)):
        path.write_bytes(before + bytes(100) + beginning)
        assert sniffing.true_type_of(path, "audio/mpeg") == content_type
    path.write_bytes(tag(length) + b"something else")
    assert sniffing.true_type_of(path, "") == "audio/mpeg"


def test_aac_behind_a_tag_plays(tmp_path: Path) -> None:
    facts = described(tmp_path, case("f-id3.aac"))
    assert (facts.content_type, facts.codecs, bool(facts.thumbnail)) == ("audio/aac", ("aac",), True)
    assert playing.plays(facts.content_type, facts.codecs)


@pytest.mark.parametrize(
    "data", [b"caffeine is good", b"ID3 is a tag", b"Get free pies.", b"FORM of the day: x"]
)
def test_words_that_begin_like_a_sound_are_words(data: bytes) -> None:
    assert sniffing.true_type(data * 4, "") == "text/plain"


def test_a_movie_from_before_there_was_a_type_in_front_is_one(tmp_path: Path) -> None:
    data = media.film("mov", "libx264", "aac")
    facts = described(tmp_path, data[int.from_bytes(data[:4], "big") :])
    assert (facts.content_type, facts.codecs) == ("video/quicktime", ("h264", "aac"))


def onset(path: Path) -> float:
    """Return when the first sound is heard that is not silence."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.abs(frame.to_ndarray().astype(float)).max(axis=0) > 0.02
            if loud.any():
                return float(frame.time + int(np.argmax(loud)) / frame.sample_rate)
    raise AssertionError("nothing is heard")


def test_sound_that_begins_late_does_so_in_the_preview(tmp_path: Path) -> None:
    previewed(tmp_path, case("f-latesound.mov"), "video/mp4")
    assert onset(tmp_path / "made") == pytest.approx(onset(tmp_path / "file"), abs=0.05)
    assert onset(tmp_path / "made") == pytest.approx(1.98, abs=0.06)


WAYS = {
    (1, 0, 0, 1): "RGBY",
    (-1, 0, 0, 1): "GRYB",
    (1, 0, 0, -1): "BYRG",
    (-1, 0, 0, -1): "YBGR",
    (0, 1, 1, 0): "RBGY",
    (0, 1, -1, 0): "BRYG",
    (0, -1, 1, 0): "GYRB",
    (0, -1, -1, 0): "YGBR",
}
"""What Chromium shows of a film of quarters, by the matrix of its track."""


@pytest.mark.parametrize("matrix", WAYS)
def test_thumbnail_and_preview_are_turned_and_mirrored_as_a_browser_shows_them(
    tmp_path: Path, matrix: tuple[int, ...]
) -> None:
    data = quarters(matrix, pixel_aspect=Fraction(3, 2))
    facts = described(tmp_path, data)
    upright = (96, 44) if matrix[0] else (44, 96)
    assert (facts.width, facts.height) == upright
    assert corners(np.asarray(Image.open(io.BytesIO(facts.thumbnail or b"")))) == WAYS[matrix]
    made = previewed(tmp_path, data, "video/mp4")
    assert (made.width, made.height) == upright
    assert corners(np.asarray(Image.open(io.BytesIO(made.thumbnail or b"")))) == WAYS[matrix]


def test_a_mirrored_film_is_shown_mirrored(tmp_path: Path) -> None:
    data = case("f-hflip.mp4")
    at = data.index(b"tkhd") + 44
    straight = data[:at] + (1 << 16).to_bytes(4, "big") + data[at + 4 :]
    shown, stored = (
        np.asarray(Image.open(io.BytesIO(described(tmp_path, one).thumbnail or b"")), dtype=float)
        for one in (data, straight)
    )
    assert np.abs(shown - stored[:, ::-1]).mean() < 4 < np.abs(shown - stored).mean()


@pytest.mark.parametrize(
    ("pixel_aspect", "shown"),
    [(Fraction(4, 3), (85, 44)), (Fraction(1, 2), (64, 88)), (Fraction(1), (64, 44))],
)
def test_pixels_that_are_not_square_make_a_film_wider_or_higher_and_never_smaller(
    tmp_path: Path, pixel_aspect: Fraction, shown: tuple[int, int]
) -> None:
    facts = described(tmp_path, quarters(pixel_aspect=pixel_aspect))
    assert (facts.width, facts.height) == shown
    assert Image.open(io.BytesIO(facts.thumbnail or b"")).size == shown


def test_an_aspect_that_cannot_be_is_not_believed() -> None:
    assert frames.stretched(64, 44, Fraction(1000)) == (64, 44)
    assert frames.stretched(64, 44, Fraction(0)) == (64, 44)


def test_one_frame_of_speech_has_a_wave(tmp_path: Path) -> None:
    facts = described(tmp_path, kinds.KINDS["AMR-WB"]().data[:70])
    assert facts.thumbnail
    assert not facts.reason


def test_a_length_that_is_only_guessed_gives_way_to_what_was_heard(tmp_path: Path) -> None:
    whole = media.music().data
    assert described(tmp_path, whole[: len(whole) // 2]).duration_ms == pytest.approx(1000, abs=150)


def test_a_film_that_lost_its_index_says_so(tmp_path: Path) -> None:
    data = media.film("mov", "libx264", "aac")
    with pytest.raises(NotShownError, match=r"not complete: its index \(moov\) is missing"):
        described(tmp_path, data[: data.index(b"moov") - 4])


def test_sound_that_cannot_be_decoded_does_not_end_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracks, "BROKEN_PACKETS_BEFORE_GIVING_UP", 5)
    data = media.film("mp4", "libx264", "aac").replace(b"mp4a", b"alac").replace(b"esds", b"free")
    made = previewed(tmp_path, data, "video/mp4")
    assert made.duration_ms == pytest.approx(3000, abs=100)


def test_sound_may_change_its_form_in_between() -> None:
    even = recordings.Resampler(format="s16", layout="mono", rate=8000)
    heard = 0
    for layout, rate in (("stereo", 44100), ("mono", 22050), ("5.1", 48000)):
        frame = av.AudioFrame(format="fltp", layout=layout, samples=rate // 10)
        frame.sample_rate = rate
        heard += sum(block.samples for block in even.resample(frame))
    heard += sum(block.samples for block in even.resample(None))
    assert heard == pytest.approx(2400, abs=60)


def test_browsers_do_not_play_every_kind_of_aac() -> None:
    assert playing.preview_type("audio/mp4", ("aac/xhe-aac",), size=1) == "audio/mp4"


def test_a_cover_that_stands_as_a_track_of_pictures_makes_no_film(tmp_path: Path) -> None:
    kept = io.BytesIO()
    with av.open(kept, "w", format="mov") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 44, "yuvj420p"
        sound = container.add_stream("aac", rate=44100, layout="mono")
        container.mux(cover.encode(av.VideoFrame(64, 44, "yuvj420p")))
        container.mux(cover.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 44100
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    facts = described(tmp_path, kept.getvalue())
    assert (facts.content_type, facts.codecs, bool(facts.thumbnail)) == ("audio/mp4", ("aac",), True)


def test_the_track_that_is_switched_on_is_shown(tmp_path: Path) -> None:
    kept = io.BytesIO()
    with av.open(kept, "w", format="mp4") as container:
        streams = []
        for size, given in (((64, 44), 0), ((96, 64), Disposition.default)):
            stream = container.add_stream("libx264", rate=15)
            stream.width, stream.height = size
            stream.disposition = given
            streams.append(stream)
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(stream.width, stream.height, "yuv420p")))
            container.mux(stream.encode(None))
    facts = described(tmp_path, kept.getvalue())
    assert (facts.width, facts.height) == (96, 64)
