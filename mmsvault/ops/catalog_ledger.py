"""What operators were told, in the catalog: three numbers for each condition and channel."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from sqlalchemy import Engine, update

from mmsvault.catalog import entering, upkeep
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import serials
from mmsvault.errors import UnavailableError
from mmsvault.message import utc_now
from mmsvault.ops.ledgers import SECONDS_TO_SEND, Sent

_LOCK = "alerts are sent until"
_BEGINS = "told "


class CatalogLedger:
    """Numbers in the catalog. Any method raises UnavailableError while it is away."""

    server = "catalog"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self) -> dict[str, Sent]:
        """Return what was told, by name."""
        told: dict[str, Sent] = {}
        for key, number in sorted(upkeep.noted(self._engine).items()):
            if not key.startswith(_BEGINS):
                continue
            name, field = key.removeprefix(_BEGINS), "level"
            for possible in ("at", "newest"):
                if name.endswith(f" {possible}"):
                    name, field = name.removesuffix(f" {possible}"), possible
            told[name] = replace(told.get(name, Sent()), **{field: number})
        return told

    def write(self, name: str, sent: Sent) -> None:
        """Remember what was told."""
        key = f"{_BEGINS}{name}"
        upkeep.note(self._engine, {key: sent.level, f"{key} at": sent.at, f"{key} newest": sent.newest})

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Hold a lease, for SECONDS_TO_SEND at the most."""
        now = int(utc_now().timestamp())
        is_mine = self._take(now, now + SECONDS_TO_SEND)
        try:
            yield is_mine
        finally:
            with suppress(UnavailableError):  # the lease runs out by itself
                self._leave(now + SECONDS_TO_SEND)

    def _take(self, now: int, until: int) -> bool:
        with writing(self._engine) as connection:
            entering.insert_new(connection, serials, {"name": _LOCK, "value": 0})
            taken = connection.execute(
                update(serials).where(serials.c.name == _LOCK, serials.c.value <= now).values(value=until)
            )
            return taken.rowcount == 1

    def _leave(self, until: int) -> None:
        with writing(self._engine) as connection:
            connection.execute(
                update(serials).where(serials.c.name == _LOCK, serials.c.value == until).values(value=0)
            )
