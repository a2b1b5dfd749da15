"""Who asks: one file for each caller, and the list of them."""

from __future__ import annotations

# Each caller's file, and its paths of the function's URL; without any, it answers on every path.
CALLERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("conductorone", ("/conductorone",)),
    ("indent", ()),
)
