import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsvault.catalog import documents
from mmsvault.catalog.numbers import writings
from mmsvault.catalog.places import ROOM, first_place, possible_places
from mmsvault.catalog.words import LONGEST_WORD, words_of
from mmsvault.errors import ConfigurationError
from mmsvault.message import fold, normal_number, part_of_number
from tests.unit.test_message import message

any_time = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The old-harbor, 2026!", "the old harbor 2026"),
        ("Crème brûlée ÆON Straße", "creme brulee æon strasse"),
        ("港口 is 東京", "港 口 is 東 京"),
        ("がっこう", "が っ こ う"),
        ("iPhone手机", "iphone 手 机"),
        ("แม่น้ำ", "แ ม ่ น ้ ํ า"),
        ("हिन्दी", "हिन्दी"),
        ("서울에서", "서울에서"),
        ("a\u200bb co\u00adop ❤️🐟🐟", "ab coop ❤ 🐟 🐟"),
        ("zoe@example.com", "zoe example com"),
        ("_under_ 'quoted' \"x\"*", "under quoted x"),
        ("%&$ --", ""),
    ],
)
def test_text_is_taken_apart_into_words(text: str, words: str) -> None:
    assert words_of(text) == words.split()


@given(st.text())
def test_words_are_tokens_that_mean_nothing_to_any_database(text: str) -> None:
    for word in words_of(text):
        assert 0 < len(word) <= LONGEST_WORD
        assert not set(word) & set("\"'\\ \t\n\0*=<>~|_:&!()")
        assert word == word.lower() or not word.isascii()


@given(st.text())
def test_what_is_folded_stays_so(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(any_time, any_time)
def test_places_are_in_the_order_of_times(one: datetime, other: datetime) -> None:
    if one < other:
        assert first_place(one) <= first_place(other)
    assert -(2**63) <= first_place(one) <= 2**63 - 2**40, "room for more of the same time in 64 bits"


def test_times_a_microsecond_apart_never_share_a_place() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert first_place(now + timedelta(microseconds=1)) - first_place(now) == ROOM


def test_places_of_a_message_go_on_and_are_the_same_each_time() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    places = list(islice(possible_places(now, "sinch-1"), 20))
    assert places == list(islice(possible_places(now, "sinch-1"), 20))
    assert all(first_place(now) <= place for place in places)
    assert all(place < first_place(now) + ROOM for place in places[:2])
    assert any(one != other for one, other in pairwise(places))


@pytest.mark.parametrize(
    ("text", "region", "forms"),
    [
        ("+1 (408) 225-7140", "US", {"14082257140", "4082257140"}),
        ("4082257140", "US", {"14082257140", "4082257140"}),
        ("14082257140", "US", {"14082257140", "4082257140"}),
        ("0014082257140", "US", {"14082257140", "4082257140"}),
        ("011 44 20 7946 0018", "US", {"011442079460018", "442079460018"}),
        ("020 7946 0018", "GB", {"02079460018", "442079460018"}),
        ("442079460018", "GB", {"02079460018", "442079460018"}),
        ("14082257140", "DE", {"14082257140"}),
        ("28444", "US", {"28444"}),
        ("28444", "DE", {"28444"}),
        ("+14082257140/TYPE=PLMN", "US", {"14082257140", "4082257140"}),
        ("Someone@Example.com", "US", {"someone@example.com"}),
        ("PIZZA", "US", {"pizza"}),
        ("9" * 400, "US", {"9" * 254}),
    ],
)
def test_a_number_is_looked_for_in_the_forms_that_it_may_have(
    text: str, region: str, forms: set[str]
) -> None:
    found = set(writings(text, region=region))
    assert forms <= found
    if region != "DE":
        assert found == forms


def test_the_receiver_knows_nothing_of_numbers_or_the_catalog() -> None:
    alien = "{'phonenumbers', 'sqlalchemy'} & set(sys.modules)"
    program = f"import sys, receiver.__main__; sys.exit(str({alien}) if {alien} else 0)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_country_names_the_setting() -> None:
    with pytest.raises(ConfigurationError, match="MMSVAULT_DEFAULT_REGION"):
        writings("4082257140", region="XX")


@pytest.mark.parametrize(
    ("text", "held"),
    [("(408) 225", "408225"), ("+1408", "1408"), ("0055", "0055"), ("@Example.com", "@example.com")],
)
def test_a_part_of_a_number_is_compared_as_numbers_are(text: str, held: str) -> None:
    assert part_of_number(text) == held


def test_a_document_of_any_text_fits_a_tsvector() -> None:
    hostile = "".join(chr(0x10400 + number % 40) * 39 + f"{number} " for number in range(20_000))
    tokens = documents.document(message(subject=hostile, sender="x" * 5000))
    assert sum(len(token.encode()) for token in tokens.marks.union(tokens.sequence)) < 1_000_000
    assert max(len(token.encode()) for token in tokens.marks) < 2046


@given(st.text(), st.text(), st.text())
def test_facts_of_any_text_are_one_token_each(subject: str, sender: str, keyword: str) -> None:
    tokens = documents.document(message(subject=subject, sender=sender, keyword=keyword, tags=(sender,)))
    for token in tokens.marks.union(tokens.sequence):
        assert token
        assert not set(token) & set("\"'\\ \t\n\r\0:&!()")


@pytest.mark.parametrize(
    "numbers",
    [
        tuple(f"1555{number:07}" for number in range(40_000)),
        tuple(f"ä.{number}@{'x.' * 120}example" for number in range(3000)),
    ],
)
def test_a_message_to_thousands_of_numbers_is_as_much_as_a_database_indexes(numbers: tuple[str, ...]) -> None:
    found = documents.document(message(sender="4082257140", to=numbers))
    tokens = found.marks.union(found.sequence)
    assert sum(len(token.encode()) for token in tokens) < 1 << 20, "what a tsvector holds"
    assert documents.fact("f", "4082257140") in tokens
    assert documents.fact("t", normal_number(numbers[1000])) in tokens


def test_a_group_of_hundreds_is_found_by_every_part_of_every_number() -> None:
    numbers = tuple(f"1555{number:07}" for number in range(500))
    found = documents.document(message(to=numbers))
    assert documents.ending("t", "0000499") in found.marks
    assert set(documents.threes("t", "0499")) <= set(found.sequence)
