"""Every error that one part of the vault raises for another, grouped by what the caller does next.

An error of a library is translated where the library is called; one that is not listed here is
unknown: it is logged whole and fails loudly.
"""

from __future__ import annotations

import re
import struct
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmsvault.core.server_faults import ServerFault

EXIT_DONE = 0
EXIT_WRONG = 1
"""Something is wrong with the archive or its servers."""
EXIT_USAGE = 2
"""The call or the settings are wrong."""


class VaultError(Exception):
    """Anything that MMS Vault itself says no to. Its text is a whole sentence for a person."""


class ConfigurationError(VaultError):
    """A setting or a server cannot work as it is: refuse to start, and name the setting."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")
        self.setting = setting
        self.problem = problem


class RejectedInputError(VaultError):
    """What came in cannot be used: keep the raw bytes, say why, go on."""


class NotUnderstoodError(RejectedInputError):
    """A postback that no parser understands: it goes to quarantine with this reason."""


class SearchError(RejectedInputError):
    """A mistake in a search query, with its place in it (`position`, from 0; `length`, 0 if not known).

    `correction` is the query that was probably meant, empty where nobody can tell.
    """

    def __init__(
        self, query: str, position: int, problem: str, *, correction: str = "", length: int = 0
    ) -> None:
        better = f"\nDid you mean:\n  {correction}" if correction else ""
        super().__init__(f"{problem}\n  {query}\n  {' ' * position}^{better}")
        self.query = query
        self.position = position
        self.problem = problem
        self.correction = correction
        self.length = length


class RecordError(RejectedInputError):
    """A message.json that this version cannot read: broken, or written by a newer one."""


class NewerRecordError(RecordError):
    """A message.json that a newer version wrote: nothing of it may be lost by writing it again."""


class RefusedError(VaultError):
    """It may not be done to this message as it stands: it is held, or a worker has it in hand."""


class DamagedError(VaultError):
    """What is kept at `key` is missing, or is not what was archived."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


class ForbiddenError(VaultError):
    """This person may not do this; or nobody is logged in any more (`is_signed_out`)."""

    def __init__(self, problem: str, *, is_signed_out: bool = False) -> None:
        super().__init__(problem)
        self.is_signed_out = is_signed_out


class NotFoundError(VaultError):
    """There is no such message or object."""


class FetchError(VaultError):
    """A file could not be downloaded. `status` is the HTTP status where there was an answer.

    `retry_after` is the pause that the provider asked for.
    """

    def __init__(
        self, reason: str, *, status: int | None = None, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class TransientFetchError(FetchError):
    """It may work later: try again before the deadline."""


class NotReadyError(TransientFetchError):
    """Something came in place of the file: try again, and keep what came as evidence."""


class RefusedFetchError(TransientFetchError):
    """The settings forbid it: try again when they have changed, and once more before the deadline."""


class PermanentFetchError(FetchError):
    """It can never work: record the loss."""


class UnavailableError(VaultError):
    """A server (Redis, bucket, catalog) is away: 503 in the receiver, try again in the worker.

    `fault` says what is wrong with it, where a server or its client said so.
    """

    def __init__(self, problem: str, *, fault: ServerFault | None = None) -> None:
        super().__init__(problem)
        self.fault = fault


class OvertakenError(VaultError):
    """Someone else has taken the work over in the meantime: stop, and leave it to them."""


_NOT_FOR_PEOPLE = re.compile(
    r"""
    \[Errno\ -?\d+\]\s*                                    # errno
    | <[^<>]*\bat\ 0x[0-9a-fA-F]+>                         # an object's address
    | (?<![\w:/])b?(['"]?)(?:/|[A-Za-z]:\\)[^\s'"<>:,;]+\1   # a path of the server
    | \b(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning)\b  # a class
    """,
    re.VERBOSE,
)
_OF_CODE = (
    *(AttributeError, TypeError, NameError, LookupError, AssertionError, ImportError, UnicodeError),
    struct.error,
)
"""What Python itself raises: its words are about code, not about what was read."""
LONGEST_REASON = 200


def plain_reason(error: BaseException, *, otherwise: str) -> str:
    """Return what a library's error says, for a person to read; `otherwise` where that leaves nothing.

    One line of at most LONGEST_REASON characters, without paths of the server, names of Python classes
    and addresses of objects; nothing of what is about code. The whole error belongs in the log.
    """
    if isinstance(error, _OF_CODE):
        return otherwise
    first = next(iter(str(error).strip().splitlines()), "")
    words = re.sub(r"\s+", " ", _NOT_FOR_PEOPLE.sub(" ", first))
    words = re.sub(r"\s+([:;,.)])", r"\1", words).strip(" :;,.-([{")
    if words.startswith("<class") or not re.search(r"[A-Za-z]{2}", words):
        return otherwise
    return words[:LONGEST_REASON]
