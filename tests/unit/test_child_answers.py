"""Answers of a decoder's child: what ours gives comes through whole, what a file exaggerates is left out."""

import json
from dataclasses import asdict, fields, replace

import pytest

from mmsvault.media import child_answers
from mmsvault.media.facts import Facts

WHOLE = Facts(
    "video/3gpp",
    width=640,
    height=480,
    duration_ms=5_000,
    codecs=("h264", "amr_nb"),
    frame_count=3,
    captured="2026-11-24T10:00:00+01:00",
    has_location=True,
    perceptual_hash="00ff00ff00ff00ff",
    text="zwei Zeilen\n\U0001f600",
    thumbnail=b"RIFF\0\0\0\0WEBP and pixels",
    preview_type="video/mp4",
    reason="its length is not known",
)


def there_and_back(facts: Facts) -> Facts:
    told, raw = child_answers.of_facts(facts)
    return child_answers.read_facts(json.dumps(told).encode(), raw)


def test_every_field_of_facts_comes_through() -> None:
    shown = {field.name for field in fields(Facts) if getattr(WHOLE, field.name) != field.default}
    told = asdict(there_and_back(WHOLE))
    assert {name: told[name] for name in shown} == {name: asdict(WHOLE)[name] for name in shown}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"width": 1 << 40}, {"width": None}),
        ({"captured": "٢٠٢٦-11-24T10:00:00"}, {"captured": ""}),
        ({"codecs": ("x",) * 100}, {"codecs": ()}),
        ({"text": "a\0b\ud800"}, {"text": "ab?"}),
        ({"text": "x" * (child_answers.MOST_TEXT + 1)}, {"text": "x" * child_answers.MOST_TEXT}),
        ({"reason": "x" * (child_answers.MOST_REASON + 1)}, {"reason": "x" * child_answers.MOST_REASON}),
        ({"content_type": "image/\r\n"}, {"content_type": "application/octet-stream"}),
    ],
)
def test_what_a_file_exaggerates_is_left_out_and_the_rest_is_kept(
    said: dict[str, object], kept: dict[str, object]
) -> None:
    assert there_and_back(replace(WHOLE, **said)) == replace(WHOLE, **kept)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        {"content_type": "image"}, {"content_type": "image/png\n"}, {"content_type": "image/" + "a" * 200},
        {"content_type": "<b>/png"}, {"content_type": None},
        {"preview_type": "video"}, {"preview_type": "video/mp4; x"}, {"preview_type": "/"},
        {"width": -1}, {"width": 1 << 31}, {"width": "640"}, {"width": 1.5}, {"width": True},
        {"duration_ms": 1 << 31}, {"frame_count": -1}, {"has_location": 1}, {"has_location": "yes"},
        {"codecs": ["x"] * 65}, {"codecs": ["x" * 201]}, {"codecs": ["a\0"]}, {"codecs": "x"},
        {"codecs": [1]},
        {"captured": "<script>"}, {"captured": "2" * 41}, {"captured": "now"},
        {"perceptual_hash": "00ff"}, {"perceptual_hash": "g" * 16}, {"perceptual_hash": "0" * 17},
        {"text": "a\0b"}, {"text": "x" * 50_001}, {"text": None},
        {"reason": "a\0b"}, {"reason": "x" * 1_001}, {"other": 1}, {"thumbnail": "x"},
    ],
)  # fmt: skip
def test_an_answer_with_one_value_out_of_bounds_is_none_and_the_value_is_not_repeated(
    said: dict[str, object],
) -> None:
    told, raw = child_answers.of_facts(WHOLE)
    with pytest.raises(child_answers.WrongAnswerError) as caught:
        child_answers.read_facts(json.dumps({**told, **said}).encode(), raw)
    (name,) = said
    assert f" at {name}" in str(caught.value)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    "said",
    [
        {"width": (1 << 31) - 1}, {"width": 0}, {"codecs": ["x" * 200] * 64}, {"captured": "2" * 40},
        {"text": "x" * 50_000}, {"reason": "x" * 1_000}, {"preview_type": ""}, {"perceptual_hash": ""},
    ],
)  # fmt: skip
def test_values_at_their_bounds_are_taken(said: dict[str, object]) -> None:
    told, raw = child_answers.of_facts(WHOLE)
    found = asdict(child_answers.read_facts(json.dumps({**told, **said}).encode(), raw))
    ((name, value),) = said.items()
    assert found[name] == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize("name", [field.name for field in fields(Facts) if field.name != "thumbnail"])
def test_an_answer_that_lacks_a_field_is_none(name: str) -> None:
    told, raw = child_answers.of_facts(WHOLE)
    del told[name]
    with pytest.raises(child_answers.WrongAnswerError, match=f"missing at {name}"):
        child_answers.read_facts(json.dumps(told).encode(), raw)


@pytest.mark.parametrize(
    "raw", [b"x", b"RIFF", b"RIFF\0\0\0\0WAVE", b"....\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n", b"<svg/>"]
)
def test_a_thumbnail_is_a_webp(raw: bytes) -> None:
    told, _ = child_answers.of_facts(WHOLE)
    with pytest.raises(child_answers.WrongAnswerError, match="no WebP"):
        child_answers.read_facts(json.dumps(told).encode(), raw)
    assert child_answers.read_facts(json.dumps(told).encode(), b"").thumbnail is None


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"{}",
        b"[]",
        b'{"outcome": "made", "text": 1}',
        b'{"outcome": "made", "more": 1}',
        b'{"outcome": "made", "text": "a\\u0000"}',
        b'{"outcome": "made", "text": "' + b"x" * 1001 + b'"}',
        b'{"outcome": "other"}',
    ],
)
def test_an_answer_about_a_preview_is_one_of_two(told: bytes) -> None:
    with pytest.raises(child_answers.WrongAnswerError):
        child_answers.read_preview(told, b"")


def test_an_answer_about_a_preview_brings_no_bytes_along() -> None:
    told = json.dumps(child_answers.of_preview("made", "it ends early")).encode()
    assert child_answers.read_preview(told, b"").text == "it ends early"
    with pytest.raises(child_answers.WrongAnswerError, match="bytes where none belong"):
        child_answers.read_preview(told, b"x")
