"""Quotes around a name, and the lists and maps of Pulumi's, are refused: nothing is called so."""

from __future__ import annotations

import pytest

from handler.setting_parsers import SEPARATORS, SettingsError
from handler.setting_parsers import parse_text as parse
from handler.settings import BY_NAME, LABELS, PLAIN_KEYS, POLICY, ROLES, SCHEDULES

QUOTED = "the quotes are part of the value, so leave them out"


def parse_text(key: str, value: str) -> str:
    """Read a setting's text as the table does."""
    return parse(key, value, SEPARATORS.get(BY_NAME[key].parse, ""))


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
        parse_text(key, value)
    assert str(refused.value) == f"{key} is {value.strip()!r}: {QUOTED}"
    assert refused.value.fixes == {key: bare}
    assert parse_text(key, bare) == bare


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
        parse_text(key, value)
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
    assert parse_text(SCHEDULES, f" {value} ") == value


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
    wanted = "one text, with commas in it" if key in {SCHEDULES, LABELS} else "a text"
    with pytest.raises(SettingsError) as refused:
        parse_text(key, value)
    assert str(refused.value) == f"{key} is the {kind} {value!r}: must be {wanted}"
    assert refused.value.fixes == fixes


@pytest.mark.parametrize("key", PLAIN_KEYS)
@pytest.mark.parametrize("value", ['"jane:hunter2@acme.io"', '["hunter2@acme.io"]'])
def test_what_may_hold_a_password_is_not_repeated(key: str, value: str) -> None:
    """Before an @ there may be one."""
    with pytest.raises(SettingsError) as refused:
        parse_text(key, value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.fixes == {}
