"""What a decoder's child answers, read as what a stranger may have written.

A decoder that was taken over answers whatever it likes. So an answer is JSON with one strict model of
each kind: nothing is unpickled, no field is too many, and every value has bounds.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from mmsvault.media.facts import Facts
from mmsvault.media.sniffing import OCTETS

MOST_TEXT = 50_000
MOST_REASON = 1_000
"""Characters of a reason or remark."""
MOST_WORD = 200
MOST_WORDS = 64
LARGEST_NUMBER = (1 << 31) - 1
"""What the catalog's columns hold."""

_NO_NUL = r"^[^\x00]*$"
_TYPE = r"[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}"
_KNOWN: Mapping[str, Any] = {
    "content_type": Annotated[str, Field(max_length=MOST_WORD, pattern=f"^{_TYPE}$")],
    "preview_type": Annotated[str, Field(max_length=MOST_WORD, pattern=f"^({_TYPE})?$")],
    "captured": Annotated[str, Field(max_length=40, pattern=r"^[0-9TZ:+. -]*$")],
    "perceptual_hash": Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")],
    "text": Annotated[str, Field(max_length=MOST_TEXT, pattern=_NO_NUL)],
    "reason": Annotated[str, Field(max_length=MOST_REASON, pattern=_NO_NUL)],
}
"""Fields of Facts with bounds of their own; each other field has those of its type."""
_STRICT = ConfigDict(strict=True, extra="forbid")


Outcome = Literal["made", "not shown"]


class WrongAnswerError(Exception):
    """The answer is none that a child of ours gives."""


class PreviewAnswer(BaseModel):
    """What came of a preview: it is written, with a remark, or there is none, for a reason."""

    model_config = _STRICT

    outcome: Outcome
    text: Annotated[str, Field(max_length=MOST_REASON, pattern=_NO_NUL)] = ""


def of_facts(facts: Facts) -> tuple[dict[str, Any], bytes]:
    """Return the facts as JSON and bytes that `read_facts` takes.

    A value of the file that is out of bounds is left out, as if the file did not tell it.
    """
    told = asdict(facts)
    raw = told.pop("thumbnail") or b""
    told["text"], told["reason"] = _clean(facts.text, MOST_TEXT), _clean(facts.reason, MOST_REASON)
    try:
        _FactsAnswer.model_validate(told)
    except ValidationError as error:
        unknown = asdict(Facts(OCTETS))
        for wrong in error.errors():
            name = str(wrong["loc"][0])
            told[name] = unknown[name]
    return told, raw


def of_preview(outcome: Outcome, text: str) -> dict[str, Any]:
    """Return what came of a preview as JSON that `read_preview` takes."""
    return {"outcome": outcome, "text": _clean(text, MOST_REASON)}


def read_facts(told: bytes, raw: bytes) -> Facts:
    """Return the facts that came from a child. Raises WrongAnswerError."""
    if raw and not (raw[:4] == b"RIFF" and raw[8:12] == b"WEBP"):
        raise WrongAnswerError("the thumbnail is no WebP")
    try:
        read = _FactsAnswer.model_validate_json(told)
    except ValidationError as error:
        raise WrongAnswerError(_first(error)) from error
    values: dict[str, Any] = {name: getattr(read, name) for name in _FactsAnswer.model_fields}
    return Facts(**values, thumbnail=raw or None)


def read_preview(told: bytes, raw: bytes) -> PreviewAnswer:
    """Return what came of a preview. Raises WrongAnswerError."""
    if raw:
        raise WrongAnswerError("bytes where none belong")
    try:
        return PreviewAnswer.model_validate_json(told)
    except ValidationError as error:
        raise WrongAnswerError(_first(error)) from error


def _clean(text: str, most: int) -> str:
    """Return the beginning of the text, without what no database takes."""
    return text[:most].encode("utf-8", "replace").decode().replace("\0", "")


def _first(error: ValidationError) -> str:
    """Return what is wrong, without the value that a stranger chose."""
    wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{wrong['type']} at {'.'.join(map(str, wrong['loc']))[:MOST_WORD]}"


def _bounded(hint: Any) -> Any:
    """Return the type of a field with bounds."""
    inner = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(_bounded(one) for one in inner)]  # noqa: UP007 - made of what is known only now
    if get_origin(hint) is tuple:
        words = GenericAlias(tuple, (_bounded(inner[0]), ...))
        return Annotated[words, Field(max_length=MOST_WORDS)]
    known = {
        str: Annotated[str, Field(max_length=MOST_WORD, pattern=_NO_NUL)],
        int: Annotated[int, Field(ge=0, le=LARGEST_NUMBER)],
        bool: bool,
        NoneType: None,
    }
    return known[hint]  # a field of another type wants bounds here first


def _facts_model() -> type[BaseModel]:
    hints = get_type_hints(Facts)
    names = [field.name for field in fields(Facts) if field.name != "thumbnail"]
    given: dict[str, Any] = {name: (_KNOWN.get(name) or _bounded(hints[name]), ...) for name in names}
    return create_model("FactsAnswer", __config__=_STRICT, **given)


_FactsAnswer = _facts_model()
