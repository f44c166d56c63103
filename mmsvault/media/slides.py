"""SMIL: the order in which the sender's phone shows the parts of a message.

Phones write it as they write HTML: in capitals, with bare ampersands, without end tags. So its tags are
read one by one, and nothing is made of a DTD; the time grows with the length of the text.
"""

import html
import re

MOST_CHARACTERS = 500_000
MOST_PARTS = 100
_SHOWN = frozenset(("img", "image", "video", "audio", "text", "ref", "animation", "textstream"))
_PASSED_OVER = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)|<!ENTITY\b|"
    r"<(?P<tag>[A-Za-z][\w.:-]*+)(?P<given>(?:[^<>\"']|\"[^\"]*+\"|'[^']*+')*+)",
    re.IGNORECASE | re.DOTALL,
)
_SOURCE = re.compile(r"(?<![\w:.-])src\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"']++))", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-f]{1,6});", re.IGNORECASE)


def order(text: str) -> list[str]:
    """Return the names of the parts in their order, each once; none where the file defines entities."""
    names: dict[str, None] = {}
    for found in _PASSED_OVER.finditer(text[:MOST_CHARACTERS]):
        if found[0].upper() == "<!ENTITY":
            return []
        if (found["tag"] or "").rpartition(":")[2].lower() in _SHOWN:
            source = _SOURCE.search(found["given"])
            name = _name(next(filter(None, source.groups()), "")) if source else ""
            if name and len(names) < MOST_PARTS:
                names[name] = None
    return list(names)


def _name(source: str) -> str:
    """Return what a source names; a bare ampersand in it is one."""
    plain = _REFERENCE.sub(lambda found: html.unescape(found[0]), source).strip()
    return re.sub(r"^cid:", "", plain, flags=re.IGNORECASE).strip().strip("<>")[:200].strip()
