"""Characters that a reader takes for others, or does not see at all, by name."""

from __future__ import annotations

import re
import unicodedata

from handler.folding import fold

_DOUBLE = "\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02\u2033\u301d\u301e\u301f"
_SINGLE = "\u2018\u2019\u201a\u201b\u2039\u203a\uff07\u2032"
# What editors and word processors put in place of a quote or a hyphen.
QUOTES = _DOUBLE + _SINGLE
DASHES = (
    "\u02d7\u058a\u2010-\u2015\u2043\u207b\u208b\u2212\u2796"
    "\u2e3a\u2e3b\ufe31\ufe32\ufe58\ufe63\uff0d"
)
STARS = "\u2217\u204e\ufe61\uff0a"
_AT_AN_END = re.compile(f"^[{QUOTES}]|[{QUOTES}]$")
_DASH = re.compile(f"[{DASHES}]")
_STAR = re.compile(f"[{STARS}]")
# Between two words, with blanks around it, a dash is as it should be.
_BETWEEN_WORDS = re.compile(rf"(?<=\s)[{DASHES}](?=\s)")
_QUOTED = re.compile(r"""(["']).*\1""")


def named(character: str) -> str:
    """Name a character: `U+200B ZERO WIDTH SPACE`."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".strip()


def composed(text: str) -> str:
    """Give the text with letters and accents in one character (NFC), as keyboards write them."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def look_of(text: str) -> str:
    """Give what is the same of all texts that look alike, word by word."""
    return " ".join(map(fold, text.split()))


def typographic_in(text: str, *, strict: bool) -> str:
    """Say what in a text is not what a keyboard writes, and what to type; "" where nothing is.

    `strict` is where the text has to be told from all others: there, a dash between two words
    counts, too, and so do quotes within quotes.
    """
    if found := _AT_AN_END.search(text):
        where = "begins" if text.startswith(found[0]) else "ends"
        return f"{where} with {named(found[0])}: leave it out, and quote with \" or '"
    if strict and _QUOTED.fullmatch(text):
        return f"begins and ends with {text[0]}, within the quotes of YAML: leave one pair out"
    if found := _STAR.search(text):
        return f"holds {named(found[0])}: write * instead"
    if found := _DASH.search(text if strict else _BETWEEN_WORDS.sub("", text)):
        return f"holds {named(found[0])}: write - instead"
    return ""
