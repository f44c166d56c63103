"""SMIL: the order in which the sender's phone shows the parts of a message."""

from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

MOST_PARTS = 100
_SHOWN = frozenset(("img", "video", "audio", "text", "ref", "animation", "textstream"))


def order(text: str) -> list[str]:
    """Return the names of the parts in their order, each once; none where the file cannot be read."""
    try:
        root = fromstring(text.encode(), forbid_dtd=False)
    except (ParseError, DefusedXmlException, ValueError):
        return []
    named = (
        element.get("src", "").removeprefix("cid:").strip().strip("<>")
        for element in root.iter()
        if isinstance(element.tag, str) and element.tag.rpartition("}")[2].lower() in _SHOWN
    )
    return [name[:200] for name in dict.fromkeys(named) if name][:MOST_PARTS]
