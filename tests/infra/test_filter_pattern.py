"""The stand-in for CloudWatch's filter patterns does as the user guide says."""

from __future__ import annotations

import json

import pytest

from handler.providers.registry import PROVIDERS
from infra.metrics import metrics_for
from tests.support.filter_pattern import UnsupportedPatternError, matches, value_in

# In the form of the guide's own example.
LINE = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "SomeFlag": True,
        "OtherFlag": False,
        "nothing": None,
        "count": 7,
        "half": 0.5,
        "as text": "x",
        "seven": "7",
        "user": {"id": 1, "email": "ann@x.io"},
    }
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ('{$.eventType="updatetrail"}', False),
        ('{ $.missing = "UpdateTrail" }', False),
        ('{ $.eventType != "CreateTrail" }', True),
        ('{ $.eventType != "UpdateTrail" }', False),
        ('{ $.missing != "UpdateTrail" }', False),
        ('{ $.user.email = "ann@x.io" }', True),
        ("{ $.count = 7.0 }", True),
        ("{ $.count > 7 }", False),
        ("{ $.seven = 7 }", False),
        ('{ $.count = "7" }', False),
        ("{ $.missing >= 0 }", False),
        ("{ $.SomeFlag >= 0 }", False),
        ("{ $.SomeFlag IS TRUE }", True),
        ("{ $.OtherFlag IS FALSE }", True),
        ("{ $.nothing IS FALSE }", False),
        ("{ $.missing IS FALSE }", False),
        ("{ $.user.id = 1 || $.count = 7 && $.count = 8 }", True),
        ("{ ($.user.id = 1 || $.count = 7) && $.count = 8 }", False),
    ],
)
def test_pattern(pattern: str, expected: bool) -> None:  # noqa: FBT001 - the column of a table
    """What is selected by name is compared by its own kind; what is not there never matches."""
    assert matches(pattern, LINE) is expected


@pytest.mark.parametrize("line", ["", "RequestId: 1 Error", "[]", "7", '"message"', '{"message":'])
def test_a_line_that_is_no_object_never_matches(line: str) -> None:
    """Whatever Lambda writes that is no JSON object."""
    assert not matches("{ $.message IS FALSE || $.count >= 0 }", line)


@pytest.mark.parametrize(
    "pattern",
    [
        *("ERROR", "{ $.a = x }", "{ $.a != 1 }", '{ $.a = "x*" }', "{ $.a = 1 } }"),
        f'{{ $.a = "{"x" * 1024}" }}',
    ],
)
def test_what_is_not_understood_is_an_error(pattern: str) -> None:
    """A pattern that says something else than is tested here fails the test that uses it."""
    with pytest.raises(UnsupportedPatternError):
        matches(pattern, LINE)


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        ("1", 1),
        ("$.count", 7),
        ("$.user.id", 1),
        ("$.seven", None),
        ("$.SomeFlag", None),
        ("$.no", None),
    ],
)
def test_value(selector: str, value: float | None) -> None:
    """A number of the line, or nothing."""
    assert value_in(selector, LINE) == value


def test_the_programs_patterns_are_understood() -> None:
    """Each of them is within the subset."""
    for each in metrics_for(PROVIDERS, notices=True):
        assert not matches(each.pattern, LINE)
