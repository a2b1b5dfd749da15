"""Reading other systems' JSON: absent and null are empty, another type is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from handler.json_fields import ShapeError, get_list, get_object, get_str, require_str

Reader = Callable[[Mapping[str, Any], str, str], object]
TYPE_NAMES: dict[Reader, str] = {get_object: "an object", get_str: "a string", get_list: "a list"}
RIGHT: dict[Reader, object] = {get_object: {"a": 1}, get_str: "words", get_list: [1, None]}
VALUES: list[object] = [{"a": 1}, "words", [1, None], 0, 1, 1.5, False, True]


@pytest.mark.parametrize("read", [get_object, get_str, get_list])
def test_absent_and_null_are_empty(read: Reader) -> None:
    """A missing, null or empty field reads as empty."""
    empty = type(RIGHT[read])()
    for parent in ({}, {"field": None}, {"field": empty}):
        assert read(parent, "field", "") == empty


@pytest.mark.parametrize("read", [get_object, get_str, get_list])
def test_the_right_type_is_unchanged(read: Reader) -> None:
    """A value of the right type is neither copied nor converted."""
    assert read({"field": RIGHT[read]}, "field", "") is RIGHT[read]


@pytest.mark.parametrize(
    ("read", "value"),
    [(read, value) for read, right in RIGHT.items() for value in VALUES if value != right],
)
def test_another_type_is_an_error(read: Reader, value: object) -> None:
    """Another type is an error, even if falsy; the error names the field, not the value."""
    with pytest.raises(ShapeError) as caught:
        read({"field": value}, "field", "some.")
    assert str(caught.value) == f"some.field is not {TYPE_NAMES[read]}"


@pytest.mark.parametrize("parent", [{}, {"id": None}, {"id": ""}])
def test_a_missing_required_field(parent: Mapping[str, Any]) -> None:
    """A required field that is absent, null or empty is missing."""
    with pytest.raises(ShapeError, match=r"^id is missing$"):
        require_str(parent, "id")


def test_a_required_field_is_a_string() -> None:
    """A required field of another type is an error."""
    assert require_str({"id": "S1"}, "id") == "S1"
    with pytest.raises(ShapeError, match=r"^id is not a string$"):
        require_str({"id": 1}, "id")
