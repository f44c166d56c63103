"""Downloads from a real server that does what servers do on bad days."""

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from mmsvault.errors import FetchError, RefusedFetchError, TransientFetchError
from mmsvault.fetching import Fetcher, download, limits
from mmsvault.sample import faults, media
from mmsvault.sample.media import SampleFile
from mmsvault.sample.provider import SampleProvider

FILE = SampleFile("a.bin", "application/octet-stream", bytes(range(256)) * 4096)
OTHER = SampleFile("a.bin", "application/octet-stream", bytes(reversed(range(256))) * 4096)
ETAG = '"one"'


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    made = Fetcher(max_bytes=2 << 20, hosts=(), private_networks=(ip_network("127.0.0.1/32"),))
    yield made
    made.close()


def fetched(fetcher: Fetcher, url: str) -> tuple[bytes, int]:
    """Return the bytes, which must be those that were hashed, and the size that was told."""
    into = io.BytesIO()
    done = fetcher.fetch(url, into)
    assert done.sha256 == hashlib.sha256(into.getvalue()).hexdigest()
    return into.getvalue(), done.size


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (faults.broken_off(), "broke off"),
        (faults.unfinished_chunks, "broke off"),
        (faults.reset, "broke off"),
        (faults.refused(500), "answered 500"),
        (faults.refused(404), "answered 404"),
        (faults.refused(206), "answered 206"),
        (faults.refused(204), "answered 204"),
    ],
)
def test_what_is_not_the_whole_file_is_a_failure_and_the_next_attempt_has_it(
    provider: SampleProvider, fetcher: Fetcher, answer: faults.Answer, reason: str
) -> None:
    url = provider.offer(FILE, answers=(answer,))
    with pytest.raises(TransientFetchError, match=reason):
        fetcher.fetch(url, io.BytesIO())
    assert fetched(fetcher, url) == (FILE.data, len(FILE.data))


def test_a_download_that_breaks_off_goes_on_where_it_stopped(
    provider: SampleProvider, fetcher: Fetcher
) -> None:
    url = provider.offer(FILE, answers=(faults.broken_off(etag=ETAG),), etag=ETAG)
    assert fetched(fetcher, url) == (FILE.data, len(FILE.data))
    assert provider.ranges(url) == ["", f"bytes={len(FILE.data) // 2}-"]


def test_a_file_that_changed_in_between_is_taken_from_its_start(
    provider: SampleProvider, fetcher: Fetcher
) -> None:
    url = provider.offer(FILE, answers=(faults.half_of_another(OTHER, etag='"other"'),), etag=ETAG)
    assert fetched(fetcher, url) == (FILE.data, len(FILE.data))


@pytest.mark.parametrize("etag", ["", 'W/"weak"', '""', "bare"])
def test_without_a_strong_validator_nothing_is_resumed(
    provider: SampleProvider, fetcher: Fetcher, etag: str
) -> None:
    url = provider.offer(FILE, answers=(faults.broken_off(etag=etag),), etag=etag)
    with pytest.raises(TransientFetchError, match="broke off"):
        fetcher.fetch(url, io.BytesIO())
    assert provider.ranges(url) == [""]


def test_a_download_that_breaks_off_without_end_ends(provider: SampleProvider, fetcher: Fetcher) -> None:
    url = provider.offer(FILE, answers=(faults.broken_off(etag=ETAG),) * 50, etag=ETAG)
    with pytest.raises(TransientFetchError):
        fetcher.fetch(url, io.BytesIO())
    assert len(provider.ranges(url)) <= download.MOST_RESUMED + 1


@pytest.mark.parametrize("asked", ["120", "in-two-minutes"])
def test_the_pause_that_the_provider_asks_for_is_told(
    provider: SampleProvider, fetcher: Fetcher, asked: str
) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    header = asked if asked.isdigit() else at
    url = provider.offer(FILE, answers=(faults.refused(429, retry_after=header),))
    with pytest.raises(TransientFetchError) as caught:
        fetcher.fetch(url, io.BytesIO())
    assert caught.value.retry_after is not None
    assert timedelta(seconds=110) < caught.value.retry_after <= timedelta(seconds=120)


@pytest.mark.parametrize("header", ["", "soon", "-5", "9" * 40, "Wed, 99 Nov 2026 00:00:00 GMT", "²"])
def test_a_pause_that_cannot_be_read_is_none(provider: SampleProvider, fetcher: Fetcher, header: str) -> None:
    url = provider.offer(FILE, answers=(faults.refused(503, retry_after=header.encode().decode("latin-1")),))
    with pytest.raises(TransientFetchError) as caught:
        fetcher.fetch(url, io.BytesIO())
    assert caught.value.retry_after is None


def test_redirects_are_followed_and_their_number_is_bounded(
    provider: SampleProvider, fetcher: Fetcher
) -> None:
    there = provider.offer(FILE)
    assert fetched(fetcher, provider.offer(FILE, answers=(faults.moved_to(there),)))[0] == FILE.data
    circle = provider.offer(FILE)
    provider.offered(circle).answers.extend([faults.moved_to(circle)] * 50)
    with pytest.raises(TransientFetchError, match="more than 5 redirects"):
        fetcher.fetch(circle, io.BytesIO())


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    provider: SampleProvider, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PACE_SECONDS", 1)
    url = provider.offer(FILE, answers=(faults.trickled(seconds=30),))
    with pytest.raises(TransientFetchError, match="fewer than 16,384 bytes"):
        fetcher.fetch(url, io.BytesIO())


def test_headers_that_never_end_meet_the_limit_of_the_whole(
    provider: SampleProvider, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "WHOLE_SECONDS", 1)
    url = provider.offer(FILE, answers=(faults.endless_headers(seconds=30),))
    with pytest.raises(TransientFetchError, match="took longer than"):
        fetcher.fetch(url, io.BytesIO())


def test_silence_is_waited_for_no_longer_than_the_whole_may_take(
    provider: SampleProvider, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "WHOLE_SECONDS", 1)
    began = time.monotonic()
    with pytest.raises(TransientFetchError, match="took longer than"):
        fetcher.fetch(provider.offer(FILE, held=True), io.BytesIO())
    assert time.monotonic() - began < download.SILENCE_SECONDS / 2


def test_what_is_larger_than_the_settings_allow_waits_for_other_settings(
    provider: SampleProvider, fetcher: Fetcher
) -> None:
    big = SampleFile("big", "application/octet-stream", bytes((2 << 20) + 1))
    with pytest.raises(RefusedFetchError, match=r"larger than 2,097,152 bytes \(MMSVAULT_MAX_MEDIA_BYTES\)"):
        fetcher.fetch(provider.offer(big), io.BytesIO())


def test_a_file_arrives_whole_in_a_real_file_after_a_failed_attempt_in_it(
    provider: SampleProvider, fetcher: Fetcher, tmp_path: Path
) -> None:
    picture = media.photograph(1)
    url = provider.offer(picture, answers=(faults.broken_off(),))
    with (tmp_path / "file").open("w+b") as file:
        with suppress(FetchError):
            fetcher.fetch(url, file)
        assert fetcher.fetch(url, file).size == len(picture.data)
    assert (tmp_path / "file").read_bytes() == picture.data


def test_downloads_side_by_side_keep_to_their_own_limits(provider: SampleProvider, fetcher: Fetcher) -> None:
    urls = [provider.offer(SampleFile(f"{n}", "x/y", bytes([n]) * (1 << 18))) for n in range(16)]
    got: dict[int, bytes] = {}
    threads = [
        threading.Thread(target=lambda n=n: got.update({n: fetched(fetcher, urls[n])[0]})) for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(got[n] == bytes([n]) * (1 << 18) for n in range(16))
