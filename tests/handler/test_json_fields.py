"""JSON of somebody else's: absent and null are empty, another type is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from handler.json_fields import ShapeError, get_list, get_object, get_str, require_str

Reader = Callable[[Mapping[str, Any], str, str], object]
SAID: dict[Reader, str] = {get_object: "an object", get_str: "a string", get_list: "a list"}
RIGHT: dict[Reader, object] = {get_object: {"a": 1}, get_str: "words", get_list: [1, None]}
VALUES: list[object] = [{"a": 1}, "words", [1, None], 0, 1, 1.5, False, True]


@pytest.mark.parametrize("read", [get_object, get_str, get_list])
def test_absent_and_null_are_empty(read: Reader) -> None:
    """A field that is missing, null or empty reads the same."""
    empty = type(RIGHT[read])()
    for parent in ({}, {"field": None}, {"field": empty}):
        assert read(parent, "field", "") == empty


@pytest.mark.parametrize("read", [get_object, get_str, get_list])
def test_the_right_type_is_taken_as_it_is(read: Reader) -> None:
    """No value is copied or converted."""
    assert read({"field": RIGHT[read]}, "field", "") is RIGHT[read]


@pytest.mark.parametrize(
    ("read", "value"),
    [(read, value) for read, right in RIGHT.items() for value in VALUES if value != right],
)
def test_another_type_is_an_error(read: Reader, value: object) -> None:
    """Falsy values of another type too: 0 is no empty string. The field is named, not its value."""
    with pytest.raises(ShapeError) as caught:
        read({"field": value}, "field", "some.")
    assert str(caught.value) == f"some.field is not {SAID[read]}"


@pytest.mark.parametrize("parent", [{}, {"id": None}, {"id": ""}])
def test_a_required_field_must_be_there(parent: Mapping[str, Any]) -> None:
    """Null and the empty string are as missing as nothing at all."""
    with pytest.raises(ShapeError, match=r"^id is missing$"):
        require_str(parent, "id")


def test_a_required_field_is_a_string() -> None:
    """It is read like any other string."""
    assert require_str({"id": "S1"}, "id") == "S1"
    with pytest.raises(ShapeError, match=r"^id is not a string$"):
        require_str({"id": 1}, "id")
