"""One contract for both databases: the same query finds the same messages, fast or not at all."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from mmsvault.catalog import filters, language, queries, totals
from mmsvault.catalog.connection import migrate, open_catalog
from mmsvault.catalog.totals import Total
from mmsvault.errors import SearchError
from tests.integration.searchable import ARCHIVE, expected, fill


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The known archive, in a database of its own."""
    if request.param == "sqlite":
        engine = open_catalog(f"sqlite:///{tmp_path_factory.mktemp('search') / 'catalog.sqlite'}")
    else:
        url = request.getfixturevalue("postgresql")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE searched")
        engine = open_catalog(url.replace("/postgres", "/searched"))
    migrate(engine)
    fill(engine)
    yield engine
    engine.dispose()


def found(archive: Engine, query: str) -> list[str]:
    page = queries.search(archive, language.parse(query), limit=100)
    assert totals.total(archive, language.parse(query)) == Total(len(page.messages))
    return [one.tracking_id for one in page.messages]


EVERYONE = " ".join(one.tracking_id for one in ARCHIVE)
QUERIES = [
    ("", EVERYONE),
    # Words: from their beginning, without case and accents, all of them.
    ("harbor", "harbor brolly"),
    ("HARB", "harbor harbour brolly"),
    ("arbor", ""),
    ("harbor old", "harbor"),
    ("m", "card sql"),
    ("old -harbour", "harbor"),
    # ... of keywords too, but not in quotation marks.
    ("storm", "harbor harbour brolly"),
    ("stör", "harbor harbour brolly"),
    ("torm", ""),
    ('"storm"', ""),
    ("storm -umbrella", "harbor harbour"),
    ("signs", "long"),
    ("keyw with", "long"),
    ("long,key", ""),
    ("long-keyword", "long"),
    ("storm OR 9999", "harbor harbour brolly film"),
    # Bare numbers: whole ones in any usual writing, and four last digits or more.
    ("4085550123 umbrella", "brolly"),
    ("14085550123 harbor", "harbor brolly"),
    ("(408) 555-0123 harbor", "harbor brolly"),
    ("harbor +1 408 555 0123", "harbor brolly"),
    ("+1 (408) 555-0123 keyword:storm old", "harbor harbour"),
    ("408.555.0123 storm", "harbor harbour brolly"),
    ("408 555 0123 storm", "harbor harbour brolly"),
    ("555 0123 storm", "harbor harbour brolly"),
    ("1-408-555-0123 umbrella", "brolly"),
    ("011 1 408 555 0123 umbrella", "brolly"),
    ("tel:+1-408-555-0123 umbrella", "brolly"),
    ("(408) 555-0123 ext. 5 umbrella", "brolly"),
    ("\u202a+1 408 555 0123\u202c umbrella", "brolly"),
    ("４０８５５５０１２３ umbrella", "brolly"),
    ("0123 storm", "harbor harbour brolly"),
    ("0123 -harbor old", "harbour"),
    ("-(408) 555-0123 -0199 has:media", "sure card film plan blob"),
    ("6505550100", "sure"),
    ("5550100", "sure"),
    ("0100", "sure"),
    ("100 sure", "sure"),
    ("5100", ""),
    ("+44 20 7946 0018", "plan"),
    ("44 20 7946 0018", "plan"),
    ("0018", "plan"),
    ("28444 type:audio", "sound"),
    ("8444 type:audio", "sound"),
    ("444 type:audio", ""),
    ("0199", "sound"),
    ("(408) 555-0199", "sound"),
    ("9999 OR 0199", "film sound"),
    ("0123 0199", "sound"),
    ('"0199"', ""),
    ('"(408) 555-0199"', ""),
    ("-0199 type:audio", ""),
    ("is:held", "film"),
    ("-is:held type:video", ""),
    ("umbrella", "brolly"),
    ("100%", "sure"),
    ("100", "sure"),
    ("cafe", "waits"),
    ("CAFÉ", "waits"),
    ("naïve", "waits"),
    ("naive", "waits"),
    ("strasse", "waits"),
    ("straße", "waits"),
    ("æon", "waits"),
    ("ffi", "half"),
    ("123", "half"),
    ("１２３", "half"),
    ("ελλαδα", "gone"),
    ("αθηναι", "gone"),
    ("москва", "gone"),
    ("елка", "gone"),
    ("zoe", "card"),
    ("muller", "card"),
    ("Müll", "card"),
    ("zoe@example.com", "card"),
    ("don't", "sure"),
    ("don", "sure"),
    ("word", "bare long"),
    ("end", "long"),
    # Phrases: whole words, side by side, within one text.
    ('"old harbor"', "harbor"),
    ('"harbor old"', ""),
    ('"old harb"', ""),
    ('"harb"', ""),
    ('"harbor"', "harbor brolly"),
    ('"the harbor"', "brolly"),
    ('"umbrella to the"', "brolly"),
    ('-"old harbor" old', "harbour"),
    ('"OLD   Harbor"', "harbor"),
    # Scripts without spaces: one letter, two letters, more; and others.
    ("港", "chinese"),
    ("港口", "chinese"),
    ("口港", ""),
    ("你好", "chinese"),
    ("好暴", ""),
    ("暴风雨", "chinese"),
    ("風", ""),
    ("東京", "japanese"),
    ("京", "japanese"),
    ("タワー", "japanese"),
    ("ねこ", "japanese"),
    ("がっこう", "japanese"),
    ("かっこう", ""),
    ("แมว", "thai"),
    ("สวัสดี", "thai"),
    ("น้ำ", "thai"),
    ("서울", "korean"),
    ("हिन्दी", "hindi"),
    ("हिन", "hindi"),
    ("السلام", "arabic"),
    ("🐟", "fish"),
    ("❤", "fish"),
    # Numbers in any usual writing; short codes, names and addresses as they are.
    ("from:14085550123 -umbrella subject", ""),
    ("from:14085550123 has:subject -has:media", "bare thai korean hindi arabic fish sql"),
    ("from:14085550123 umbrella", "brolly"),
    ('from:"+1 (408) 555-0123" umbrella', "brolly"),
    ("from:4085550123 harbor", "harbor brolly"),
    ("from:0014085550123 harbor", "harbor brolly"),
    ("from:408-555-0123 harbor", "harbor brolly"),
    ('from:"011 1 408 555 0123" harbor', "harbor brolly"),
    ("from:6505550100", "sure"),
    ('from:"+44 20 7946 0018"', "plan"),
    ("from:442079460018", "plan"),
    ("from:28444", "sound"),
    ("from:2844", ""),
    ("to:4085550199", "sound"),
    ("number:14085550199", "sound"),
    ("number:6505550100", "sure"),
    ("from:pizza", "blob"),
    ("from:SomeOne@example.com", "card"),
    ("from:some*", "card"),
    ("from:*@example.com", "card"),
    ("from:*one@ex*", "card"),
    ("from:1650*", "sure"),
    ("from:+1650*", "sure"),
    ("from:*9999", "film"),
    ("from:*555*9999", None),
    ("from:*5599*", "film"),
    ("from:*555-9*", "film"),
    ("number:*0199", "sound"),
    ("to:1408*", "sound"),
    ("from:14%*", ""),
    ("from:_4085550123", ""),
    # Keywords, kinds, carriers, times, states, tags.
    ("keyword:storm", "harbor harbour brolly"),
    ("keyword:STÖRM", "harbor harbour brolly"),
    ("keyword:stor", ""),
    ("keyword:all", "bare"),
    ('keyword:"long keyword, with signs & all"', "long"),
    ("keyword:none type:video", "film"),
    ("type:image", "harbor harbour film half"),
    ("type:text", "sure brolly chinese japanese long"),
    ("type:contact", "card"),
    ("type:calendar", "plan"),
    ("type:document", "plan"),
    ("type:audio", "sound"),
    ("type:other", "blob"),
    ("carrier:verizon", "harbor"),
    ("carrier:31004", "film"),
    ("before:2026-11-20T12:02", "harbor harbour"),
    ("after:2026-11-20T12:22Z", "long"),
    ("-after:2026-11-20T12:01", "harbor"),
    ("after:2026-11-20T12:01 before:2026-11-20T12:03Z", "harbour sure"),
    ("after:2026-11-20T12:22 OR umbrella", "brolly long"),
    ("-before:2026-11-20T12:22 OR umbrella", "brolly long"),
    ("state:pending", "waits"),
    ("state:partial", "half"),
    ("state:lost", "gone"),
    ("state:lost OR state:pending", "waits gone"),
    ("tag:reviewed", "plan blob"),
    ('tag:"To Do"', "blob"),
    ("tag:reviewed -type:other", "plan"),
    ("has:hold", "film"),
    ("-has:subject has:media type:image", "film"),
    # Or, not, and signs.
    ("umbrella OR type:video", "brolly film"),
    ("umbrella OR -has:subject type:text", "sure brolly long"),
    ("old OR umbrella -harbour", "harbor brolly"),
    ("harbor OR harbour grey", "harbour"),
    ("old & harbor", "harbor"),
    ("old -- harbor", "harbor"),
    ("-umbrella -old -type:image keyword:storm", ""),
    # Nothing here is SQL, FTS5 or tsquery.
    ("'; DROP TABLE messages; --", "sql"),
    ("Robert'); DROP", "sql"),
    ("harbor NEAR old", ""),
    ("harbor AND old", ""),
    ("harbor NOT old", ""),
    ("a*b", "sql"),
    ("harbor|umbrella", ""),
    ("!harbor", "harbor brolly"),
    ("harbor:*", None),
    ("words:harbor", None),
    ("^harbor", "harbor brolly"),
    ("{words}", "bare"),
    ("50%", "sql"),
    ("_under_", "sql"),
]


@pytest.mark.parametrize("query", [query for query, names in QUERIES if names is None])
def test_a_query_with_a_mistake_finds_nothing_and_says_so(query: str) -> None:
    with pytest.raises(SearchError):
        language.parse(query)


@pytest.mark.parametrize(
    ("query", "names"), [(query, names) for query, names in QUERIES if names is not None]
)
def test_a_query_finds_just_these_messages_newest_first(archive: Engine, query: str, names: str) -> None:
    wanted = names.split()
    newest_first = [one.tracking_id for one in reversed(ARCHIVE) if one.tracking_id in wanted]
    assert found(archive, query) == newest_first


WORDS = """harbor harb old the umbrella 100 cafe 港 港口 你好 東京 ねこ แมว 서울 🐟 word end don't
    zoe@example.com
    "old harbor" "the harbor"
    "word word" "word end" "harb" & % storm "storm" signs keyw long-keyword all 0123 "0123" 9999 0199 444
    8444 28444 4085550123 +14085550199 555-0123""".split()
NUMBERS = ["(408) 555-0123", "+1 408 555 0199", "408 555 9999", "+44 20 7946 0018", "555 0100", "9999 0199"]
FIELDS = """from:14085550123 from:4085550123 from:1408* from:*0123 from:*555* from:*@example.com from:pizza
    to:28444 to:*444 number:*0199 number:14085550123 keyword:storm keyword:none keyword:all type:image
    type:text type:other type:document carrier:verizon carrier:31004 after:2026-11-20T12:07
    before:2026-11-20T12:10
    state:archived state:lost tag:reviewed has:media has:subject has:hold is:held""".split()
terms = st.builds(
    lambda minus, term: minus + term,
    st.sampled_from(["", "", "-"]),
    st.sampled_from(WORDS + NUMBERS + FIELDS),
)
any_query = st.builds(
    lambda first, others: first + "".join(joint + term for joint, term in others),
    terms,
    st.lists(st.tuples(st.sampled_from([" ", " ", " OR "]), terms), max_size=5),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=any_query)
@example(query="-harbor OR after:2026-11-20T12:07 OR from:*555* -old")
def test_any_query_finds_what_a_plain_look_at_each_message_finds(archive: Engine, query: str) -> None:
    try:
        parsed = language.parse(query)
    except SearchError:
        reject()
    assert set(found(archive, query)) == expected(parsed)


NAUGHTY = [
    "x" * 10_000,
    "harbor " * 140,
    "-a " * 300,
    "a OR " * 180 + "b",
    "\0",
    "a\0b",
    "\ud800 harbor \udfff",
    "' OR '1'='1",
    '"" OR ""',
    "MATCH '*'",
    "NEAR(a b, 10)",
    "a NOT (b",
    "(a AND b",
    "message_words : a",
    "{a b} : c",
    "a + b",
    "a* b* *c",
    "'a' & !'b' <-> 'c':*A",
    "%s %(id)s :id ? $1 \\ \\\\ \\'",
    "from:' number:\"'\"",
    "to:*'''*",
    "keyword:%",
    "tag:'; tag:\\",
    "\u202e\u200b\ufeff\u0301",
    "﷽" * 50,
    "Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O̭̗̮",
    "after:0001-01-01 before:9999-12-31T23:59:59Z",
    "after:9999-12-31",
    "carrier:" + "9" * 500,
    "from:" + "9" * 500,
    "from:" + "9" * 500 + "*",
    "=f14085550123",
    "<f140 >f0123 ~f140 | =",
    "undefined NaN null \\u0000 <script>alert(1)</script> ../../etc/passwd",
]


@pytest.mark.parametrize("query", NAUGHTY, ids=range(len(NAUGHTY)))
def test_a_hostile_query_gets_an_answer_or_a_plain_message(archive: Engine, query: str) -> None:
    try:
        parsed = language.parse(query)
    except SearchError as error:
        assert 0 <= error.position <= len(query)
    else:
        page = queries.search(archive, parsed)
        assert {one.tracking_id for one in page.messages} <= expected(parsed)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=60))
def test_any_text_at_all_gets_an_answer_or_a_plain_message(archive: Engine, query: str) -> None:
    try:
        parsed = language.parse(query)
    except SearchError as error:
        assert 0 <= error.position <= len(query)
    else:
        assert {one.tracking_id for one in queries.search(archive, parsed).messages} <= expected(parsed)


PLANNED = [query for query, names in QUERIES if names is not None]


@pytest.mark.parametrize("query", PLANNED)
def test_no_query_reads_a_whole_table(archive: Engine, query: str) -> None:
    with archive.connect() as connection:
        asked = queries.narrowed(connection, language.parse(query))
    statement = filters.places(asked, archive.dialect.name).limit(61)
    compiled = statement.compile(archive, compile_kwargs={"render_postcompile": True})
    with archive.connect() as connection:
        if archive.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {compiled}",
                tuple(compiled.params[name] for name in compiled.positiontup or []),
            )
            steps = [row[3] for row in rows]
            assert not [step for step in steps if step.startswith("SCAN") and not _is_indexed(step)], steps
            assert not [step for step in steps if "TEMP B-TREE" in step], steps
        else:
            # Of tables this small PostgreSQL reads all; asked not to, it must have another way.
            connection.execute(text("SET enable_seqscan = off"))
            rows = connection.exec_driver_sql(f"EXPLAIN {compiled}", compiled.params)
            steps = [row[0] for row in rows]
            assert not [step for step in steps if "Seq Scan" in step], steps


def _is_indexed(step: str) -> bool:
    # FTS5 names the constraints that it takes: M for a match, < and > for row ids.
    return any(known in step for known in ("USING COVERING INDEX ix_messages_place", ":M"))


@pytest.mark.parametrize("query", ["9999999999", "(999) 555-7777", "-9999999999", "7777"])
def test_of_a_number_that_nobody_has_one_token_is_left_to_look_for(archive: Engine, query: str) -> None:
    with archive.connect() as connection:
        term = queries.narrowed(connection, language.parse(query)).groups[0][0]
    if archive.dialect.name == "postgresql":  # SQLite knows at once how often a token is there
        assert len(filters.phrases(term)) == 1
    assert len(found(archive, query)) == (len(ARCHIVE) if term.negated else 0)
