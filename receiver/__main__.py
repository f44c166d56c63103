"""`python -m receiver`: the receiver under uvicorn, until SIGTERM."""

import uvicorn

from mmsvault.http_limits import ConnectionLimits, limited_protocol
from mmsvault.runtime import ports
from mmsvault.settings import Settings
from mmsvault.starting import start
from receiver.app import create_app

SECONDS_TO_FINISH = 20


def run(settings: Settings) -> None:
    """Serve until SIGTERM; requests in hand are finished first.

    Raises ConfigurationError where it cannot listen, with who has its port.
    """
    ports.check(settings.receiver_host, settings.receiver_port, program="RECEIVER")
    uvicorn.run(
        create_app(settings),
        host=settings.receiver_host,
        port=settings.receiver_port,
        log_config=None,
        access_log=False,  # addresses carry the token, and who writes when is private
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
        proxy_headers=False,  # `clients` says which are believed
        http=limited_protocol(ConnectionLimits(trusted_proxies=settings.trusted_proxies)),
        ws="none",
    )


if __name__ == "__main__":
    start(run)
