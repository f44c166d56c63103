"""The receiver against a route that does nothing and one that queues the plain way."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis

from mmsvault.sample.notices import Notice, lower_case_xml
from tests.benchmarks import ground, load
from tests.benchmarks.ground import Ratio
from tests.servers import free_port, listens, until

BURST = 20_000
BURST_CONNECTIONS = 256
PACED_SECONDS = 5
POSTBACK = lower_case_xml(
    Notice(
        tracking_id="MMS_MO_benchmark",
        sender="+14085550123",
        to="28444",
        keyword="HARBOR",
        operator_id="31002",
        subject="Evening light over the harbor",
        timestamp=datetime(2026, 11, 1, 18, 30, tzinfo=UTC),
        urls=("http://127.0.0.1:9/content/benchmark/IMG_0001.jpg",),
    )
)


def measure(folder: Path, *, rounds: int, seconds: int, burst: int = BURST) -> list[Ratio]:
    """Return what the receiver comes to, beside its peers."""
    over_nothing = Ratio("receiver / route that does nothing", ">= 0.6")
    over_plain = Ratio("receiver / plain enqueue", ">= 2")
    late = Ratio("receiver's p99 at half its top rate, ms", "< 50")
    longest = Ratio(f"longest answer in a burst of {burst:,}, s", "< 10")
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(ground.site(folder))
        urls = {**stack.enter_context(_peers(folder, stack.enter_context(ground.ordinary_redis(folder))))}
        made.receiver_part()
        urls["ours"] = made.postbacks
        with Redis.from_url(made.settings.effective_redis_url) as redis:
            for at in range(rounds + 1):
                order = sorted(urls, reverse=at % 2 == 1)
                rate = {
                    name: load.most(urls[name], POSTBACK, seconds=seconds, folder=folder) for name in order
                }
                paced = load.paced(
                    made.postbacks, POSTBACK, count=int(rate["ours"] / 2 * seconds), rate=rate["ours"] / 2
                )
                redis.flushdb()
                if at == 0:  # to warm up
                    continue
                over_nothing.rounds.append(rate["ours"] / rate["nothing"])
                over_plain.rounds.append(rate["ours"] / rate["plain"])
                late.rounds.append(paced.p99 * 1000)
                over_nothing.note = f"{rate['ours']:,.0f} a second in the last round"
            came = load.paced(made.postbacks, POSTBACK, count=burst, rate=0, connections=BURST_CONNECTIONS)
            assert came.answered_200 == burst, came
            assert redis.llen("rq:queue:archive") == burst
            longest.rounds.append(came.longest)
            longest.note = f"all answered 200, {burst / came.seconds:,.0f} a second"
    return [over_nothing, over_plain, late, longest]


@contextlib.contextmanager
def _peers(folder: Path, redis_url: str) -> Iterator[Mapping[str, str]]:
    """Run both peers and give their addresses."""
    with contextlib.ExitStack() as stack:
        urls = {}
        for name in ("nothing", "plain"):
            port = free_port()
            program = f"tests.benchmarks.peers.receivers:{name}"
            command = ["-m", "uvicorn", program, f"--port={port}", "--no-access-log", "--log-level=warning"]
            stack.enter_context(
                ground.process(command, log=folder / f"{name}.log", env={"BENCH_REDIS": redis_url})
            )
            until(lambda port=port: listens(port), what=f"{name} listening")
            urls[name] = f"http://127.0.0.1:{port}/postbacks/sinch/tests-token"
        yield urls
