"""All that the product asks of its catalog and tells it, upon the large one of `large_catalog`.

By function, so that a test can say which one is missing. What changes something undoes nothing: it is
little beside what is there.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Engine

from mmsvault.catalog import (
    copying,
    counting,
    due,
    key_values,
    leaving,
    names,
    people,
    quarantine,
    queries,
    schedules,
    searches,
    second_factors,
    selections,
    sessions,
    source_activity,
    tallies,
    totals,
    trail,
    trail_numbers,
    tries,
    turns,
    upkeep,
    verdicts,
    writes,
)
from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.filters import chosen, scheduled
from mmsvault.catalog.language import EVERYTHING, Query, parse
from mmsvault.catalog.people import Role
from mmsvault.catalog.quarantine import Quarantined
from mmsvault.catalog.schedules import ScheduledExport
from mmsvault.catalog.tallies import KEYWORDS, SENDERS
from mmsvault.catalog.tries import Limit
from mmsvault.catalog.verdicts import Extent, Verdict
from mmsvault.catalog.views import View, scope_of
from mmsvault.exporting import register
from mmsvault.exporting.planning import Choice, Plan
from mmsvault.leases import Lease
from mmsvault.message import Attempt, Message, Receipt, utc_now
from mmsvault.state import rows
from tests.integration.searchable import message
from tests.large_catalog import COMMON_KEYWORD, COMMON_SENDER, RARE_KEYWORD, RARE_SENDER, TEAM_KEYWORD

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SCOPES = (
    "",
    f"keyword:{RARE_KEYWORD}",
    f"keyword:{TEAM_KEYWORD}",
    f"from:{RARE_SENDER}",
    f"keyword:{RARE_KEYWORD} number:16503000005",
    f"keyword:{TEAM_KEYWORD} from:{RARE_SENDER}",
)
QUERIES = (
    "w3",
    "w9000",
    "w3 w4",
    "w1 w9000",
    '"w1 w9000"',
    "w900",
    "0100",
    "-w3",
    "4082000042",
    f"from:{COMMON_SENDER}",
    f"from:{RARE_SENDER}",
    "from:1408*",
    "from:*0042",
    "from:*200*",
    "to:28444",
    "to:16503000005",
    "number:*0005",
    "from:caller",
    f"keyword:{COMMON_KEYWORD}",
    f"keyword:{RARE_KEYWORD}",
    "keyword:none",
    "keyword:nobody",
    "type:image",
    "type:video",
    "carrier:att",
    "carrier:sprint",
    "tag:none",
    "state:lost",
    "state:pending",
    "has:hold",
    "has:media",
    f"keyword:{COMMON_KEYWORD} w3",
    f"from:{RARE_SENDER} w3",
    f"keyword:{RARE_KEYWORD} after:2020-01-01",
    "w3 OR w9000",
    f"-keyword:{COMMON_KEYWORD} state:lost",
)


def parsed(text: str) -> Query:
    return parse(text, region="US")


def ask_everything(engine: Engine) -> None:
    """Ask and tell all of it, one after another."""
    for ask in (*_LOOKED_AT, *_SWEPT, *_TOLD, *_OF_PEOPLE, *_EXPORTED):
        ask(engine)


def _view_asks(engine: Engine, scope: str) -> None:
    view, now = View(engine, scope_of(scope, region="US")), utc_now()
    newest = view.search(EVERYTHING, limit=61)
    known = newest.messages[0].id if newest.messages else "sinch-none"
    view.search(EVERYTHING, limit=61, after=newest.next, parts=queries.FILES)
    view.total(EVERYTHING)
    view.kept_total(EVERYTHING)
    view.figures(EVERYTHING)
    view.figures(parsed("w9000"))
    view.ids(EVERYTHING, limit=100)
    view.holds(known)
    view.load(known)
    view.load_all([known])
    view.any()
    view.newer(EVERYTHING, than=known)
    view.newer(parsed("w3"), than=known)
    view.tags(among=1000)
    alike = newest.messages[0].media[0].model_copy(update={"perceptual_hash": "00ff00ff00ff1000"})
    view.similar(newest.messages[0].model_copy(update={"media": (alike,)}), among=1000)
    view.names([COMMON_SENDER, RARE_SENDER])
    for tallied in (SENDERS, KEYWORDS):
        keys = [one.key for one in view.tallies(tallied, order="messages", limit=3)]  # as pages do
        view.by_day(tallied, keys, days=30, today=now.date())
        view.latest_pictures(tallied, keys, each=4)
        for order in counting.ORDERS:
            page = view.tallies(tallied, order=order, limit=20)
            view.tallies(tallied, order=order, limit=20, after=page[-1])
        view.tallies(tallied, find="k7", limit=20)
        view.tallies(tallied, find="1408200", limit=20)
    view.senders(limit=20)
    view.keywords(limit=20)
    view.by_hour(hours=24, now=now)
    view.waiting(limit=20)
    view.at_risk(before=now + DAY)
    view.counts(at_risk_before=now + DAY)


def _searches(engine: Engine) -> None:
    view = View(engine)
    for text in QUERIES:
        page = view.search(parsed(text), limit=61, parts=queries.FILES)
        view.search(parsed(text), limit=61, after=page.next)
        view.total(parsed(text))
    list(islice(queries.ids(engine, parsed("w3")), 600))
    team = View(engine, scope_of(SCOPES[2], region="US"))
    for text in QUERIES:
        team.search(parsed(text), limit=61, parts=queries.FILES)
        team.total(parsed(text))
    view.search(Query((chosen(["sinch-MMS_MO_5", "sinch-MMS_MO_6"]),)))
    view.search(Query((scheduled("export-7"),)))


def _kept_counts(engine: Engine) -> None:
    now = utc_now()
    counting.list_senders(engine, limit=20)
    counting.list_keywords(engine, limit=20)
    totals.counts(engine, at_risk_before=now + DAY)
    totals.waiting_for(engine, ["It answered 500."])
    totals.nearest_deadline_at(engine)
    totals.total(engine, EVERYTHING)
    totals.kept_total(engine, EVERYTHING)
    totals.figures(engine, EVERYTHING)
    upkeep.tally(engine, now.date())
    quarantine.waiting(engine)
    quarantine.newest(engine, limit=50)
    verdicts.latest(engine)
    upkeep.noted(engine)


def _log(engine: Engine) -> None:
    now = utc_now()
    trail.append(engine, "looked at", who="user1", subject="sinch-MMS_MO_5", messages=["sinch-MMS_MO_5"])
    trail.append(engine, "searched", who="user1", subject=f"from:{RARE_SENDER}")
    trail.latest(engine, who="user3", limit=50)
    trail.asked_for(engine, trail.Asked(), limit=50)
    trail.asked_for(engine, trail.Asked(action="held"), limit=50)
    trail.asked_for(engine, trail.Asked(since=now - DAY, until=now), limit=50)
    trail.asked_for(engine, trail.Asked(since=now - HOUR * 2), limit=50)
    trail.asked_for(engine, trail.Asked(message="sinch-MMS_MO_5"), limit=50)
    trail.asked_for(engine, trail.Asked(numbers=(RARE_SENDER,)), limit=50)
    kept = trail.not_kept(engine)
    trail.mark_kept(engine, [one.hash for one in kept])
    trail.add(engine, kept)
    trail.not_found_by(engine, kept)
    trail_numbers.all_keys(engine)
    trail_numbers.add_keys(engine, ["0" * 64])


_LOOKED_AT: tuple[Callable[[Engine], None], ...] = (
    *(lambda engine, scope=scope: _view_asks(engine, scope) for scope in SCOPES),  # type: ignore[misc]  # the scope is bound
    _searches,
    _kept_counts,
    _log,
)


def _due(engine: Engine) -> None:
    now = utc_now()
    due.is_any(engine, now=now)
    for at in (now, now + 7 * HOUR):
        queries.due(engine, now=at, limit=50)
        queries.previews_due(engine, now=at, limit=50)
    due.make_ready(engine, now=now + 7 * HOUR, limit=50)
    due.make_nearest_ready(engine, now=now + 7 * HOUR, looked_at=50)
    ready = due.ready(engine, now=now, limit=20)
    due.ready(engine, now=now, limit=20, after=ready[-1], before=now + 90 * DAY)
    due.put_off(engine, [one.id for one in ready], now=now, until=now + HOUR)
    fence = writes.next_fence(engine)
    writes.postpone(engine, [one.id for one in ready], until=now + HOUR, fence=fence)
    writes.postpone_previews(engine, ["sinch-MMS_MO_0"], until=now + HOUR)


def _rounds(engine: Engine) -> None:
    now = utc_now()
    source_activity.count_new(engine, now=now)
    source_activity.active_hours(engine, now=now)
    source_activity.watched_hours(engine, now=now)
    source_activity._forget(engine, before=0)
    upkeep.retry_refused(engine, "others", now=now)
    for held in (False, True):
        leaving.aged_keywords(engine, before=now - 30 * DAY, but_for=(), held=held)
        for keyword in (COMMON_KEYWORD, RARE_KEYWORD):
            list(islice(leaving.aged(engine, before=now - 440 * DAY, keyword=keyword, held=held), 300))
    tallies.fold(engine)
    register.stranded(engine, before=now)
    register.being_made(engine)
    rows.version(engine)
    upkeep.waiting_folders(engine, limit=50)
    upkeep.some(engine, 5)
    upkeep.outcomes(engine, ["receipt-5", "receipt-6"])
    upkeep.deleted_since(engine, now - HOUR)
    upkeep.buried(engine, ["gone-5", "gone-6"])
    upkeep.note(engine, {"x": 1})
    writes.check(engine)
    key_values.backup_finished_at(engine)
    held = turns.take_turn(engine, "round", held=None, now=now, until_at=now + HOUR)
    turns.end_turn(engine, "round", held=held or 0)


_SWEPT = (_due, _rounds)


def _new(name: str, at: datetime) -> Message:
    files = ("pending", "pending")
    return message(
        name, *files, received_at=at, recorded_at=at, deadline_at=at + 30 * DAY, sender=RARE_SENDER
    )


def _archived(engine: Engine) -> None:
    """Take a message from its receipt to its end, and have it repeated, changed, held, deleted."""
    now = utc_now()
    new, receipt = _new("large", now), Receipt.of(b"large", provider="sinch")
    writes.record(engine, new, receipt)
    writes.record(engine, new, receipt)
    writes.record(engine, new, Receipt.of(b"large again", provider="sinch"))
    lease = Lease(engine, new.id)
    assert lease.take()
    lease.renew()
    tried = Attempt(position=0, at=now, duration_ms=1, outcome="failed", reason="x", status=500, headers={})
    items = [new.media[0].model_copy(update={"attempts": 1, "next_attempt_at": now + HOUR})]
    token = lease.token
    saved = writes.save_attempts(engine, new.id, items=items, tried=[tried], token=token, now=now)
    assert saved
    writes.settle(engine, saved, token=token)
    assert writes.take_lease(engine, new.id, token="t", now=now, span=HOUR)
    upkeep.look_after_lease(engine, new.id, now=now)
    writes.release_lease(engine, new.id, token="t")
    upkeep.hold(engine, new.id, held=True, now=now)
    upkeep.hold(engine, new.id, held=False, now=now)
    upkeep.retry(engine, new.id, now=now)
    upkeep.make_due(engine, new.id, now=now)
    writes.annotate(engine, new.id, tag=["seen"], note="a note", now=now)
    queries.load(engine, new.id)
    writes.take_lease(engine, new.id, token="t", now=now, span=HOUR)
    upkeep.remove(engine, new.id, token="t", now=now)
    writes.record(engine, new, Receipt.of(b"large, third", provider="sinch"))


def _entered(engine: Engine) -> None:
    now = utc_now()
    writes.count_receipt(engine, Receipt.of(b"other", provider="sinch"), "other", code="N101")
    upkeep.enter(engine, [_new("entered", now), _new("entered too", now)], now=now)
    upkeep.standings(engine, ["sinch-MMS_MO_5", "sinch-MMS_MO_6"], now=now)
    upkeep.folders(engine, ["sinch-MMS_MO_5"])
    next(upkeep.pages(engine))
    upkeep.bury(engine, {"sinch-entered": now})
    upkeep.forget_receipts(engine, ["receipt-7"])
    upkeep.recount(engine, ["other-10"], outcome="other", code="N1")
    upkeep.enter_receipts(engine, {"receipt-x": now}, outcome="other", code="N1")
    upkeep.fill_up(engine, (now.date(), "other", "N101"), 3, known=1)
    quarantine.enter(engine, Quarantined("quarantine/x", "x", "", now, now))
    quarantine.leave(engine, ["quarantine/x"])
    leaving.of_number(engine, [RARE_SENDER])
    leaving.of_number(engine, ["16503000005"])
    copying.places(engine, ["sinch-MMS_MO_5"])
    copying.bring(engine, [(_new("brought", now), 5)])
    verdicts.keep(engine, Verdict(Extent.PART, now, now, 1, 0, ()))
    for name in ("x", "y"):
        key_values.put(engine, name, "1")
    key_values.get(engine, "x")
    key_values.replace(engine, "x", "2", old="1")
    key_values.remove(engine, "x")


_TOLD = (_archived, _entered)


def _logged_in(engine: Engine) -> None:
    now = utc_now()
    people.add(engine, "ada", role=Role.ADMIN, password="correct horse battery")
    people.find(engine, "ada")
    people.recognise(engine, "ada", "correct horse battery")
    people.fingerprint(engine, "ada")
    token = sessions.begin(engine, "ada", now=now, span=DAY)
    sessions.find(engine, token, now=now, idle=HOUR, is_activity=True)
    sessions.find(engine, token, now=now + 10 * timedelta(minutes=1), is_activity=True)
    sessions.list_all(engine, "ada", now=now, idle=HOUR)
    sessions.counted(engine, now=now, idle=HOUR)
    sessions.end_one(engine, "ada", "none")
    sessions.end_all(engine, "ada", but="none")
    sessions.end(engine, token)
    sessions.use_once(engine, "what", now=now, ends_at=now + HOUR)
    tries.take(engine, {"ada": Limit(3), "192.0.2.1": Limit(30, is_shared=True)}, now=now)
    tries.take_back(engine, {"ada": Limit(3), "192.0.2.1": Limit(30, is_shared=True)})
    second_factors.recovery_codes_left(engine, "ada")
    second_factors.accept(engine, "0" * 64, "ada", "123456", now=now)
    people.add(engine, "bob", role=Role.VIEWER, password="correct horse battery")
    people.change(engine, "bob", role=Role.VIEWER, scope="keyword:storm")
    people.set_password(engine, "bob", "another horse battery")
    people.list_all(engine)
    people.remove(engine, "bob")
    kept = selections.keep(engine, "user3", ["sinch-MMS_MO_5"], now=now)
    selections.find(engine, kept, owner="user3", now=now)
    searches.save(engine, "storms", "keyword:storm", saved_by="ada")
    searches.find(engine, "storms")
    searches.list_all(engine)
    searches.remove(engine, "storms")
    names.give(engine, RARE_SENDER, "A Caller", named_at=now)
    names.of(engine, [RARE_SENDER])
    with reading(engine) as connection:
        names.find_in(connection, "caller")
    with writing(engine) as connection:
        trail_numbers.writing_key(connection)


_OF_PEOPLE = (_logged_in,)


def _exports(engine: Engine) -> None:
    now, choice = utc_now(), Choice(query="w3")
    register.enter(engine, choice, name="x", made_by="ada", made_at=now, identity="new")
    register.find(engine, "new")
    register.latest(engine)
    register.sealed_password(engine, "new")
    register.take(engine, "new", worker="w")
    register.begin(engine, "new", worker="w", plan=Plan(volumes=()))
    register.begin_recheck(engine, "new", worker="w")
    register.end_checked(engine, "new", worker="w")
    register.give_back(engine, "new", worker="w")
    register.cancel(engine, "new")
    register.try_again(engine, "new")
    register.forget(engine, "new")
    register.scheduled(engine)
    schedules.last_ended_at(engine, "daily3")
    for query in ("", f"keyword:{RARE_KEYWORD}"):
        made = ScheduledExport(f"export {query}", f"new {query}", now - 460 * DAY)
        schedules.enter(engine, [made])
        schedules.take(engine, made, parsed(query) if query else EVERYTHING)
        schedules.release(engine, made.id)
    next(schedules.message_ids(engine, "export-7"))


_EXPORTED = (_exports,)


def functions() -> Iterator[Callable[[Engine], None]]:
    """Give the parts of it."""
    yield from (*_LOOKED_AT, *_SWEPT, *_TOLD, *_OF_PEOPLE, *_EXPORTED)
