"""Folds text beyond ASCII like Unicode's NFKC_Casefold, but decomposed. No I/O.

Letters of different scripts that look alike, such as Latin and Cyrillic a, stay different.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from unicodedata import category, combining, normalize

# Default_Ignorable_Code_Point, by first and last (Unicode 15.1, DerivedCoreProperties.txt).
IGNORABLE = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
# Symbols, marks and letters with a blank glyph: Braille, Khitan, musical, hieroglyphic.
BLANK_GLYPHS = frozenset("\u2800\U00016fe4\U0001d159\U00013441\U00013442")
# Substitutes for ASCII characters. All other dashes (category Pd) also become hyphens.
ALIKE = {
    **dict.fromkeys("\u2212\u02d7\u2043\u2796", "-"),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u2032\u02bc", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2044\u2215", "/"),
    **dict.fromkeys("\u2217\u204e", "*"),
    "\u2236": ":",
    "\u3002": ".",
    # Dotless: in Turkish a case variant of i, and hard to tell apart from it.
    "\u0131": "i",
    "\u0237": "j",
}
_DOT_ABOVE, _DOTTED = "\u0307", frozenset("ij")


def fold_characters(text: str) -> str:
    """Fold a text.

    Letter by letter: normalizing a whole text of combining marks takes quadratic time.
    """
    decomposed = _order_marks(char for letter in text for char in normalize("NFKD", letter))
    return "".join(_order_marks(char for letter in decomposed for char in _fold(letter)))


def is_unseen(character: str) -> bool:
    """Whether a character is invisible; a space doesn't count as invisible."""
    point = ord(character)
    return (
        not character.isprintable()
        or character in BLANK_GLYPHS
        or any(first <= point <= last for first, last in IGNORABLE)
    )


@lru_cache(maxsize=4096)
def _fold(character: str) -> str:
    folded, before = character, ""
    while folded != before:
        before = folded
        folded = "".join(
            "-" if category(char) == "Pd" else ALIKE.get(char, char)
            for char in normalize("NFKD", before.casefold())
            if char != " " and not is_unseen(char)
        )
    return folded


def _order_marks(characters: Iterable[str]) -> Iterator[str]:
    """Put marks in canonical order, and drop the dot above that i and j already have."""
    marks: list[str] = []
    base = ""
    for character in characters:
        if combining(character):
            if character != _DOT_ABOVE or base not in _DOTTED:
                marks.append(character)
            continue
        yield from sorted(marks, key=combining)
        marks.clear()
        yield (base := character)
    yield from sorted(marks, key=combining)
