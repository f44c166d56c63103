"""Proving a bag, offline: BagIt 0.93 to 1.0 (RFC 8493), every byte, and the signature over it.

A problem means that something is missing, changed or added. A warning means that the bag is whole
and that another program may not think so.
"""

import codecs
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmsvault.exporting import opening, signing
from mmsvault.exporting.opening import BrokenArchiveError, Contents, is_inside

ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
STRONG = ("sha256", "sha384", "sha512")
MOST_LISTED_BYTES = 1 << 30
"""A manifest, of some five million files."""
_MANIFEST = re.compile(r"(tag)?manifest-([a-z0-9]+)\.txt")
_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+(\*?)(.+)")
_VERSION = re.compile(r"(\d+)\.(\d+)")
_STRICT_VERSION = re.compile(r"BagIt-Version: \d+\.\d+")
_STRICT_ENCODING = re.compile(r"Tag-File-Character-Encoding: \S+")
_SYSTEM_FILES = (".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Flaw:
    """What is wrong with the file at `path`, a name in the bag."""

    path: str
    problem: str


@dataclass
class Proof:
    """What was found. `signature` is none, valid or invalid; `fingerprint` is its key's."""

    problems: list[Flaw] = field(default_factory=list)
    warnings: list[Flaw] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    info: dict[str, str] = field(default_factory=dict)
    signature: str = "none"
    fingerprint: str = ""

    @property
    def ok(self) -> bool:
        """Whether the bag is whole and true."""
        return not self.problems


Progress = Callable[[int], None]
"""Called with the bytes that were read since the last call."""


def verify(
    path: Path,
    *,
    password: str = "",
    trusted: str = "",
    progress: Progress = lambda _: None,
) -> Proof:
    """Return the proof of a ZIP file or folder; `trusted` is the fingerprint that must have signed it."""
    proof = Proof()
    try:
        with opening.opened(path, password=password) as contents:
            prove(contents, proof, progress=progress)
    except BrokenArchiveError as error:
        proof.problems.append(Flaw(path.name, str(error)))
    if trusted and not (proof.signature == "valid" and proof.fingerprint == trusted.lower()):
        proof.problems.append(Flaw(signing.SIGNATURE, "It is not signed by the key that you trust."))
    return proof


def prove(contents: Contents, proof: Proof, *, progress: Progress = lambda _: None) -> None:
    """Add to the proof what the contents of a bag come to. Raises BrokenArchiveError."""
    bag = _Bag(contents, proof, progress)
    bag.read_declaration()
    bag.read_manifests()
    bag.check_fetch()
    bag.check_files()
    bag.check_info()
    bag.check_signature()


class _Bag:
    def __init__(self, contents: Contents, proof: Proof, progress: Progress) -> None:
        self._contents = contents
        self._proof = proof
        self._progress = progress
        self._sizes = contents.sizes
        self._version = (1, 0)
        self._encoding = "utf-8"
        self._payload: dict[str, dict[str, str]] = {}
        self._tags: dict[str, dict[str, str]] = {}

    def read_declaration(self) -> None:
        """Read bagit.txt (RFC 8493, 2.1.1)."""
        if "bagit.txt" not in self._sizes:
            raise BrokenArchiveError("It has no bagit.txt: it is no bag.")
        raw = opening.read(self._contents, "bagit.txt")
        if raw.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._wrong("bagit.txt", "It begins with a byte order mark.")
        lines = raw.decode("utf-8", "replace").lstrip("\ufeff").splitlines()
        told = dict(_labelled(lines))
        version = _VERSION.fullmatch(told.get("bagit-version", ""))
        if version:
            self._version = int(version[1]), int(version[2])
        else:
            self._wrong("bagit.txt", "It has no version that can be read.")
        try:
            self._encoding = codecs.lookup(told["tag-file-character-encoding"]).name
        except LookupError:
            self._wrong("bagit.txt", "It does not say how tag files are encoded.")
        if self._version >= (1, 0) and not (
            len(lines) == 2  # noqa: PLR2004 - the two lines of the declaration
            and _STRICT_VERSION.fullmatch(lines[0])
            and _STRICT_ENCODING.fullmatch(lines[1])
        ):
            self._wrong("bagit.txt", "Its two lines are not written as BagIt 1.0 wants them.")

    def read_manifests(self) -> None:
        """Read every manifest and tag manifest (RFC 8493, 2.1.3 and 2.2.1)."""
        for name in sorted(self._sizes):
            found = _MANIFEST.fullmatch(name)
            if not found:
                continue
            is_tags, algorithm = bool(found[1]), found[2]
            if algorithm not in ALGORITHMS:
                self._proof.warnings.append(Flaw(name, f"{algorithm} is not known here; it was not checked."))
                continue
            listed = self._listed(name, hashlib.new(algorithm).digest_size * 2)
            (self._tags if is_tags else self._payload)[algorithm] = listed
        if not self._payload:
            self._wrong("manifest-sha256.txt", "There is no manifest that can be checked.")
        elif not set(self._payload) & set(STRONG):
            self._warn("bagit.txt", "No manifest of it is stronger than SHA-224: a forger may match it.")

    def check_fetch(self) -> None:
        """Look at fetch.txt, whose files are elsewhere: nothing is fetched (RFC 8493, 2.2.3)."""
        if "fetch.txt" not in self._sizes:
            return
        for line in self._lines("fetch.txt"):
            parts = line.split(None, 2)
            if not line.strip():
                continue
            if len(parts) < 3 or not is_inside(parts[2]) or not parts[2].startswith("data/"):  # noqa: PLR2004 - URL, length, name
                self._wrong("fetch.txt", f"This line is none, or leads out of the bag: {line[:200]}")
            elif not any(
                self._plain("fetch.txt", "", parts[2]) in listed for listed in self._payload.values()
            ):
                self._wrong("fetch.txt", f"It names a file that no manifest lists: {parts[2][:200]}")

    def check_files(self) -> None:
        """Read every file once, and compare it with every manifest."""
        wanted: dict[str, dict[str, str]] = {}
        for listed_by in (self._payload, self._tags):
            for algorithm, listed in listed_by.items():
                for name, digest in listed.items():
                    there = self._there(name)
                    if there is None:
                        self._wrong(name, "It is listed, and it is missing.")
                    elif algorithm in wanted.setdefault(there, {}):
                        self._warn(name, f"It is listed once more, as another spelling of {there}.")
                    else:
                        wanted[there][algorithm] = digest
        payload = [name for name in self._sizes if name.startswith("data/")]
        for name in payload:
            self._check_listed(name, wanted.get(name, {}))
        for name in sorted(wanted):
            self._compare(name, wanted[name])

    def check_info(self) -> None:
        """Read bag-info.txt, and count the payload again (RFC 8493, 2.2.2)."""
        if "bag-info.txt" not in self._sizes:
            return
        for label, value in _labelled(self._lines("bag-info.txt")):
            self._proof.info.setdefault(label, value)
        oxum = self._proof.info.get("payload-oxum")
        payload = [size for name, size in self._sizes.items() if name.startswith("data/")]
        counted = f"{sum(payload)}.{len(payload)}"
        if oxum and oxum != counted and "fetch.txt" not in self._sizes:
            self._wrong("bag-info.txt", f"The payload is said to be {oxum}, and is {counted}.")

    def check_signature(self) -> None:
        """Check the signature over the tag manifest with the key that lies in the bag."""
        names = (signing.SIGNATURE, signing.PUBLIC_KEY, "tagmanifest-sha256.txt")
        if not any(name in self._sizes for name in names[:2]):
            return
        if not all(name in self._sizes for name in names):
            self._proof.signature = "invalid"
            self._wrong(signing.SIGNATURE, "A part of the signature is missing.")
            return
        signature, key = (opening.read(self._contents, name) for name in names[:2])
        signed = opening.read(self._contents, names[2], most_bytes=MOST_LISTED_BYTES)
        valid = signing.PUBLIC_KEY in self._tags.get("sha256", {}) and signing.is_authentic(
            signed, signature, key
        )
        self._proof.signature = "valid" if valid else "invalid"
        if valid:
            self._proof.fingerprint = signing.fingerprint(key)
        else:
            self._wrong(signing.SIGNATURE, "The signature is not of this bag and key.")

    def _listed(self, manifest: str, digits: int) -> dict[str, str]:
        listed: dict[str, str] = {}
        for line in self._lines(manifest):
            if not line.strip():
                continue
            found = _LINE.fullmatch(line)
            if not found or len(found[1]) != digits:
                self._wrong(manifest, f"This line cannot be read: {line[:200]}")
                continue
            name = self._plain(manifest, found[2], found[3].rstrip("\r"))
            if not is_inside(name):
                self._wrong(manifest, f"It names a file outside of the bag: {name[:200]}")
            elif name in listed:
                same = listed[name] == found[1].lower()
                strict = self._version >= (1, 0)
                (self._warn if same and not strict else self._wrong)(
                    manifest, f"It lists {name} twice{'' if same else ' and differently'}."
                )
            else:
                listed[name] = found[1].lower()
        return listed

    def _plain(self, manifest: str, star: str, name: str) -> str:
        if star:
            self._warn(manifest, "Names are marked with *, as md5sum writes them.")
        if name.startswith("./"):
            self._warn(manifest, "Names begin with ./")
            name = name.removeprefix("./")
        name = re.sub("%0[aA]", "\n", re.sub("%0[dD]", "\r", name))
        return name.replace("%25", "%") if self._version >= (1, 0) else name

    def _there(self, name: str) -> str | None:
        """Return the file that a manifest names, perhaps as another file system wrote its name."""
        if name in self._sizes:
            return name
        return self._alike.get(_folded(name))

    @property
    def _alike(self) -> dict[str, str]:
        if not hasattr(self, "_spellings"):
            self._spellings = {_folded(name): name for name in self._sizes}
        return self._spellings

    def _check_listed(self, name: str, digests: dict[str, str]) -> None:
        missing = [one for one in self._payload if one not in digests]
        if not digests or (missing and self._version >= (1, 0)):
            which = "any manifest" if not digests else f"manifest-{missing[0]}.txt"
            self._wrong(name, f"It is in the bag, and not listed in {which}.")
        if name.rsplit("/", 1)[-1] in _SYSTEM_FILES:
            self._warn(name, "A system makes and changes such files by itself.")

    def _compare(self, name: str, digests: dict[str, str]) -> None:
        hashes: dict[str, Any] = {one: hashlib.new(one) for one in digests}
        size = 0
        try:
            for chunk in self._contents.chunks(name):
                for one in hashes.values():
                    one.update(chunk)
                size += len(chunk)
                self._progress(len(chunk))
        except BrokenArchiveError as error:
            self._wrong(name, str(error))
            return
        self._proof.files += 1
        self._proof.bytes += size
        for algorithm, digest in digests.items():
            if hashes[algorithm].hexdigest() != digest:
                self._wrong(name, f"It was changed: its {algorithm} is another than the manifest's.")

    def _lines(self, name: str) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self._encoding)(errors="replace")
        rest = ""
        if self._sizes[name] > MOST_LISTED_BYTES:
            raise BrokenArchiveError(f"{name} is larger than such a file can be.")
        for chunk in self._contents.chunks(name):
            *lines, rest = re.split(r"\r\n|\n", rest + decoder.decode(chunk))
            yield from (line.lstrip("\ufeff") for line in lines)
        if rest:
            yield rest.lstrip("\ufeff")

    def _wrong(self, path: str, problem: str) -> None:
        self._proof.problems.append(Flaw(path, problem))

    def _warn(self, path: str, problem: str) -> None:
        flaw = Flaw(path, problem)
        if flaw not in self._proof.warnings[-1:]:
            self._proof.warnings.append(flaw)


def _labelled(lines: "list[str] | Iterator[str]") -> Iterator[tuple[str, str]]:
    """Give labels in lower case and values; a line that begins with space goes on (RFC 8493, 2.2.2)."""
    label, value = "", ""
    for line in lines:
        if line[:1] in (" ", "\t") and label:
            value = f"{value} {line.strip()}"
            continue
        if label:
            yield label, value
        name, colon, text = line.partition(":")
        label, value = (name.strip().lower(), text.strip()) if colon else ("", "")
    if label:
        yield label, value


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
