"""When two e-mail addresses are one person's. No I/O."""

from __future__ import annotations

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_BLANKS = " \t\r\n"


def normal(address: object) -> str:
    """Trim, and lower A-Z only; "" for whatever is no address.

    Unicode folding would make one address out of two people's: ß and ss, or the Kelvin sign and k.
    """
    return address.strip(_BLANKS).translate(_LOWER) if isinstance(address, str) else ""


def same(one: object, other: object) -> bool:
    """Whether both are the same address. A missing one matches nobody."""
    return normal(one) == normal(other) != ""
