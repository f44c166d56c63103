"""The three streams of a program as its caller gives them: closed, full, cut off, or not in UTF-8.

An answer that nobody reads any more ends the program quietly; one that finds no room is said in a sentence.
"""

import errno
import locale
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

EXIT_CUT_OFF = 141
"""As with other programs whose reader is gone: 128 and the number of SIGPIPE."""
EXIT_INTERRUPTED = 130
"""As with other programs after Ctrl-C: 128 and the number of SIGINT."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ON_ERROR = "backslashreplace"
"""What becomes of characters that a stream cannot show."""
_UTF8 = ("utf-8", "utf8")


def prepare() -> None:
    """Make the streams safe to write to. For the first lines of a program, before it opens anything.

    Where the locale is not in UTF-8, the program is begun again in Python's UTF-8 mode: its files are in
    UTF-8, those of its libraries too, and so are the names that people write.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # or the next file that is opened would take its place and be written into
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or _nothing()
    sys.stderr = sys.stderr or _nothing()
    sys.stdin = sys.stdin or _nothing("r")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        # A fork finds it done, and another kind of file behind the stream, which may not be changed any more.
        if reconfigure and stream.errors != ON_ERROR:
            reconfigure(errors=ON_ERROR)
    if not sys.flags.utf8_mode and locale.getencoding().lower() not in _UTF8:
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - ourselves


def _nothing(mode: str = "w") -> TextIO:
    return open(os.devnull, mode, encoding="utf-8")  # type: ignore[return-value]  # noqa: PTH123 - for good


@contextmanager
def guarded() -> Iterator[None]:
    """Run a program whose answer may not get through to who asked; exits where it does not."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _let_go()
        sys.exit(EXIT_CUT_OFF)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # as rich ends a program
            sys.exit(EXIT_CUT_OFF)
        raise
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _let_go()
        with suppress(OSError):
            sys.stderr.write(f"The output could not be written: {os.strerror(error.errno)}.\n")
        sys.exit(1)


def _let_go() -> None:
    """Have what is still to be written go nowhere: Python would try once more at its end, and complain."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def takes(text: str) -> bool:
    """Return whether stdout can show every character of a text."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
