"""Text as the words that it is found by, the same for every database.

Words are compared without case and accents. Where a script writes without spaces (Chinese,
Japanese, Thai, Lao, Khmer, Burmese, Tibetan), each character is a word, and what a person takes for
a word is some of them in a row; so are pictographs. Nothing of SQL or of a search engine is here.
"""

import re
import unicodedata

from mmsvault.message import fold

LONGEST_WORD = 40
"""Characters of a word that count; what is longer is no word of a language."""

_ASCII_WORD = re.compile("[a-z0-9]+")
_SPACELESS = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff"
    "\u3400-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)


def words_of(text: str) -> list[str]:
    """Return the words of a text in their order."""
    plain = fold(text)
    if plain.isascii():
        return [word[:LONGEST_WORD] for word in _ASCII_WORD.findall(plain)]
    found: list[str] = []
    word = ""
    for letter in f"{plain} ":
        alone = stands_alone(letter)
        if not alone and (letter.isalnum() or unicodedata.category(letter).startswith("M")):
            word += letter
            continue
        if word:
            found.append(word[:LONGEST_WORD])
            word = ""
        if alone:
            found.append(letter)
    return found


def stands_alone(letter: str) -> bool:
    """Return whether a character is a word by itself."""
    if letter.isascii():
        return False
    kind = unicodedata.category(letter)
    return kind == "So" or (kind[0] in "LMN" and bool(_SPACELESS.match(letter)))
