"""What an object is, by the end of its key, where the bucket does not say."""

import mimetypes
from pathlib import PurePosixPath

from mmsvault.media import sniffing

TYPES = {
    **{extension: kind for kind, extension in sniffing.EXTENSIONS.items()},
    ".jsonl": "application/jsonl",
}


def type_by_name(key: str) -> str:
    """Return the type of an object; octets where its key tells none."""
    extension = PurePosixPath(key).suffix
    return TYPES.get(extension) or mimetypes.types_map.get(extension) or sniffing.OCTETS
