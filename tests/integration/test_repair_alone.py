"""`verify --repair` while another one is at work, and on an original that is right by then."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from mmsvault import leases
from mmsvault.catalog import turns
from mmsvault.errors import RefusedError
from mmsvault.integrity import repairing
from mmsvault.integrity.checking import Kind, Problem
from mmsvault.message import utc_now
from tests.integration.archive import Archive, picture
from tests.servers import until

MINUTE = timedelta(minutes=1)


def test_a_second_repair_says_that_one_is_at_work_and_does_nothing(archive: Archive) -> None:
    message = archive.receive("one", picture())
    key = message.media[0].key
    archive.overwrite(key, b"damaged")
    at_work, ended = threading.Event(), threading.Event()

    def stand_still(_more: int) -> None:
        at_work.set()
        ended.wait(60)

    first = threading.Thread(target=lambda: archive.verify(repair=True, progress=stand_still))
    first.start()
    try:
        until(at_work.is_set, what="the first being at work")
        archive.overwrite(key, b"damaged")
        with pytest.raises(RefusedError, match="Another `verify --repair` is at work"):
            archive.verify(repair=True)
        assert archive.vault.bucket.read(key) == b"damaged"
        assert archive.problems(), "looking is allowed meanwhile"
    finally:
        ended.set()
        first.join()
    assert not archive.verify(repair=True).problems


def test_an_original_that_was_put_right_meanwhile_is_not_touched(archive: Archive) -> None:
    message = archive.receive("one", picture())
    item = message.media[0]
    before = archive.keys(message.prefix)
    found = Problem(item.key, "it has other bytes than were archived", Kind.ORIGINAL, item.position)
    done, left = repairing.mend(archive.vault, message.id, [found])
    assert (done, left) == ([], [])
    assert archive.keys(message.prefix) == before
    assert archive.load(message.id).attempts == message.attempts, "nothing was fetched"


def test_a_right_is_taken_once_and_again_when_it_has_run_out_or_ended(catalog: Engine) -> None:
    now = utc_now()
    held = turns.take_turn(catalog, "work", held=None, now=now, until_at=now + MINUTE)
    assert held
    assert turns.take_turn(catalog, "work", held=None, now=now, until_at=now + MINUTE) is None
    renewed = turns.take_turn(catalog, "work", held=held, now=now, until_at=now + 2 * MINUTE)
    assert renewed
    assert turns.take_turn(catalog, "work", held=held, now=now, until_at=now + MINUTE) is None
    late = now + 3 * MINUTE
    other = turns.take_turn(catalog, "work", held=None, now=late, until_at=late + MINUTE)
    assert other, "it had run out"
    assert turns.take_turn(catalog, "work", held=renewed, now=late, until_at=late + MINUTE) is None
    turns.end_turn(catalog, "work", held=other)
    with (
        leases.one_at_a_time(catalog, "work", otherwise="no"),
        pytest.raises(RefusedError, match="no"),
        leases.one_at_a_time(catalog, "work", otherwise="no"),
    ):
        pytest.fail("two at a time")
