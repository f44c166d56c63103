"""Who sent what in the demo: a week of messages to a short code, of every media kind.

Numbers are from the ranges kept for fiction. A name begins a tracking id, so that the same message
is the same one in every run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from mmsvault.sample import kinds, media
from mmsvault.sample.media import SampleFile
from mmsvault.sample.notices import DIALECTS, Notice

SHORT_CODE = "28444"
TOLL_FREE = "18885550100"


@dataclass(frozen=True)
class Sent:
    """One message: its notice without addresses, the files, and the dialect of its postback.

    `failures` are statuses that its first file is answered with before it is served.
    """

    notice: Notice
    files: tuple[SampleFile, ...]
    dialect: str
    failures: tuple[int, ...] = ()


def week(now: datetime) -> Iterator[Sent]:
    """Yield the messages, oldest first; each is made when it is asked for."""
    for number, (hours, make) in enumerate(_STORIES):
        sent = make()
        dialects = [name for name in DIALECTS if name != "upper-case XML" or not sent.notice.subject]
        yield replace(
            sent,
            dialect=dialects[number % len(dialects)],
            notice=replace(sent.notice, timestamp=now - timedelta(hours=hours)),
        )


def other_notice() -> Notice:
    """Return a notice about a message that was sent, which the provider posts to the same address."""
    return _notice("sent", "", code="N101", origin="MMS_MT")


def _notice(name: str, sender: str, keyword: str = "", **more: object) -> Notice:
    given = {
        "tracking_id": f"MMS_MO_sample-{name}",
        "sender": sender,
        "to": SHORT_CODE,
        "timestamp": datetime.min.replace(tzinfo=UTC),
        "keyword": keyword,
        **more,
    }
    return Notice(**given)  # type: ignore[arg-type]  # the fields of Notice, by name


def _sent(notice: Notice, *files: SampleFile, failures: tuple[int, ...] = ()) -> Sent:
    return Sent(notice=notice, files=files, dialect="", failures=failures)


ADA, BEN, CHEN, DALIA, EZRA, FARAH = (f"1408555010{digit}" for digit in range(6))
ATT, VERIZON, T_MOBILE, SPRINT = "31002", "31003", "31004", "31005"

# Hours before the demo's start, and the message.
_STORIES: tuple[tuple[int, Callable[[], Sent]], ...] = (
    (
        150,
        lambda: _sent(
            _notice("pier", ADA, "storm", operator_id=ATT),
            media.photograph(0),
            media.photograph(6, orientation=6),
            media.text("The pier at six, before the wind came up. Grüße 🐟"),
        ),
    ),
    (149, lambda: _sent(_notice("ridge", BEN, "contest", operator_id=VERIZON), media.photograph(1))),
    (
        141,
        lambda: _sent(
            _notice("skyline", CHEN, "contest", subject="城市夜景", operator_id=T_MOBILE),
            media.photograph(2, orientation=3),
        ),
    ),
    (
        126,
        lambda: _sent(
            _notice("surf", DALIA, "storm", subject="Waves over the wall", operator_id=SPRINT),
            media.film_3gp(),
        ),
    ),
    (125, lambda: _sent(_notice("garden", EZRA, "contest", operator_id=ATT), media.photograph(3))),
    (
        102,
        lambda: _sent(
            _notice(
                "claim", FARAH, subject="Claim 4471, the left mirror", to=TOLL_FREE, operator_id="310012"
            ),
            media.photograph(4),
            media.photograph(10, orientation=8),
            media.voice(),
            media.contact("Farah Example", "+1 408 555 0105"),
        ),
    ),
    (98, lambda: _sent(_notice("spin", BEN, "contest"), media.animation())),
    (
        77,
        lambda: _sent(
            _notice("drive", ADA, "storm", subject="Along the harbor road", operator_id=ATT), media.film_mp4()
        ),
    ),
    (76, lambda: _sent(_notice("quiz", CHEN, "quiz"), media.text("B) The lighthouse"))),
    (
        54,
        lambda: _sent(
            _notice("band", DALIA, "contest", subject="שיר חדש", operator_id=SPRINT), media.music()
        ),
    ),
    (53, lambda: _sent(_notice("sticker", EZRA, "all"), media.drawing(0))),
    (
        30,
        lambda: _sent(
            _notice("family", FARAH, "all", copy_to=(ADA, BEN), subject="Everybody at the lake"),
            *(media.photograph(seed) for seed in (5, 7, 8)),
        ),
    ),
    (
        29,
        lambda: _sent(
            _notice("fog", ADA, "storm", operator_id=ATT), media.photograph(9, orientation=6), failures=(404,)
        ),
    ),
    (6, lambda: _sent(_notice("meadow", CHEN, "contest", operator_id=T_MOBILE), media.photograph(11))),
    (
        8,
        lambda: _sent(
            _notice("walk", FARAH, "all", subject="The walk on Monday", operator_id=ATT),
            kinds.slides("IMG_0100.heic", "leaflet.pdf", "walk.ics"),
            kinds.KINDS["HEIC"](),
            kinds.leaflet(),
            kinds.appointment(),
        ),
    ),
    (7, lambda: _sent(_notice("reel", ADA, "storm", operator_id=ATT), kinds.KINDS["WMV"]())),
    (5, lambda: _sent(_notice("help", "14085550177", "help", subject="Where do I send my entry?"))),
    (
        3,
        lambda: _sent(
            _notice("note", BEN, "claims", subject="What the other driver said", operator_id=VERIZON),
            media.voice(),
            media.text("He said that he did not see the sign."),
        ),
    ),
    (2, lambda: _sent(_notice("dusk", DALIA, "contest", operator_id=SPRINT), media.photograph(12))),
    (
        1,
        lambda: _sent(
            _notice("night", EZRA, "contest", subject="From the roof"),
            media.photograph(14, orientation=6),
            media.photograph(13),
        ),
    ),
)
