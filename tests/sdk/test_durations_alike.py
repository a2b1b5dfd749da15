"""The SDK and the webhook read durations the same way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from indentapi import durations as client

from handler.durations import parse_duration
from tests.handler.strategies import STEADY, TEXT
from tests.handler.test_durations import ACCEPTED_BY_GO, REFUSED, TYPED
from tests.handler.worlds import WISHES

CENTURY = timedelta(days=366 * 100)


def alike(text: str) -> None:
    """Assert that both read the same duration, or both refuse."""
    read = parse_duration(text)
    if read is None or not timedelta(seconds=1) <= read <= CENTURY:
        with pytest.raises(ValueError, match="isn't a valid duration"):
            client.parse_duration(text)
    else:
        assert client.parse_duration(text) == round(read.total_seconds())


@pytest.mark.parametrize(
    "text",
    [*(text for text, _ in (*ACCEPTED_BY_GO, *TYPED)), *REFUSED, *WISHES, "0", "-0s", "600ms"],
)
def test_known_texts(text: str) -> None:
    """Go's forms, human forms, and likely mistakes."""
    alike(text)


UNITS = ["", "us", "ms", "s", "m", "h", "d", "w", " min", " hours", "H "]
PARTS = st.tuples(st.sampled_from(["", "0", "1", "90", "0.5", "1.", ".25"]), st.sampled_from(UNITS))


@STEADY
@given(
    text=TEXT
    | st.tuples(
        st.sampled_from(["", "-", "+"]), st.lists(PARTS.map("".join), max_size=4).map("".join)
    ).map("".join)
)
def test_any_text(text: str) -> None:
    """No text is accepted by only one of them."""
    alike(text)
