"""Phone numbers as people write them, for searching. What providers send is settled by `message`.

The catalog keeps each number as its provider sent it, with its country code, in digits. A person
may leave the country code out, or dial out of a country; which country that is, the settings say.
"""

import re

import phonenumbers

from mmsvault.errors import ConfigurationError
from mmsvault.message import dialled_number, normal_number

LONGEST_SHORT_CODE = 6
_LEAST_DIGITS = 7
_MOST_DIGITS = 20
"""Of one number that is written with blanks in it, with what is dialled before it."""
_MOST_PARTS = 8
_LONGEST_NATIONAL = 10
_SIGNS = "().\\-/+\u00b7\u2010-\u2015\u2022\u2212\uff0b\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
"""What stands between digits, and what is not seen around a number that was copied from a telephone."""
_PART = rf"[{_SIGNS}\d]*\d[{_SIGNS}\d]*"
_WRITTEN = re.compile(
    rf"(?:(?:tel|sms|mms|callto):)?{_PART}(?:\s+{_PART}){{0,{_MOST_PARTS - 1}}}", re.IGNORECASE
)
_EXTENSION = re.compile(r"\s*(?:ext(?:ension|n)?\.?|x)\s*\d{1,9}(?=\s|$)", re.IGNORECASE)


def writings(text: str, *, region: str) -> tuple[str, ...]:
    """Return the forms in which the catalog may hold the number that `text` means.

    `4082257140`, `14082257140` and `011 1 408 225 7140` are one number in the region US. Short
    codes and addresses have the one form. Raises ConfigurationError for an unknown region.
    """
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ConfigurationError("MMSVAULT_DEFAULT_REGION", f"there is no country {region!r}")
    own = normal_number(text)
    dialled = dialled_number(text)
    if not dialled or (len(own) <= LONGEST_SHORT_CODE and not dialled.startswith("+")):
        return (own,)
    known = {own: None}
    for written in (dialled, f"+{own}"):
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            continue
        if not phonenumbers.is_possible_number(number):
            continue
        if written is dialled:
            known[_digits(number, phonenumbers.PhoneNumberFormat.E164)] = None
        if number.country_code == phonenumbers.country_code_for_region(region):
            known[_digits(number, phonenumbers.PhoneNumberFormat.NATIONAL)] = None
    return tuple(known)


def length_of_number(text: str, *, region: str) -> int:
    """Return how many characters of a text are one whole number that it begins with; 0 for none.

    So a number may have blanks in it: `312 555 0147` is one number in the region US, and so is
    `555 0147`; `2014 0147` are two.
    """
    found = _WRITTEN.match(text)
    if not found:
        return 0
    blanks = [blank.start() for blank in re.finditer(r"\s+", found.group())]
    for end in (found.end(), *reversed(blanks)):
        extension = _EXTENSION.match(text, end)
        whole = extension.end() if extension else end
        if (whole == len(text) or text[whole].isspace()) and _is_one(text[:end], region):
            return whole
    return 0


def _is_one(text: str, region: str) -> bool:
    dialled, own = dialled_number(text), normal_number(text)
    if not _LEAST_DIGITS <= len(dialled.lstrip("+")) <= _MOST_DIGITS:
        return False
    if _is_possible(dialled, region):
        return True
    return len(own) > _LONGEST_NATIONAL and _is_possible(f"+{own}", region, is_valid=True)


def _is_possible(dialled: str, region: str, *, is_valid: bool = False) -> bool:
    try:
        number = phonenumbers.parse(dialled, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number) if is_valid else phonenumbers.is_possible_number(number)


def _digits(number: phonenumbers.PhoneNumber, form: int) -> str:
    return re.sub(r"\D", "", phonenumbers.format_number(number, form))
