"""Streamlit's page at the addresses of our own pages, told where its server is.

At an address such as `/senders` Streamlit's program first looks for its server under that address,
and the browser calls the answers errors. Told the right place, it asks once, and is there sooner.
"""

from functools import cache
from pathlib import Path

import streamlit
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

ADDRESSES = ("message", "senders", "keywords", "searches", "exports", "operations", "audit", "settings")
_SCRIPT = "where.js"
_WHERE = "window.__streamlit = { BACKEND_BASE_URL: new URL('.', document.currentScript.src).href };\n"


def shell_routes() -> list[Route]:
    """Return the routes of the pages and of what tells them where they are."""
    return [
        *(Route(f"/{address}", _page, methods=["GET"]) for address in ADDRESSES),
        Route(f"/{_SCRIPT}", _where, methods=["GET"]),
    ]


def _page(_request: Request) -> Response:
    return HTMLResponse(_told(), headers={"cache-control": "no-store"})


def _where(_request: Request) -> Response:
    headers = {"cache-control": "private, max-age=3600"}
    return Response(_WHERE, media_type="text/javascript", headers=headers)


@cache
def _told() -> str:
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()
    return page.replace("<head>", f'<head><script src="./{_SCRIPT}"></script>', 1)
