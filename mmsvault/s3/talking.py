"""A client of an S3 server, and that server's errors in plain words.

Whatever the server says no to counts as a server that is away: the work waits, with the reason in
the log, until somebody has put it right. Only an object that is not there is an answer.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error
from urllib3.exceptions import HTTPError

from mmsvault.errors import NotFoundError, UnavailableError
from mmsvault.settings.forms import Style

NOT_THERE = ("NoSuchKey", "NoSuchObject", "NoSuchVersion")
BUSY = (429, 500, 502, 503, 504)
"""Answers after which the client itself asks again, twice."""

PLAIN_WORDS: Mapping[str, str] = {
    "AccessDenied": "its access key may not do this; see MMSVAULT_S3_ACCESS_KEY and the key's policy",
    "AllAccessDisabled": "the account is closed",
    "AuthorizationHeaderMalformed": "it is in another region; see MMSVAULT_S3_REGION",
    "EntityTooLarge": "the object is larger than it takes",
    "ExpiredToken": "the access key has expired; see MMSVAULT_S3_ACCESS_KEY",
    "IllegalLocationConstraintException": "it is in another region; see MMSVAULT_S3_REGION",
    "InvalidAccessKeyId": "it does not know the access key; see MMSVAULT_S3_ACCESS_KEY",
    "InternalError": "it has a fault of its own; this passes or its log tells more",
    "NoSuchBucket": "there is no such bucket; see MMSVAULT_S3_BUCKET",
    "PermanentRedirect": "it is reached at another address; see MMSVAULT_S3_ENDPOINT and MMSVAULT_S3_REGION",
    "QuotaExceeded": "the bucket is full; give it more room",
    "RequestTimeTooSkewed": "the clocks of this machine and the server differ; set them right",
    "ServiceUnavailable": "it is overloaded",
    "SignatureDoesNotMatch": "the secret key is wrong; see MMSVAULT_S3_SECRET_KEY",
    "SlowDown": "it asks for fewer requests",
    "SlowDownRead": "it asks for fewer requests",
    "SlowDownWrite": "it asks for fewer requests",
    "XMinioAdminBucketQuotaExceeded": "the bucket is full; give it more room",
    "XMinioStorageFull": "its disks are full; give it more room",
}


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
        if error.code in NOT_THERE:
            raise NotFoundError(f"The bucket has no {key}.") from error
        said = PLAIN_WORDS.get(error.code or "", error.message)
        raise UnavailableError(f"The bucket refused {key}: {said} ({error.code}).") from error
    except (HTTPError, InvalidResponseError, MinioException) as error:
        raise UnavailableError(f"The bucket cannot be reached for {key}: {error}") from error


def open_client(
    address: str,
    *,
    secure: bool,
    keys: tuple[str, str],
    region: str,
    style: Style = Style.AUTO,
    is_patient: bool = True,
) -> Minio:
    """Return a client of the server at `address` (host:port); nothing is sent yet.

    Without patience, a server that cannot be reached, or that says nothing, is asked once.
    """
    again = None if is_patient else 0
    pool = _XmlErrorsPool(
        timeout=urllib3.Timeout(connect=3, read=60 if is_patient else 10),
        retries=urllib3.Retry(
            total=2,
            connect=again,
            read=again,
            backoff_factor=0.2,
            status_forcelist=BUSY,
            raise_on_status=False,
        ),
        maxsize=16,
    )
    client = Minio(
        address, access_key=keys[0], secret_key=keys[1], secure=secure, region=region, http_client=pool
    )
    if style is Style.HOST:
        client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # minio-py leaves it open
    elif style is Style.PATH:
        client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return client
