"""`python -m receiver`: the receiver under uvicorn, until SIGTERM."""

import uvicorn

from mmsvault.settings import Settings
from mmsvault.starting import start
from receiver.app import create_app
from receiver.bounds import BoundedProtocol

SECONDS_TO_FINISH = 20
MOST_CONNECTIONS = 1000
"""Beyond, the answer is 503 at once, and the provider sends again."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM; requests in hand are finished first."""
    uvicorn.run(
        create_app(settings),
        host=settings.receiver_host,
        port=settings.receiver_port,
        log_config=None,
        access_log=False,  # addresses carry the token, and who writes when is private
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
        proxy_headers=False,  # `clients` says which are believed
        http=BoundedProtocol,
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
    )


if __name__ == "__main__":
    start(run)
