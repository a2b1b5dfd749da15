"""The handler's stand-in for `typing`: its named tuples are those of `typing`."""

from __future__ import annotations

import typing
from typing import Any

import pytest

import handler.typing


def make_point(base: Any) -> Any:  # noqa: ANN401 - a class
    """Make a class with all that the handler's named tuples have."""

    class Point(base):  # type: ignore[misc]
        """A place."""

        x: int
        y: int = 2
        names: tuple[str, ...] = ()

        @property
        def sum(self) -> int:
            """Add the coordinates."""
            return self.x + self.y

        def __repr__(self) -> str:
            return "hidden"

    return Point


@pytest.fixture(params=[handler.typing.NamedTuple, typing.NamedTuple], ids=["ours", "typing"])
def point(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - a class
    """The class, made by either."""
    return make_point(request.param)


def test_named_tuples(point: Any) -> None:  # noqa: ANN401 - a class
    """Fields, defaults, methods and texts are there, and instances are immutable tuples."""
    here = point(1)
    assert (here.x, here.y, here.names, here.sum) == (1, 2, (), 3)
    assert here == (1, 2, ()) == point(x=1, y=2)
    assert here._replace(y=5).sum == 6
    assert (point._fields, point._field_defaults) == (("x", "y", "names"), {"y": 2, "names": ()})
    assert (point.__name__, point.__doc__, point.__module__) == ("Point", "A place.", __name__)
    assert repr(here) == "hidden"
    with pytest.raises(AttributeError):
        here.x = 3
    with pytest.raises(TypeError):
        point()


def test_names_are_those_of_typing() -> None:
    """All names that the handler uses exist in `typing`."""
    assert [name for name in handler.typing.__all__ if not hasattr(typing, name)] == []
