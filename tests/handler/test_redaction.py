"""The log line stays below CloudWatch's limit, and never has another person's e-mail."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handler.audit import MOST_LINE_BYTES, decision_record
from handler.duty import ON_CALL, Duty, Failure, ProviderSnapshot
from handler.providers.base import DutyQuery
from handler.providers.registry import PROVIDERS
from handler.request import Request, Resource
from handler.rules.conditions import OnCall
from handler.rules.evaluate import Decision, RuleResult, decide_all
from handler.rules.model import Policy, Rule, Selector
from infra.metrics import APPROVED, DECISION_TIME, SELF_MADE, failing
from tests.support.filter_pattern import matches as pattern_matches

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
JANE = "jane@example.com"
CYRILLIC = "\u0434" * 100
# Longer than a logged text may be.
CONTROLS = "\x01" * 250
QUOTES = '"' * 250
PARTY = "\N{PARTY POPPER}" * 250
ASKED = tuple(provider.name for provider in PROVIDERS)
SHIFT = Duty("PagerDuty", ON_CALL, "S1", "DBA", JANE)


def line_of(
    decision: Decision,
    policy: Policy,
    snapshot: ProviderSnapshot | None = None,
    **more: Any,  # noqa: ANN401 - passed on
) -> dict[str, Any]:
    """Give the log line, checked for CloudWatch's limit and strict JSON."""
    record = decision_record(
        decision,
        snapshot=snapshot or ProviderSnapshot(),
        providers=ASKED,
        policy=policy,
        dry_run=False,
        milliseconds=7,
        **more,
    )
    line = json.dumps({"timestamp": "t", "level": "INFO", "message": "decision", **record})
    assert len(line.encode()) <= MOST_LINE_BYTES < 262_144 - 26
    read: dict[str, Any] = json.loads(line)
    json.dumps(read, ensure_ascii=False).encode()  # fails for a lone surrogate
    return read


def matches(pattern: str, line: dict[str, Any]) -> bool:
    """Check whether a metric counts the line."""
    return pattern_matches(pattern, json.dumps(line))


def policy_of(names: list[str], schedule: str = "DBA") -> Policy:
    """A policy with rules of these names, all for the requested resource."""
    rules = (Rule(name, Selector(), OnCall((schedule,)), HOUR) for name in names)
    return Policy(tuple(rules), digest="0123456789abcdef")


def rule_names(text: str) -> list[str]:
    """Six hundred distinct names."""
    return [f"{number:03}{text}"[:100] for number in range(600)]


@pytest.mark.parametrize(
    ("text", "schedule"),
    [*((text, "DBA") for text in (CYRILLIC, CONTROLS, QUOTES, PARTY, "x" * 100)), (PARTY, "other")],
)
def test_no_policy_makes_the_line_too_long(text: str, schedule: str) -> None:
    """Even 600 rules with long names fit into the line, and the metrics still count it."""
    duties = tuple(SHIFT._replace(id=f"S{number}", name=f"DBA{number}") for number in range(60))
    request = Request(Resource(email=JANE), (Resource("db", "prod"),))
    policy = policy_of(rule_names(text), schedule)
    snapshot = ProviderSnapshot((SHIFT, *duties))
    (decision,) = decide_all([request], snapshot, policy, NOW)
    line = line_of(decision, policy, snapshot)
    assert matches(APPROVED.pattern, line) is (schedule == "DBA")
    assert matches(DECISION_TIME.pattern, line)
    assert not matches(SELF_MADE.pattern, line)
    assert all(matches(failing(provider).pattern, line) for provider in PROVIDERS)
    assert line["omitted"]["rules"] == 600 - len(line["trace"]["rules"])
    assert line["trace"]["rules"]


@pytest.mark.parametrize("text", [CYRILLIC * 3, CONTROLS, QUOTES, PARTY, "\ud800" * 250, "x" * 500])
def test_everything_large_at_once(text: str) -> None:
    """Request, duties, policy and failures may all be huge and hostile: the line fits."""
    labels = {f"{number}{text}": text for number in range(500)}
    resources = tuple(Resource(text, f"{number}{text}", labels=labels) for number in range(200))
    groups = tuple(f"{number}{text}" for number in range(300))
    duties = tuple(
        Duty(
            *("incident.io", ON_CALL, f"{number}{text}", text, JANE, text),
            level=10**4000,
            start=NOW,
            end=NOW,
            link=text,
            incident=text,
            endless=True,
            reporter=True,
            self_declared=True,
            severity=(text,) * 100,
            type=(text,) * 100,
            shared_names=frozenset({text, f"{text}2"}),
        )
        for number in range(1000)
    )
    names = [f"{number}{text}" for number in range(2000)]
    objections = tuple((duty, text) for duty in duties[:100])
    judged = tuple(RuleResult(name, "no", text, NOW, objections) for name in names)
    decision = Decision(
        Request(Resource(email=text, id=text), resources, groups=groups),
        *(text, duties, tuple(names), HOUR),
        duties=duties,
        rule_results=judged,
        other_limits=(text,) * 999,
        deciding_limit=text,
        now=NOW,
    )
    failures = tuple(Failure(provider, text, text) for provider in ASKED for _ in range(1000))
    wants = dict.fromkeys(
        ASKED, DutyQuery((text,) * 1000, any_schedule=True, roles=True, updates=True, ends=True)
    )
    line = line_of(
        decision,
        policy_of(names),
        ProviderSnapshot(duties, failures),
        queries=wants,
        call=text,
        number=199,
        of=200,
    )
    assert line["outcome"] == "approve"
    assert matches(APPROVED.pattern, line)
    assert matches(SELF_MADE.pattern, line)
    assert line["failing"] == {provider.id: 1 for provider in PROVIDERS}
    assert (line["number"], line["milliseconds"], line["resource_count"]) == (199, 7, 200)
    assert line["whole"] is False
    assert {"resources", "duties", "rules", "texts", "labels"} <= line["omitted"].keys()


def test_rule_results_without_reasons_are_limited() -> None:
    """Rule results count for the line's limit even if they have no reasons."""
    duties = tuple(SHIFT._replace(id=str(number)) for number in range(50))
    names = [str(number) for number in range(600)]
    judged = tuple(
        RuleResult(name, "grants", "", NOW, tuple((one, "") for one in duties)) for name in names
    )
    request = Request(Resource(email=JANE), (Resource("db", "prod"),))
    decision = Decision(request, "yes", duties, duties=duties, rule_results=judged, now=NOW)
    line = line_of(decision, policy_of(names))
    assert 0 < len(line["trace"]["rules"]) < 100
    assert line["whole"] is True  # the policy has its rules: it can be decided again


def test_rules_that_were_looked_at_come_first() -> None:
    """Relevant rules are logged first, however many others there are."""
    names = rule_names(CYRILLIC)
    rules = [*policy_of(names).rules]
    rules = [rule._replace(resources=Selector(kinds=("vault",))) for rule in rules]
    rules[-1] = rules[-1]._replace(resources=Selector(kinds=("db",)))
    policy = Policy(tuple(rules), digest="0123456789abcdef")
    request = Request(Resource(email=JANE), (Resource("db", "prod"),))
    (decision,) = decide_all([request], ProviderSnapshot((SHIFT,)), policy, NOW)
    line = line_of(decision, policy)
    assert [rule["rule"] for rule in line["trace"]["rules"]] == [names[-1]]


SPELT = [
    "bob@example.com",
    "bob @example.com",
    "bob@ example.com",
    "bob @ example.com",
    "bob\u00a0@example.com",
    "bob\t@\nexample.com",
    '"bob smith"@example.com',
    '"bob@home"@example.com',
    "bob(the one)@example.com",
    "bob%40example.com",
    "bob%2540example.com",
    "bob%252540example.com",
    "bob%25252525252525252540example.com",
    "bob&#64;example.com",
    "bob&#x40;example.com",
    "bob&commat;example.com",
    "bob%26%2364%3Bexample.com",
    "bob\uff20example.com",
    "bob\ufe6bexample.com",
    "\uff42ob\uff05\uff14\uff10example.com",
    "bob%EF%BC%A0example.com",
    "bob\u00ad@example.com",
    "bob\u200b@\u200bexample.com",
    "bob@exam\u00adple.com",
    "bob@home@example.com",
    "<bob@example.com>",
    "mailto:bob@example.com?subject=x",
    "https://example.com/users/bob%40example.com",
    "Override for bob@example.com, and @bob",
    "\\bob@example.com",
    "b\u00f6b@example.com",
    f"{'x' * 399}bob@example.com",
    f"bob {'x' * 500} @example.com",
]


@pytest.mark.parametrize("spelt", SPELT)
def test_nobody_else_is_named_however_the_address_is_spelt(spelt: str) -> None:
    """Another person's e-mail is removed from all names, in any spelling."""
    name = f"of {spelt}"
    shift = Duty("PagerDuty", ON_CALL, "S1", name, JANE, spelt, incident=spelt, link=spelt)
    request = Request(Resource(email=JANE), (Resource("db", spelt, labels={spelt: name}),))
    policy = policy_of([name], name)
    (decision,) = decide_all([request], ProviderSnapshot((shift,)), policy, NOW)
    assert decision.approved
    output = json.dumps(line_of(decision, policy), ensure_ascii=False)
    assert "bob" not in output.replace("\uff42", "b")
    assert "b\u00f6b" not in output
    assert shift.describe(NOW) == "on call for S1 (PagerDuty)"


@pytest.mark.parametrize(
    "name",
    ["DBA", "Production 24/7", "@dba", "50 % of R&D", "a%20b", "Z\u00fcrich \u2705", "b%zz", ""],
)
def test_other_names_are_unchanged(name: str) -> None:
    """Names with an @ at the start, a percent sign or an ampersand aren't redacted."""
    shift = Duty("PagerDuty", ON_CALL, "S1", name, JANE)
    request = Request(Resource(email=JANE), (Resource(name, "1", labels={name: name}),))
    line = line_of(Decision(request, duties=(shift,)), policy_of([]))
    assert line["trace"]["request"]["resources"][0]["labels"] == {name: name}
    assert line["trace"]["duties"][0].get("name", "") == name
    assert line["whole"] is True
    assert shift.title == (name or "S1")


def test_an_address_across_kind_and_id_is_hidden() -> None:
    """An e-mail that only kind and id together make is redacted."""
    request = Request(Resource(email=JANE), (Resource("bob@", "example.com"),))
    line = line_of(Decision(request), policy_of([]))
    assert line["resources"] == ["(an e-mail)"]


def test_a_duty_whose_id_is_an_address_has_no_title() -> None:
    """If both name and id of a duty have an e-mail, neither is shown."""
    shift = Duty("PagerDuty", ON_CALL, "bob@example.com", "of bob@example.com", JANE)
    assert shift.describe(NOW) == "on call for (an e-mail) (PagerDuty)"


def test_the_requesters_own_address_is_logged() -> None:
    """The requester's own e-mail is logged, alone or within another text."""
    request = Request(Resource(email=JANE), (Resource("db", JANE), Resource("db", f"of {JANE}")))
    line = line_of(Decision(request), policy_of([]))
    assert line["resources"] == [f"db:{JANE}", f"db:of {JANE}"]
