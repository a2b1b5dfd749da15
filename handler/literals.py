"""Values that are written as a literal: in quotes, or as the JSON of a list or a map. No I/O.

A shell takes away one pair of quotes, and what is left of two is part of the value. Pulumi's CLI
makes JSON of what `--path` or an editor puts into a stack's file.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from handler.settings import LABELS, LISTS, SettingsError

_DOUBLE = '"\u201c\u201d\u201e\u201f\u2033\xab\xbb\uff02'
_SINGLE = "'`\u2018\u2019\u201a\u201b\u2032\u2039\u203a\uff07"
_QUOTES = frozenset(_DOUBLE + _SINGLE)


def check_no_literal(key: str, text: str) -> None:
    """Refuse a value with which a setting would name something that is not there.

    What holds an @ may hold a password, so the sentence does not repeat it.

    Raises:
        SettingsError: it is a literal.
    """
    shown = "" if "@" in text else f" {text!r}"
    held = _json(text)
    if isinstance(held, list | dict):
        names = held if shown and isinstance(held, list) else ()
        mended = bool(names) and all(isinstance(each, str) and "," not in each for each in names)
        kind = "list" if isinstance(held, list) else "map"
        wanted = "one text, with commas in it" if key in LISTS else "a text"
        raise SettingsError(
            key,
            f"is the {kind}{shown}: must be {wanted}",
            fixes={key: ", ".join(names)} if mended else {},
        )
    across = _opening(_names(key, text))
    bare = _parts(key, _bare(text) if across == (text[0], text[-1]) else text, _bare)
    if across or bare != _parts(key, text, str.strip):
        said = f"is{shown}" if shown else "is in quotes"
        problem = f"{said}: the quotes are part of the value, so leave them out"
        names = _names(key, bare)
        mended = (
            bool(shown) and all(names) and not any({each[0], each[-1]} & _QUOTES for each in names)
        )
        raise SettingsError(key, problem, fixes={key: bare} if mended else {})


def _json(text: str) -> object:
    try:
        held: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return held


def _opening(names: list[str]) -> tuple[str, str] | None:
    """Find quotes around several names of a list: one opens them, and a later one closes them."""
    for alike in (_DOUBLE, _SINGLE):
        opened = ""
        for name in filter(None, names):
            if name[0] in alike and not {*name[1:]} & {*alike}:
                opened = name[0]
            elif opened and name[-1] in alike and not {*name[:-1]} & {*alike}:
                return opened, name[-1]
    return None


def _names(key: str, text: str) -> list[str]:
    """Take a setting apart into the names that it holds."""
    if key not in LISTS:
        return [text]
    entries = text.split(",")
    if key == LABELS:
        entries = [half for each in entries for half in each.split("=", 1)]
    return [each.strip() for each in entries]


def _parts(key: str, text: str, trim: Callable[[str], str]) -> str:
    """Trim each name that a setting holds."""
    if key not in LISTS:
        return trim(text)
    entries = [trim(each) for each in text.split(",")]
    if key == LABELS:
        entries = ["=".join(map(trim, each.split("=", 1))) for each in entries]
    return ", ".join(entries)


def _bare(text: str) -> str:
    """Take away blanks and quotes around a text."""
    text = text.strip()
    while text and {text[0], text[-1]} <= _QUOTES:
        text = text[1:-1].strip()
    return text
