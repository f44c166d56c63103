"""Bags that keep RFC 8493 and bags that break it: at least one of each kind that the RFC names.

A case is a bag as its files by name, its section in the RFC, and for a bag that breaks a rule a word
of the reason that is to be given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import new

HELLO = b"hello\n"
VERSIONS = ("0.93", "0.94", "0.95", "0.96", "0.97", "1.0")
ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
Files = dict[str, bytes]


@dataclass(frozen=True)
class Case:
    """A bag; `reason` is empty where it is valid."""

    section: str
    files: Files
    reason: str = ""


def declaration(version: str = "1.0", encoding: str = "UTF-8") -> bytes:
    return f"BagIt-Version: {version}\nTag-File-Character-Encoding: {encoding}\n".encode()


def manifest(
    files: Mapping[str, bytes], *, algorithm: str = "sha256", between: str = "  ", end: str = "\n"
) -> bytes:
    """Return the lines of a manifest of these files."""
    lines = (f"{new(algorithm, data).hexdigest()}{between}{name}{end}" for name, data in files.items())
    return "".join(lines).encode()


def bag(payload: Mapping[str, bytes] | None = None, **tags: bytes) -> Files:
    """Return a bag of this payload with a manifest of SHA-256; `tags` replace or add tag files."""
    held = {"data/hello.txt": HELLO} if payload is None else dict(payload)
    made = {**held, "bagit.txt": declaration(), "manifest-sha256.txt": manifest(held)}
    return made | {f"{name.replace('_', '-')}.txt": data for name, data in tags.items()}


def tagged(files: Files, *, algorithm: str = "sha256") -> Files:
    """Return the bag with a tag manifest of all its tag files."""
    tags = {name: data for name, data in files.items() if not name.startswith("data/")}
    return files | {f"tagmanifest-{algorithm}.txt": manifest(tags, algorithm=algorithm)}


def without(files: Files, name: str) -> Files:
    return {other: data for other, data in files.items() if other != name}


def also(line: bytes, payload: Mapping[str, bytes] | None = None) -> Files:
    """Return a bag with one more line in its manifest."""
    made = bag(payload)
    return made | {"manifest-sha256.txt": made["manifest-sha256.txt"] + line}


def encoded(encoding: str) -> Files:
    """Return a bag whose tag files but bagit.txt are in this encoding."""
    made = bag({"data/é.txt": HELLO}, bag_info=b"Contact-Name: \xc3\x89ve\nPayload-Oxum: 6.1\n")
    changed = {
        name: data.decode().encode(encoding)
        for name, data in made.items()
        if name in ("bag-info.txt", "manifest-sha256.txt")
    }
    return made | changed | {"bagit.txt": declaration(encoding=encoding.upper())}


NAMES = {
    "a space": "data/two words.txt",
    "many spaces": "data/a  b   c",
    "a leading dot": "data/.hidden",
    "folders": "data/one/two/three/four.txt",
    "no ASCII": "data/港の嵐.txt",
    "composed": "data/\u00e9.txt",
    "decomposed": "data/e\u0301.txt",
    "emoji": "data/\U0001f600.jpg",
    "a quote": 'data/it\'s "so".txt',
    "a dash": "data/-rf",
    "a name of the bag's own": "data/manifest-sha256.txt",
    "a long name": f"data/{'x' * 200}",
}
OUTSIDE = {
    "dots": "../hello.txt",
    "dots within": "data/../../hello.txt",
    "the root": "/etc/passwd",
    "a home": "~/hello.txt",
    "a drive": "C:\\hello.txt",
    "a share": "\\\\server\\hello.txt",
    "backslashes": "data\\..\\..\\hello.txt",
}
ZEROS = b"0" * 64
INFO = b"Source-Organization: Vault\nContact-Name: A\nBagging-Date: 2026-11-24\nPayload-Oxum: 6.1\n"

VALID: dict[str, Case] = {
    "least that a bag has": Case("2.1", bag()),
    "empty file": Case("2.1.2", bag({"data/empty": b""})),
    "two files that are alike": Case("2.1.2", bag({"data/a": HELLO, "data/b": HELLO})),
    "every byte": Case("2.1.2", bag({"data/bytes": bytes(range(256))})),
    "tag manifest": Case("2.2.1", tagged(bag(bag_info=INFO))),
    "tag manifest of a part of the tag files": Case(
        "2.2.1", bag(bag_info=INFO, tagmanifest_sha256=manifest({"bagit.txt": declaration()}))
    ),
    "tag manifest of another algorithm": Case("2.2.1", tagged(bag(), algorithm="sha512")),
    "bag-info": Case("2.2.2", bag(bag_info=INFO)),
    "bag-info without an end of line": Case("2.2.2", bag(bag_info=INFO[:-1])),
    "bag-info with a value over lines": Case("2.2.2", bag(bag_info=b"Contact-Name: A\n  and B\n\tand C\n")),
    "bag-info with a label twice": Case("2.2.2", bag(bag_info=b"Contact-Name: A\nContact-Name: B\n")),
    "bag-info with a label of one's own": Case("2.2.2", bag(bag_info=b"Ticket: 7: eight\n")),
    "bag-info with CRLF": Case("2.2.2", bag(bag_info=INFO.replace(b"\n", b"\r\n"))),
    "fetch.txt of a file that is here": Case(
        "2.2.3", bag(fetch=b"http://m.example/hello.txt 6 data/hello.txt\n")
    ),
    "fetch.txt without a length": Case("2.2.3", bag(fetch=b"http://m.example/hello.txt - data/hello.txt\n")),
    "tag file of one's own": Case("2.2.4", bag() | {"about/readme.txt": b"x"}),
    "manifest with CRLF": Case("2.1.3", bag(manifest_sha256=manifest({"data/hello.txt": HELLO}, end="\r\n"))),
    "manifest with a tab": Case(
        "2.1.3", bag(manifest_sha256=manifest({"data/hello.txt": HELLO}, between="\t"))
    ),
    "manifest with capitals": Case(
        "2.1.3", bag(manifest_sha256=f"{new('sha256', HELLO).hexdigest().upper()}  data/hello.txt\n".encode())
    ),
    "manifest without an end of line": Case(
        "2.1.3", bag(manifest_sha256=manifest({"data/hello.txt": HELLO})[:-1])
    ),
    "name with an encoded line end": Case(
        "2.1.3", bag({"data/a\nb": HELLO}) | {"manifest-sha256.txt": manifest({"data/a%0Ab": HELLO})}
    ),
    "name with an encoded return": Case(
        "2.1.3", bag({"data/a\rb": HELLO}) | {"manifest-sha256.txt": manifest({"data/a%0Db": HELLO})}
    ),
    "name with a percent sign": Case(
        "2.1.3",
        bag({"data/50%25.txt": HELLO}) | {"manifest-sha256.txt": manifest({"data/50%2525.txt": HELLO})},
    ),
    "UTF-16": Case("2.1.1", encoded("utf-16")),
    "ISO-8859-1": Case("2.1.1", encoded("iso-8859-1")),
    **{
        f"version {version}": Case("1.3", bag() | {"bagit.txt": declaration(version)}) for version in VERSIONS
    },
    **{
        f"manifest of {algorithm}": Case(
            "2.4",
            without(bag(), "manifest-sha256.txt")
            | {f"manifest-{algorithm}.txt": manifest({"data/hello.txt": HELLO}, algorithm=algorithm)},
        )
        for algorithm in ALGORITHMS
    },
    "two manifests": Case(
        "2.4", bag(manifest_sha512=manifest({"data/hello.txt": HELLO}, algorithm="sha512"))
    ),
    **{f"name with {what}": Case("5.1", bag({name: HELLO})) for what, name in NAMES.items()},
}

INVALID: dict[str, Case] = {
    "no bagit.txt": Case("2.1.1", without(bag(), "bagit.txt"), "no bagit.txt"),
    "empty bagit.txt": Case("2.1.1", bag(bagit=b""), "no version"),
    "byte order mark": Case("2.1.1", bag(bagit=b"\xef\xbb\xbf" + declaration()), "byte order mark"),
    "no version": Case("2.1.1", bag(bagit=b"Tag-File-Character-Encoding: UTF-8\n"), "no version"),
    "version that is none": Case("2.1.1", bag(bagit=declaration("one")), "no version"),
    "version of one number": Case("2.1.1", bag(bagit=declaration("1")), "no version"),
    "no encoding": Case("2.1.1", bag(bagit=b"BagIt-Version: 1.0\n"), "encoded"),
    "encoding that there is not": Case("2.1.1", bag(bagit=declaration(encoding="UTF-9")), "encoded"),
    "space before a colon": Case("2.1.1", bag(bagit=declaration().replace(b":", b" :")), "two lines"),
    "no space behind a colon": Case("2.1.1", bag(bagit=declaration().replace(b": ", b":")), "two lines"),
    "two spaces behind a colon": Case("2.1.1", bag(bagit=declaration().replace(b": ", b":  ")), "two lines"),
    "lines the other way around": Case(
        "2.1.1", bag(bagit=b"Tag-File-Character-Encoding: UTF-8\nBagIt-Version: 1.0\n"), "two lines"
    ),
    "third line": Case("2.1.1", bag(bagit=declaration() + b"Contact-Name: A\n"), "two lines"),
    "empty line within": Case("2.1.1", bag(bagit=declaration().replace(b"\nT", b"\n\nT")), "two lines"),
    "small letters in the declaration": Case("2.1.1", bag(bagit=declaration().lower()), "two lines"),
    "no manifest": Case("2.1.3", without(bag(), "manifest-sha256.txt"), "no manifest"),
    "manifest of an unknown algorithm alone": Case(
        "2.4",
        without(bag(), "manifest-sha256.txt") | {"manifest-crc9.txt": b"0  data/hello.txt\n"},
        "no manifest",
    ),
    "changed byte": Case("3", bag() | {"data/hello.txt": b"jello\n"}, "was changed"),
    "cut off": Case("3", bag() | {"data/hello.txt": HELLO[:-1]}, "was changed"),
    "emptied": Case("3", bag() | {"data/hello.txt": b""}, "was changed"),
    "one byte more": Case("3", bag() | {"data/hello.txt": HELLO + b"\0"}, "was changed"),
    "missing file": Case("3", without(bag({"data/a": HELLO, "data/b": b"x"}), "data/b"), "missing"),
    "missing empty file": Case("3", without(bag({"data/a": HELLO, "data/b": b""}), "data/b"), "missing"),
    "whole payload missing": Case("2.1.2", without(bag(), "data/hello.txt"), "missing"),
    "unlisted file": Case("3", bag() | {"data/extra.txt": b"x"}, "not listed"),
    "unlisted empty file": Case("3", bag() | {"data/extra.txt": b""}, "not listed"),
    "unlisted hidden file": Case("3", bag() | {"data/.hidden": b"x"}, "not listed"),
    "not in every manifest": Case(
        "3",
        bag(
            {"data/a": HELLO, "data/b": b"x"}, manifest_sha512=manifest({"data/a": HELLO}, algorithm="sha512")
        ),
        "not listed in manifest-sha512.txt",
    ),
    "right by one manifest only": Case(
        "3", bag(manifest_sha512=manifest({"data/hello.txt": b"x"}, algorithm="sha512")), "was changed"
    ),
    "file for another": Case(
        "3", bag({"data/a": b"a", "data/b": b"b"}) | {"data/a": b"b", "data/b": b"a"}, "was changed"
    ),
    "checksum too short": Case("2.1.3", bag(manifest_sha256=b"abc  data/hello.txt\n"), "cannot be read"),
    "checksum of another algorithm": Case(
        "2.1.3", bag(manifest_sha256=manifest({"data/hello.txt": HELLO}, algorithm="md5")), "cannot be read"
    ),
    "checksum that is no number": Case(
        "2.1.3", bag(manifest_sha256=b"z" * 64 + b"  data/hello.txt\n"), "cannot be read"
    ),
    "line without a name": Case("2.1.3", also(ZEROS + b"\n"), "cannot be read"),
    "line without a checksum": Case("2.1.3", also(b"data/hello.txt\n"), "cannot be read"),
    "listed twice": Case("2.1.3", also(manifest({"data/hello.txt": HELLO})), "twice"),
    "listed twice and differently": Case(
        "2.1.3", also(ZEROS + b"  data/hello.txt\n"), "twice and differently"
    ),
    "name that is not encoded": Case("2.1.3", bag({"data/a\nb": HELLO}), "cannot be read"),
    **{
        f"listed outside by {what}": Case("5.2", also(ZEROS + f"  {name}\n".encode()), "outside of the bag")
        for what, name in OUTSIDE.items()
    },
    "changed tag file": Case(
        "2.2.1", tagged(bag(bag_info=INFO)) | {"bag-info.txt": INFO + b"X: y\n"}, "was changed"
    ),
    "changed manifest": Case(
        "2.2.1",
        tagged(bag()) | {"manifest-sha256.txt": manifest({"data/hello.txt": HELLO}, end="\r\n")},
        "was changed",
    ),
    "changed declaration": Case(
        "2.2.1", tagged(bag()) | {"bagit.txt": declaration(encoding="utf-8")}, "was changed"
    ),
    "missing tag file": Case("2.2.1", without(tagged(bag(bag_info=INFO)), "bag-info.txt"), "missing"),
    "missing manifest of two": Case(
        "2.2.1",
        without(
            tagged(bag(manifest_sha512=manifest({"data/hello.txt": HELLO}, algorithm="sha512"))),
            "manifest-sha512.txt",
        ),
        "missing",
    ),
    "tag manifest that cannot be read": Case("2.2.1", bag(tagmanifest_sha256=b"what?\n"), "cannot be read"),
    "tag manifest that leads out": Case(
        "2.2.1", bag(tagmanifest_sha256=ZEROS + b"  ../x\n"), "outside of the bag"
    ),
    "oxum of more bytes": Case("2.2.2", bag(bag_info=b"Payload-Oxum: 7.1\n"), "is said to be"),
    "oxum of more files": Case("2.2.2", bag(bag_info=b"Payload-Oxum: 6.2\n"), "is said to be"),
    "oxum that is none": Case("2.2.2", bag(bag_info=b"Payload-Oxum: many\n"), "is said to be"),
    "fetch.txt of a file that is not here": Case(
        "2.2.3",
        without(bag({"data/a": HELLO, "data/b": b"x"}, fetch=b"http://m.example/b 1 data/b\n"), "data/b"),
        "missing",
    ),
    "fetch.txt of a file that no manifest lists": Case(
        "2.2.3", bag(fetch=b"http://m.example/b 1 data/b\n"), "no manifest lists"
    ),
    "fetch.txt with a line that is none": Case("2.2.3", bag(fetch=b"http://m.example/b\n"), "is none"),
    "fetch.txt of a tag file": Case("2.2.3", bag(fetch=b"http://m.example/b 1 bagit.txt\n"), "leads out"),
    **{
        f"fetch.txt that leads out by {what}": Case(
            "5.2", bag(fetch=f"http://m.example/x - {name}\n".encode()), "leads out"
        )
        for what, name in OUTSIDE.items()
    },
    "tag files in another encoding than declared": Case(
        "2.1.1", encoded("utf-16") | {"bagit.txt": declaration()}, "cannot be read"
    ),
}
