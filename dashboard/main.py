"""The dashboard's server: routes of our own, and Streamlit for the rest, behind one gate."""

import gc
import sys
from pathlib import Path

import streamlit
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from streamlit import config
from streamlit.components.v2 import manifest_scanner

from dashboard.account import account_routes
from dashboard.exports_route import exports_route
from dashboard.front import base, front_routes
from dashboard.gallery_route import gallery_routes
from dashboard.gate import Gate
from dashboard.headers import Disconnects, SameOrigin, SecurityHeaders, content_security_policy
from dashboard.links import Links
from dashboard.lists_route import lists_route
from dashboard.login import login_routes
from dashboard.media_route import media_route
from dashboard.reading_room import ReadingRoom, open_for_visitors
from dashboard.second_factor import second_factor_routes
from mmsvault.http_limits import ConnectionLimits, limited_protocol
from mmsvault.runtime import ports
from mmsvault.s3.linking import public_links
from mmsvault.settings import Settings
from mmsvault.vault import Vault

OPTIONS = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "runner.magicEnabled": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "theme.headingFontSizes": ["1.6rem", "1.2rem", "1.05rem", "1rem", "1rem", "1rem"],
    "theme.paddingTop": "0.75rem",
    "theme.paddingBottom": "2rem",
    "theme.light.primaryColor": "#1f6f5c",
    "theme.dark.primaryColor": "#6cc7ae",
}
"""Streamlit's own configuration: nothing is asked outside, nothing is for its developers."""
CONNECTIONS_WAITING = 4096
"""Connections that wait to be accepted; Linux takes no more by default."""
TURN_SECONDS = 0.001
"""How long a thread waits for one that computes. Each statement to the catalog waits so once, so while the
event loop is busy a login takes a hundred such turns."""
GARBAGE_LOOKED_AT_EVERY = 10_000
"""Objects that were made and are still there; Python's own number is 700."""


def run(settings: Settings) -> None:
    """Serve the dashboard until the process is told to end.

    Raises ConfigurationError where it cannot listen, with who has its port.
    """
    ports.check(settings.dashboard_host, settings.dashboard_port, program="DASHBOARD")
    vault = Vault(settings)
    room = ReadingRoom(
        settings=settings,
        catalog=vault.catalog,
        bucket=vault.bucket,
        links=Links(settings.generated.link_secret),
        vault=vault,
        public=public_links(settings),
    )
    served = application(room)
    _collect_seldom()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        uvicorn.run(
            served,
            host=settings.dashboard_host,
            port=settings.dashboard_port,
            http=limited_protocol(ConnectionLimits(trusted_proxies=settings.trusted_proxies)),
            ws="websockets-sansio",
            backlog=CONNECTIONS_WAITING,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # `clients` says which are believed
            timeout_graceful_shutdown=3,
        )
    finally:
        vault.close()


def _collect_seldom() -> None:
    """Have the garbage collector leave alone what is loaded, and look less often at the rest.

    Otherwise a flood of connections costs as much again: each is a handful of objects that it looks at.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_LOOKED_AT_EVERY, 20, 20)


def application(room: ReadingRoom) -> Starlette:
    """Return the ASGI application over `room`; one for each process.

    What is asked for most comes first, and nothing of ours goes through Streamlit's own layers.
    """
    for name, value in OPTIONS.items():
        config.set_option(name, value)
    # There are no components but our own; to look through all that is installed takes a third of the start.
    manifest_scanner.scan_component_manifests = lambda *_: []
    open_for_visitors(room)
    policy = content_security_policy(base(), bucket_origin=room.public.origin if room.public else "")
    pages = streamlit.App(Path(__file__).with_name("script.py"))
    return Starlette(
        routes=[
            media_route(room),
            *login_routes(room),  # early, so that a flood of passwords costs little
            *front_routes(room),
            gallery_routes(room),
            *account_routes(room),
            *second_factor_routes(room),
            *_oidc_routes(room),
            exports_route(room),
            lists_route(room),
            Mount("/", pages),
        ],
        lifespan=pages.lifespan(),
        middleware=[
            Middleware(Disconnects),
            Middleware(SecurityHeaders, policy=policy),
            Middleware(SameOrigin),
            Middleware(Gate, room=room),
        ],
    )


def _oidc_routes(room: ReadingRoom) -> list[Route]:
    if not room.settings.oidc_issuer:
        return []
    from dashboard.oidc import oidc_routes  # noqa: PLC0415 - its client of HTTP is for those who use it

    return oidc_routes(room)
