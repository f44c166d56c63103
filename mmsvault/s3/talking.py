"""A client of an S3 server, and that server's errors in plain words.

Whatever the server says no to counts as a server that is away: the work waits, with the reason in
the log, until somebody has put it right. Only an object that is not there is an answer.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error
from urllib3.exceptions import HTTPError

from mmsvault.core.fault_rules import Server
from mmsvault.core.server_faults import fault_of
from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.message import utc_now
from mmsvault.settings.forms import Style

NOT_THERE = ("NoSuchKey", "NoSuchObject", "NoSuchVersion")
BUSY = (429, 500, 502, 503, 504)
"""Answers after which the client itself asks again, twice."""

_NOT_TOLD = ("AccessDenied", "BadRequest")
"""What the client makes of an answer to HEAD that has no body: any refusal is one of these."""
_CODE_HEADER = "x-minio-error-code"
LONGEST_SKEW = timedelta(minutes=14)
"""S3 servers refuse requests that are signed more than 15 minutes before or after their own time."""


class _XmlErrorsPool(urllib3.PoolManager):
    """Calls an S3 error XML by its proper name: rclone says text/xml, which the client rejects."""

    def urlopen(self, *args: Any, **kwargs: Any) -> Any:
        response = super().urlopen(*args, **kwargs)
        if response.headers.get("content-type", "").startswith("text/xml"):
            response.headers["content-type"] = "application/xml"
        return response


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Raise NotFoundError where the object is not there, UnavailableError for everything else."""
    try:
        yield
    except S3Error as error:
        told = _with_its_code(error)
        if told.code in NOT_THERE:
            raise NotFoundError(f"The bucket has no {key}.") from error
        fault = fault_of(told, Server.BUCKET)
        raise UnavailableError(f"{fault} (The bucket refused {key}: {told.code}.)", fault=fault) from error
    except (HTTPError, InvalidResponseError, MinioException) as error:
        fault = fault_of(error, Server.BUCKET)
        raise UnavailableError(f"{fault} (It was asked for {key}.)", fault=fault) from error


def _with_its_code(error: S3Error) -> S3Error:
    """Return the error with the code that the server meant, where the answer had no body to tell it.

    Such is every answer to HEAD: the client takes each refusal for one of the key's rights.
    """
    if error.code not in _NOT_TOLD or not error.response or error.response.data:
        return error
    headers = error.response.headers
    with suppress(ValueError, TypeError):
        if abs(parsedate_to_datetime(headers.get("date", "")) - utc_now()) > LONGEST_SKEW:
            return error.copy("RequestTimeTooSkewed", error.message or "")
    code = headers.get(_CODE_HEADER, "")
    return error.copy(code, error.message or "") if code else error


def open_client(
    address: str,
    *,
    secure: bool,
    keys: tuple[str, str],
    region: str,
    style: Style = Style.AUTO,
    authority: Path | None = None,
    is_patient: bool = True,
) -> Minio:
    """Return a client of the server at `address` (host:port); nothing is sent yet.

    `authority` is a file of certificate authorities, in place of the system's. Without patience, a server
    that cannot be reached, or that says nothing, is asked once: for a person who waits.
    """
    again = None if is_patient else 0
    pool = _XmlErrorsPool(
        timeout=urllib3.Timeout(connect=3, read=60) if is_patient else urllib3.Timeout(connect=2, read=10),
        retries=urllib3.Retry(
            total=2,
            connect=again,
            read=again,
            backoff_factor=0.2,
            status_forcelist=BUSY,
            raise_on_status=False,
        ),
        maxsize=16,
        ca_certs=str(authority) if authority else None,
    )
    client = Minio(
        address, access_key=keys[0], secret_key=keys[1], secure=secure, region=region, http_client=pool
    )
    if style is Style.HOST:
        client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # minio-py leaves it open
    elif style is Style.PATH:
        client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return client
