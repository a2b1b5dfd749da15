"""Whether two e-mail addresses are the same person's. No I/O."""

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
# Compiled only when they are used, which is seldom and never at a cold start.
_WORDS = r"(?s)\w(?:.*\w)?"
_AT_IN_HTML = "(?i)&(?:#0*64|#x0*40|commat);?"
# With their full-width and small forms.
_AT_OR_ESCAPE = frozenset("@%&\uff20\uff05\uff06\ufe6b\ufe6a\ufe60")
_MOST_UNQUOTED = 8
# The longest address (RFC 5321, 4.5.3.1): no longer text is kept, since callers could fill memory.
_MOST_CHARACTERS = 320


def normal(address: object) -> str:
    """Trim, and lower A-Z only; give "" for what isn't a string.

    Unicode folding would make two people's addresses equal: ß and ss, or the Kelvin sign and k.
    """
    if not isinstance(address, str):
        return ""
    trimmed = address.strip(_BLANKS)
    # This is faster, and gives the same for ASCII.
    return trimmed.lower() if trimmed.isascii() else trimmed.translate(_LOWER)


def folded(address: str) -> str:
    """Fold an address, to compare it for denials only: two people's may become equal."""
    return _fold_cached(address) if len(address) <= _MOST_CHARACTERS else _fold(address)


def _fold(address: str) -> str:
    plain = _PLAIN.issuperset(address) and address.count("@") == 1
    if plain and not ("xn--" in address or ".." in address or "@." in address):
        return address.rstrip(".")  # the fast way for nearly all of thousands of aliases
    local, at, domain = fold(address).rpartition("@")
    # A mail's header may put a name, angle brackets or quotes around an address.
    return f"{local.rpartition('<')[2].strip(_QUOTES)}{at}{fold_domain(domain)}"


_fold_cached = lru_cache(maxsize=4096)(_fold)


def may_be_in(text: str) -> bool:
    """Whether a text may contain an address: an @ between words, even escaped or full-width."""
    if not has_at(text):
        return False
    words = re.search(_WORDS, _plain(text))
    return words is not None and "@" in words[0]


def has_at(text: str) -> bool:
    """Whether a text contains an @, however it is written."""
    if _AT_OR_ESCAPE.isdisjoint(text):
        return False  # as in nearly all texts
    return "@" in _plain(text)


def _plain(text: str) -> str:
    """Fold a text, and the characters that its escapes stand for."""
    text = fold(text)
    for _ in range(_MOST_UNQUOTED):
        unquoted = fold(re.sub(_AT_IN_HTML, "@", unquote(text)))
        if unquoted == text:
            return text
        text = unquoted
    return f"x@x{text}"  # so many escapes can only be there to hide something


def is_address(text: str) -> bool:
    """Whether a text in normal form can be an address; a bare login name can't."""
    return 0 < text.find("@") < len(text) - 1


def same(one: object, other: object) -> bool:
    """Whether both are the same address. A missing one matches nobody."""
    return normal(one) == normal(other) != ""
