"""Folds all spellings of a text to one form, for denials. No I/O.

A denial must match whatever looks like the text that it names: full-width or composed letters,
another case, other dashes, quotes or spaces, invisible characters. Approvals compare exact text.
"""

from __future__ import annotations

# Characters that may surround a domain or its labels.
_AROUND = "<>()[]{}\"',;:"
_A_LABEL, _LONGEST_LABEL = "xn--", 63


def fold(text: str) -> str:
    """Fold a text; the result contains no spaces."""
    if text.isascii():
        if not text.isprintable() or " " in text:
            text = "".join(char for char in text if "!" <= char <= "~")
        return text.lower()
    from handler.characters import fold_characters  # noqa: PLC0415 - nearly all texts are ASCII

    return fold_characters(text)


def unseen_in(text: str) -> str:
    """Return the first invisible character of a text, or ""."""
    if text.isascii() and text.isprintable():
        return ""
    from handler.characters import is_unseen  # noqa: PLC0415 - nearly all texts are ASCII

    return next(filter(is_unseen, text), "")


def fold_domain(text: str) -> str:
    """Fold a domain, whether its labels are A-labels (`xn--...`) or not."""
    labels = (_label(label.strip(_AROUND)) for label in fold(text).split("."))
    return ".".join(filter(None, labels))


def _label(label: str) -> str:
    if not label.startswith(_A_LABEL) or len(label) > _LONGEST_LABEL:
        return label
    try:
        return fold_domain(label.removeprefix(_A_LABEL).encode("ascii").decode("punycode"))
    except UnicodeError:
        return label
