"""What every provider's parser returns: the fields of a postback as text, nothing interpreted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """One postback. Absent fields are empty; `timestamp` is as sent, `urls` in the order sent.

    `repaired` names what had to be repaired in its body to read it.
    """

    code: str
    announces_message: bool
    tracking_id: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    keyword: str = ""
    operator_id: str = ""
    timestamp: str = ""
    subject: str = ""
    urls: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
