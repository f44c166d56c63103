"""XML as providers really send it: read strictly, and where that fails, repaired and read once more.

A document type is never followed and never repaired. A repair takes bare signs literally and leaves out
what XML cannot hold; it never guesses where an element ends that holds a file. Every step takes time in
proportion to the length of the text.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from mmsvault.errors import NotUnderstoodError
from mmsvault.postbacks.charset import join_surrogates
from mmsvault.postbacks.tree import SCHEMA

_ROOT = re.compile(r"<(?:[\w.\-]{1,40}:)?postback[\s/>]", re.IGNORECASE)
_DOCTYPE = re.compile(r"<!\s{0,20}(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_PROLOG = re.compile(r"(?:\s++|<\?[^>]*+>)*+")
_SECTION = re.compile(r"<!--|<!\[CDATA\[|<\?(?=[A-Za-z])")
_SECTION_ENDS = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>"}
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_REFERENCE = re.compile(r"&(?:#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,10}));|([A-Za-z][A-Za-z0-9]{1,31};))?")
_TAG = re.compile(
    r"""<(/?)([A-Za-z_\u0080-\U0010ffff][\w:.\-]*+)
    ((?:\s++[A-Za-z_:][\w:.\-]*+\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+'|[^\s"'<>=]++))*+)
    \s*+(/?)>""",
    re.VERBOSE,
)  # without another < in it, so that all tries together read the text once
_UNQUOTED = re.compile(r"""(=\s*+)([^\s"'<>=]++)|"[^"]*+"|'[^']*+'""")
_PREFIX = re.compile(r"(?:^|\s)([A-Za-z_][\w.\-]*+):(?=[A-Za-z_])")
_DECLARED_PREFIX = re.compile(r"(?:^|\s)xmlns:([A-Za-z_][\w.\-]*+)")
_KNOWN_PREFIXES = {"xsi": SCHEMA}
_IN_QUOTES = re.compile(r"""=\s*+(?:"[^"]*+"|'[^']*+')""")
_HOLDS_FILES = re.compile(r"</?(?:[\w.\-]{1,40}:)?(?:content|files?)\b", re.IGNORECASE)
_OF_XML = frozenset(("amp;", "lt;", "gt;", "quot;", "apos;"))
_LAST_CHARACTER = 0x10FFFF


@dataclass
class _Tag:
    """A tag as it stands in the text; `name` is as written, `is_text` set where it is none after all."""

    found: "re.Match[str]"
    name: str
    closes: bool
    is_empty: bool
    is_text: bool = False
    written: str = ""


def read(text: str) -> tuple[Element, list[str]]:
    """Return the root of an XML text, and what was repaired to read it. Raises NotUnderstoodError."""
    try:
        return _parse(text), []
    except (ParseError, ValueError) as error:
        strict = error
    if _DOCTYPE.search(text[: _start(text)]):
        raise NotUnderstoodError(_NO_DOCTYPE)
    if not _ROOT.search(text):
        raise NotUnderstoodError(f"The body is neither XML nor JSON: {_plain(strict)}.") from strict
    repaired, names = _repair(text)
    try:
        return _parse(repaired), names
    except (ParseError, ValueError) as error:
        raise NotUnderstoodError(f"The XML cannot be read or repaired: {_plain(strict)}.") from error


_NO_DOCTYPE = "The XML has a document type or entities, which are never followed."


def _parse(text: str) -> Element:
    try:
        # Given text, the parser does not look at the encoding that the declaration names.
        root: Element = fromstring(text, forbid_dtd=True)
    except DefusedXmlException as error:
        raise NotUnderstoodError(_NO_DOCTYPE) from error
    return root


def _plain(error: Exception) -> str:
    return str(error) if isinstance(error, ParseError) else "it holds characters that no text has"


def _start(text: str) -> int:
    found = _ROOT.search(text)
    return found.start() if found else len(text)


def _repair(text: str) -> tuple[str, list[str]]:
    """Return the text with its slips put right, and their names. Raises NotUnderstoodError."""
    names: dict[str, None] = {}
    text, changed = _NOT_IN_XML.subn("", join_surrogates(text))
    if changed:
        names["control characters"] = None
    start = _start(text)
    if text[:1].isspace() or not _PROLOG.fullmatch(text, 0, start):
        names["text before the XML"] = None
    text = _without_sections(text[start:])
    text = _with_references(text, names)
    return _with_tags(text, names), list(names)


def _without_sections(text: str) -> str:
    """Return text without comments and instructions, and what CDATA holds written as other text is."""
    last = {sign: text.rfind(end) for sign, end in _SECTION_ENDS.items()}
    kept, at = [], 0
    for found in _SECTION.finditer(text):
        if found.start() < at or last[found[0]] < found.end():
            continue
        end = text.index(_SECTION_ENDS[found[0]], found.end())
        inner = text[found.end() : end]
        if _HOLDS_FILES.search(inner):
            raise NotUnderstoodError(
                "The XML is broken, and a comment or CDATA in it holds files, so it cannot be repaired."
            )
        kept.append(text[at : found.start()])
        kept.append(escape(inner) if found[0] == "<![CDATA[" else "")
        at = end + len(_SECTION_ENDS[found[0]])
    return "".join([*kept, text[at:]])


def _with_references(text: str, names: dict[str, None]) -> str:
    def put_right(found: "re.Match[str]") -> str:
        named = found[3]
        if named in _OF_XML:
            return found[0]
        if named in html5:
            names["entities"] = None
            return escape(html5[named])
        if not (found[1] or found[2]):
            names["bare ampersands"] = None
            return f"&amp;{found[0][1:]}"
        number = int(found[1], 16) if found[1] else int(found[2])
        letter = chr(number) if number <= _LAST_CHARACTER else "\N{REPLACEMENT CHARACTER}"
        if number <= _LAST_CHARACTER and not _NOT_IN_XML.fullmatch(letter):
            return found[0]
        names["character references"] = None
        return letter

    text = join_surrogates(_REFERENCE.sub(put_right, text))
    return _NOT_IN_XML.sub("", text)


def _with_tags(text: str, names: dict[str, None]) -> str:
    """Return the one notice in the text, with everything in it that is no tag taken literally."""
    tags = [
        _Tag(found, found[2], closes=bool(found[1]), is_empty=bool(found[4])) for found in _TAG.finditer(text)
    ]
    if not tags or tags[0].found.start() > 0:
        raise NotUnderstoodError("The XML's first tag is broken, so it cannot be repaired.")
    root = tags[0]
    same = [place for place, tag in enumerate(tags) if _is_like(tag, root)]
    if any(not tags[place].closes for place in same[1:]):
        raise NotUnderstoodError("The body holds more than one postback; each is sent on its own.")
    last = 0 if root.is_empty else same[-1]
    if not root.is_empty and not last:
        raise NotUnderstoodError("The XML ends before its end: </postback> is missing.")
    rest = text[tags[last].found.end() :]
    if _HOLDS_FILES.search(rest):
        raise NotUnderstoodError("The XML goes on with files after its end, so it cannot be repaired.")
    if rest.strip():
        names["text after the XML"] = None
    tags = tags[: last + 1]
    _match(tags, names)
    return "".join(_pieces(text, tags, names))


def _is_like(tag: _Tag, other: _Tag) -> bool:
    return tag.name.lower() == other.name.lower()


def _match(tags: list[_Tag], names: dict[str, None]) -> None:
    """Find the end of each element, and mark as text the tags that have no partner."""
    is_open: Counter[str] = Counter()
    stack: list[_Tag] = []
    for place, tag in enumerate(tags):
        name = tag.name.lower()
        if tag.is_empty and not tag.closes:
            continue
        if not tag.closes:
            stack.append(tag)
            is_open[name] += 1
            continue
        ends_root = stack and name == stack[0].name.lower()
        if not is_open[name] or (ends_root and place < len(tags) - 1):
            tag.is_text = True
            continue
        while stack[-1].name.lower() != name:
            inner = stack.pop()
            inner.is_text = True
            is_open[inner.name.lower()] -= 1
        partner = stack.pop()
        is_open[name] -= 1
        if partner.name != tag.name:
            names["tags in another case"] = None
            tag.written = f"</{partner.name}>"
    for tag in tags:
        if tag.is_text:
            names["tags without a partner"] = None
            if _HOLDS_FILES.match(tag.found[0]):
                raise NotUnderstoodError(
                    f"The XML has a tag without its partner, {tag.found[0][:80]}, so it is not known "
                    "which files there are."
                )


def _unbound_prefixes(tags: list[_Tag]) -> list[str]:
    """Return the prefixes of names that no tag declares."""
    used, declared = {"xml": 0, "xmlns": 0}, {"xml", "xmlns"}
    for tag in tags:
        if tag.is_text or ":" not in tag.found[0]:
            continue
        names = f"{tag.name} {_IN_QUOTES.sub('', tag.found[3])}"
        declared.update(_DECLARED_PREFIX.findall(names))
        used.update(dict.fromkeys(_PREFIX.findall(names), 0))
    return [prefix for prefix in used if prefix not in declared]


def _pieces(text: str, tags: list[_Tag], names: dict[str, None]) -> Iterator[str]:
    at = 0
    unbound = "".join(
        f' xmlns:{prefix}="{_KNOWN_PREFIXES.get(prefix, prefix)}"' for prefix in _unbound_prefixes(tags)
    )
    if unbound:
        names["unbound prefixes"] = None
        root = tags[0]
        root.written = re.sub(r"(?=\s*/?>\Z)", lambda _: unbound, _quoted(root.found, names), count=1)
    for tag in tags:
        yield _literal(text[at : tag.found.start()], names)
        if tag.is_text:
            yield _literal(tag.found[0], names, is_sign=False)
        else:
            yield tag.written or _quoted(tag.found, names)
        at = tag.found.end()


def _quoted(found: "re.Match[str]", names: dict[str, None]) -> str:
    """Return a tag with quotation marks around the values of its attributes."""
    if not found[3]:
        return found[0]

    def quote(value: "re.Match[str]") -> str:
        if value[2] is None:
            return value[0]
        names["attributes without quotation marks"] = None
        return f'{value[1]}"{value[2]}"'

    return _UNQUOTED.sub(quote, found[0][:-1]) + ">"


def _literal(text: str, names: dict[str, None], *, is_sign: bool = True) -> str:
    if "<" not in text and "]]>" not in text:
        return text
    if is_sign:
        names["bare less-than signs" if "<" in text else "bare brackets"] = None
    return text.replace("<", "&lt;").replace("]]>", "]]&gt;")
