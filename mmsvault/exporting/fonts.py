"""The fonts of contact sheets: Noto from two wheels (SIL Open Font License), else what the system has.

A letter is shown by the first font of the list that has it. Which letters no font has, a sheet says.
"""

import importlib.util
import logging
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont

from mmsvault.errors import RejectedInputError

for _name_of_log in ("fpdf", "fontTools"):
    logging.getLogger(_name_of_log).setLevel(logging.ERROR)  # what a font lacks is said on the sheet

WHEELS = (
    ("manimgx_fonts", "NotoSans[[]wght].ttf"),
    ("manimgx_fonts", "*.ttf"),
    ("noto_cjk_sans_jp_regular", "*.otf"),
)
SYSTEM_FOLDERS = tuple(
    Path(folder)
    for folder in (
        "/usr/share/fonts/truetype/noto",
        "/usr/share/fonts/opentype/noto",
        "/usr/share/fonts/noto",
    )
)
SYSTEM_FONTS = (
    "NotoSans-Regular.ttf",
    "NotoSans*-Regular.ttf",
    "NotoEmoji-Regular.ttf",
    "NotoSansCJK*-Regular.*",
)
OTHERS = (
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    Path("/usr/share/fonts/dejavu/DejaVuSans.ttf"),
    Path("/Library/Fonts/Arial Unicode.ttf"),
)
LACKING = "Install the packages manimgx-fonts and noto-cjk-sans-jp-regular, or Debian's fonts-dejavu-core."


@cache
def available() -> tuple[Path, ...]:
    """Return the files of all fonts there are, the one for most text first. Raises RejectedInputError."""
    found = [path for package, pattern in WHEELS for path in _in_wheel(package, pattern)]
    for pattern in SYSTEM_FONTS:
        found += [path for folder in SYSTEM_FOLDERS for path in sorted(folder.glob(pattern))]
    found += [path for path in OTHERS if path.exists()]
    if not found:
        raise RejectedInputError(f"There is no font for contact sheets on this machine. {LACKING}")
    return tuple(dict.fromkeys(path for path in found if "Italic" not in path.name))


@cache
def letters_of(font: Path) -> frozenset[int]:
    """Return the code points that a font has; none for a file that is no font."""
    try:
        with TTFont(font, lazy=True, fontNumber=0) as opened:
            return frozenset(opened.getBestCmap() or ())
    except Exception:  # noqa: BLE001 - a file of the system that fontTools cannot read is passed over
        return frozenset()


def font_of(letter: str) -> Path | None:
    """Return the first font that has a letter; None where no font has it."""
    return next((font for font in available() if ord(letter) in letters_of(font)), None)


def _in_wheel(package: str, pattern: str) -> list[Path]:
    found = importlib.util.find_spec(package)
    folders = (found.submodule_search_locations or ()) if found else ()
    return sorted(path for folder in folders for path in Path(folder).glob(pattern))
