"""When two e-mail addresses are one person's. No I/O."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

from handler.folding import fold, fold_domain

# What replaces somebody's address.
HIDDEN = "(an e-mail)"
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_BLANKS = " \t\r\n"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789@.-_+")
_QUOTES = "\"'"
# Compiled where they are used: seldom, and never at a cold start.
_WORDS = r"(?s)\w(?:.*\w)?"
_AT_IN_HTML = "(?i)&(?:#0*64|#x0*40|commat);?"
# With their full-width and small forms.
_AT_OR_ESCAPE = frozenset("@%&\uff20\uff05\uff06\ufe6b\ufe6a\ufe60")
_MOST_UNQUOTED = 8


def normal(address: object) -> str:
    """Trim, and lower A-Z only; "" for whatever is no address.

    Unicode folding would make one address out of two people's: ß and ss, or the Kelvin sign and k.
    """
    if not isinstance(address, str):
        return ""
    trimmed = address.strip(_BLANKS)
    # Faster, and the same for ASCII.
    return trimmed.lower() if trimmed.isascii() else trimmed.translate(_LOWER)


@lru_cache(maxsize=4096)
def folded(address: str) -> str:
    """Fold an address, to compare it against somebody; it may be the same for two people."""
    plain = _PLAIN.issuperset(address) and address.count("@") == 1
    if plain and not ("xn--" in address or ".." in address or "@." in address):
        return address.rstrip(".")  # as nearly all of thousands of aliases
    local, at, domain = fold(address).rpartition("@")
    # What a mail's header may write around an address: a name, angle brackets, quotes.
    return f"{local.rpartition('<')[2].strip(_QUOTES)}{at}{fold_domain(domain)}"


def may_be_in(text: str) -> bool:
    """Whether a text may hold an address: an @ between words, also escaped or in full width."""
    if not has_at(text):
        return False
    words = re.search(_WORDS, _plain(text))
    return words is not None and "@" in words[0]


def has_at(text: str) -> bool:
    """Whether a text holds an @, however it is written."""
    if _AT_OR_ESCAPE.isdisjoint(text):
        return False  # as nearly all do not
    return "@" in _plain(text)


def _plain(text: str) -> str:
    """Fold a text and the characters that its escapes stand for."""
    text = fold(text)
    for _ in range(_MOST_UNQUOTED):
        unquoted = fold(re.sub(_AT_IN_HTML, "@", unquote(text)))
        if unquoted == text:
            return text
        text = unquoted
    return f"x@x{text}"  # nobody writes so but to hide something


def is_address(text: str) -> bool:
    """Whether a text in normal form can be somebody's address; a bare login name can't."""
    return 0 < text.find("@") < len(text) - 1


def same(one: object, other: object) -> bool:
    """Whether both are the same address. A missing one matches nobody."""
    return normal(one) == normal(other) != ""
