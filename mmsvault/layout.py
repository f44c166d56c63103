"""Where everything is in the bucket: the keys.

A message is one prefix, `messages/2014/02/03/sinch-MMS_MO_iLnCRrL6/`, with the raw postbacks, the
originals numbered by position, `thumbs/`, `previews/`, `evidence/` and `message.json`. Nothing from
outside is used in a key unchecked: ids are encoded and extensions come from what the bytes are.
"""

import hashlib
import re
from datetime import date, datetime

RECORD_NAME = "message.json"
BODY_NAME, REASON_NAME = "body", "reason.json"
CORRECTED = "corrected-"
"""How the name of a corrected body in quarantine begins; it ends in the body's SHA-256."""
_JSON_BEGINS = re.compile(rb"[\x00-\x20\xef\xbb\xbf\xfe\xff]*+[\[{\"]")  # after a mark, in any width
MESSAGES, QUARANTINE, EXPORTS = "messages/", "quarantine/", "exports/"
DELETED, RECEIPTS, TRAIL, ERASURES = "deleted/", "receipts/", "audit/", "erasures/"
NAMES, STATE = "names/", "state/"
SCHEDULED_EXPORTS = f"{STATE}scheduled-exports/"
TRAIL_KEYS = f"{STATE}audit-number-keys.json"
"""The keys of the numbers in the trail, sealed."""
EVIDENCE = "evidence/"
"""Where in a message's folder the answers are that were not the file."""
HASH_DIGITS = 16
STATE_DIGITS = 32


def original_key(prefix: str, position: int, extension: str, *, version: int = 1) -> str:
    """Return the key of a file as it was received; `version` counts those that were kept of it, from 1."""
    return f"{prefix}{position:02d}{f'-{version}' if version > 1 else ''}{extension}"


def evidence_key(prefix: str, position: int, sha256: str, extension: str) -> str:
    """Return the key of what came in answer for a file and was not it, by the hash of what is kept."""
    return f"{prefix}{EVIDENCE}{position:02d}-{sha256[:HASH_DIGITS]}{extension}"


def hash_in(key: str) -> str:
    """Return the first digits of the SHA-256 that the key of evidence tells; empty for any other key."""
    found = re.fullmatch(rf".+/{EVIDENCE}\d+-([0-9a-f]{{{HASH_DIGITS}}})\.[a-z0-9]+", key)
    return found[1] if found else ""


def thumbnail_key(prefix: str, position: int) -> str:
    """Return the key of its thumbnail."""
    return f"{prefix}thumbs/{position:02d}.webp"


def is_thumbnail_key(key: str) -> bool:
    """Return whether a key is a thumbnail's."""
    return re.fullmatch(rf"{MESSAGES}.+/thumbs/\d+\.webp", key) is not None


def preview_key(prefix: str, position: int, extension: str) -> str:
    """Return the key of what a browser is given in place of a file that it cannot show."""
    return f"{prefix}previews/{position:02d}{extension}"


def postback_name(number: int, body: bytes) -> str:
    """Return the name of a raw postback in its message's folder; `number` counts from 1."""
    return f"postback.{_extension(body)}" if number == 1 else f"postback-{number}.{_extension(body)}"


def corrected_name(number: int, body: bytes) -> str:
    """Return the name of a corrected body in its message's folder; `number` counts on from the raw ones."""
    return f"postback-{number}-corrected.{_extension(body)}"


def _extension(body: bytes) -> str:
    return "json" if _JSON_BEGINS.match(body) else "xml"


def is_postback_name(name: str) -> bool:
    """Return whether a name in a message's folder is a raw postback's, or a corrected body's."""
    return re.fullmatch(r"postback(-\d+)?(-corrected)?\.(xml|json)", name) is not None


def is_corrected_name(name: str) -> bool:
    """Return whether a name in a message's folder is a corrected body's."""
    return is_postback_name(name) and "-corrected." in name


def corrected_key(folder: str, sha256: str) -> str:
    """Return the key of a corrected body in the folder of its postback in quarantine."""
    return f"{folder}{CORRECTED}{sha256}"


def quarantined_digest(key: str) -> str:
    """Return the SHA-256 that a body in quarantine must have; empty for what is no body there."""
    folder, _, name = key.rpartition("/")
    if name == BODY_NAME:
        return folder.rpartition("/")[2]
    found = re.fullmatch(rf"{CORRECTED}([0-9a-f]{{64}})", name)
    return found[1] if found else ""


def quarantine_prefix(received_at: datetime, sha256: str) -> str:
    """Return the folder of a postback that was not understood."""
    return f"{QUARANTINE}{received_at:%Y/%m/%d}/{sha256}/"


def tombstone_key(message_id: str) -> str:
    """Return the key of what is left of a deleted message: its id and when, nothing else."""
    return f"{DELETED}{message_id}.json"


def tally_key(day: date) -> str:
    """Return the key of the counts of the receipts of one day (UTC)."""
    return f"{RECEIPTS}{day:%Y/%m/%d}.json"


def trail_key(day: date, first: int, last: int, sha256: str) -> str:
    """Return the key of a batch of the trail's entries: their numbers, and the SHA-256 of its bytes.

    `day` (UTC) is the first entry's. Before two catalogs could have other entries with the same numbers,
    keys had no hash.
    """
    return f"{TRAIL}{day:%Y/%m/%d}/{first:012d}-{last:012d}-{sha256[:32]}.jsonl"


def erasure_key(at: datetime, sha256: str) -> str:
    """Return the key of the receipt of an erasure, by the SHA-256 of the number."""
    return f"{ERASURES}{at:%Y/%m/%d}/{at:%H%M%S%f}-{sha256[:12]}.json"


def name_key(number: str) -> str:
    """Return the key of the name that people gave to a sender, whose number may be any text."""
    return f"{NAMES}{hashlib.sha256(number.encode('utf-8', 'replace')).hexdigest()}.json"


def scheduled_export_key(export_id: str) -> str:
    """Return the key of the list of what a scheduled export holds."""
    return f"{SCHEDULED_EXPORTS}{export_id}.txt"


def state_key(at: datetime, digest: str) -> str:
    """Return the key of an account of people and the like: keys are in the order of time."""
    return f"{STATE}{at:%Y%m%dT%H%M%S}{at.microsecond:06d}Z-{digest[:STATE_DIGITS]}.json"


def is_state_key(key: str) -> bool:
    """Return whether a key is that of an account of people and the like."""
    return re.fullmatch(rf"{STATE}\d{{8}}T\d{{12}}Z-[0-9a-f]{{{STATE_DIGITS}}}\.json", key) is not None


def message_id_in(key: str) -> str:
    """Return the id of the message that an object belongs to; empty for one of no message."""
    found = re.fullmatch(rf"{MESSAGES}\d{{4}}/\d\d/\d\d/([^/]+)/.+", key)
    return found[1] if found else ""


def is_evidence(key: str) -> bool:
    """Return whether an object is an original, a raw postback or an answer: what never changes."""
    if not message_id_in(key):
        return False
    name = key.removeprefix(folder_of(key))
    return (
        is_postback_name(name)
        or re.fullmatch(r"\d+(-\d+)?\.[a-z0-9]+", name) is not None
        or bool(hash_in(key))
    )


def folder_of(key: str) -> str:
    """Return the folder of the message that an object belongs to, as `message_id_in` knows it."""
    return "/".join(key.split("/")[:5]) + "/"
