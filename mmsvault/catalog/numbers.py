"""Phone numbers as people write them, for searching. What providers send is settled by `message`.

The catalog keeps each number as its provider sent it, with its country code, in digits. A person
may leave the country code out, or dial out of a country; which country that is, the settings say.
"""

import re

import phonenumbers

from mmsvault.errors import ConfigurationError
from mmsvault.message import dialled_number, normal_number

LONGEST_SHORT_CODE = 6


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


def _digits(number: phonenumbers.PhoneNumber, form: int) -> str:
    return re.sub(r"\D", "", phonenumbers.format_number(number, form))
