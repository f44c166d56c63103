"""Messages put into bags: every byte is checked against its SHA-256 while it is written.

A file that is missing or changed stops the export and is named; what was written by then has no end
that a program would take for an archive.
"""

import getpass
import hashlib
import importlib.metadata
import os
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

from mmsvault.bucket import Bucket
from mmsvault.catalog import trail, upkeep
from mmsvault.errors import DamagedError, NotFoundError
from mmsvault.exporting import bags, gallery, letters, tables
from mmsvault.exporting.bags import Bag, Member, Tag
from mmsvault.exporting.outputs import Forward
from mmsvault.exporting.planning import Choice, Plan, messages_of
from mmsvault.exporting.reading import SMALL_BYTES, Found, Wanted, read_ahead
from mmsvault.exporting.signing import PUBLIC_KEY, SIGNATURE, Signer
from mmsvault.layout import RECORD_NAME
from mmsvault.message import VIEWS, MediaState, Message, Value, pretty_json
from mmsvault.vault import Vault

if TYPE_CHECKING:
    from mmsvault.exporting.sheets import Sheets

Progress = Callable[[int, int], None]
"""Called with the messages and the bytes that were written since the last call."""


class Written(Value):
    """A finished volume, as the set manifest names it.

    `left_out` are messages that were planned for it, and deleted before they were in it.
    """

    name: str
    bytes: int
    sha256: str
    messages: int
    files: int
    payload_bytes: int
    left_out: int = 0


class MessageGoneError(Exception):
    """A message was deleted while its volume was written: the volume is made again, without it."""


@dataclass(frozen=True)
class Order:
    """What is exported for whom, under which name, and when it counts as made.

    `noted_as` is who exports it, as the trail calls them, where that is not `made_by`.
    """

    name: str
    choice: Choice
    plan: Plan
    made_at: datetime
    made_by: str
    signer: Signer | None = None
    password: str = ""
    noted_as: str = ""

    def volume_name(self, number: int) -> str:
        """Return the file name of a volume; they count from 1."""
        return f"{self.name}-{number:0{max(2, len(str(len(self.plan.volumes))))}d}.zip"

    @property
    def set_name(self) -> str:
        """The file name of the set manifest."""
        return f"{self.name}-set.json"


def made_now() -> datetime:
    """Return the time that an export made now bears, which SOURCE_DATE_EPOCH may set."""
    return bags.moment(os.environ.get("SOURCE_DATE_EPOCH"))


def this_person() -> str:
    """Return who runs this program, and where."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()


def pack(vault: Vault, order: Order, number: int, output: Forward, *, progress: Progress) -> Written:
    """Write a volume into `output`, as a bag.

    Raises DamagedError, UnavailableError, and MessageGoneError where it must be made again.
    """
    scratch = vault.settings.temporary_dir
    with Bag(written_at=order.made_at, scratch=scratch) as bag, _lists(vault) as lists:
        contents = _Contents(bag, vault.bucket, order.choice, lists, progress, scratch)
        with closing(_members(vault, order, number, contents)) as members:
            bags.write(output, members, password=order.password)
    return Written(
        name=order.volume_name(number),
        bytes=output.size,
        sha256=output.sha256,
        messages=contents.messages,
        files=bag.payload_files,
        payload_bytes=bag.payload_bytes,
        left_out=contents.left_out,
    )


def _members(vault: Vault, order: Order, number: int, contents: "_Contents") -> Generator[Member, None, None]:
    """Give the files of a volume in their order."""
    volume = order.plan.volumes[number - 1] if order.plan.volumes else None
    messages = messages_of(vault.catalog, order.choice, volume) if volume else iter(())
    bag = contents.bag
    yield bag.declaration()
    with ExitStack() as stack:
        noted = stack.enter_context(_noted(vault, order, number))
        sheets = stack.enter_context(_sheets(order)) if "pdf" in order.choice.formats else None
        ahead = stack.enter_context(closing(read_ahead(vault.bucket, messages, contents.objects)))
        for message, found in ahead:
            with _gone_or_damaged(vault, message):
                yield from contents.add(message, found)
            noted(message.id)
            if sheets:
                sheets.note(message)
        if sheets:
            for name, sheet in sheets.sheets(partial(_picture, vault), made_at=order.made_at):
                yield bag.add(f"contact-sheets/{name}", sheet)
                contents.progress(0, 0)  # so that a cancelled export ends
    yield from contents.lists_and_page()
    contents.left_out = max(0, volume.messages - contents.messages) if volume else 0
    about = [*_about(order, number), *contents.about()]
    signed = [(PUBLIC_KEY, order.signer.public_key)] if order.signer else []
    listed = yield from bag.finish(about, more=signed)
    if order.signer:
        yield bag.unlisted(SIGNATURE, order.signer.sign(listed))


@contextmanager
def _noted(vault: Vault, order: Order, volume: int) -> Iterator[Callable[[str], None]]:
    """Enter in the trail which messages a volume has, some hundred in an entry; before anybody has it."""
    ids: list[str] = []
    count = 0

    def enter() -> None:
        nonlocal count
        if ids:
            details = f"volume {volume}, messages {count + 1:,} to {count + len(ids):,}"
            count += len(ids)
            who = order.noted_as or order.made_by
            trail.append(
                vault.catalog, "exported", who=who, subject=order.name, details=details, messages=ids
            )
            ids.clear()

    def note(message_id: str) -> None:
        ids.append(message_id)
        if len(ids) == trail.MOST_MESSAGES:
            enter()

    yield note
    enter()


@contextmanager
def _gone_or_damaged(vault: Vault, message: Message) -> Iterator[None]:
    """Raise MessageGoneError in place of an error about an object of a message that was deleted."""
    try:
        yield
    except (DamagedError, NotFoundError) as error:
        if not upkeep.folders(vault.catalog, [message.id]):
            raise MessageGoneError(message.id) from error
        if isinstance(error, NotFoundError):
            raise DamagedError(
                message.prefix, f"{error} `mmsvault verify --repair` may bring it back."
            ) from error
        raise


def set_manifest(order: Order, volumes: Sequence[Written]) -> bytes:
    """Return the set manifest: what the volumes are, so that none can be missing unnoticed."""
    told: dict[str, Any] = {
        "schema": 1,
        "name": order.name,
        "query": order.choice.query,
        "made_at": _iso(order.made_at),
        "made_by": order.made_by,
        "product": product(),
        "messages": sum(volume.messages for volume in volumes),
        "left_out": sum(volume.left_out for volume in volumes),
        "bytes": sum(volume.bytes for volume in volumes),
        "volumes": [volume.model_dump() for volume in volumes],
    }
    if order.signer:
        told["public_key"] = order.signer.public_key.decode()
        body = pretty_json(told).encode()
        told["signature"] = order.signer.sign(body).decode().strip()
    return pretty_json(told).encode()


def product() -> str:
    """Return the name and version of this program."""
    return f"MMS Vault {importlib.metadata.version('mms-vault')}"


def _sheets(order: Order) -> "Sheets":
    from mmsvault.exporting.sheets import Sheets  # noqa: PLC0415 - its fonts take 30 MB, and few ask for it

    choice = order.choice
    return Sheets(order=choice.sheet_order, zone=choice.zone, made_by=order.made_by)


def _picture(vault: Vault, key: str) -> bytes | None:
    """Return a thumbnail encoded anew in the sandbox: after an import anybody may have made it."""
    with tempfile.NamedTemporaryFile(dir=vault.settings.temporary_dir, prefix="download-") as file:
        try:
            file.writelines(vault.bucket.chunks(key))
        except NotFoundError:
            return None
        file.flush()
        return vault.sandbox.inspect(Path(file.name), "image/webp").thumbnail


@dataclass
class _Lists:
    csv: "SpooledTemporaryFile[bytes]"
    jsonl: "SpooledTemporaryFile[bytes]"
    gallery: "SpooledTemporaryFile[bytes]"


@contextmanager
def _lists(vault: Vault) -> Iterator[_Lists]:
    scratch = vault.settings.temporary_dir
    with bags.spool(scratch) as csv, bags.spool(scratch) as jsonl, bags.spool(scratch) as page:
        csv.write(tables.header())
        yield _Lists(csv, jsonl, page)


@dataclass
class _Contents:
    """What goes into one bag, message by message."""

    bag: Bag
    bucket: Bucket
    choice: Choice
    lists: _Lists
    progress: Progress
    scratch: Path
    messages: int = 0
    left_out: int = 0
    missing: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    _day: str = ""
    _folders: set[str] = field(default_factory=set)

    def add(self, message: Message, found: Sequence[Found]) -> Iterator[Member]:
        """Give the files of a message's folder, and note it in the lists."""
        before = self.bag.payload_bytes
        folder = self._folder(message)
        paths = {}
        for one in found:
            name = folder + one.wanted.key.removeprefix(message.prefix)
            yield from self._copy(message, one, name)
            paths[one.wanted.key] = name
        if "eml" in self.choice.formats:
            name = f"eml/{folder.removeprefix('messages/').rstrip('/')}.eml"
            with bags.kept(letters.letter(message, self.bucket.chunks), self.scratch) as letter:
                yield self.bag.add(name, letter, at=message.received_at)
        yield self.bag.add(folder + RECORD_NAME, message.as_record(), at=message.received_at)
        self.lists.csv.write(tables.rows(message, paths))
        self.lists.jsonl.write(tables.json_line(message))
        self.lists.gallery.write((gallery.SEPARATOR if self.messages else b"") + gallery.row(message, paths))
        self.messages += 1
        self.missing += sum(item.state is not MediaState.STORED for item in message.media)
        self.first_at = min(self.first_at or message.received_at, message.received_at)
        self.last_at = max(self.last_at or message.received_at, message.received_at)
        self.progress(1, self.bag.payload_bytes - before)

    def lists_and_page(self) -> Iterator[Member]:
        """Give the lists and the page over the messages."""
        lists = self.lists
        yield self.bag.add("messages.csv", lambda: bags.pieces(lists.csv))
        yield self.bag.add("messages.jsonl", lambda: bags.pieces(lists.jsonl))
        yield self.bag.add("index.html", lambda: gallery.page(bags.pieces(lists.gallery)))

    def about(self) -> list[Tag]:
        """Return what bag-info.txt says of the contents."""
        span = [("Messages-From", self.first_at), ("Messages-To", self.last_at)]
        gone = f"{self.left_out} (deleted from the archive while this export was made)"
        left_out = [("Messages-Left-Out", gone)]
        missing = [("Files-Missing", f"{self.missing} (named in data/messages.csv: file_state, reason)")]
        return [
            ("Messages", str(self.messages)),
            *((label, _iso(at)) for label, at in span if at),
            *(left_out if self.left_out else ()),
            *(missing if self.missing else ()),
        ]

    def objects(self, message: Message) -> Iterator[Wanted]:
        """Give the objects of a message that go into the bag."""
        for postback in message.postbacks:
            yield Wanted(message.prefix + postback.name, postback.sha256)
        for item in message.media:
            earlier = {one.key: one for one in item.earlier}
            for key in item.evidence:
                yield Wanted(key, earlier[key].sha256, earlier[key].size) if key in earlier else Wanted(key)
            if item.state is not MediaState.STORED:
                continue
            yield Wanted(item.key, item.sha256, item.size)
            for view in VIEWS if self.choice.thumbnails else ():
                if key := getattr(item, f"{view}_key"):
                    yield Wanted(key, getattr(item, f"{view}_sha256"), getattr(item, f"{view}_size"))

    def _copy(self, message: Message, found: Found, name: str) -> Iterator[Member]:
        key, known = found.wanted.key, found.wanted.sha256
        try:
            with bags.kept(found.chunks, self.scratch, most_bytes=SMALL_BYTES) as content:
                member = self.bag.add(name, content, at=message.received_at)
                if known and member.sha256 != known:
                    raise DamagedError(
                        key, f"{key} is not what was archived: its SHA-256 is {member.sha256}, not {known}."
                    )
                yield member
        except NotFoundError as error:
            raise DamagedError(
                key, f"{key} is missing from the bucket. `mmsvault verify --repair` may bring it back."
            ) from error

    def _folder(self, message: Message) -> str:
        """Return the message's folder in the bag; ids that differ by case only keep apart anywhere."""
        day, name = message.prefix.rstrip("/").rsplit("/", 1)
        if day != self._day:
            self._day, self._folders = day, set()
        if name.casefold() in self._folders:
            name = f"{name}~~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        self._folders.add(name.casefold())
        return f"{day}/{name}/"


def _about(order: Order, number: int) -> list[Tag]:
    """Return what bag-info.txt says of the export (RFC 8493, 2.2.2, and labels of our own)."""
    count = max(1, len(order.plan.volumes))
    return [
        ("Source-Organization", order.made_by),
        ("External-Description", "Received picture messages (MMS) with their files; open data/index.html"),
        ("External-Identifier", order.volume_name(number).removesuffix(".zip")),
        ("Bagging-Date", f"{order.made_at:%Y-%m-%d}"),
        ("Bag-Group-Identifier", order.name),
        ("Bag-Count", f"{number} of {count}"),
        ("Bag-Software-Agent", product()),
        ("Query", order.choice.in_words()),
        ("Exported-At", _iso(order.made_at)),
        ("Exported-By", order.made_by),
    ]


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
