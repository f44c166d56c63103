"""Pages of our own without a script: what stands around them, and the forms that they send."""

import html
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dashboard.headers import host_of
from dashboard.reading_room import ReadingRoom

LONGEST_FORM_BYTES = 8192
HEADERS = {"cache-control": "no-store"}
NOT_OURS = "This form did not come from this page. Try again."
_PAGE = (Path(__file__).parent / "login.html").read_text()


def page(
    title: str,
    problem: str,
    inside: str,
    status: int,
    *,
    headers: Mapping[str, str] = HEADERS,
    is_wide: bool = False,
) -> Response:
    """Return a page; `inside` is HTML, `problem` is text."""
    told = f'<p class="problem" role="alert">{html.escape(problem)}</p>' if problem else ""
    made = _PAGE.replace("{title}", html.escape(title)).replace("{width}", "wide" if is_wide else "narrow")
    return HTMLResponse(made.replace("{inside}", told + inside), status, dict(headers))


def form(action: str, *fields: str, button: str, quiet: bool = False) -> str:
    """Return a form with its fields and its button."""
    kind = ' class="quiet"' if quiet else ""
    inside = "".join(fields)
    return (
        f'<form method="post" action="{action}">{inside}<button{kind}>{html.escape(button)}</button></form>'
    )


def hidden(name: str, value: str) -> str:
    """Return a field that nobody sees."""
    return f'<input type="hidden" name="{name}" value="{html.escape(value)}">'


def secret_field(name: str, label: str, kind: str) -> str:
    """Return a field for a password."""
    return f'<label>{label} <input type="password" name="{name}" autocomplete="{kind}" required></label>'


def code_field(label: str) -> str:
    """Return a field for a code of a second factor."""
    return (
        f'<label>{label} <input name="code" autocomplete="one-time-code" autocapitalize="none" '
        'spellcheck="false" maxlength="40" required autofocus></label>'
    )


async def read_own_body(request: Request, *, most_bytes: int) -> bytes | None:
    """Return the body that our own page sent; None for one of another site, or a larger one."""
    origin = request.headers.get("origin")
    if origin is not None and host_of(origin) != request.headers.get("host"):
        return None
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            return None
    return bytes(body)


async def read_form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form that our own page sent; None for one of another site, or too large."""
    body = await read_own_body(request, most_bytes=LONGEST_FORM_BYTES)
    if body is None:
        return None
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError:  # more fields than that
        return None
    # No database holds a NUL, and nobody types one.
    return {name.replace("\0", ""): values[-1].replace("\0", "") for name, values in fields.items()}


def own_path(wanted: str) -> str:
    """Return where to go on to: a path of this server, never another site (`//`, backslashes)."""
    fine = wanted.startswith("/") and wanted[1:2] not in ("/", "\\") and wanted.isprintable()
    return wanted if fine and wanted.isascii() and not wanted.startswith("/login") else "/"


def is_secure(room: ReadingRoom, request: Request) -> bool:
    """Return whether the browser reaches the dashboard by TLS."""
    return room.settings.dashboard_tls or request.url.scheme == "https"
