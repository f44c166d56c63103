"""What scheduled exports hold, kept in the bucket as well, so that a catalog made anew knows it.

A finished export leaves a list of its messages' ids under `state/scheduled-exports/`, which stays when
the export itself is deleted. Exports of versions before that have none; their volumes tell it.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import BinaryIO, cast
from zoneinfo import ZoneInfo

import structlog

from mmsvault import layout
from mmsvault.catalog import schedules
from mmsvault.catalog.schedules import ScheduledExport
from mmsvault.exporting import bags, holding, planning, register
from mmsvault.exporting.periods import Period, period_of
from mmsvault.exporting.planning import Choice
from mmsvault.settings.forms import Schedule
from mmsvault.vault import Vault

log = structlog.get_logger(__name__)

SCHEMA = 1
IDS_AT_ONCE = 5000


def take(vault: Vault, choice: Choice) -> None:
    """Have a scheduled export take its messages, where it has not yet. Others take none."""
    if choice.period is None:
        return
    enter(vault, choice.period)
    query = planning.query_of(choice.model_copy(update={"period": None}))
    schedules.take(vault.catalog, _entry(choice.period), query)


def enter(vault: Vault, period: Period, *, has_taken: bool = False) -> None:
    """Enter the export of a period, which takes its messages later or never."""
    schedules.enter(vault.catalog, [_entry(period)], has_taken=has_taken)


def keep(vault: Vault, period: Period) -> None:
    """Keep the ids of the messages of a finished export in the bucket: what it is, then a line an id."""
    head = {"schema": SCHEMA, **period.model_dump(mode="json")}
    with bags.spool(vault.settings.temporary_dir) as file:
        file.write(json.dumps(head).encode() + b"\n")
        for ids in schedules.message_ids(vault.catalog, period.id):
            file.write("".join(f"{one}\n" for one in ids).encode())
        size = file.tell()
        file.seek(0)
        key = layout.scheduled_export_key(period.id)
        vault.bucket.put(key, cast("BinaryIO", file), content_type="text/plain", size=size)


def restore(vault: Vault, schedule: Schedule) -> datetime | None:
    """Enter into an empty catalog what scheduled exports hold; return the end of the newest period."""
    found = {period.id: period for period in _kept(vault, schedule)}
    found |= {period.id: period for period in _before_lists(vault, schedule) if period.id not in found}
    schedules.enter(vault.catalog, map(_entry, found.values()), has_taken=True)
    return max((period.ended_at for period in found.values()), default=None)


def _kept(vault: Vault, schedule: Schedule) -> Iterator[Period]:
    """Give the exports that left a list, with their messages entered."""
    for listed in vault.bucket.list(layout.SCHEDULED_EXPORTS):
        lines = b"".join(vault.bucket.chunks(listed.key)).decode().splitlines()
        try:
            head = json.loads(lines[0])
            head.pop("schema")
            period = Period.model_validate(head)
        except (ValueError, LookupError) as error:
            log.warning("list of a scheduled export not readable", key=listed.key, reason=str(error))
            continue
        if period.schedule is schedule:
            _enter(vault, period, lines[1:])
            yield period


def _before_lists(vault: Vault, schedule: Schedule) -> Iterator[Period]:
    """Give the exports without a list, whose days were days of UTC, with what their volumes hold."""
    utc = ZoneInfo("UTC")
    for listed in list(vault.bucket.list(layout.EXPORTS, recursive=False)):
        identity = listed.key.removeprefix(layout.EXPORTS).rstrip("/")
        period = period_of(identity, utc)
        if period is None or period.schedule is not schedule:
            continue
        objects = list(vault.bucket.list(f"{layout.EXPORTS}{identity}/"))
        if any(one.key.endswith("-set.json") for one in objects):  # it is finished
            for one in objects:
                if one.key.endswith(".zip"):
                    with suppress(*holding.UNREADABLE):
                        _enter(vault, period, sorted(holding.messages_in_object(vault.bucket, one)))
            yield period
    for export in register.scheduled(vault.catalog):
        period = period_of(export.id, utc)
        if period and period.schedule is schedule and export.choice.period is None:
            yield period


def _enter(vault: Vault, period: Period, ids: list[str]) -> None:
    for start in range(0, len(ids), IDS_AT_ONCE):
        schedules.enter_messages(vault.catalog, _entry(period), ids[start : start + IDS_AT_ONCE])


def _entry(period: Period) -> ScheduledExport:
    return ScheduledExport(period.id, period.schedule.value, period.ended_at)
