"""One form for all spellings of a text, for what is compared against somebody. No I/O.

A denial has to hit whatever a reader takes for what it names: full-width or composed letters,
another case, other dashes, quotes or blanks, invisible characters. What approves is not folded.
"""

from __future__ import annotations

# What may stand around a domain or its labels.
_AROUND = "<>()[]{}\"',;:"
_A_LABEL, _LONGEST_LABEL = "xn--", 63


def fold(text: str) -> str:
    """Fold a text; no blanks are left."""
    if text.isascii():
        if not text.isprintable() or " " in text:
            text = "".join(char for char in text if "!" <= char <= "~")
        return text.lower()
    from handler.characters import fold_characters  # noqa: PLC0415 - nearly all texts are ASCII

    return fold_characters(text)


def unseen_in(text: str) -> str:
    """Give the first invisible character of a text, or ""."""
    if text.isascii() and text.isprintable():
        return ""
    from handler.characters import is_unseen  # noqa: PLC0415 - nearly all texts are ASCII

    return next(filter(is_unseen, text), "")


def fold_domain(text: str) -> str:
    """Fold a domain: the same one whether its labels are A-labels (`xn--...`) or not."""
    labels = (_label(label.strip(_AROUND)) for label in fold(text).split("."))
    return ".".join(filter(None, labels))


def _label(label: str) -> str:
    if not label.startswith(_A_LABEL) or len(label) > _LONGEST_LABEL:
        return label
    try:
        return fold_domain(label.removeprefix(_A_LABEL).encode("ascii").decode("punycode"))
    except UnicodeError:
        return label
