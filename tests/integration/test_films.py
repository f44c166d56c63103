"""Films as browsers show them, where the film is too large for a unit test."""

import io
from pathlib import Path

import av
import numpy as np
from PIL import Image

from mmsvault.media import inspecting
from mmsvault.media.facts import Facts
from mmsvault.sample.scenes import scene

CASES = Path(__file__).parents[1] / "cases" / "media"
MANY = 100_000_000


def previewed(original: Path, into: Path) -> Facts:
    facts = inspecting.inspect(str(original), "", MANY)
    inspecting.make_preview(str(original), facts.content_type, str(into), facts.preview_type, MANY)
    return inspecting.inspect(str(into), "", MANY)


def fading_in(path: Path, *, codec: str, form: str, options: dict[str, str]) -> None:
    """Write a film that is black for a second, and has no frame to seek to but its first."""
    with av.open(str(path), "w", format=form, options=options) as container:
        stream = container.add_stream(codec, rate=15, options={"sc_threshold": "0", "g": "999"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        view = np.asarray(scene(0, (320, 240)))
        for step in range(60):
            shown = view if step >= 15 else np.zeros_like(view)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        container.mux(stream.encode(None))


def lightness(facts: Facts) -> float:
    return float(np.asarray(Image.open(io.BytesIO(facts.thumbnail or b"")).convert("L")).mean())


def test_a_film_that_is_shown_wider_than_it_is_stored_is_wide_everywhere(tmp_path: Path) -> None:
    facts = inspecting.inspect(str(CASES / "wide.mpg"), "", MANY)
    assert (facts.content_type, facts.width, facts.height) == ("video/mpeg", 1024, 576)
    assert Image.open(io.BytesIO(facts.thumbnail or b"")).size == (320, 180)
    made = previewed(CASES / "wide.mpg", tmp_path / "made.mp4")
    assert (made.width, made.height) == (1024, 576)


def test_a_film_with_one_frame_to_seek_to_has_a_poster_from_later_on(tmp_path: Path) -> None:
    path = tmp_path / "film"
    fading_in(path, codec="libx264", form="mp4", options={})
    facts = inspecting.inspect(str(path), "", MANY)
    assert facts.duration_ms == 4000
    assert lightness(facts) > 40


def test_a_film_whose_length_is_not_known_has_a_poster_from_later_on(tmp_path: Path) -> None:
    path = tmp_path / "film"
    fading_in(path, codec="libvpx", form="webm", options={"live": "1"})
    facts = inspecting.inspect(str(path), "", MANY)
    assert facts.duration_ms is None
    assert lightness(facts) > 40


def test_no_reason_of_a_broken_film_names_a_path_or_a_class(tmp_path: Path) -> None:
    for case in [*sorted(CASES.glob("f*")), CASES / "wide.mpg"]:
        whole = case.read_bytes()
        for data in (whole[:60], whole[: len(whole) // 2], whole[:600] + bytes(600) + whole[1200:]):
            path = tmp_path / "file"
            path.write_bytes(data)
            reason = inspecting.inspect(str(path), "", MANY).reason
            assert str(tmp_path) not in reason
            assert "Errno" not in reason
            assert "Error" not in reason
