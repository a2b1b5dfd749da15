"""When two e-mail addresses are one person's. No I/O."""

from __future__ import annotations

from functools import lru_cache

from handler.folding import fold, fold_domain

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_BLANKS = " \t\r\n"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789@.-_+")
_QUOTES = "\"'"


def normal(address: object) -> str:
    """Trim, and lower A-Z only; "" for whatever is no address.

    Unicode folding would make one address out of two people's: ß and ss, or the Kelvin sign and k.
    """
    if not isinstance(address, str):
        return ""
    trimmed = address.strip(_BLANKS)
    # The same thing, faster, for nearly all there are.
    return trimmed.lower() if trimmed.isascii() else trimmed.translate(_LOWER)


@lru_cache(maxsize=4096)
def folded(address: str) -> str:
    """Give the form in which addresses are compared against somebody, however they are spelt.

    Never to approve anybody: it makes one of what may be two people's addresses.
    """
    plain = _PLAIN.issuperset(address) and address.count("@") == 1
    if plain and not ("xn--" in address or ".." in address or "@." in address):
        return address.rstrip(".")  # as nearly all are, and policies have thousands of aliases
    local, at, domain = fold(address).rpartition("@")
    # What a mail's header may write around an address: a name, angle brackets, quotes.
    return f"{local.rpartition('<')[2].strip(_QUOTES)}{at}{fold_domain(domain)}"


def may_be_in(text: str) -> bool:
    """Whether a text may hold an address, also as a part of a URL."""
    return "@" in text or "%40" in text


def same(one: object, other: object) -> bool:
    """Whether both are the same address. A missing one matches nobody."""
    return normal(one) == normal(other) != ""
