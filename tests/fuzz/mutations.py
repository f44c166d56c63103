"""Inputs made of kept ones, the same for the same seed."""

import random
from collections.abc import Iterator, Sequence

LONGEST_BYTES = 20_000
_MOST_EDITS = 5
_TELLING = (
    *(b"\0", b"\r\n", b"\n ", b"\t", b"\x11", b"\x1b[2J", b"\x7f", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"),
    *(b"\xed\xa0\xbd", b"\xed\xb8\x86", b"\xc3", b"\xf4\x90\x80\x80", "ﬁ".encode(), "\u202e".encode()),
    *(b"&#0;", b"&#55357;", b"&#x110000;", b"&amp;", b"&", b"<", b">", b"]]>", b"<!--", b"<![CDATA["),
    *(b"\\ud83d", b"\\u0000", b"[" * 60, b"{" * 60, b'"', b"'", b"\\", b"%00", b"%", b"=", b";", b":", b","),
    *(b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"9" * 30, b"9" * 5000),
    *(b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-12:00", b"\xc2\xb2", "\u0663".encode()),
    *(b"../", b"//", b"\\\\", b"__proto__", b"OR ", b"-", b"*", b"~", b"$", b"."),
)
"""What readers have stumbled over elsewhere."""


def mutations(kept: Sequence[bytes], *, seed: int) -> Iterator[bytes]:
    """Give inputs without end, each one of the kept ones with a few edits."""
    dice = random.Random(seed)
    while True:
        data = dice.choice(kept)
        for _ in range(dice.randint(1, _MOST_EDITS)):
            data = _edited(data, kept, dice)
        yield data[:LONGEST_BYTES]


def _edited(data: bytes, kept: Sequence[bytes], dice: random.Random) -> bytes:
    start, end = sorted(dice.randint(0, len(data)) for _ in range(2))
    end = min(end, start + 64) if dice.random() < 0.8 else end
    part = data[start:end]
    other = dice.choice(kept)
    begin = dice.randint(0, len(other))
    replaced = dice.choice(
        (
            b"",
            part * 2,
            part * dice.randint(2, 40),
            dice.choice(_TELLING),
            part + dice.choice(_TELLING),
            other[begin : begin + dice.randint(1, 200)],
            dice.randbytes(dice.randint(1, 4)),
            part.swapcase(),
            bytes(byte ^ 1 << dice.randrange(8) for byte in part[:1]) + part[1:],
        )
    )
    return data[:start] + replaced + data[end:]
