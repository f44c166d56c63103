"""What people are told of files that could not be shown, over every corpus that the tests have."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmsvault.media.facts import NotShownError
from mmsvault.media.sandbox import Sandbox
from mmsvault.sample import kinds
from tests import hostile, polyglots

CASES = Path(__file__).parents[1] / "cases" / "media"
NOT_FOR_PEOPLE = re.compile(
    r"""
    (?<![\w:])/\w+/              # a path of the server
    | \b\w+(?:Error|Exception|Warning)\b
    | \b0x[0-9a-fA-F]+
    | \b[a-z_]+\.[a-z_]+\.?[a-zA-Z_]*\b(?=[(:.]|$)  # a module or a method
    | \bErrno\b | <class | Traceback | <_io | \bobject\ at\b | \bself\b | NoneType
    """,
    re.VERBOSE,
)
Files = dict[str, tuple[str, bytes]]


def cases() -> Files:
    return {path.name: ("", path.read_bytes()) for path in sorted(CASES.iterdir())}


def hostile_files() -> Files:
    return {
        name: (file.content_type, file.data) for name, file in ((n, m()) for n, m in hostile.MADE.items())
    }


def samples_cut_off_or_changed() -> Files:
    files: Files = {}
    for name, file in kinds.every_kind().items():
        files[name] = (file.content_type, file.data)
        for number, data in enumerate(hostile.truncations(file.data, points=3)):
            files[f"{name}, cut off {number}"] = (file.content_type, data)
        for number, data in enumerate(hostile.flips(file.data, count=3)):
            files[f"{name}, changed {number}"] = (file.content_type, data)
    return files


CORPORA: dict[str, Callable[[], Files]] = {
    "the cases": cases,
    "hostile files": hostile_files,
    "files that are two": lambda: polyglots.made("http://127.0.0.1:9"),
    "broken files": polyglots.broken,
    "every kind, cut off and changed": samples_cut_off_or_changed,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    running = Sandbox(max_pixels=100_000_000)
    yield running
    running.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("corpus", CORPORA)
def test_no_reason_names_a_path_of_the_server_or_a_class_of_python(
    sandbox: Sandbox, tmp_path: Path, corpus: str
) -> None:
    path, own = tmp_path / "a download" / "original", tmp_path / "own"
    for folder in (path.parent, own):
        folder.mkdir()
    reasons: dict[str, str] = {}
    for number, (name, (declared, data)) in enumerate(CORPORA[corpus]().items()):
        path.write_bytes(data)
        facts = sandbox.inspect(path, declared)
        reasons[name] = facts.reason
        # A preview is made of what seems whole where a thumbnail was; here also of what seems broken.
        kind = {"image": "image/webp", "video": "video/mp4", "audio": "audio/mp4"}
        wanted = facts.preview_type or kind.get(facts.content_type.partition("/")[0], "")
        if wanted and (facts.reason or number % 10 == 0):
            try:
                sandbox.make_preview(path, facts.content_type, into=own / "made", preview_type=wanted)
            except NotShownError as error:
                reasons[f"{name}, preview"] = str(error)
    assert any(reasons.values())
    told = {name: reason for name, reason in reasons.items() if NOT_FOR_PEOPLE.search(reason)}
    assert not told
    assert not [reason for reason in reasons.values() if str(tmp_path) in reason or "original" in reason]
