"""Quotes, lists and maps are refused, as nothing is called so; so is what is nearly a duration."""

from __future__ import annotations

import pytest

from handler.setting_parsers import SettingsError
from handler.settings import BY_NAME, DURATION, LABELS, PLAIN_KEYS, POLICY, ROLES, SCHEDULES
from policy.setting_hints import check_typed_text

QUOTED = "the quotes are part of the value, so leave them out"


def check(key: str, value: str) -> None:
    """Check what somebody types into a setting."""
    check_typed_text(BY_NAME[key], value.strip())


@pytest.mark.parametrize(
    ("key", "value", "bare"),
    [
        (ROLES, "'Incident Lead'", "Incident Lead"),
        (ROLES, '"Incident Lead", "Ops Lead"', "Incident Lead, Ops Lead"),
        (ROLES, '"Incident Lead, Ops Lead"', "Incident Lead, Ops Lead"),
        (ROLES, "\u201cIncident Lead, Ops Lead\u201d", "Incident Lead, Ops Lead"),
        (SCHEDULES, "API,'DBA' ", "API, DBA"),
        (SCHEDULES, " \u201cDBA\u201d", "DBA"),
        (SCHEDULES, "\u2018DBA\u2019", "DBA"),
        (SCHEDULES, "\u201eDBA\u201f", "DBA"),
        (SCHEDULES, "\xabDBA\xbb", "DBA"),
        (SCHEDULES, "\uff02DBA\uff02", "DBA"),
        (SCHEDULES, "`DBA`", "DBA"),
        (SCHEDULES, "'\"DBA\"'", "DBA"),
        (SCHEDULES, '"Jane\'s rota, API"', "Jane's rota, API"),
        (LABELS, "'Env=Prod'", "Env=Prod"),
        (LABELS, 'Env="Prod", "Team"=DB', "Env=Prod, Team=DB"),
        (LABELS, "'Env=Prod, Team=DB'", "Env=Prod, Team=DB"),
        (POLICY, "'policy/prod.yaml'", "policy/prod.yaml"),
        ("AUTO_APPROVAL_DURATION", '"3"', "3"),
        ("AUTO_APPROVAL_DRY_RUN", "'true'", "true"),
    ],
)
def test_quotes_are_refused(key: str, value: str, bare: str) -> None:
    """What mends it is the same without them."""
    with pytest.raises(SettingsError) as refused:
        check(key, value)
    assert str(refused.value) == f"{key} is {value.strip()!r}: {QUOTED}"
    assert refused.value.fixes == {key: bare}
    check(key, bare)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (SCHEDULES, '"'),
        (SCHEDULES, "''"),
        (SCHEDULES, "DBA, ''"),
        (SCHEDULES, "'DBA, on call', API"),
        (SCHEDULES, "'DBA', 'on call, API'"),
        (LABELS, 'Env="Prod, Team=DB"'),
    ],
)
def test_quotes_of_which_no_mending_is_certain(key: str, value: str) -> None:
    """They are refused all the same, and no command is offered."""
    with pytest.raises(SettingsError, match=QUOTED) as refused:
        check(key, value)
    assert refused.value.fixes == {}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "DBA",
        "Jane's rota",
        "Bob's, Operators'",
        'The "old" one',
        '"Prod" on call, the "old"',
        "5' rule, API",
        "[DBA]",
        "[Prod] DBA, [Prod] API",
        "{DBA",
        "[" * 5000 + "]",
    ],
)
def test_a_name_may_hold_them(value: str) -> None:
    """A quote within a name, or brackets that are not JSON, are part of it."""
    check(SCHEDULES, f" {value} ")


@pytest.mark.parametrize(
    ("key", "value", "kind", "fixes"),
    [
        (SCHEDULES, '["Production"]', "list", {SCHEDULES: "Production"}),
        (SCHEDULES, '["Production","Payments"]', "list", {SCHEDULES: "Production, Payments"}),
        (SCHEDULES, '["a,b"]', "list", {}),
        (SCHEDULES, '["a",1]', "list", {}),
        (SCHEDULES, "[]", "list", {}),
        (SCHEDULES, "[1]", "list", {}),
        (LABELS, '{"Env":"Prod"}', "map", {}),
        (POLICY, '["policy/prod.yaml"]', "list", {POLICY: "policy/prod.yaml"}),
        ("AUTO_APPROVAL_DURATION", '["6"]', "list", {"AUTO_APPROVAL_DURATION": "6"}),
        ("JSM_EMAIL", "{}", "map", {}),
    ],
)
def test_lists_and_maps_are_refused(key: str, value: str, kind: str, fixes: dict[str, str]) -> None:
    """Of `--path` or an editor: split at its commas, it would name what is not there."""
    wanted = "text, separated by commas" if key in {SCHEDULES, LABELS} else "text"
    with pytest.raises(SettingsError) as refused:
        check(key, value)
    assert str(refused.value) == f"{key} is the {kind} {value!r}: must be {wanted}"
    assert refused.value.fixes == fixes


@pytest.mark.parametrize("key", PLAIN_KEYS)
@pytest.mark.parametrize("value", ['"jane:hunter2@acme.io"', '["hunter2@acme.io"]'])
def test_what_may_hold_a_password_is_not_repeated(key: str, value: str) -> None:
    """Before an @ there may be one."""
    with pytest.raises(SettingsError) as refused:
        check(key, value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.fixes == {}


@pytest.mark.parametrize(
    ("value", "near"),
    [
        ("3h30", "3h30m"),
        ("3,5", "3h30m"),
        ("+3", "3h"),
        ("1,5h", "1h30m"),
        ("30m1h", "1h30m"),
        ("6 huors", "6h"),
        ("1 hour and 30 minutes", "1h30m"),
    ],
)
def test_duration_that_is_nearly_one(value: str, near: str) -> None:
    """The same numbers and units, as a duration: who copies it grants what they meant."""
    with pytest.raises(SettingsError) as refused:
        check(DURATION, value)
    assert str(refused.value) == f"{DURATION} is {value!r}; did you mean {near}?"
    assert (refused.value.example, refused.value.fixes) == (near, {DURATION: near})
    check(DURATION, near)


@pytest.mark.parametrize("value", ["6", "90m", "six", "300h30", "168h1s", "1 month"])
def test_duration_of_which_no_mending_is_certain(value: str) -> None:
    """A right one passes; of another, the parser says what is allowed, and no other length."""
    check(DURATION, value)
