"""A policy file instead of the plain settings."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from handler.app import App
from handler.setting_parsers import SettingsError
from handler.settings import END_WITH_SHIFT, load
from sandbox.vendors.incidentio import IncidentIO
from tests.e2e.webhook_calls import Webhook, in_process, request_of
from tests.handler.conftest import ANA, API_KEY, SetClock

SECRET = "signing-secret-1"
LEAST = {"INDENT_WEBHOOK_SECRET": SECRET, "INCIDENTIO_API_KEY": API_KEY}
NAMED = {**LEAST, "AUTO_APPROVAL_POLICY": "policy/prod.yaml"}
RULE: dict[str, Any] = {
    "name": "leads",
    "resources": "any",
    "when": {"incident_role": {"roles": ["Incident Lead"]}},
    "duration": "2h",
}
TEXT = json.dumps({"rules": [RULE], "aliases": {}})


def test_rules_come_from_the_file() -> None:
    """The file's rules are the policy; INCIDENTIO_APPROVE_SELF_DECLARED applies to them."""
    policy = load({**NAMED, "INCIDENTIO_APPROVE_SELF_DECLARED": "true"}, TEXT).policy
    assert [rule.name for rule in policy.rules] == ["leads"]
    assert policy.self_declared
    assert not load(NAMED, TEXT).policy.self_declared


@pytest.mark.parametrize(
    ("settings", "text", "expected"),
    [
        *(
            (
                {key: value},
                TEXT,
                f"AUTO_APPROVAL_POLICY is set, and so is {key}, which a policy file replaces:",
            )
            for key, value in (
                ("AUTO_APPROVAL_SCHEDULES", "DBA"),
                ("AUTO_APPROVAL_PAGERDUTY_SCHEDULES", "DBA"),
                ("AUTO_APPROVAL_INCIDENTIO_ROLES", "lead"),
                ("AUTO_APPROVAL_RESOURCE_LABELS", "Env=Prod"),
                ("AUTO_APPROVAL_END_WITH_SHIFT", "true"),
                ("AUTO_APPROVAL_END_WITH_SHIFT", "15m"),
            )
        ),
        ({}, None, "AUTO_APPROVAL_POLICY is 'policy/prod.yaml', but that file isn't there"),
        (
            {"AUTO_APPROVAL_END_WITH_SHIFT": "15"},
            TEXT,
            "AUTO_APPROVAL_POLICY, AUTO_APPROVAL_END_WITH_SHIFT are wrong: ",
        ),
        (
            {},
            json.dumps({"rules": [{**RULE, "when": {}}], "aliases": {}}),
            "AUTO_APPROVAL_POLICY names a file that cannot be used: the policy cannot be read",
        ),
    ],
)
def test_conflicting_settings(settings: dict[str, str], text: str | None, expected: str) -> None:
    """Settings that a policy file replaces are refused, and so is a missing or invalid file."""
    with pytest.raises(SettingsError) as caught:
        load({**NAMED, **settings}, text)
    assert str(caught.value).startswith(expected)


def test_end_with_shift_may_be_off_beside_a_policy() -> None:
    """`false` is allowed beside a policy file, since it's `Pulumi.yaml`'s default."""
    assert load({**NAMED, "AUTO_APPROVAL_END_WITH_SHIFT": "false"}, TEXT) == load(NAMED, TEXT)


@pytest.mark.parametrize(
    ("value", "written"), [("true", {}), ("15m", {"grace": "15m"}), ("24h", {"grace": "24h"})]
)
def test_end_with_shift_as_in_a_policy_file(value: str, written: dict[str, str]) -> None:
    """The setting has the same effect as `end_with_shift` in a policy file."""
    rule = {**RULE, "duration": "6h", "end_with_shift": written}
    (of_file,) = load(NAMED, json.dumps({"rules": [rule], "aliases": {}})).policy.rules
    (of_settings,) = load({**LEAST, "AUTO_APPROVAL_END_WITH_SHIFT": value}).policy.rules
    assert of_settings.shift_end == of_file.shift_end


def test_two_names_of_one_setting() -> None:
    """The setting's old name works, but not together with the new one."""
    older = {"AUTO_APPROVAL_PAGERDUTY_SCHEDULES": "DBA"}
    newer = {"AUTO_APPROVAL_SCHEDULES": "DBA"}
    assert load({**LEAST, **older}).policy == load({**LEAST, **newer}).policy
    with pytest.raises(SettingsError, match="and both are set: remove one of them"):
        load({**LEAST, **older, **newer})


@pytest.fixture
def lead(double: IncidentIO) -> IncidentIO:
    """The double with an incident that Ana leads."""
    double.declare_incident("Fire", lead=ANA)
    return double


def asked(lead: IncidentIO, file: Path, set_clock: SetClock) -> Any:  # noqa: ANN401 - any JSON
    """Ask the handler, with this policy file."""
    environment = {**NAMED, "INCIDENTIO_BASE_URL": lead.url}
    app = App(environment, set_clock.clock, lambda _: None, policy_file=str(file))
    webhook = Webhook(SECRET, in_process(app), now=lambda: set_clock.now)
    answer = webhook.call({"events": [request_of(ANA)]})
    app.client.close()
    return answer


def test_handler_decides_by_its_file(lead: IncidentIO, tmp_path: Path, set_clock: SetClock) -> None:
    """The handler decides according to its file; the claim names the rule."""
    file = tmp_path / "policy.json"
    file.write_text(TEXT, encoding="utf-8")
    (claim,) = asked(lead, file, set_clock).claims
    evidence = "Incident Lead of INC-1 (incident.io) for as long as the incident is live"
    assert claim["reason"] == f'Rule "leads": {evidence}'
    assert claim["meta"]["labels"]["indent.com/time/duration"] == "2h0m0s"


@pytest.mark.parametrize(
    ("value", "shift", "claims"),
    [
        ("", 1, ["6h0m0s"]),
        ("false", 1, ["6h0m0s"]),
        ("true", 1, ["1h0m0s"]),
        ("15m", 1, ["1h15m0s"]),
        ("15m", 6, ["6h0m0s"]),
        ("15m", 0, []),
    ],
)
def test_access_ends_with_the_shift(
    value: str, shift: int, claims: list[str], double: IncidentIO, set_clock: SetClock
) -> None:
    """Access ends with the shift only if the setting is on."""
    double.add_schedule("DBA")
    if shift:
        double.put_on_shift(
            "DBA", ANA, set_clock.now - timedelta(hours=1), set_clock.now + timedelta(hours=shift)
        )
    else:
        double.declare_incident("Fire", lead=ANA)
    own = {"INCIDENTIO_BASE_URL": double.url, "AUTO_APPROVAL_DURATION": "6", END_WITH_SHIFT: value}
    app = App({**LEAST, **own}, set_clock.clock, lambda _: None)
    webhook = Webhook(SECRET, in_process(app), now=lambda: set_clock.now)
    answer = webhook.call({"events": [request_of(ANA)]})
    app.client.close()
    output = [claim["meta"]["labels"]["indent.com/time/duration"] for claim in answer.claims]
    assert (answer.http, output) == (200, claims)


LEADS = RULE["when"]
ELSEWHERE = {"on_call": {"provider": "pagerduty", "schedules": ["DBA"]}}


@pytest.mark.parametrize(
    ("changes", "claims", "calls"),
    [
        ({"when": ELSEWHERE}, 0, 0),
        ({"when": {"any": [ELSEWHERE, LEADS]}}, 1, 1),
        ({"when": {"all": [LEADS, {"requester": {"emails": [ANA]}}]}}, 1, 1),
        ({"when": {"all": [LEADS, {"requester": {"emails": ["eve@x.io"]}}]}}, 0, 0),
        ({"resources": {"ids": ["test-*"]}}, 0, 0),
        ({"deny": True, "when": {"requester": {"emails": ["eve@x.io"]}}}, 0, 0),
        ({"end_with_shift": {"without_end": "1ms"}}, 0, 1),
        ({"end_with_shift": {"without_end": "1s"}}, 1, 1),
    ],
)
def test_no_calls_for_rules_that_cannot_match(
    changes: dict[str, Any],
    claims: int,
    calls: int,
    lead: IncidentIO,
    tmp_path: Path,
    set_clock: SetClock,
) -> None:
    """A provider isn't queried for rules that can't match with its duties."""
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"rules": [{**RULE, **changes}], "aliases": {}}), "utf-8")
    assert len(asked(lead, file, set_clock).claims) == claims
    assert len(lead.calls) == calls


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"rules": []}'])
def test_without_its_file_nobody_is_approved(
    content: str | None, lead: IncidentIO, tmp_path: Path, set_clock: SetClock
) -> None:
    """A missing or invalid file is an error; the handler never falls back to plain settings."""
    file = tmp_path / "policy.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    answer = asked(lead, file, set_clock)
    assert answer.http == 500
    assert "claims" not in answer.body
