"""Duties: equal sets of them are in one order, whoever found them first."""

from __future__ import annotations

from datetime import timedelta

from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, sort_duties
from tests.handler.conftest import NOW

SHIFT = Duty("PagerDuty", ON_CALL, "S1", "DBA", "jane@example.com")


def test_order_of_duties() -> None:
    """The best evidence first, then by every field, numbers as numbers and no time before any."""
    ordered = (
        SHIFT._replace(kind=INCIDENT_ROLE, provider="incident.io", incident="INC-1"),
        SHIFT,
        SHIFT._replace(level=2),
        SHIFT._replace(level=10),
        SHIFT._replace(level=10, end=NOW),
        SHIFT._replace(level=10, end=NOW + timedelta(days=20)),
        SHIFT._replace(level=10, end=NOW + timedelta(days=20), holder="jd@corp.example"),
    )
    for duties in (ordered, ordered[::-1], (*ordered[1::2], *ordered[::2])):
        assert sort_duties((*duties, SHIFT)) == ordered
