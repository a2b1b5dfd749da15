"""Arguments, checked before anything is sent: each check returns the value, or raises. No I/O.

TypeError is for what is missing, misspelt or of a wrong type; ValueError for a value that is
empty or out of range. The message is one sentence that names the argument.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

from indentapi.api_types import Petition, Resource

_RESOURCE_KEYS = tuple(Resource.__annotations__)
_MIN_SIMILARITY = 0.75
_MAX_QUOTED_LENGTH = 40


def check_text(value: object, name: str) -> str:
    """A text that is not blank."""
    if not check_optional_text(value, name).strip():
        raise ValueError(f"{name} is empty")
    return cast("str", value)


def check_optional_text(value: object, name: str) -> str:
    """A text, which may be empty."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, not {_describe(value)}")
    return value


def check_texts(values: object, name: str) -> list[str]:
    """A list of texts. A single text would be taken for a list of its characters."""
    return [check_text(value, f"{name}[{i}]") for i, value in enumerate(_check_list(values, name))]


def check_labels(labels: object, name: str) -> dict[str, str]:
    """A dict from text to text."""
    for key, value in check_dict(labels, name).items():
        check_text(key, f"a key of {name}")
        check_optional_text(value, f"{name}[{key!r}]")
    return {**cast("Mapping[str, str]", labels)}


def check_bool(value: object, name: str) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {_describe(value)}")
    return value


def check_seconds(value: object, name: str) -> float:
    """A number of seconds, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {_describe(value)}")
    if math.isnan(value) or value < 0:
        raise ValueError(f"{name} must be 0 seconds or more, not {value!r}")
    return value


def check_timeout(value: object, name: str = "timeout") -> float | None:
    """A number of seconds, or None for no limit."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(
            f"{name} must be a number of seconds, or None for no limit, not {_describe(value)}"
        )
    return check_seconds(value, name)


def check_count(value: object, name: str) -> int:
    """A whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {_describe(value)}")
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, not {value}")
    return value


def check_dict(value: object, name: str) -> Mapping[str, Any]:
    """A dict."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {_describe(value)}")
    return value


def check_dicts(values: object, name: str) -> list[Any]:
    """A list of dicts."""
    return [check_dict(value, f"{name}[{i}]") for i, value in enumerate(_check_list(values, name))]


def check_resources(values: object, name: str = "resources") -> list[Resource]:
    """The resources of a request: at least one, each with its kind and id."""
    resources = check_dicts(values, name)
    if not resources:
        raise ValueError(f"{name} is empty: nothing would be requested")
    for i, resource in enumerate(resources):
        _check_resource_fields(resource, f"{name}[{i}]")
        for key in ("kind", "id"):
            if key not in resource:
                raise TypeError(f"{name}[{i}] has no {key!r}")
            check_text(resource[key], f"{name}[{i}][{key!r}]")
    return resources


def check_petitioners(values: object, name: str = "petitioners") -> list[Resource]:
    """For whom access is requested: at least one, each with an email, or a kind and an id."""
    petitioners = check_dicts(values, name)
    if not petitioners:
        raise ValueError(f"{name} is empty: leave it out to request for the token's owner")
    for i, petitioner in enumerate(petitioners):
        _check_resource_fields(petitioner, f"{name}[{i}]")
        if "email" in petitioner:
            check_text(petitioner["email"], f"{name}[{i}]['email']")
        elif not {"kind", "id"} <= petitioner.keys():
            raise TypeError(f"{name}[{i}] needs an 'email', or a 'kind' and an 'id'")
    return petitioners


def check_petition(value: object, name: str = "petition") -> Petition:
    """A petition as the API returns it."""
    return cast("Petition", check_dict(value, name))


def check_keys(keys: Iterable[object], known: Iterable[str], message: str) -> None:
    """Known keys only; the error is the message, the unknown key and the most similar known one."""
    names = [*known]
    for key in keys:
        if key not in names:
            similar = most_similar(str(key), names)
            hint = f"did you mean {similar!r}?" if similar else f"known: {', '.join(names)}"
            raise TypeError(f"{message} {key!r}; {hint}")


def most_similar(name: str, known: Iterable[str]) -> str | None:
    """The known name that this one is most likely a misspelling of."""
    by_folded = {_fold(candidate): candidate for candidate in known}
    matches = difflib.get_close_matches(_fold(name), by_folded, 1, _MIN_SIMILARITY)
    return by_folded[matches[0]] if matches else None


def type_with_article(value: object) -> str:
    """The name of a value's type, such as `a list` or `an int`."""
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _check_resource_fields(resource: Mapping[str, Any], name: str) -> None:
    """Check the known fields. The API may add fields, so unknown ones pass unless misspelt."""
    absent = [key for key in _RESOURCE_KEYS if key not in resource]
    for key, value in resource.items():
        if key in {"kind", "id", "email", "displayName"}:
            check_optional_text(value, f"{name}[{key!r}]")
        elif key == "labels":
            check_labels(value, f"{name}['labels']")
        elif key == "altIds":
            check_texts(value, f"{name}['altIds']")
        elif similar := most_similar(str(key), absent):
            raise TypeError(f"{name} has an unknown key {key!r}; did you mean {similar!r}?")


def _check_list(values: object, name: str) -> Iterable[object]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list, not {_describe(values)}")
    return values


def _describe(value: object) -> str:
    """A short value itself, or its type."""
    if value is None:
        return "None"
    if isinstance(value, str | int | float) and len(repr(value)) <= _MAX_QUOTED_LENGTH:
        return repr(value)
    return type_with_article(value)


def _fold(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
