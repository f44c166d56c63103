"""Slips of programs that write postbacks, as functions that damage a good one.

Each takes what is sent and dice, and returns what is sent instead. Most can be put right; some lose part of
the notice, which must be noticed. `dialects` are those that it is about.
"""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Sent:
    """A postback on its way: its text, and how it becomes bytes."""

    text: str
    content_type: str = "application/xml"
    encoding: str = "utf-8"
    before: bytes = b""
    after: bytes = b""

    @property
    def body(self) -> bytes:
        return self.before + self.text.encode(self.encoding, "replace") + self.after

    @property
    def is_json(self) -> bool:
        return self.content_type.startswith("application/json")


Slip = Callable[[Sent, random.Random], Sent]


def _edited(pattern: str, change: Callable[["re.Match[str]"], str], *, flags: int = 0) -> Slip:
    def slip(sent: Sent, dice: random.Random) -> Sent:
        del dice
        return replace(sent, text=re.sub(pattern, change, sent.text, flags=flags))

    return slip


def _edited_once(pattern: str, change: Callable[["re.Match[str]"], str]) -> Slip:
    def slip(sent: Sent, dice: random.Random) -> Sent:
        found = list(re.finditer(pattern, sent.text))
        if not found:
            return sent
        one = dice.choice(found)
        return replace(sent, text=sent.text[: one.start()] + change(one) + sent.text[one.end() :])

    return slip


def _around(*, before: str = "", after: str = "") -> Slip:
    return lambda sent, _: replace(sent, text=before + sent.text + after)


def _declared(name: str) -> Slip:
    def slip(sent: Sent, dice: random.Random) -> Sent:
        del dice
        bare = re.sub(r"^\s*<\?xml[^>]*\?>", "", sent.text)
        return replace(sent, text=f'<?xml version="1.0" encoding="{name}"?>{bare}')

    return slip


def _encoded(name: str) -> Slip:
    return lambda sent, _: replace(sent, encoding=name)


def _in_text(inserted: str) -> Slip:
    """Insert something into a text, within an element or string, addresses as well."""

    def slip(sent: Sent, dice: random.Random) -> Sent:
        pattern = r'"[^"]{2,}"' if sent.is_json else r">[^<>\n]{2,}<"
        found = list(re.finditer(pattern, sent.text))
        if not found:
            return sent
        one = dice.choice(found)
        at = dice.randint(one.start() + 1, one.end() - 1)
        if re.search(r"(\\\w{0,4}|&[#\w]*)$", sent.text[:at]):  # never within an escape
            return sent
        return replace(sent, text=sent.text[:at] + inserted + sent.text[at:])

    return slip


def _in_subject(inserted: str) -> Slip:
    def slip(sent: Sent, dice: random.Random) -> Sent:
        del dice
        pattern = r'("message-subject": ")' if sent.is_json else r"(<(?:message-subject|KEYWORD)>)"
        return replace(sent, text=re.sub(pattern, lambda found: found[1] + inserted, sent.text, count=1))

    return slip


def _cut(sent: Sent, dice: random.Random) -> Sent:
    return replace(sent, text=sent.text[: dice.randint(0, max(0, len(sent.text.rstrip()) - 1))])


def _as_surrogates(found: "re.Match[str]") -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"&#{int.from_bytes(units[at : at + 2], 'big')};" for at in range(0, len(units), 2))


def _content_as(shape: Callable[[list[str]], object]) -> Slip:
    def slip(sent: Sent, dice: random.Random) -> Sent:
        del dice
        try:
            value = json.loads(sent.text)
            value["content"] = shape([entry["file"] for entry in value["content"]])
        except (ValueError, LookupError, TypeError):
            return sent
        return replace(sent, text=json.dumps(value, ensure_ascii=False))

    return slip


def _cesu8(sent: Sent, dice: random.Random) -> Sent:
    del dice
    units = sent.text.encode("utf-16-be", "replace")
    halves = "".join(chr(int.from_bytes(units[at : at + 2], "big")) for at in range(0, len(units), 2))
    return replace(sent, text="", before=sent.before + halves.encode("utf-8", "surrogatepass"))


XML_SLIPS: dict[str, Slip] = {
    "bare ampersands": _edited("&amp;", lambda _: "&"),
    "bare less-than signs": _edited("&lt;", lambda _: "<"),
    "a heart": _in_subject("I <3 you "),
    "a tag of HTML without its end": _in_subject("<b>"),
    "an end without a tag": _in_subject("</i>"),
    "the end of the notice in the subject": _in_subject("</postback>"),
    "the content's tag in the subject": _in_subject("<content>"),
    "a file's tag in the subject": _in_subject("<file>"),
    "a comment's beginning in the subject": _in_subject("<!-- "),
    "CDATA's beginning in the subject": _in_subject("<![CDATA["),
    "an instruction's beginning in the subject": _in_subject("<?php "),
    "an entity of HTML": _in_subject("caf&eacute;&nbsp;"),
    "an unknown entity": _in_subject("&nobody;"),
    "brackets": _in_subject("]]>"),
    "surrogates as references": _edited("[\U00010000-\U0010ffff]", _as_surrogates),
    "a reference to a control character": _in_text("&#x11;"),
    "a reference to NUL": _in_text("&#0;"),
    "a declared UTF-16": _declared("utf-16"),
    "a declared UTF-32": _declared("utf-32"),
    "a declared ISO 8859-1": _declared("iso-8859-1"),
    "a declared GB2312": _declared("GB2312"),
    "a declared Shift_JIS": _declared("Shift_JIS"),
    "an unknown declared encoding": _declared("klingon"),
    "a blank line before": _around(before="\r\n"),
    "headers before": _around(before="HTTP/1.1 200 OK\r\n\r\n"),
    "a boundary behind": _around(after="\r\n--\r\n"),
    "a comment behind": _around(after="<!-- sent by x -->"),
    "HTML behind": _around(after="<br><p>"),
    "an end too many": _around(after="</x>"),
    "an attribute for the address": _edited(
        r"<(file)>([^<]*)</file>", lambda found: f'<{found[1]} url="{found[2].replace(chr(34), "")}"/>'
    ),
    "an element for the address": _edited(
        r"<(file)>([^<]*)</file>", lambda found: f"<{found[1]}><url>{found[2]}</url></{found[1]}>"
    ),
    "an attribute without quotation marks": _edited("<content>", lambda _: "<content kind=media>"),
    "an end in another case": _edited_once(
        "</(content|file|keyword)>", lambda found: f"</{found[1].upper()}>"
    ),
    "a lost tag": _edited_once(r"<[\w-]+>", lambda _: ""),
    "a lost end": _edited_once(r"</[\w-]+>", lambda _: ""),
    "a misspelled end": _edited_once(r"</([\w-]+)\w>", lambda found: f"</{found[1]}>"),
    "a prefix without its declaration": _edited(r"<(/?)(postback|file)>", lambda f: f"<{f[1]}mms:{f[2]}>"),
    "an attribute of a schema": _edited_once(
        "<(postback|content|file)>", lambda found: f'<{found[1]} xsi:type="http://s.example/x">'
    ),
    "content under an unknown name": _edited("<(/?)content>", lambda found: f"<{found[1]}parcel>"),
    "content within an unknown field": _edited(
        "(?s)(<content>.*</content>)", lambda found: f"<body><parts>{found[1]}</parts></body>"
    ),
    "content and its files under unknown names": _edited(
        "<(/?)(content|file)>", lambda found: f"<{found[1]}my-{found[2]}>"
    ),
    "the notice as text of another element": lambda sent, _: replace(
        sent, text=f"<string>{escape(sent.text)}</string>"
    ),
    "a document type": _around(before="<!DOCTYPE postback>"),
}

JSON_SLIPS: dict[str, Slip] = {
    "a comma at the end": _edited(r"([}\]])(\s*)([}\]])", lambda found: f"{found[1]},{found[2]}{found[3]}"),
    "a line break in a text": _in_text("\n"),
    "a tab in a text": _in_text("\t"),
    "single quotation marks": _edited(
        r'"((?:[^"\\]|\\.)*)"', lambda found: f"'{found[1]}'" if found[1].isalnum() else found[0]
    ),
    "names without quotation marks": _edited(r'"(\w+)":', lambda found: f"{found[1]}:"),
    "a quotation mark in the subject": _in_subject('say "hi" '),
    "a backslash in the subject": _in_subject("C:\\pics "),
    "a comment": _edited_once(", ", lambda _: ", /* a comment */ "),
    "a comment to the end of the line": _edited_once(", ", lambda _: ", // a comment\n"),
    "NaN": _edited_once("^{", lambda _: '{"size": NaN, '),
    "a word of Python": _edited_once("^{", lambda _: '{"moderated": True, '),
    "a list of one": _around(before="[", after="]"),
    "a text of JSON": lambda sent, _: replace(sent, text=json.dumps(sent.text)),
    "the notice within another": _around(before='{"postback": ', after="}"),
    "a call around": _around(before="callback(", after=");"),
    "a sign behind": _around(after=";"),
    "a bracket too many": _around(after="}"),
    "a blank line before": _around(before="\r\n"),
    "content as an object": _content_as(lambda urls: {"file": urls}),
    "content as texts": _content_as(lambda urls: urls),
    "content by url": _content_as(lambda urls: [{"url": url} for url in urls]),
    "content by attributes": _content_as(lambda urls: {"file": [{"@url": url} for url in urls]}),
    "content with text keys": _content_as(lambda urls: {"file": [{"#text": url, "@n": "1"} for url in urls]}),
    "content as files": _content_as(lambda urls: {"files": urls}),
    "content as a text of JSON": _content_as(lambda urls: json.dumps([{"file": url} for url in urls])),
    "content without an address": _content_as(lambda urls: [*({"file": url} for url in urls), {"type": "x"}]),
    "content with a null": _content_as(lambda urls: [*({"file": url} for url in urls), None]),
    "content under an unknown name": _edited('"(content)":', lambda found: f'"my-{found[1]}":'),
    "content within an unknown field": _edited(
        r'("content": \[.*?\])', lambda found: f'"body": {{{found[1]}}}'
    ),
    "content is true": _edited(r'"content": \[\{.*?\}\]', lambda _: '"content": true'),
    "a lost bracket": _edited_once(r"[{}\[\]]", lambda _: ""),
    "a lost quotation mark": _edited_once('"', lambda _: ""),
    "a lost comma": _edited_once(",", lambda _: ""),
    "a lost colon": _edited_once(":", lambda _: ""),
}

COMMON_SLIPS: dict[str, Slip] = {
    "a mark of UTF-8": lambda sent, _: replace(sent, before=b"\xef\xbb\xbf" + sent.before),
    "UTF-16": _encoded("utf-16"),
    "UTF-16 without a mark": _encoded("utf-16-le"),
    "UTF-16, big end first, without a mark": _encoded("utf-16-be"),
    "ISO 8859-1": _encoded("latin-1"),
    "Windows-1251": _encoded("cp1251"),
    "GB18030": _encoded("gb18030"),
    "Shift_JIS": _encoded("shift_jis"),
    "CESU-8": _cesu8,
    "a wrong charset in the header": lambda sent, dice: replace(
        sent,
        content_type=f"{sent.content_type}; charset={dice.choice(['utf-16', 'koi8-r', 'big5', 'x', ''])}",
    ),
    "a control character": _in_text("\x11"),
    "a NUL": _in_text("\0"),
    "NULs behind": lambda sent, _: replace(sent, after=sent.after + b"\0\0"),
    "half of it": _cut,
    "twice": lambda sent, _: replace(sent, text=sent.text + sent.text),
}


def slips_of(*, is_json: bool) -> dict[str, Slip]:
    """Return the slips that there are in a dialect."""
    return {**(JSON_SLIPS if is_json else XML_SLIPS), **COMMON_SLIPS}
