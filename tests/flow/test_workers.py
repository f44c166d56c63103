"""A worker that is asked to end, in every situation that it may be in."""

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmsvault.queueing.jobs import ARCHIVE_QUEUE
from mmsvault.sample import media
from mmsvault.sample.provider import SampleProvider
from tests.flow.site import EMBEDDED, REAL, Site
from tests.flow.test_archive import archived, notice
from tests.raw_server import RawServer, lines
from tests.servers import until
from worker.working import JOBS_AT_ONCE


@pytest.fixture(params=[EMBEDDED, REAL])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        made.start_servers(request.param)
        made.receiver_part()
        yield made


def asked_to_end(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGTERM)
    ended(worker)


def ended(worker: subprocess.Popen[bytes]) -> None:
    until(lambda: worker.poll() is not None, seconds=30, what="the worker ending")
    assert worker.returncode == 0


def test_asked_to_end_a_worker_finishes_the_job_in_hand_and_an_idle_one_ends(
    site: Site, provider: SampleProvider
) -> None:
    url = provider.offer(media.drawing(3), held=True)
    offer = provider.offered(url)
    worker, idle = (site.start(name, "worker archive") for name in ("one", "other"))
    assert provider.send(site.postbacks, notice("in-hand", url)) == 200
    until(offer.half_sent.is_set, what="the file being half sent")
    with site.vault() as vault:
        until(lambda: vault.redis.scard("rq:workers") == 2, what="both workers being there")
    for process in (worker, idle):
        process.send_signal(signal.SIGTERM)
    assert offer.held
    offer.held.set()
    ended(worker)
    ended(idle)
    message = archived(site, "sinch-in-hand", seconds=1)
    assert message["media"][0]["sha256"] == hashlib.sha256(offer.file.data).hexdigest()


@pytest.mark.faults
def test_a_job_that_does_not_end_in_time_is_put_back_and_done_by_another(
    site: Site, provider: SampleProvider
) -> None:
    url = provider.offer(media.drawing(4), held=True)
    offer = provider.offered(url)
    worker = site.start("worker", "worker archive")
    assert provider.send(site.postbacks, notice("put-back", url)) == 200
    until(offer.half_sent.is_set, what="the file being half sent")
    asked_to_end(worker)
    assert "was put back" in (site.folder / "worker.log").read_text()
    assert offer.held
    offer.held.set()
    site.start("sweep", "worker sweep")
    site.start("worker", "worker archive")
    archived(site, "sinch-put-back", seconds=90)


@pytest.mark.faults
@pytest.mark.parametrize("server", ["redis", "bucket"])
def test_asked_to_end_while_a_server_is_away_a_worker_ends_in_time(
    site: Site, provider: SampleProvider, server: str
) -> None:
    worker = site.start("worker", "worker archive")
    provider.send(site.postbacks, notice("before", provider.offer(media.text("x"))))
    archived(site, "sinch-before")
    provider.send(site.postbacks, notice("during", provider.offer(media.text("y"), held=True)))
    with site.away(server):
        asked_to_end(worker)


@pytest.mark.parametrize("site", [EMBEDDED], indirect=True)
def test_slow_files_hold_up_neither_the_recording_nor_the_files_of_other_messages(
    site: Site, provider: SampleProvider
) -> None:
    slow_files = 2 * JOBS_AT_ONCE[ARCHIVE_QUEUE]
    with RawServer() as slow:
        url = slow.answer(slow.trickle(lines(["HTTP/1.1 200 OK", "Content-Length: 1000000", ""])))
        site.start("worker", "worker archive")
        for number in range(slow_files):
            assert provider.send(site.postbacks, notice(f"slow-{number}", url)) == 200
        assert provider.send(site.postbacks, notice("next", provider.offer(media.drawing(5)))) == 200
        archived(site, "sinch-next", seconds=40)
        assert site.json("show", "sinch-slow-0")["state"] == "pending"
        assert site.json("status")["messages"] == {
            **dict.fromkeys(("archived", "partial", "lost"), 0), "archived": 1, "pending": slow_files,
        }  # fmt: skip
        assert len(slow.requests["/a"]) == slow_files


def test_a_worker_that_is_stopped_is_not_healthy_although_another_is(site: Site) -> None:
    site.start("one", "worker archive")
    site.start("other", "worker archive")
    folder = site.settings.data_dir / "alive"
    until(lambda: folder.is_dir() and len(list(folder.iterdir())) == 2, what="both giving signs of life")
    assert site.call("health").returncode == 0
    with site.frozen("one"):
        (sign,) = folder.glob(f"*.{site.running['one'].pid}")
        os.utime(sign, (0, 0))  # as after a while
        done = site.call("health")
        assert done.returncode == 1
        assert f"The worker of archive (process {site.running['one'].pid}) has given no sign" in done.stdout
    until(lambda: site.call("health").returncode == 0, what="it being healthy again")


def test_a_worker_whose_job_never_gets_further_is_not_healthy(site: Site, provider: SampleProvider) -> None:
    """Its other threads go on: what hangs is one job, here at a lock that nobody lets go of."""
    worker = site.start("one", "worker archive", "--hang")
    assert provider.send(site.postbacks, notice("hangs", provider.offer(media.drawing(3)))) == 200
    log = site.folder / "one.log"
    until(lambda: '"event": "a worker hangs"' in log.read_text(), seconds=60, what="it being found")
    (sign,) = (site.settings.data_dir / "alive").glob(f"*.{worker.pid}")
    os.utime(sign, (0, 0))  # it is not made new any more
    done = site.call("health")
    assert done.returncode == 1
    assert f"(process {worker.pid}) has given no sign of life" in done.stdout
    site.kill("one")
    site.start("other", "worker archive")
    archived(site, "sinch-hangs")
