"""How a decision says it came about. Who is approved, and for how long, is in the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from handler.decision import MOST_RESOURCES, Judged, decide
from handler.duties import INCIDENT_ROLE, ON_CALL, Duty, Failure, Findings
from handler.events import Request, Resource
from handler.policy import simple

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
JANE = "jane@example.com"
ANY = simple(timedelta(hours=6))
ASKED = Request(Resource("slack/user", "U1", JANE), (Resource("postgres.v1.Role", "prod-db"),))
SHIFT = Duty("incident.io", ON_CALL, "S1", "DBA", JANE, end=NOW + timedelta(hours=1))
LEAD = Duty("incident.io", INCIDENT_ROLE, "R1", "Incident Lead", JANE, incident="INC-42")
OWN_LEAD = LEAD._replace(self_declared=True)


def test_a_failing_provider_hides_no_duty_and_gives_none() -> None:
    """A failure decides nothing, whatever it is."""
    failure = Failure("incident.io", "schedules", "answered 500")
    assert decide(ASKED, Findings((LEAD,), (failure,)), ANY, NOW).approved
    assert not decide(ASKED, Findings((), (failure,)), ANY, NOW).approved


def test_trace_says_why_each_duty_counts_or_not() -> None:
    """Every duty of the requester, and of nobody else, is judged, and what set the time is said."""
    others = LEAD._replace(holder="joan@example.com", incident="INC-7")
    decision = decide(ASKED, Findings((OWN_LEAD, SHIFT, others)), ANY, NOW)
    assert (decision.request, decision.now) == (ASKED, NOW)
    assert decision.duties == (OWN_LEAD, SHIFT)
    notes = ((OWN_LEAD, "declared by the requester himself"), (SHIFT, ""))
    assert decision.judged == (Judged("", "grants", until=NOW + timedelta(hours=6), duties=notes),)
    assert decision.limits == ("the policy allows 6h0m0s",)


@pytest.mark.parametrize("field", ["start", "end"])
def test_a_time_without_zone_is_no_time(field: str) -> None:
    """It is an error rather than an approval, which the app answers without a claim."""
    naive = SHIFT._replace(**{field: NOW.replace(tzinfo=None)})  # type: ignore[arg-type]  # the point
    with pytest.raises(TypeError):
        decide(ASKED, Findings((naive,)), ANY, NOW)


@pytest.mark.parametrize(
    ("more", "reason"), [(0, ""), (1, "more than 1000 resources are requested")]
)
def test_more_than_anybody_needs(more: int, reason: str) -> None:
    """A request for thousands of resources is left to humans, on duty or off."""
    asked = ASKED._replace(resources=ASKED.resources * (MOST_RESOURCES + more))
    decision = decide(asked, Findings((LEAD,)), ANY, NOW)
    assert decision.approved is not bool(reason)
    assert reason in {"", decision.reason}
    assert not decision.wants_facts
