import base64
import hashlib
import re
from datetime import timedelta
from pathlib import Path

import pytest

from dashboard import bundling, front, raw, wording
from dashboard.headers import content_security_policy
from dashboard.links import SPAN_SECONDS, Links
from dashboard.media_route import byte_range, file_name
from dashboard.record import details, parts
from dashboard.tiles import tiles
from mmsvault.message import MediaState
from tests.records import NOON, item, message

NOW = 1_000_000.0


def sign(key: str, content_type: str, *, download: bool = False) -> str:
    return f"files/{key}?{content_type}{'&download=1' if download else ''}"


def claims(link: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in link.partition("?")[2].split("&"))


def test_a_signed_link_opens_its_object_as_its_type_until_its_time() -> None:
    links = Links("secret")
    made = claims(links.sign("a/b.jpg", "image/jpeg", now=NOW))
    given = {"until": made["until"], "signature": made["signature"]}
    assert links.allows("a/b.jpg", "image/jpeg", now=NOW, **given)
    assert links.allows("a/b.jpg", "image/jpeg", now=NOW + SPAN_SECONDS, **given)
    assert not links.allows("a/b.jpg", "image/jpeg", now=NOW + 2 * SPAN_SECONDS + 1, **given)
    assert not links.allows("a/c.jpg", "image/jpeg", now=NOW, **given)
    assert not links.allows("a/b.jpg", "text/html", now=NOW, **given)
    assert not Links("other").allows("a/b.jpg", "image/jpeg", now=NOW, **given)
    assert not links.allows("a/b.jpg", "image/jpeg", now=NOW, until="9" * 11, signature=made["signature"])
    assert not links.allows("a/b.jpg", "image/jpeg", now=NOW, until="²", signature="é")


def test_a_link_stays_the_same_for_a_while_so_that_browsers_cache_it() -> None:
    links = Links("secret")
    began = NOW // SPAN_SECONDS * SPAN_SECONDS
    assert links.sign("a", "image/png", now=began) == links.sign("a", "image/png", now=began + 3599)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 10)),
        ("bytes=90-500", (90, 10)),
        ("bytes=-5", (95, 5)),
        ("bytes=-500", (0, 100)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
    ],
)
def test_ranges_are_read_as_http_means_them(header: str, part: tuple[int, int] | None) -> None:
    assert byte_range(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0"])
def test_a_range_outside_of_the_object_is_an_error(header: str) -> None:
    with pytest.raises(ValueError, match="bytes"):
        byte_range(header, 100)


def test_a_download_is_named_after_its_message_without_odd_characters() -> None:
    assert file_name("messages/2026/11/20/sinch-A~2F/00.jpg") == "sinch-A_2F-00.jpg"


def test_a_text_beside_pictures_is_their_caption_and_has_no_tile() -> None:
    made = tiles(
        [message(item(0, "image/jpeg"), item(1, "text/plain", text="By the  sea"))],
        sign=sign,
    )
    assert [(tile["kind"], tile["caption"], tile["part"]) for tile in made] == [("image", "By the sea", "")]


def test_a_message_without_files_has_one_tile_with_its_subject() -> None:
    made = tiles([message(subject="Where?")], sign=sign)
    assert [(tile["kind"], tile["text"]) for tile in made] == [("empty", "Where?")]


def test_a_lost_file_is_shown_with_its_reason_and_offers_no_download() -> None:
    lost = item(0, "", state=MediaState.LOST, key="", reason="The provider answered 404 Not Found.")
    one = message(lost)
    tile = tiles([one], sign=sign)[0]
    assert (tile["title"], tile["text"]) == ("Lost", "The provider answered 404 Not Found.")
    part = parts(one, sign=sign, now=NOON)[0]
    assert part["download"] == part["src"] == ""
    assert "404" in part["note"]


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/xhtml+xml"])
def test_active_types_are_never_shown_only_downloaded(content_type: str) -> None:
    part = parts(message(item(0, content_type)), sign=sign, now=NOON)[0]
    assert part["src"] == ""
    assert part["download"].endswith("&download=1")


def test_the_policy_allows_this_server_only_and_no_inline_script_without_its_hash() -> None:
    policy = dict(part.split(" ", 1) for part in content_security_policy().split("; "))
    assert policy["default-src"] == "'self'"
    assert "'unsafe-inline'" not in policy["script-src"]
    assert "'sha256-" in policy["script-src"]
    assert policy["frame-ancestors"] == "'none'"


def test_where_browsers_reach_the_bucket_they_may_show_its_files_and_run_nothing_of_it() -> None:
    origin = "https://media.example"
    told = content_security_policy(bucket_origin=origin).split("; ")
    assert [part.split(" ")[0] for part in told if origin in part] == ["img-src", "media-src"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("14085550123", "+1 408-555-0123"), ("28444", "28444"), ("a@b.example", "a@b.example"), ("", "")],
)
def test_numbers_are_written_as_people_write_them(text: str, shown: str) -> None:
    assert wording.number(text) == shown


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (timedelta(days=3, hours=5), "in 3 days"),
        (timedelta(hours=-1), "1 hour ago"),
        (timedelta(seconds=5), "now"),
    ],
)
def test_how_far_off_a_time_is(offset: timedelta, words: str) -> None:
    assert wording.until(NOON + offset, NOON) == words


def test_our_own_script_is_allowed_by_its_digest() -> None:
    digest = base64.b64encode(hashlib.sha256(front.base().encode()).digest()).decode()
    assert f"'sha256-{digest}'" in content_security_policy(front.base())
    assert f"'sha256-{digest}'" not in content_security_policy()


@pytest.mark.parametrize("name", front.MODULES)
def test_a_module_comes_with_all_that_it_imports_and_is_still_a_module(name: str) -> None:
    whole = bundling.module(name)
    assert not re.search(r"^import ", whole, re.MULTILINE)
    exported = re.findall(r"^export .*", whole, re.MULTILINE)
    assert exported == re.findall(r"^export .*", (bundling.FOLDER / name).read_text(), re.MULTILINE)


def test_the_early_script_is_no_module() -> None:
    assert not re.search(r"^(import|export) |import\.meta", bundling.script(front.EARLY), re.MULTILINE)


def test_what_is_imported_twice_is_there_once_and_before_who_uses_it() -> None:
    whole = bundling.module("gallery.js")
    order = re.findall(r"^const from_(\w+) = \(", whole, re.MULTILINE)
    assert len(order) == len(set(order))
    assert order.index("drawing") < order.index("tile") < order.index("grid")


@pytest.mark.parametrize("line", ['import grid from "./grid.js";', "export default 1;", "export { a };"])
def test_a_module_that_is_written_in_another_way_is_refused(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundling, "FOLDER", tmp_path)
    name = f"{hashlib.sha256(line.encode()).hexdigest()}.js"
    (tmp_path / name).write_text(f"{line}\n")
    with pytest.raises(ValueError, match="not written as the other"):
        bundling.module(name)


@pytest.mark.parametrize(
    ("body", "shown", "edited"),
    [
        ("Grüße 🐟\r\n\t<a>".encode(), "Grüße 🐟\r\n\t<a>", "Grüße 🐟\n\t<a>"),
        (b"a\x00b\x1b[31m", r"a\x00b\x1b[31m", "ab[31m"),
        (b"Gr\xfc\xdfe", r"Gr\xfc\xdfe", "Grüße"),
        ("\ufeff<a>ü".encode("utf-16-le"), "<a>ü", "<a>ü"),
        (b"\xef\xbb\xbf{}", "{}", "{}"),
        (b"", "", ""),
    ],
)
def test_a_raw_body_is_shown_with_every_byte_and_edited_as_text(body: bytes, shown: str, edited: str) -> None:
    assert raw.readable(body) == shown
    assert raw.editable(body) == edited


def test_what_was_repaired_when_a_message_was_read_is_said_and_nothing_otherwise() -> None:
    repaired = message(repaired=("bare ampersands", "control characters"))
    facts = {one.label: one.value for one in details(repaired, now=NOON)}
    assert facts["Repaired when read"] == "bare ampersands, control characters"
    assert "Repaired when read" not in {one.label for one in details(message(), now=NOON)}
