"""JSON as providers really send it: read strictly, and where that fails, repaired and read once more.

A repair rewrites what a person or a careless program writes beside the rules: a comma at the end of a
list, comments, line breaks, backslashes and quotation marks in a string, single quotation marks, bare
words. It never closes what is open: JSON that was cut off stays unreadable.
"""

import json
import re
from typing import Any

from mmsvault.errors import NotUnderstoodError
from mmsvault.postbacks.tree import Fields

_TOKEN = re.compile(
    r"""(?P<space>\s++)
    | (?P<comment>//[^\r\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)
    | "(?P<double>(?:[^"\\]|\\.|"(?!\s*+(?:[,:{}\[\]]|//|/\*|\Z)))*+)(?P<end>"?)
    | '(?P<single>(?:[^'\\]|\\.)*+)(?P<end_single>'?)
    | (?P<sign>[\[\]{},:])
    | (?P<word>[^\s"'\[\]{},:/]++)
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)  # possessive throughout: what does not match is not tried in another way
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_WORDS = {"None": "null", "True": "true", "False": "false", "undefined": "null"}
_KEPT = frozenset(("true", "false", "null", "NaN", "Infinity", "-Infinity"))
_IN_TEXT = re.compile(r"""\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4})|(.))|(")""", re.DOTALL)
_HOLDS_FILES = re.compile(r"file|content|https?:", re.IGNORECASE)
_LINE_BREAK = re.compile(r"[\t\r\n]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_DECODER = json.JSONDecoder(object_pairs_hook=Fields)
_LOOSE = json.JSONDecoder(object_pairs_hook=Fields, strict=False)


def read(text: str) -> tuple[Any, list[str]]:
    """Return the value of a JSON text, objects as Fields, and what was repaired to read it.

    Raises NotUnderstoodError.
    """
    try:
        return _DECODER.decode(text), []
    except (ValueError, RecursionError) as error:
        strict = error
    start = re.search(r"[\[{\"]", text)
    if not start:
        raise NotUnderstoodError(_cannot(strict)) from strict
    names: dict[str, None] = {}
    if text[: start.start()].strip():
        names["text before the JSON"] = None
    text, dropped = _CONTROL.subn("", text[start.start() :])
    if dropped:
        names["control characters"] = None
    repaired = _Repair(text, names)
    if re.search(r"[\[\]{}\"]", repaired.rest):
        raise NotUnderstoodError("The JSON goes on after its end; each postback is sent on its own.")
    if repaired.rest.strip():
        names["text after the JSON"] = None
    try:
        return _LOOSE.decode(repaired.text), list(names)
    except (ValueError, RecursionError) as error:
        raise NotUnderstoodError(_cannot(strict)) from error


def _cannot(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"The JSON cannot be read: {error}."
    if isinstance(error, RecursionError):
        return "The JSON cannot be read: it is nested too deeply."
    return "The JSON cannot be read: a number in it is too long."


class _Repair:
    """A JSON text token by token: `text` is what its first value becomes, `rest` what follows that.

    `names` learns what was repaired.
    """

    def __init__(self, text: str, names: dict[str, None]) -> None:
        self._names = names
        self._has_bare_mark = False
        pieces: list[str] = []
        comma: int | None = None  # where a comma stands that nothing has followed yet
        depth, end = 0, len(text)
        for found in _TOKEN.finditer(text):
            piece = self._piece(found)
            if piece == ":" and self._has_bare_mark:
                raise NotUnderstoodError("The JSON cannot be read: a quotation mark stands in a name.")
            if found.lastgroup not in ("space", "comment"):
                self._has_bare_mark = "bare quotation marks" in names and '\\"' in piece
            depth += (piece in ("[", "{")) - (piece in ("]", "}"))
            if piece in ("]", "}") and comma is not None:
                names["trailing commas"] = None
                pieces[comma] = ""
            if piece == ",":
                comma = len(pieces)
            elif piece.strip():
                comma = None
            pieces.append(piece)
            if depth <= 0 and piece.strip():
                end = found.end()
                break
        self.text, self.rest = "".join(pieces), text[end:]

    def _piece(self, found: "re.Match[str]") -> str:
        match found.lastgroup:
            case "comment":
                return self._comment(found[0])
            case "end":
                self._check_end(found["end"])
                return self._text(found["double"])
            case "end_single":
                self._check_end(found["end_single"])
                self._names["single quotation marks"] = None
                return self._text(found["single"])
            case "word":
                return self._word(found[0])
        return found[0]

    def _check_end(self, end: str) -> None:
        if not end:
            raise NotUnderstoodError("The JSON cannot be read: it ends within a text.")

    def _comment(self, text: str) -> str:
        if _HOLDS_FILES.search(text):
            raise NotUnderstoodError("The JSON cannot be read: a comment in it holds files.")
        self._names["comments"] = None
        return " "

    def _text(self, inner: str) -> str:
        if _LINE_BREAK.search(inner):
            self._names["line breaks in texts"] = None
        if "\\" not in inner and '"' not in inner:
            return f'"{inner}"'
        is_address = "://" in inner

        def put_right(found: "re.Match[str]") -> str:
            if found[3] and is_address:
                raise NotUnderstoodError("The JSON cannot be read: a quotation mark stands in an address.")
            return found[0] if found[1] else self._sign(found)

        return f'"{_IN_TEXT.sub(put_right, inner)}"'

    def _sign(self, found: "re.Match[str]") -> str:
        if found[2] == "'":
            return "'"
        self._names["backslashes" if found[2] else "bare quotation marks"] = None
        return json.dumps(found[0])[1:-1]

    def _word(self, text: str) -> str:
        if text in _KEPT or _NUMBER.fullmatch(text):
            return text
        self._names["bare words"] = None
        return _WORDS.get(text) or json.dumps(text)
