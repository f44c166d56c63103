"""An archive's messages brought into this vault, an empty one or one that knows some of them.

The archive is proved first, and nothing of a broken one is taken. Its records say where files belong,
and anybody may have written them: they are read as `outside` does, and types, sizes and hashes are those
of the bytes. A message that was deleted here stays so. Of one that is here already the fuller account
counts, and of each file the copy that is whole: a file that waits or is lost here comes from the archive,
and one that is lost there stays as it is here.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from mmsvault import archiving, leases, outside, settling
from mmsvault.catalog import queries, upkeep
from mmsvault.catalog.upkeep import Entered
from mmsvault.errors import RecordError, RejectedInputError
from mmsvault.exporting import opening, verifying
from mmsvault.exporting.opening import Contents
from mmsvault.exporting.verifying import Flaw, Proof
from mmsvault.integrity.verifying import tombstone
from mmsvault.layout import RECORD_NAME, hash_in
from mmsvault.media import sniffing
from mmsvault.message import (
    LONGEST_NOTE,
    LONGEST_TAG,
    VIEWS,
    Attempt,
    MediaItem,
    MediaState,
    Message,
    RawPostback,
    utc_now,
)
from mmsvault.vault import Vault

FROM_ARCHIVE = "imported"
"""The outcome of an attempt that was none: the file came from an archive."""

Progress = Callable[[int], None]
"""Called with the bytes that were read since the last call."""


@dataclass
class Imported:
    """How many messages the archive has, how many were new here, how many known, and what was wrong.

    `remarks` tell what was not brought in as it is written, of messages that were.
    """

    messages: int = 0
    new: int = 0
    known: int = 0
    problems: list[Flaw] = field(default_factory=list)
    remarks: list[Flaw] = field(default_factory=list)


@dataclass(frozen=True)
class Piece:
    """An object to bring in: its name in the archive, its key here, and its type."""

    name: str
    key: str
    content_type: str


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
    raw = opening.read(contents, name, most_bytes=outside.LARGEST_RECORD_BYTES)
    retention = timedelta(days=vault.settings.retention_days)
    found = outside.read(raw, now=utc_now(), retention=retention)
    message = found.message.within_limits()
    is_cut = message is not found.message
    folder = name.removesuffix(RECORD_NAME)
    _check_all_there(contents, message, folder)
    came_of.messages += 1
    if tombstone(vault, message.id) is not None:
        came_of.problems.append(Flaw(name, f"{message.id} was deleted here for good, and stays so."))
        return
    told = _ByBytes(vault, contents, folder, list(found.remarks))
    known = upkeep.standings(vault.catalog, [message.id], now=utc_now()).get(message.id)
    if known is None:
        entered = _bring_whole(told, message)
    elif known.message.prefix != message.prefix:
        raise RejectedInputError(f"{message.id} is here already, in another folder.")
    else:
        entered = _bring_missing(told, message)
    if entered is Entered.NEW:
        came_of.new += 1
    else:
        came_of.known += 1
    if is_cut and entered in (Entered.NEW, Entered.REPLACED):
        limits = f"A tag has at most {LONGEST_TAG} characters, a note {LONGEST_NOTE:,}"
        came_of.remarks.append(Flaw(name, f"{limits}; the rest was left out."))
    came_of.remarks += [Flaw(name, remark) for remark in told.remarks if entered is not Entered.SAME]


def _bring_whole(told: "_ByBytes", message: Message, *, ours: Message | None = None) -> Entered:
    """Bring a message in as the archive has it, with the files that only `ours` has."""
    vault = told.vault
    message = told.message(message)
    if ours:
        message = with_files_of(ours, message)
    for piece in told.pieces:
        _put(vault, told.contents, piece)
    vault.bucket.put(message.prefix + RECORD_NAME, message.as_record(), content_type="application/json")
    return upkeep.enter(vault.catalog, [message], now=utc_now())[message.id]


def _bring_missing(told: "_ByBytes", message: Message) -> Entered:
    """Bring in what the archive has of a message and this vault has not. Raises RejectedInputError."""
    vault = told.vault
    known = queries.load(vault.catalog, message.id)
    is_further = upkeep.progress(message) > upkeep.progress(known)
    if not is_further and not missing_files(known, message):
        return Entered.SAME
    with leases.hold(vault.catalog, message.id) as lease:
        if lease is None:
            raise RejectedInputError(
                f"A worker has {message.id} in hand just now; import the archive once more."
            )
        known = queries.load(vault.catalog, message.id)
        if upkeep.progress(message) > upkeep.progress(known):
            return _bring_whole(told, message, ours=known)
        wanted = {item.position for item in missing_files(known, message)}
        items = [item for item in told.message(message).media if item.position in wanted]
        keys = {key for item in items for key in _keys_of(item)}
        for piece in told.pieces:
            if piece.key in keys:
                _put(vault, told.contents, piece)
        settling.finish(vault, known, lease, [_from_archive(item) for item in items])
    return Entered.KEPT


def missing_files(ours: Message, theirs: Message) -> list[MediaItem]:
    """Return the files that are stored there, and here not."""
    here = {(item.position, item.url): item.state for item in ours.media}
    return [
        item
        for item in theirs.media
        if item.state is MediaState.STORED
        and here.get((item.position, item.url), MediaState.STORED) is not MediaState.STORED
    ]


def with_files_of(ours: Message, theirs: Message) -> Message:
    """Return their message, with the files of ours that they have not."""
    stored = {item.position: item for item in missing_files(theirs, ours)}
    media = tuple(stored.get(item.position, item) for item in theirs.media)
    return theirs.model_copy(update={"media": media})


def _keys_of(item: MediaItem) -> Iterator[str]:
    yield from filter(None, (item.key, item.thumbnail_key, item.preview_key, *item.evidence))


def _from_archive(item: MediaItem) -> settling.Tried:
    """Return a file that came from an archive, with what the record is to say of that."""
    attempt = Attempt(
        position=item.position, at=utc_now(), duration_ms=0, outcome=FROM_ARCHIVE, reason="", headers={}
    )
    return settling.Tried(item.model_copy(update={"next_attempt_at": None}), attempt)


def _check_all_there(contents: Contents, message: Message, folder: str) -> None:
    """Raise RejectedInputError where an original or a postback is missing in the archive."""
    keys = [message.prefix + postback.name for postback in message.postbacks]
    keys += [item.key for item in message.media if item.state is MediaState.STORED]
    for name in (folder + key.removeprefix(message.prefix) for key in keys):
        if name not in contents.sizes:
            raise RejectedInputError(f"{name} is missing, and its record names it.")


@dataclass(frozen=True)
class Measured:
    """What the bytes of a file in the archive say."""

    size: int
    sha256: str
    content_type: str


@dataclass
class _ByBytes:
    """What the bytes in the archive say of a message, against what its record says.

    `pieces` are the objects to bring in, `remarks` what of the record was left out or put right.
    """

    vault: Vault
    contents: Contents
    folder: str
    remarks: list[str]
    pieces: list[Piece] = field(default_factory=list)

    def message(self, told: Message) -> Message:
        """Return the message with hashes, sizes and types of its bytes. Raises RejectedInputError."""
        postbacks = tuple(self._postback(told.prefix, postback) for postback in told.postbacks)
        media = tuple(self._item(told.prefix, item) for item in told.media)
        return told.model_copy(update={"postbacks": postbacks, "media": media})

    def _postback(self, prefix: str, told: RawPostback) -> RawPostback:
        content_type = "application/json" if told.name.endswith("json") else "application/xml"
        measured = self._original(prefix, prefix + told.name, told.sha256, content_type)
        return told.model_copy(update={"sha256": measured.sha256})

    def _item(self, prefix: str, told: MediaItem) -> MediaItem:
        item = told
        if told.state is MediaState.STORED:
            measured = self._original(prefix, told.key, told.sha256, "", declared_type=told.declared_type)
            if told.size not in (None, measured.size):
                self.remarks.append(f"file {told.position}: its size is {measured.size:,} bytes")
            item = told.model_copy(update={"sha256": measured.sha256, "size": measured.size})
            if measured.content_type != told.content_type:
                item = self._looked_into(prefix, item)
            self.pieces[-1] = replace(self.pieces[-1], content_type=item.content_type)
            item = self._with_views(prefix, item)
        return self._with_evidence(prefix, item)

    def _with_evidence(self, prefix: str, item: MediaItem) -> MediaItem:
        """Return a file with what else is kept of it, as far as it is here. Raises RejectedInputError."""
        earlier = {one.key: one.sha256 for one in item.earlier}
        kept = []
        for key in item.evidence:
            name = self._name(prefix, key)
            if name not in self.contents.sizes:
                self.remarks.append(f"{name} is missing, and its record names it as evidence")
                continue
            measured = _measured(self.contents, name, "")
            if not measured.sha256.startswith(earlier.get(key) or hash_in(key)):
                raise RejectedInputError(f"{name} is not what its record says: its SHA-256 differs.")
            self.pieces.append(Piece(name, key, "text/plain" if hash_in(key) else measured.content_type))
            kept.append(key)
        versions = tuple(one for one in item.earlier if one.key in kept)
        return item.model_copy(update={"evidence": tuple(kept), "earlier": versions})

    def _original(
        self, prefix: str, key: str, sha256: str, content_type: str, *, declared_type: str = ""
    ) -> Measured:
        """Measure what must be as its record says, and have it brought in."""
        name = self._name(prefix, key)
        measured = _measured(self.contents, name, declared_type)
        if sha256 and measured.sha256 != sha256:
            raise RejectedInputError(f"{name} is not what its record says: its SHA-256 differs.")
        if not sha256:
            self.remarks.append(f"{name}: its record has no SHA-256; it was taken from the bytes")
        self.pieces.append(Piece(name, key, content_type or measured.content_type))
        return measured

    def _looked_into(self, prefix: str, item: MediaItem) -> MediaItem:
        """Return a file with the facts that its bytes tell: its record says that it is something else."""
        with archiving.temporary_file(self.vault) as file:
            file.writelines(self.contents.chunks(self._name(prefix, item.key)))
            file.flush()
            facts = self.vault.sandbox.inspect(Path(file.name), item.declared_type)
        if facts.content_type == item.content_type:
            return item
        said = item.content_type or "nothing"
        self.remarks.append(f"file {item.position}: it is {facts.content_type}, and not {said}")
        kept = {name: getattr(facts, name) for name in archiving.FACTS_KEPT}
        return item.model_copy(update={**kept, "content_type": facts.content_type})

    def _with_views(self, prefix: str, item: MediaItem) -> MediaItem:
        """Return a file with size and hash of its views, as far as they are here and what they should be."""
        changes: dict[str, object] = {}
        for view in VIEWS:
            key, sha256 = getattr(item, f"{view}_key"), getattr(item, f"{view}_sha256")
            changes |= {f"{view}_sha256": "", f"{view}_size": None}
            name = self._name(prefix, key)
            if not key or name not in self.contents.sizes:
                continue
            measured = _measured(self.contents, name, "")
            if sha256 and measured.sha256 != sha256:
                self.remarks.append(
                    f"{name} is not what its record says; `mmsvault verify --repair` makes it"
                )
                continue
            self.pieces.append(Piece(name, key, measured.content_type))
            changes |= {f"{view}_sha256": measured.sha256, f"{view}_size": measured.size}
        return item.model_copy(update=changes)

    def _name(self, prefix: str, key: str) -> str:
        return self.folder + key.removeprefix(prefix)


def _measured(contents: Contents, name: str, declared_type: str) -> Measured:
    digest, head, size = hashlib.sha256(), b"", 0
    for chunk in contents.chunks(name):
        digest.update(chunk)
        size += len(chunk)
        if len(head) < sniffing.HEAD_BYTES:
            head += chunk[: sniffing.HEAD_BYTES - len(head)]
    return Measured(size, digest.hexdigest(), sniffing.true_type(head, declared_type))


def _put(vault: Vault, contents: Contents, piece: Piece) -> None:
    source = Readable(contents.chunks(piece.name))
    size = contents.sizes[piece.name]
    vault.bucket.put(piece.key, source, size=size, content_type=piece.content_type)  # type: ignore[arg-type]  # it only reads


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
