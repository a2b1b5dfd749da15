"""Arguments, checked before anything is sent: a wrong one raises in one sentence. No I/O.

TypeError is for what is missing, misspelt or of a wrong type; ValueError for a value that is
empty or out of range.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

from indentapi.types import Petition, Resource

_RESOURCE_KEYS = tuple(Resource.__annotations__)
_LIKENESS = 0.75
_LONGEST_SHOWN = 40


def text(value: object, name: str) -> str:
    """A text that is not blank."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, not {_described(value)}")
    if not value.strip():
        raise ValueError(f"{name} is empty")
    return value


def optional_text(value: object, name: str) -> str:
    """A text, which may be empty."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, not {_described(value)}")
    return value


def texts(values: object, name: str) -> list[str]:
    """A list of texts. One text by itself would be taken for a list of its characters."""
    return [text(one, f"{name}[{number}]") for number, one in enumerate(_items(values, name))]


def labels(value: object, name: str) -> dict[str, str]:
    """A dict of texts by their names."""
    for key, one in record(value, name).items():
        text(key, f"a key of {name}")
        optional_text(one, f"{name}[{key!r}]")
    return {**cast("Mapping[str, str]", value)}


def boolean(value: object, name: str) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {_described(value)}")
    return value


def seconds(value: object, name: str, *, least: float = 0.0) -> float:
    """A number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {_described(value)}")
    if math.isnan(value) or value < least:
        raise ValueError(f"{name} must be {least:g} seconds or more, not {value!r}")
    return value


def timeout(value: object, name: str = "timeout") -> float | None:
    """A number of seconds, or None for no limit."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(
            f"{name} must be a number of seconds, or None to wait as long as it takes, "
            f"not {_described(value)}"
        )
    return seconds(value, name)


def whole(value: object, name: str) -> int:
    """A whole number, zero or more."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {_described(value)}")
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, not {value}")
    return value


def record(value: object, name: str) -> Mapping[str, Any]:
    """A dict."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {_described(value)}")
    return value


def records(values: object, name: str) -> list[Any]:
    """A list of dicts."""
    return [record(one, f"{name}[{number}]") for number, one in enumerate(_items(values, name))]


def resources(values: object, name: str = "resources") -> list[Resource]:
    """What is requested: at least one, each with its kind and id."""
    found = records(values, name)
    if not found:
        raise ValueError(f"{name} is empty: nothing would be requested")
    for number, one in enumerate(found):
        _resource(one, f"{name}[{number}]")
        for key in ("kind", "id"):
            _needed(one, key, f"{name}[{number}]")
    return found


def petitioners(values: object, name: str = "petitioners") -> list[Resource]:
    """For whom it is requested: at least one, each with an email, or a kind and an id."""
    found = records(values, name)
    if not found:
        raise ValueError(f"{name} is empty: leave it out to request for the token's owner")
    for number, one in enumerate(found):
        _resource(one, f"{name}[{number}]")
        if "email" in one:
            text(one["email"], f"{name}[{number}]['email']")
        elif not {"kind", "id"} <= one.keys():
            raise TypeError(f"{name}[{number}] needs an 'email', or a 'kind' and an 'id'")
    return found


def petition(value: object, name: str = "petition") -> Petition:
    """A petition as the API gives it."""
    return cast("Petition", record(value, name))


def keys(given: Iterable[object], known: Iterable[str], what: str) -> None:
    """No key but the known ones; the error suggests the nearest."""
    names = [*known]
    for one in given:
        if one not in names:
            near = nearest(str(one), names)
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(names)}"
            raise TypeError(f"{what} {one!r}; {hint}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that this one is most likely a misspelling of."""
    folded = {_folded(one): one for one in known}
    found = difflib.get_close_matches(_folded(name), folded, 1, _LIKENESS)
    return folded[found[0]] if found else None


def _resource(one: Mapping[str, Any], name: str) -> None:
    """Check the known keys. Others pass, for the API may give more, but not a misspelt one."""
    absent = [key for key in _RESOURCE_KEYS if key not in one]
    for key, value in one.items():
        if key in {"kind", "id", "email", "displayName"}:
            optional_text(value, f"{name}[{key!r}]")
        elif key == "labels":
            labels(value, f"{name}['labels']")
        elif key == "altIds":
            texts(value, f"{name}['altIds']")
        elif near := nearest(str(key), absent):
            raise TypeError(f"{name} has an unknown key {key!r}; did you mean {near!r}?")


def _needed(one: Mapping[str, Any], key: str, name: str) -> None:
    if key not in one:
        raise TypeError(f"{name} has no {key!r}")
    text(one[key], f"{name}[{key!r}]")


def _items(values: object, name: str) -> Iterable[object]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list, not {_described(values)}")
    return values


def _described(value: object) -> str:
    """What was given instead: a short value itself, or its type."""
    if value is None:
        return "None"
    if isinstance(value, str | int | float):
        shown = repr(value)
        return shown if len(shown) <= _LONGEST_SHOWN else type_of(value)
    return type_of(value)


def type_of(value: object) -> str:
    """The type of a value, with its article."""
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
