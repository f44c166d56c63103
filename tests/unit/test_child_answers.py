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


@pytest.mark.parametrize("told", [b"", b"{}", b'{"outcome": "made", "text": 1}', b'{"outcome": "other"}'])
def test_an_answer_about_a_preview_is_one_of_two(told: bytes) -> None:
    with pytest.raises(child_answers.WrongAnswerError):
        child_answers.read_preview(told, b"")
