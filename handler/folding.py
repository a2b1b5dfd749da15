"""One form for all spellings of a text, for what is compared against somebody. No I/O.

A denial has to hit whatever a reader takes for what it names: in other letters (full-width ones,
composed or not), in another case, with other dashes, quotes or blanks, and with characters that
nobody sees. So of both sides the folded texts are compared. What approves is compared as it is.

Compatibility decomposition and case folding are Unicode's (NFKC_Casefold in its decomposed form, in
which a pattern fits a part of a text). Letters of different scripts that look alike, such as the
Latin and the Cyrillic a, stay different.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

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
# Symbols, marks and letters whose glyph is blank: of Braille, Khitan, music and hieroglyphs.
BLANK_GLYPHS = frozenset("\u2800\U00016fe4\U0001d159\U00013441\U00013442")
# What is written in place of an ASCII character. Dashes, all others of them too, become hyphens.
ALIKE = {
    **dict.fromkeys("\u2212\u02d7\u2043\u2796", "-"),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u2032\u02bc", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2044\u2215", "/"),
    **dict.fromkeys("\u2217\u204e", "*"),
    "\u2236": ":",
    "\u3002": ".",
    # Without a dot: in Turkish a case of i, and hard to tell from it.
    "\u0131": "i",
    "\u0237": "j",
}
_DOT_ABOVE, _DOTTED = "\u0307", frozenset("ij")
# What may stand around a domain, or one of its labels, and is no part of it.
_AROUND = "<>()[]{}\"',;:"
_A_LABEL, _LONGEST_LABEL = "xn--", 63


def fold(text: str) -> str:
    """Give the form that a text has in common with all of its spellings, without any blank."""
    if text.isascii():
        if not text.isprintable() or " " in text:
            text = "".join(each for each in text if "!" <= each <= "~")
        return text.lower()
    from unicodedata import normalize  # noqa: PLC0415 - nearly all texts are ASCII

    # Letter by letter: normalized as a whole, a text of marks takes time by its length squared.
    decomposed = _ordered(each for letter in text for each in normalize("NFKD", letter))
    return "".join(_ordered(each for letter in decomposed for each in _folded(letter)))


def is_unseen(character: str) -> bool:
    """Whether nothing shows where a character stands. A space is no such: everybody knows it."""
    point = ord(character)
    return (
        not character.isprintable()
        or character in BLANK_GLYPHS
        or any(first <= point <= last for first, last in IGNORABLE)
    )


def unseen_in(text: str) -> str:
    """Give the first character of a text that cannot be seen, or ""."""
    if text.isascii() and text.isprintable():
        return ""
    return next(filter(is_unseen, text), "")


def fold_domain(text: str) -> str:
    """Fold a domain: the same one whether its labels are A-labels (`xn--...`) or not."""
    labels = (_label(each.strip(_AROUND)) for each in fold(text).split("."))
    return ".".join(filter(None, labels))


def _label(label: str) -> str:
    if not label.startswith(_A_LABEL) or len(label) > _LONGEST_LABEL:
        return label
    try:
        return fold_domain(label.removeprefix(_A_LABEL).encode("ascii").decode("punycode"))
    except UnicodeError:
        return label


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    from unicodedata import category, normalize  # noqa: PLC0415 - nearly all texts are ASCII

    folded, before = character, ""
    while folded != before:
        before = folded
        folded = "".join(
            "-" if category(each) == "Pd" else ALIKE.get(each, each)
            for each in normalize("NFKD", before.casefold())
            if each != " " and not is_unseen(each)
        )
    return folded


def _ordered(characters: Iterable[str]) -> Iterator[str]:
    """Put marks in their canonical order, and leave out the dot that an i has anyway."""
    from unicodedata import combining  # noqa: PLC0415 - nearly all texts are ASCII

    marks: list[str] = []
    base = ""
    for each in characters:
        if combining(each):
            if each != _DOT_ABOVE or base not in _DOTTED:
                marks.append(each)
            continue
        yield from sorted(marks, key=combining)
        marks.clear()
        yield (base := each)
    yield from sorted(marks, key=combining)
