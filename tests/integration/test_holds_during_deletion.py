"""A hold or a lock that comes while a message is being deleted keeps the message whole."""

import pytest

from mmsvault import disposition
from mmsvault.catalog import leaving, upkeep
from mmsvault.errors import RefusedError
from mmsvault.message import utc_now
from tests.integration.archive import Archive, words


def test_a_hold_that_comes_while_its_message_is_deleted_wins(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = archive.receive("one", words())
    before = {key: archive.vault.bucket.read(key) for key in archive.keys(message.prefix)}
    bucket, put = archive.vault.bucket, archive.vault.bucket.put

    def hold_then_put(key: str, *given: object, **more: object) -> None:
        if key.startswith("deleted/"):
            upkeep.hold(archive.vault.catalog, message.id, held=True, now=utc_now())
        put(key, *given, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(bucket, "put", hold_then_put)
        with pytest.raises(RefusedError, match="held"):
            disposition.delete(archive.vault, message.id)
    assert archive.load(message.id).hold
    assert {key: bucket.read(key) for key in archive.keys(message.prefix)} == before
    assert archive.keys("deleted/") == set(), "no tombstone is left, which would bury it at the next rebuild"


def test_a_tombstone_never_buries_a_held_message(archive: Archive) -> None:
    message = archive.receive("one", words())
    disposition.hold(archive.vault, message.id, held=True)
    upkeep.bury(archive.vault.catalog, {message.id: utc_now()})
    assert archive.load(message.id).hold


def test_a_deletion_whose_lease_went_to_another_removes_nothing(archive: Archive) -> None:
    message = archive.receive("one", words())
    with pytest.raises(RefusedError, match="in hand"):
        upkeep.remove(archive.vault.catalog, message.id, token="another", now=utc_now())
    assert archive.load(message.id) == message
    assert upkeep.buried(archive.vault.catalog, [message.id]) == set()


def test_a_held_message_is_listed_as_past_its_time_only_among_held_ones(archive: Archive) -> None:
    message = archive.receive("one", words())
    disposition.hold(archive.vault, message.id, held=True)
    told = {"before": utc_now(), "keyword": message.keyword.casefold()}
    assert list(leaving.aged(archive.vault.catalog, held=False, **told)) == []  # type: ignore[arg-type]
    held = leaving.aged(archive.vault.catalog, held=True, **told)  # type: ignore[arg-type]
    assert [one.id for one in held] == [message.id]
