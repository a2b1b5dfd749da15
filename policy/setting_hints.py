"""Refuses common typing mistakes in settings, and says what to type instead. No I/O.

A shell removes one pair of quotes; a second pair becomes part of the value. Pulumi's CLI makes JSON
of what `--path` or an editor puts into a stack's file.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from handler.setting_parsers import SettingsError, parse_duration, parse_labels, parse_list
from policy.duration_hints import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from handler.setting_parsers import Setting

# The separators of settings with several names.
_SEPARATORS: Mapping[Callable[[str, str], object], str] = {parse_list: ",", parse_labels: ",="}
# A straight or typographic quote, or the brackets of a list or map.
_MAYBE_LITERAL = re.compile(
    "['\"`\u2018-\u201f\u2032\u2033\u2039\u203a\xab\xbb\uff02\uff07]|^[\\[{].*[\\]}]$", re.DOTALL
)
_DOUBLE = '"\u201c\u201d\u201e\u201f\u2033\xab\xbb\uff02'
_SINGLE = "'`\u2018\u2019\u201a\u201b\u2032\u2039\u203a\uff07"
_QUOTES = frozenset(_DOUBLE + _SINGLE)


def check_typed_text(row: Setting, text: str) -> None:
    """Refuse quotes around a plain setting, lists and maps, and nearly valid durations.

    Args:
        row: the setting.
        text: its trimmed text.

    Raises:
        SettingsError: it is one of these.
    """
    if _MAYBE_LITERAL.search(text):
        _check_no_literal(row.name, text, _SEPARATORS.get(row.parse, ""))
    if row.parse is parse_duration:
        _check_duration(row.name, text)


def _check_duration(key: str, text: str) -> None:
    """Suggest only a duration of the same numbers and units: it sets how long access lasts."""
    near = "" if _is_duration(text) else nearest(text) or nearest(f"{text}h")
    if near and _is_duration(near):
        raise SettingsError(key, f"is {text!r}; did you mean {near}?", near, {key: near})


def _is_duration(text: str) -> bool:
    try:
        parse_duration("", text)
    except SettingsError:
        return False
    return True


def _check_no_literal(key: str, text: str, separators: str) -> None:
    """Refuse a value with quotes or brackets, which would name something that doesn't exist.

    A value with an @ may contain a password, so the message does not repeat it.

    Args:
        key: the setting's name.
        text: its text, trimmed.
        separators: of its names: `,` for a list, `,=` for labels.

    Raises:
        SettingsError: it is a literal.
    """
    quoted = "" if "@" in text else f" {text!r}"
    literal = _json(text)
    if isinstance(literal, list | dict):
        names = literal if quoted and isinstance(literal, list) else ()
        certain = bool(names) and all(isinstance(name, str) and "," not in name for name in names)
        kind = "list" if isinstance(literal, list) else "map"
        allowed = "text, separated by commas" if separators else "text"
        raise SettingsError(
            key,
            f"is the {kind}{quoted}: must be {allowed}",
            fixes={key: ", ".join(names)} if certain else {},
        )
    around = _quotes_around_several(_names(text, separators))
    inner = _unquoted(text) if around == (text[0], text[-1]) else text
    bare = _trimmed(inner, separators, _unquoted)
    if around or bare != _trimmed(text, separators, str.strip):
        problem = f"is{quoted or ' in quotes'}: the quotes are part of the value, so leave them out"
        names = _names(bare, separators)
        certain = (
            bool(quoted) and all(names) and not any({name[0], name[-1]} & _QUOTES for name in names)
        )
        raise SettingsError(key, problem, fixes={key: bare} if certain else {})


def _json(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _quotes_around_several(names: list[str]) -> tuple[str, str] | None:
    """Find a pair of quotes around several names of a list."""
    for alike in (_DOUBLE, _SINGLE):
        opening = ""
        for name in filter(None, names):
            if name[0] in alike and not {*name[1:]} & {*alike}:
                opening = name[0]
            elif opening and name[-1] in alike and not {*name[:-1]} & {*alike}:
                return opening, name[-1]
    return None


def _names(text: str, separators: str) -> list[str]:
    """Split a setting into its names."""
    names = [text]
    for separator in separators:
        most = 1 if separator == "=" else -1
        names = [part for name in names for part in name.split(separator, most)]
    return [name.strip() for name in names]


def _trimmed(text: str, separators: str, trim: Callable[[str], str]) -> str:
    """Trim each name of a setting."""
    if not separators:
        return trim(text)
    entries = [trim(entry) for entry in text.split(",")]
    if "=" in separators:
        entries = ["=".join(map(trim, entry.split("=", 1))) for entry in entries]
    return ", ".join(entries)


def _unquoted(text: str) -> str:
    """Remove spaces and quotes around a text."""
    text = text.strip()
    while text and {text[0], text[-1]} <= _QUOTES:
        text = text[1:-1].strip()
    return text
