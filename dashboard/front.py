"""The gallery's own program for the browser: its modules, and the page that starts them early.

Streamlit needs a second until its first script has run. The page at `/` is Streamlit's own with the
first tiles in it as data, and a script that draws them at once; the component takes the same nodes
over when it is there. So the pictures of a cold open are on their way with the page itself. For who has
been here before, the page has the tiles themselves (`sight`), and the script comes once they are seen.
What starts Streamlit, a megabyte in sixty files, waits in the page until then. Nothing else is asked
for before but the script, in one file, and its style.
"""

import gzip
import hashlib
import json
import mimetypes
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import streamlit
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard import locally
from dashboard.bundling import FOLDER, module, script
from dashboard.gallery_route import MESSAGES_A_PAGE, first_or_next_page
from dashboard.gate import MODULES as PATH
from dashboard.gate import PAGES, VISIT
from dashboard.headers import COMPRESSED
from dashboard.reading_room import ReadingRoom
from dashboard.sight import Look, drawn, look_in
from mmsvault.errors import VaultError

log = structlog.get_logger(__name__)

EARLY = "early.js"
MODULES = ("gallery.js", "lightbox.js", "sheet.js")
STYLES = {"gallery.css": ("grid.css", "gallery.css"), "sheet.css": ("sheet.css",)}
_STARTING = re.compile(
    r'<script type="module"[^>]*></script>|<link\s+rel="(?:modulepreload|preload|stylesheet)"[^>]*>'
)
"""What Streamlit's page starts it with, and what that needs."""
_STYLE = (
    ".mmsvault-early { position: fixed; z-index: 999; inset: 0; overflow: auto; padding: 5.5rem 5rem 1rem; }"
    ".mmsvault-early.light { color-scheme: light; background: #fff; color: #2f2d2b; }"
    ".mmsvault-early.dark { color-scheme: dark; background: #171614; color: #edebe8; }"
    ".mmsvault-early::-webkit-scrollbar { width: 6px; }"
    "@media (max-width: 863.98px) { .mmsvault-early { padding: 5.5rem 1rem 1rem; } }"
)
"""Where the early gallery lies: as Streamlit will have it, so that nothing jumps."""


@cache
def digest() -> str:
    """Return what stands for all modules as they are: browsers may keep what is below it for good."""
    found = hashlib.sha256()
    for name, content in _modules().items():
        found.update(name.encode() + b"\0" + content)
    return found.hexdigest()[:16]


def address(name: str) -> str:
    """Return the address of a module, relative to the pages."""
    return f"{PATH}/{digest()}/{name}"


def front_routes(room: ReadingRoom) -> list[Route]:
    """Return the routes of the modules and of the first page."""
    del room  # every visit brings its own
    return [
        Route(f"/{PATH}/{{digest}}/{{name}}", _module, methods=["GET"]),
        Route("/", _gallery, methods=["GET"], middleware=[COMPRESSED]),
        *(Route(f"/{name}", _other_page, methods=["GET"]) for name in PAGES),
    ]


async def _module(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _modules():
        return PlainTextResponse("There is no such module.\n", 404, {"cache-control": "no-store"})
    headers = {"cache-control": "private, max-age=31536000, immutable", "vary": "accept-encoding"}
    content = _modules()[name]
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["content-encoding"] = _packed(name), "gzip"
    return Response(content, media_type=mimetypes.types_map[Path(name).suffix], headers=headers)


@cache
def _modules() -> dict[str, bytes]:
    scripts = {EARLY: script(EARLY)} | {name: module(name) for name in MODULES}
    styles = {name: "".join((FOLDER / part).read_text() for part in parts) for name, parts in STYLES.items()}
    return {name: text.encode() for name, text in (scripts | styles).items()}


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(_modules()[name])


@cache
def base() -> str:
    """Return the script that stands in every page itself; the policy allows it by its digest."""
    return (FOLDER / "base.js").read_text()


async def _other_page(_request: Request) -> Response:
    return HTMLResponse(_with(_base()), headers={"cache-control": "no-store"})


async def _gallery(request: Request) -> Response:
    page = await run_in_threadpool(_early_page, request)
    if page is None:
        return await _other_page(request)
    return HTMLResponse(page, headers={"cache-control": "no-store"})


def _early_page(request: Request) -> str | None:
    """Return the page with its first tiles; None where these cannot be drawn, whatever the reason."""
    try:
        look = look_in(request.headers.get("cookie", ""))
        asked = {**request.query_params, "after": "", "zone": str(look.zone) if look else ""}
        if not look and (asked.get("since") or asked.get("until")):
            return None  # only the browser knows when its days begin
        with locally.spoken_by(request.headers):
            first = first_or_next_page(request.scope[VISIT], asked)
        first["zone"] = asked["zone"]
        head, body = _with_sight(first, look) if look else _with_script(first)
    except VaultError:  # the gallery says it itself, once it has asked
        return None
    except Exception:  # one message must not take the page from everybody
        log.exception("early tiles not drawn")
        return None
    return _with(_base() + head, body, waits=True)


@cache
def _streamlits_page(*, waits: bool) -> str:
    """Return Streamlit's own page; `waits`: until the script of `base` starts it."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()
    if not waits:
        return page
    starting = "".join(_STARTING.findall(page))
    waiting = f'<template id="mmsvault-start">{starting}</template></head>'
    return _STARTING.sub("", page).replace("</head>", waiting, 1)


def _with(head: str, body: str = "", *, waits: bool = False) -> str:
    """Return Streamlit's page with more in its head and in its body, before its own."""
    page = _streamlits_page(waits=waits).replace("<link", f"{head}<link", 1)
    return page.replace("<body>", f"<body>{body}", 1)


def _base() -> str:
    return f"<script>{base()}</script>"


def _with_sight(first: dict[str, Any], look: Look) -> tuple[str, str]:
    """Return head and body of a page that has its first tiles in it; the script comes after them."""
    script_ = f'<script defer src="./{address(EARLY)}"></script>'
    return f"<style>{_STYLE}{_grid()}</style>{script_}", drawn(first["tiles"], look) + _data(first)


def _with_script(first: dict[str, Any]) -> tuple[str, str]:
    """Return head and body of a page whose first tiles are drawn by the script."""
    # They are asked for with the page; one who comes back may have many pages of them.
    pictures = [tile["src"] for tile in first["tiles"] if tile["src"]][:MESSAGES_A_PAGE]
    head = [
        f"<style>{_STYLE}</style>",
        f'<link rel="preload" as="style" href="./{address("gallery.css")}">',
        f'<link rel="preload" as="script" href="./{address(EARLY)}">',
        *(f'<link rel="preload" as="image" fetchpriority="high" href="./{escape(src)}">' for src in pictures),
        _data(first),
        # It runs where it stands: at the end of the page it would wait for all of those pictures.
        f'<script src="./{address(EARLY)}"></script>',
    ]
    return "".join(head), ""


def _data(first: dict[str, Any]) -> str:
    """Return the first tiles as data, not a script: the browser runs nothing of it."""
    told = json.dumps(first).replace("<", "\\u003c")
    return f'<script type="application/json" id="mmsvault-first">{told}</script>'


@cache
def _grid() -> str:
    return f".mmsvault-early {{ {(FOLDER / 'grid.css').read_text()} }}"
