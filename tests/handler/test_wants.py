"""What a provider is asked for: what the rules for this request need, and of whom."""

from __future__ import annotations

from datetime import timedelta

import pytest

from handler.providers.base import DutyQuery
from handler.providers.collect import dependencies, duty_query
from handler.rules.model import Policy, policy_from_settings
from tests.handler.asking import AT_PAGERDUTY, DBA, FOR_JOAN, JANE, JOAN, LEADS, asks, policy
from tests.handler.strategies import NOW

ANY_SHIFT = {"on_call": {"schedules": "any"}}
APPS = {"name": "apps", "resources": {"kinds": ["app"]}, "when": LEADS, "duration": "1h"}
DRY = {"name": "dry", "resources": "any", "when": LEADS, "duration": "1h", "dry_run": True}
NEVER = {"name": "never", "resources": {"kinds": ["vault"]}, "deny": True}
HERS = frozenset({JANE})
WANTED = [
    ("a schedule", policy(DBA), DutyQuery(("DBA",), holders=HERS)),
    ("any schedule", policy(ANY_SHIFT), DutyQuery(any_schedule=True, holders=HERS)),
    ("a role", policy(LEADS), DutyQuery(roles=True, holders=HERS)),
    (
        "two schedules of this provider, each once, and any",
        policy({"any": [DBA, AT_PAGERDUTY, ANY_SHIFT]}),
        DutyQuery(("DBA", "API"), any_schedule=True, holders=HERS),
    ),
    (
        "what all of several conditions need",
        policy({"all": [LEADS, DBA, {"any": [AT_PAGERDUTY, FOR_JOAN]}]}),
        DutyQuery(("DBA", "API"), roles=True, holders=HERS),
    ),
    (
        "what all within all need, where the requester is right",
        policy({"all": [LEADS, {"all": [DBA, {"requester": {"emails": [JANE]}}]}]}),
        DutyQuery(("DBA",), roles=True, holders=HERS),
    ),
    (
        "nothing, where he is not",
        policy({"all": [LEADS, {"all": [DBA, FOR_JOAN]}]}),
        DutyQuery(),
    ),
    (
        "of several ways only those that this requester can go",
        policy({"any": [DBA, {"all": [LEADS, FOR_JOAN]}]}),
        DutyQuery(("DBA",), holders=HERS),
    ),
    (
        "when the shift ends",
        policy(DBA, end_with_shift={}),
        DutyQuery(("DBA",), ends=True, holders=HERS),
    ),
    ("not for other resources", policy(DBA, APPS), DutyQuery(("DBA",), holders=HERS)),
    ("not for a denial", policy(DBA, NEVER), DutyQuery(("DBA",), holders=HERS)),
    ("for a rule in dry run, too", policy(DBA, DRY), DutyQuery(("DBA",), roles=True, holders=HERS)),
    (
        "under an alias, too",
        policy(DBA)._replace(aliases={JANE: ("jd@corp.example",), JOAN: ("jr@corp.example",)}),
        DutyQuery(("DBA",), holders=frozenset({JANE, "jd@corp.example"})),
    ),
    (
        "an update, where settings say so",
        policy_from_settings(timedelta(hours=1), participants=True),
        DutyQuery(any_schedule=True, roles=True, updates=True, holders=HERS),
    ),
]


@pytest.mark.parametrize(
    ("by", "wants"), [row[1:] for row in WANTED], ids=[row[0] for row in WANTED]
)
def test_what_is_wanted(by: Policy, wants: DutyQuery) -> None:
    """A provider is asked for what the rules for these resources need, and of whom."""
    assert duty_query("PagerDuty", dependencies([asks()], by, NOW)) == wants


def test_what_two_requests_want() -> None:
    """One question serves all requests of a call."""
    requests = [asks(), asks("app", JOAN)]
    needs = dependencies(requests, policy(DBA, APPS, end_with_shift={}), NOW)
    wanted = duty_query("PagerDuty", needs)
    assert wanted == DutyQuery(("DBA",), roles=True, ends=True, holders=frozenset({JANE, JOAN}))
