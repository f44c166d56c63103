"""Tries to log in, idle sessions and second factors, on each database."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from sqlalchemy import Engine, select

from mmsvault.catalog import people, second_factors, sessions, tries
from mmsvault.catalog.connection import reading
from mmsvault.catalog.people import Role
from mmsvault.catalog.second_factors import Means
from mmsvault.catalog.tables import recovery_codes, users
from mmsvault.catalog.tries import FIRST_WAIT, LONGEST_WAIT, Limit
from mmsvault.errors import NotFoundError, RejectedInputError

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
PASSWORD, KEY = "correct horse battery", "the bucket's secret key"


def waits(engine: Engine, limits: dict[str, Limit], now: datetime = NOON) -> int:
    """Return the seconds that a try has to wait; 0: it was counted."""
    return max((int((at - now) / SECOND) for at in tries.take(engine, limits, now=now).values()), default=0)


def test_of_tries_at_once_no_more_than_the_limit_are_let_through(catalog: Engine) -> None:
    limits = {"name anna": Limit(5), "address 192.0.2.1": Limit(50, is_shared=True)}
    with ThreadPoolExecutor(8) as several:
        answers = list(several.map(lambda _: waits(catalog, limits), range(40)))
    assert answers.count(0) == 5
    assert waits(catalog, {"address 192.0.2.1": Limit(6)}) == 0, "what is refused is counted nowhere"
    assert waits(catalog, {"address 192.0.2.1": Limit(6)}) > 0


def test_waits_double_up_to_the_longest_and_end(catalog: Engine) -> None:
    limits, now, seen = {"name anna": Limit(2, forgiven_every=timedelta(days=1))}, NOON, []
    for _ in range(9):
        wait = tries.take(catalog, limits, now=now)
        while wait:
            seen.append(wait["name anna"] - now)
            now = wait["name anna"]
            wait = tries.take(catalog, limits, now=now)
    assert seen[:4] == [FIRST_WAIT * 2**n for n in range(4)]
    assert seen[4:] == [LONGEST_WAIT] * (len(seen) - 4)


def test_tries_are_forgiven_one_by_one(catalog: Engine) -> None:
    limits = {"name anna": Limit(3)}
    for _ in range(3):
        assert waits(catalog, limits) == 0
    assert waits(catalog, limits) == 60
    later = NOON + 2 * LONGEST_WAIT
    assert [waits(catalog, limits, later) for _ in range(3)] == [0, 0, 60]


def test_a_right_try_takes_its_name_back_and_of_an_address_itself_only(catalog: Engine) -> None:
    limits = {"name anna": Limit(3), "address 192.0.2.1": Limit(4, is_shared=True)}
    for _ in range(3):
        assert waits(catalog, limits) == 0
    tries.take_back(catalog, limits)
    assert [waits(catalog, limits) for _ in range(3)] == [0, 0, 60], "2 of the address were wrong"


def test_tries_are_forgotten_with_a_new_password(catalog: Engine) -> None:
    people.add(catalog, "anna", role=Role.ADMIN, password=PASSWORD)
    for key in ("name anna", "pair 192.0.2.1 anna", "name joanna"):
        assert waits(catalog, {key: Limit(1)}) == 0
    people.set_password(catalog, "anna")
    assert waits(catalog, {"name anna": Limit(1), "pair 192.0.2.1 anna": Limit(1)}) == 0
    assert waits(catalog, {"name joanna": Limit(1)}) == 60


def test_a_session_ends_when_its_person_does_nothing(catalog: Engine) -> None:
    people.add(catalog, "anna", role=Role.ADMIN, password=PASSWORD)
    token = sessions.begin(catalog, "anna", now=NOON, span=12 * HOUR)

    def is_in(after: timedelta, *, is_activity: bool, idle: timedelta = HOUR) -> bool:
        found = sessions.find(catalog, token, now=NOON + after, idle=idle, is_activity=is_activity)
        return found is not None

    assert is_in(0.9 * HOUR, is_activity=True)
    assert is_in(1.8 * HOUR, is_activity=False), "what a page asks by itself is served"
    assert not is_in(1.95 * HOUR, is_activity=False), "and does not keep the session"
    assert not is_in(1.95 * HOUR, is_activity=True), "an end is an end"
    assert is_in(11 * HOUR, is_activity=False, idle=sessions.NEVER)
    assert sessions.list_all(catalog, "anna", now=NOON + 2 * HOUR, idle=HOUR) == []
    assert sessions.counted(catalog, now=NOON + 2 * HOUR, idle=HOUR) == {}


def test_activity_is_noted_once_a_minute(catalog: Engine) -> None:
    people.add(catalog, "anna", role=Role.ADMIN, password=PASSWORD)
    token = sessions.begin(catalog, "anna", now=NOON, span=12 * HOUR)

    def seen_after(seconds: int) -> float:
        now = NOON + seconds * SECOND
        sessions.find(catalog, token, now=now, idle=HOUR, is_activity=True)
        (one,) = sessions.list_all(catalog, "anna", now=now)
        return (one.seen_at - NOON) / SECOND

    assert [seen_after(seconds) for seconds in (1, 59, 60, 119, 125)] == [0, 0, 60, 60, 125]


def test_a_persons_sessions_are_listed_and_ended_one_by_one(catalog: Engine) -> None:
    for name in ("anna", "ben"):
        people.add(catalog, name, role=Role.ADMIN, password=PASSWORD)
    mine, other, third = (
        sessions.begin(catalog, "anna", now=NOON + n * SECOND, span=HOUR, source="192.0.2.1", browser=word)
        for n, word in enumerate(("Firefox on Linux", "Safari on iPhone", "x" * 500))
    )
    bens = sessions.begin(catalog, "ben", now=NOON, span=HOUR)
    found = sessions.list_all(catalog, "anna", now=NOON)
    assert [one.browser for one in found] == ["x" * 60, "Safari on iPhone", "Firefox on Linux"]
    assert mine not in {one.id for one in found}, "an id opens nothing"
    assert not sessions.end_one(catalog, "anna", sessions.digest(bens)), "it is another person's"
    assert sessions.end_one(catalog, "anna", sessions.digest(other))
    assert sessions.find(catalog, other, now=NOON) is None
    assert sessions.end_all(catalog, "anna", but=sessions.digest(mine)) == 1
    assert sessions.find(catalog, third, now=NOON) is None
    assert sessions.find(catalog, mine, now=NOON)
    assert sessions.find(catalog, bens, now=NOON)


def test_what_is_good_for_one_use_is_used_by_one(catalog: Engine) -> None:
    with ThreadPoolExecutor(4) as several:
        uses = several.map(
            lambda _: sessions.use_once(catalog, "a state", now=NOON, ends_at=NOON + HOUR), range(8)
        )
        assert sorted(uses) == [False] * 7 + [True]
    assert sessions.use_once(catalog, "another", now=NOON, ends_at=NOON + HOUR)


@pytest.fixture
def secret(catalog: Engine) -> str:
    """The app's secret of anna, who has just set it up."""
    people.add(catalog, "anna", role=Role.ADMIN, password=PASSWORD)
    made = second_factors.new_secret()
    code = pyotp.TOTP(made).at(NOON)
    assert second_factors.set_up(catalog, KEY, "anna", secret=made, code="000000", now=NOON) is None
    assert second_factors.set_up(catalog, KEY, "anna", secret=made, code=code, now=NOON)
    return made


def accept(engine: Engine, code: str, now: datetime = NOON, key: str = KEY) -> Means | None:
    return second_factors.accept(engine, key, "anna", code, now=now)


def test_a_code_is_good_once_and_so_is_the_one_of_the_set_up(catalog: Engine, secret: str) -> None:
    assert people.find(catalog, "anna").has_second_factor
    assert accept(catalog, pyotp.TOTP(secret).at(NOON)) is None, "the set-up used it"
    later = NOON + 60 * SECOND
    code = pyotp.TOTP(secret).at(later)
    with ThreadPoolExecutor(4) as several:
        answers = list(several.map(lambda _: accept(catalog, code, later), range(8)))
    assert (answers.count(Means.APP), answers.count(None)) == (1, 7)


def test_a_recovery_code_is_good_once_however_it_is_written(catalog: Engine, secret: str) -> None:
    assert secret
    codes = second_factors.renew_recovery_codes(catalog, "anna")
    assert (len(codes), len(set(codes))) == (10, 10)
    typed = codes[3].upper().replace("-", " ")
    assert [accept(catalog, typed), accept(catalog, codes[3])] == [Means.RECOVERY_CODE, None]
    assert second_factors.recovery_codes_left(catalog, "anna") == 9
    second_factors.renew_recovery_codes(catalog, "anna")
    assert accept(catalog, codes[4]) is None, "new ones take the place of the old"


def test_neither_secret_nor_recovery_codes_stand_in_the_catalog(catalog: Engine, secret: str) -> None:
    codes = second_factors.renew_recovery_codes(catalog, "anna")
    with reading(catalog) as connection:
        kept = [*connection.execute(select(users)), *connection.execute(select(recovery_codes))]
    for word in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert word not in str(kept)


def test_with_another_key_the_app_is_unreadable_and_recovery_codes_go_on(
    catalog: Engine, secret: str
) -> None:
    codes = second_factors.renew_recovery_codes(catalog, "anna")
    later = NOON + 60 * SECOND
    assert second_factors.unreadable(catalog, KEY) == []
    assert second_factors.unreadable(catalog, "another") == ["anna"]
    with pytest.raises(RejectedInputError, match="recovery code"):
        accept(catalog, pyotp.TOTP(secret).at(later), later, key="another")
    assert accept(catalog, codes[0], key="another") is Means.RECOVERY_CODE
    second_factors.seal_anew(catalog, old_key=KEY, new_key="another")
    second_factors.seal_anew(catalog, old_key=KEY, new_key="another")
    assert accept(catalog, pyotp.TOTP(secret).at(later), later, key="another") is Means.APP


def test_a_second_factor_goes_with_its_person_and_by_a_reset(catalog: Engine, secret: str) -> None:
    assert secret
    people.add(catalog, "ben", role=Role.ADMIN)
    assert second_factors.remove(catalog, "anna")
    assert not second_factors.remove(catalog, "anna")
    assert not people.find(catalog, "anna").has_second_factor
    assert second_factors.recovery_codes_left(catalog, "anna") == 0
    people.remove(catalog, "anna")
    with pytest.raises(NotFoundError):
        accept(catalog, "123456")
