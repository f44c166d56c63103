import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsvault.media import playing, previews, recordings, sniffing, tracks
from mmsvault.media.facts import Facts, NotShownError
from mmsvault.sample import kinds, media
from mmsvault.sample.media import film

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
