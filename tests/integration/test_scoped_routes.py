"""Every address of the dashboard, asked by somebody who sees a part, before and after the rest comes in."""

import asyncio
import inspect
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from dashboard import deeds, exports_route, gallery_route, links, suggesting
from dashboard.deeds import Choice
from dashboard.filters import Filters
from dashboard.reading_room import ReadingRoom
from dashboard.visiting import COOKIE, Visit, visit_of
from mmsvault.catalog import people, queries, selections, sessions, trail
from mmsvault.catalog.connection import writing
from mmsvault.catalog.people import Role
from mmsvault.catalog.permissions import Action
from mmsvault.catalog.tables import exports
from mmsvault.errors import ForbiddenError
from mmsvault.exporting import register
from mmsvault.exporting.packing import Written
from mmsvault.exporting.planning import Choice as Chosen
from mmsvault.exporting.register import State
from mmsvault.message import Message, utc_now
from tests.integration.teams import (
    BEGAN_AT,
    BODY,
    FOREIGN_NUMBERS,
    FOREIGN_SENDER,
    SCOPES,
    foreign_messages,
    name_everybody,
    own_messages,
    receive,
    search_and_be_noted,
)
from tests.looking import reading_room, settings_in, without_pages

FOREIGN = foreign_messages()
IDS = [one.id for one in (*own_messages(), *FOREIGN)]
DAYS = ",".join(f"{BEGAN_AT + timedelta(days=day):%Y-%m-%d}" for day in (-1, 0, 1))
WORDS = (
    *("", "harbor", "foreignsubject", "foreigntext", "foreignword", "keyword:none", "tag:foreigntag", "0777"),
    *(f"from:{FOREIGN_SENDER}", f"number:{FOREIGN_NUMBERS[1]}", 'from:"Person 777"', "state:pending"),
)
BEGUN = (
    "1408",
    "+1 408 555 0777",
    "0777",
    "from:*0777",
    "Person",
    "for",
    "keyword:f",
    "tag:",
    "search",
    "se",
)
LOOK = "mmsvault_look=UTC|300|light"
EXPORTS = {"foreign": "exports/foreign/case-01.zip", "whole": "exports/whole/case-01.zip"}


Ask = tuple[str, str, dict[str, Any]]
"""A method, an address, and what else is sent."""


def gets(path: str, asked: Sequence[Mapping[str, str]] = ({},), **headers: str) -> list[Ask]:
    return [("GET", path, {"params": dict(one) or None, "headers": headers}) for one in asked]


def posts(path: str, *bodies: Mapping[str, Any]) -> list[Ask]:
    return [("POST", path, {"json": dict(body)}) for body in bodies]


def files(room: ReadingRoom) -> list[Ask]:
    """Ask for every object of both teams, by links as the gallery signs them, whole and in part."""
    asked: list[Ask] = []
    for one in (*own_messages(), *FOREIGN):
        items = [item for item in one.media if item.key]
        kinds = {key: "image/png" for item in items for key in (item.key, item.thumbnail_key)}
        kinds |= {f"{one.prefix}{name}": "text/plain" for name in ("postback.xml", "message.json")}
        for key, kind in kinds.items():
            link = room.links.sign(key, kind)
            asked += [*gets(f"/{link}"), *gets(f"/{link}&download=1"), *gets(f"/{link}", range="bytes=0-3")]
            asked.append(("HEAD", f"/{link}", {}))
    return asked


def downloads(room: ReadingRoom) -> list[Ask]:
    return gets_all(
        "/" + exports_route.signed_link(room, key, kind)
        for key in EXPORTS.values()
        for kind in (exports_route.ZIP, exports_route.JSON)
    )


def gets_all(paths: Iterator[str]) -> list[Ask]:
    return [one for path in paths for one in gets(path)]


ASKED: Mapping[str, Callable[[ReadingRoom], list[Ask]]] = {
    "/files/{key:path}": files,
    "/": lambda _: [
        one
        for headers in ({}, {"cookie": LOOK})
        for one in gets(
            "/", [{"q": text} for text in ("", "foreignsubject", f"from:{FOREIGN_SENDER}")], **headers
        )
    ],
    "/api/gallery": lambda _: gets(
        "/api/gallery",
        [
            *({"q": text} for text in WORDS),
            *({"q": "", "limit": limit} for limit in ("1", "2")),
            {"keyword": "foreignword"},
            {"sender": FOREIGN_SENDER},
            {"type": "image", "carrier": "verizon"},
        ],
    ),
    "/api/total": lambda _: gets("/api/total", [{"q": text} for text in WORDS]),
    "/api/days": lambda _: gets(
        "/api/days", [{"q": text, "zone": "UTC", "days": DAYS} for text in ("", "harbor", "foreignsubject")]
    ),
    "/api/news": lambda _: gets(
        "/api/news", [{"than": than, "waiting": ",".join(IDS)} for than in ("", "sinch-none", *IDS)]
    ),
    "/api/message": lambda _: gets("/api/message", [{"id": identity} for identity in ("", *IDS)]),
    "/api/similar": lambda _: gets("/api/similar", [{"id": identity} for identity in ("", *IDS)]),
    "/api/suggestions": lambda _: gets(
        "/api/suggestions",
        [
            *({"text": text} for text in BEGUN),
            *(
                {"field": field, "text": text}
                for field in ("from", "number", "keyword", "tag", "to", "carrier")
                for text in ("", "f", "0777", "Person")
            ),
        ],
    ),
    "/api/fitting": lambda _: posts(
        "/api/fitting",
        {"filters": {}, "ids": IDS},
        {"filters": {"q": "foreignsubject"}, "ids": IDS},
        {"filters": {}, "was": {"q": "harbor"}},
        {"filters": {"q": "foreignsubject"}, "was": {}},
        *({"filters": {}, "day": day} for day in DAYS.split(",")),
        {"filters": {}, "selection": "of-ben"},
    ),
    "/api/selections": lambda _: posts(
        "/api/selections", {"ids": IDS}, {"filters": {"q": "foreignsubject"}}, {"ids": []}
    ),
    "/download/{key:path}": downloads,
    "/lists/{name}.csv": lambda _: gets_all(
        f"/lists/{name}.csv?order={order}&find={find}"
        for name in ("senders", "keywords", "searches")
        for order in ("last_at", "messages", "key")
        for find in ("", "Person", "foreign", "1408")
    ),
}
"""What is asked of each address that answers with something of messages."""
OF_NO_MESSAGE = {
    *("/login", "/login/code", "/logout", "/oidc/login", "/oidc/callback"),
    *("/account", "/password", "/account/sessions/end", "/account/sessions/end-others"),
    *("/account/second-factor", "/account/second-factor/recovery-codes", "/account/second-factor/off"),
    "/app/{digest}/{name}",
    *("/message", "/senders", "/keywords", "/searches", "/exports", "/operations", "/quarantine"),
    *("/audit", "/settings"),
}
"""Addresses of people's own accounts, the program, and Streamlit's page, which is the same for everybody."""


def addresses(routes: Sequence[Any], beginning: str = "") -> Iterator[tuple[str, Route]]:
    for route in routes:
        if isinstance(route, Route):
            yield beginning + route.path, route
        elif isinstance(route, Mount) and route.path:
            yield from addresses(route.routes, beginning + route.path)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReadingRoom]:
    with reading_room(settings_in(tmp_path)) as opened:
        opened.bucket.make()
        people.add(opened.catalog, "root", role=Role.ADMIN)
        yield opened


@pytest.fixture
def app(room: ReadingRoom) -> Starlette:
    return without_pages(room)


def visitor(room: ReadingRoom, name: str, role: Role, scope: str) -> dict[str, str]:
    """Let somebody in, and return the cookie of their browser."""
    people.add(room.catalog, name, role=role, scope=scope, password="a long enough password")
    return {COOKIE: sessions.begin(room.catalog, name, now=utc_now(), span=timedelta(hours=1))}


def come_in(room: ReadingRoom, several: Sequence[Message]) -> None:
    """Have messages come in, with their objects and others that stand beside them."""
    receive(room.catalog, several)
    for one in several:
        for name in ("postback.xml", "message.json"):
            room.bucket.put(f"{one.prefix}{name}", b"foreign words", content_type="text/xml", forced=False)
        for item in one.media:
            for key in filter(None, (item.key, item.thumbnail_key)):
                room.bucket.put(key, BODY, content_type="image/png", forced=False)


def export_of_the_others(room: ReadingRoom) -> None:
    """Have exports of the other team and of everybody, and a selection of somebody else."""
    for identity, scope in (("foreign", "keyword:foreignword"), ("whole", "")):
        choice = Chosen(query="foreignsubject", scope=scope)
        made = Written(name="case-01.zip", bytes=15, sha256="0" * 64, messages=1, files=1, payload_bytes=1)
        about = {"name": "foreign case", "made_by": "ben", "made_at": utc_now(), "identity": identity}
        register.enter(room.catalog, choice, **about)
        with writing(room.catalog) as connection:
            done = {"state": State.DONE.value, "volumes": [made.model_dump(mode="json")]}
            connection.execute(update(exports).where(exports.c.id == identity).values(done))
        key = EXPORTS[identity]
        room.bucket.put(key, b"foreign archive", content_type="application/zip", forced=False)
    selections.keep(room.catalog, "ben", [FOREIGN[0].id], now=utc_now())


def forget_what_was_asked() -> None:
    gallery_route._counts_then.cache_clear()
    suggesting._known.cache_clear()


async def told(app: Starlette, cookies: Mapping[str, str], asked: Sequence[Ask]) -> list[Any]:
    """Return what is answered: status, what the headers say, and the body."""
    known = [f"{name}={value}" for name, value in cookies.items()]
    answers = []
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://vault.example"
    ) as client:
        for method, path, more in asked:
            headers = dict(more.get("headers", {}))
            headers["cookie"] = "; ".join(filter(None, (headers.get("cookie"), *known)))
            answer = await client.request(method, path, **{**more, "headers": headers})
            answers.append((f"{method} {path} {more}", plain(answer)))
    return answers


def plain(answer: httpx.Response) -> tuple[int, dict[str, str], str]:
    """Return an answer without what differs from one time to the next."""
    named = ("content-type", "content-length", "cache-control", "content-disposition", "etag", "location")
    text = re.sub(r"until=\d+(&amp;|&|\\u0026)signature=[0-9a-f]+", "", answer.text)
    text = re.sub(r'"selection":"[^"]+"', "", text)
    return answer.status_code, {name: answer.headers.get(name, "") for name in named}, text


def answers(
    app: Starlette, room: ReadingRoom, cookies: Sequence[Mapping[str, str]]
) -> dict[str, list[list[Any]]]:
    """Return what each of several people is answered, one after the other, to all that is asked."""
    gallery_route._counts_then.cache_clear()
    suggesting._known.cache_clear()
    found: dict[str, list[list[Any]]] = {}
    for path, asked in ASKED.items():
        questions = asked(room)
        found[path] = [asyncio.run(told(app, who, questions)) for who in cookies]
    return found


def test_every_address_is_asked_or_says_nothing_of_messages(app: Starlette) -> None:
    known = {path for path, _ in addresses(app.routes)}
    assert known - OF_NO_MESSAGE == set(ASKED)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all counts and links of one moment, so that visitors share them as in a busy second."""
    now = time.time()
    clock = SimpleNamespace(monotonic=lambda: 1.0, time=lambda: now)
    for module in (gallery_route, suggesting, links):
        monkeypatch.setattr(module, "time", clock)


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMIN])
def test_what_lies_outside_of_a_scope_changes_no_answer(
    room: ReadingRoom, app: Starlette, role: Role
) -> None:
    everybody = [visitor(room, "ben", Role.ADMIN, ""), visitor(room, "anna", role, SCOPES[0])]
    name_everybody(room.catalog)
    come_in(room, own_messages())
    before = answers(app, room, everybody)
    come_in(room, FOREIGN)
    search_and_be_noted(room.catalog)
    export_of_the_others(room)
    after = answers(app, room, everybody)
    for path in ASKED:
        seen_before, seen = before[path][1], after[path][1]
        assert [now[0] for then, now in zip(seen_before, seen, strict=True) if then != now] == [], path
        if role is Role.ADMIN and path != "/api/selections":  # which only keeps what it is given
            assert before[path][0] != after[path][0], f"{path} is asked nothing that tells who may see all"


def test_no_answer_may_be_kept_where_others_find_it(room: ReadingRoom, app: Starlette) -> None:
    cookies = visitor(room, "anna", Role.ADMIN, "")
    come_in(room, [*own_messages(), *FOREIGN])
    export_of_the_others(room)
    for path, seen in answers(app, room, [cookies]).items():
        for asked, (status, headers, _) in seen[0]:
            kept = headers["cache-control"].replace(" ", "").split(",")
            assert "public" not in kept, asked
            assert {"private", "no-store"} & set(kept), (asked, status)
        assert path in ASKED


def deed(do: Callable[[Visit, Choice], object]) -> Callable[[Visit], object]:
    """Return a deed that is done to messages by their ids, and to all that a search finds."""

    def done(visit: Visit) -> object:
        return [do(visit, Choice(ids=tuple(IDS))), do(visit, Choice(filters=Filters(q="foreignsubject")))]

    return done


DEEDS: Mapping[str, Callable[[Visit], object]] = {
    "found": deed(lambda visit, choice: deeds.found(visit, Action.DELETE, choice)),
    "weigh": lambda visit: deeds.weigh(visit, IDS),
    "tag": deed(lambda visit, choice: deeds.tag(visit, choice, add=["by anna"], remove=["seen"])),
    "write_note": lambda visit: [deeds.write_note(visit, identity, "by anna") for identity in IDS],
    "hold": deed(lambda visit, choice: [deeds.hold(visit, choice, held=held) for held in (True, False)]),
    "delete": lambda visit: list(deeds.delete(visit, IDS, subject="all")),
}
"""What people do to messages, in an order in which each still finds some."""


def test_every_deed_is_tried_here() -> None:
    own = inspect.getmembers(deeds, inspect.isfunction)
    public = {name for name, made in own if made.__module__ == deeds.__name__ and not name.startswith("_")}
    assert set(DEEDS) == public


def test_what_is_done_to_all_is_done_to_those_of_the_scope_and_noted_of_them_only(room: ReadingRoom) -> None:
    cookies = visitor(room, "anna", Role.ADMIN, SCOPES[0])
    assert cookies
    come_in(room, own_messages())
    anna = visit_of(room, people.find(room.catalog, "anna"), source="")
    come_in(room, FOREIGN)
    left = [queries.load(room.catalog, one.id) for one in FOREIGN]
    kept = {one.prefix: sorted(found.key for found in room.bucket.list(one.prefix)) for one in FOREIGN}
    came_to = {name: do(anna) for name, do in DEEDS.items()}
    assert [queries.load(room.catalog, one.id) for one in FOREIGN] == left
    assert {
        one.prefix: sorted(found.key for found in room.bucket.list(one.prefix)) for one in FOREIGN
    } == kept
    own = IDS[: len(own_messages())]
    assert came_to["found"] == [own, []]
    weight = came_to["weigh"]
    assert isinstance(weight, deeds.Weight)
    assert (weight.messages, weight.files) == (2, 4)
    assert came_to["tag"] == [2, 0]
    assert came_to["hold"] == [[2, 2], [0, 0]]
    assert {reason for _, reason in came_to["delete"][2:]} == {"it is not here any more"}  # type: ignore[index]
    named = {one for entry in trail.latest(room.catalog) for one in entry.messages}
    assert named == set(own)


OWN = Choice(ids=(IDS[0],))
TRIES: Mapping[str, Callable[[Visit], object]] = {
    "tag": lambda visit: deeds.tag(visit, OWN, add=["by anna"], remove=[]),
    "write_note": lambda visit: deeds.write_note(visit, IDS[0], "by anna"),
    "hold": lambda visit: deeds.hold(visit, OWN, held=True),
    "release": lambda visit: deeds.hold(visit, OWN, held=False),
    "delete": lambda visit: list(deeds.delete(visit, [IDS[0]], subject="one")),
}


@pytest.mark.parametrize("role", list(Role))
def test_a_deed_is_for_the_role_that_it_needs(room: ReadingRoom, role: Role) -> None:
    visitor(room, "anna", role, "")
    receive(room.catalog, own_messages())
    anna = visit_of(room, people.find(room.catalog, "anna"), source="")
    for name in TRIES:
        if role.includes(Role.MANAGER):
            TRIES[name](anna)
            continue
        before = [queries.load(room.catalog, one) for one in IDS[:2]]
        with pytest.raises(ForbiddenError):
            TRIES[name](anna)
        assert [queries.load(room.catalog, one) for one in IDS[:2]] == before
    assert (trail.latest(room.catalog) != []) == role.includes(Role.MANAGER)
