"""One account of what people made. Its JSON may come from anywhere: it is read strictly.

An entry that is not as it must be is left out, and counted; an account of a newer form is refused.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from mmsvault.catalog.people import Role
from mmsvault.catalog.views import scope_of
from mmsvault.errors import RecordError, RejectedInputError
from mmsvault.outside import json_of, moment_of

SCHEMA_VERSION = 1
EXPORT_STATES = "^(waiting|done|failed|cancelled)$"

Entry = TypeVar("Entry", bound=BaseModel)
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Line = Annotated[str, StringConstraints(max_length=1_000)]
Text = Annotated[str, StringConstraints(max_length=100_000)]
Count = Annotated[int, Field(ge=0, le=2**62)]


def _believed(moment: datetime) -> datetime:
    return moment_of(moment.isoformat())


def _readable_scope(scope: str) -> str:
    try:
        scope_of(scope, region="US")
    except RejectedInputError as error:
        raise ValueError("it is no scope") from error
    return scope


Moment = Annotated[AwareDatetime, AfterValidator(_believed)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, strict=False, extra="ignore")


class KeptPerson(_Entry):
    """Somebody who may log in. `second_factor` is sealed, `recovery_codes` are SHA-256."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._@+|:=/-]{0,254}$")]
    password_hash: Annotated[str, StringConstraints(pattern=r"^\$argon2id\$[!-~]+$", max_length=500)]
    role: Role
    scope: Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_readable_scope)]
    is_one_time: bool
    made_at: Moment
    changed_at: Moment
    second_factor: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/=]*$", max_length=1_000)] = ""
    recovery_codes: Annotated[tuple[Sha256, ...], Field(max_length=100)] = ()


class KeptSearch(_Entry):
    """A query under a name."""

    name: Annotated[Line, StringConstraints(min_length=1)]
    query: Text
    saved_at: Moment
    saved_by: Line
    scope: Text


class KeptExport(_Entry):
    """An export of the register. One that was not finished is made anew: it is waiting."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")]
    name: Line
    state: Annotated[str, StringConstraints(pattern=EXPORT_STATES)]
    choice: dict[str, Any]
    volumes: Annotated[tuple[dict[str, Any], ...], Field(max_length=100_000)]
    made_by: Line
    made_at: Moment
    began_at: Moment | None
    ended_at: Moment | None
    messages: Count
    bytes: Count
    reason: Text
    sealed: Text | None = None


class State(_Entry):
    """One account. `left_out` is how many entries were not as they must be."""

    taken_at: Moment
    people: tuple[KeptPerson, ...] = ()
    searches: tuple[KeptSearch, ...] = ()
    exports: tuple[KeptExport, ...] = ()
    left_out: int = Field(0, exclude=True)

    def content(self) -> str:
        """Return what it says apart from when it was taken, always in the same words."""
        told = self.model_dump(mode="json", exclude={"taken_at"})
        return json.dumps(told, sort_keys=True, separators=(",", ":"))

    def as_json(self) -> str:
        """Return the whole account."""
        told = {"schema": SCHEMA_VERSION, **self.model_dump(mode="json")}
        return json.dumps(told, sort_keys=True, separators=(",", ":"))


def read(data: str) -> State:
    """Return the account of a JSON text. Raises RecordError."""
    try:
        told = json_of(data.encode())
        if told.get("schema") != SCHEMA_VERSION:
            raise RecordError("it was written by another version of MMS Vault; update this program")
        taken_at = moment_of(told["taken_at"])
    except (ValueError, LookupError, TypeError) as error:
        raise RecordError("it is damaged") from error
    people = list(_entries(KeptPerson, told.get("people")))
    searches = list(_entries(KeptSearch, told.get("searches")))
    exports = list(_entries(KeptExport, told.get("exports")))
    found = [*people, *searches, *exports]
    return State(
        taken_at=taken_at.astimezone(UTC),
        people=tuple(one for one in people if one),
        searches=tuple(one for one in searches if one),
        exports=tuple(one for one in exports if one),
        left_out=sum(one is None for one in found),
    )


def _entries(kind: type[Entry], told: Any) -> Iterable[Entry | None]:
    for one in told if isinstance(told, list) else ():
        try:
            yield kind.model_validate(one)
        except ValidationError:
            yield None
