"""An archive's messages brought into this vault, an empty one or one that knows some of them.

The archive is proved first, and nothing of a broken one is taken. Its records say where files belong,
and anybody may have written them: a key is taken only where it lies in its message's own folder. A
message that is here already, and as far along, is left alone; one that was deleted here stays so.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmsvault.catalog import upkeep
from mmsvault.catalog.upkeep import Entered
from mmsvault.errors import RecordError, RejectedInputError
from mmsvault.exporting import opening, verifying
from mmsvault.exporting.opening import Contents
from mmsvault.exporting.verifying import Flaw, Proof
from mmsvault.integrity.verifying import tombstone
from mmsvault.layout import RECORD_NAME, hash_in
from mmsvault.media import sniffing
from mmsvault.message import MediaItem, MediaState, Message, utc_now
from mmsvault.vault import Vault

LARGEST_RECORD_BYTES = 64 << 20
_ID = re.compile(r"[a-z0-9]+-[A-Za-z0-9_~-]{1,200}")
_FOLDER = re.compile(r"messages/\d{4}/\d\d/\d\d/")
_NAME = re.compile(r"((thumbs|previews|evidence)/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}")
Progress = Callable[[int], None]
"""Called with the bytes that were read since the last call."""


@dataclass
class Imported:
    """How many messages the archive has, how many were new here, how many known, and what was wrong."""

    messages: int = 0
    new: int = 0
    known: int = 0
    problems: list[Flaw] = field(default_factory=list)


@dataclass(frozen=True)
class Piece:
    """An object to bring in: its name in the archive, its key here, and what is known of its bytes."""

    name: str
    key: str
    content_type: str
    sha256: str = ""


def import_archive(
    vault: Vault, path: Path, *, password: str = "", progress: Progress = lambda _: None
) -> Imported:
    """Bring in every message of a ZIP file or folder.

    Raises RejectedInputError for an archive that is not whole and true, or not of this product.
    """
    with opening.opened(path, password=password) as contents:
        proof = Proof()
        verifying.prove(contents, proof, progress=progress)
        if not proof.ok:
            first = proof.problems[0]
            raise RejectedInputError(
                f"{path} is not whole and unchanged, and nothing was imported. {first.path}: "
                f"{first.problem} `mmsvault verify-export` tells all."
            )
        came_of = Imported()
        for name in _records(contents):
            try:
                _bring_in(vault, contents, name, came_of)
            except (RecordError, RejectedInputError) as error:
                came_of.problems.append(Flaw(name, str(error)))
            progress(0)
    if not (came_of.messages or came_of.problems) and proof.info.get("messages") != "0":
        raise RejectedInputError(f"{path} has no messages of MMS Vault.")
    return came_of


def _records(contents: Contents) -> Iterator[str]:
    ending = f"/{RECORD_NAME}"
    return (name for name in contents.sizes if name.startswith("data/messages/") and name.endswith(ending))


def _bring_in(vault: Vault, contents: Contents, name: str, came_of: Imported) -> None:
    raw = opening.read(contents, name, most_bytes=LARGEST_RECORD_BYTES)
    message = Message.from_record(raw)
    _check_place(message)
    folder = name.removesuffix(RECORD_NAME)
    pieces = list(_pieces(contents, message, folder))
    came_of.messages += 1
    if tombstone(vault, message.id) is not None:
        came_of.problems.append(Flaw(name, f"{message.id} was deleted here for good, and stays so."))
        return
    known = upkeep.standings(vault.catalog, [message.id], now=utc_now()).get(message.id)
    if known and (known.unfinished or upkeep.progress(known.message) >= upkeep.progress(message)):
        came_of.known += 1
        return
    if known and known.message.prefix != message.prefix:
        raise RejectedInputError(f"{message.id} is here already, in another folder.")
    for piece in pieces:
        if piece.sha256 and _sha256(contents, piece.name) != piece.sha256:
            raise RejectedInputError(f"{piece.name} is not what its record says: its SHA-256 differs.")
    for piece in pieces:
        _put(vault, contents, piece)
    vault.bucket.put(message.prefix + RECORD_NAME, message.as_record(), content_type="application/json")
    entered = upkeep.enter(vault.catalog, [message], now=utc_now())[message.id]
    if entered is Entered.NEW:
        came_of.new += 1
    else:
        came_of.known += 1


def _check_place(message: Message) -> None:
    """Raise RejectedInputError for a message whose objects do not lie in a folder of its own."""
    day = _FOLDER.match(message.prefix)
    if not _ID.fullmatch(message.id) or not day or message.prefix != f"{day.group()}{message.id}/":
        raise RejectedInputError("Its record names no proper folder of a message.")
    keys = [key for item in message.media for key in _keys(item)]
    keys += [message.prefix + postback.name for postback in message.postbacks]
    names = [key.removeprefix(message.prefix) for key in keys if key.startswith(message.prefix)]
    proper = [name for name in names if _NAME.fullmatch(name) and name != RECORD_NAME]
    if len(proper) != len(keys) or len(set(proper)) != len(proper):
        raise RejectedInputError("Its record names files outside of its folder.")


def _pieces(contents: Contents, message: Message, folder: str) -> Iterator[Piece]:
    """Give the objects that the archive must have, and the views that it may have.

    Raises RejectedInputError where an original or a postback is missing.
    """

    def name(key: str) -> str:
        return folder + key.removeprefix(message.prefix)

    def needed(key: str, content_type: str, sha256: str) -> Piece:
        if name(key) not in contents.sizes:
            raise RejectedInputError(f"{name(key)} is missing, and its record names it.")
        return Piece(name(key), key, content_type or sniffing.OCTETS, sha256)

    for postback in message.postbacks:
        content_type = "application/json" if postback.name.endswith("json") else "application/xml"
        yield needed(message.prefix + postback.name, content_type, postback.sha256)
    for item in message.media:
        earlier = {one.key: one.sha256 for one in item.earlier}
        for key in item.evidence:
            yield needed(key, "text/plain" if hash_in(key) else "", earlier.get(key, ""))
        if item.state is MediaState.STORED:
            yield needed(item.key, item.content_type, item.sha256)
            for key in (item.thumbnail_key, item.preview_key):
                if key and name(key) in contents.sizes:
                    head = next(contents.chunks(name(key)), b"")[: sniffing.HEAD_BYTES]
                    yield Piece(name(key), key, sniffing.true_type(head, ""))


def _put(vault: Vault, contents: Contents, piece: Piece) -> None:
    source = Readable(contents.chunks(piece.name))
    size = contents.sizes[piece.name]
    vault.bucket.put(piece.key, source, size=size, content_type=piece.content_type)  # type: ignore[arg-type]  # it only reads


def _sha256(contents: Contents, name: str) -> str:
    digest = hashlib.sha256()
    for chunk in contents.chunks(name):
        digest.update(chunk)
    return digest.hexdigest()


def _keys(item: MediaItem) -> list[str]:
    evidence = list(item.evidence)
    if item.state is not MediaState.STORED:
        return evidence
    return evidence + [key for key in (item.key, item.thumbnail_key, item.preview_key) if key]


class Readable:
    """Chunks as a file that can be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, fewer at the end only."""
        while size < 0 or len(self._rest) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._rest += chunk
        given, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return given
