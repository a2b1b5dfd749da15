"""Duties: how they are described and ordered."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from handler.duty import CERTAIN, INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty, sort_duties
from tests.handler.conftest import NOW

SHIFT = Duty("PagerDuty", ON_CALL, "S1", "DBA", "jane@example.com")
LEAD = SHIFT._replace(
    provider="incident.io", kind=INCIDENT_ROLE, name="Incident Lead", incident="INC-1"
)
UPDATE = LEAD._replace(kind=INCIDENT_UPDATE)
BERLIN, NEW_YORK, KATHMANDU = map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Asia/Kathmandu"))
ON_DBA = "on call for DBA (PagerDuty)"


@pytest.mark.parametrize(
    ("duty", "words"),
    [
        (SHIFT._replace(end=NOW + timedelta(hours=2)), f"{ON_DBA} until 14:00 UTC"),
        (SHIFT._replace(end=NOW + CERTAIN), f"{ON_DBA} until 2026-03-11 12:00 UTC"),
        (SHIFT._replace(end=NOW + CERTAIN + timedelta(seconds=1)), ON_DBA),
        (SHIFT, ON_DBA),
        (SHIFT._replace(endless=True), f"{ON_DBA} with no end"),
        (LEAD, "Incident Lead of INC-1 (incident.io) for as long as the incident is live"),
        (UPDATE, "posted an update to INC-1 (incident.io) for as long as the incident is live"),
    ],
)
def test_how_long_evidence_lasts(duty: Duty, words: str) -> None:
    """The description has an end only if it's certain, since timelines may be cut."""
    assert duty.describe_evidence(NOW) == words


@pytest.mark.parametrize(
    ("now", "end", "words"),
    [
        # 12:00 local time.
        ((2026, 3, 4, 10), datetime(2026, 3, 4, 12, tzinfo=BERLIN), "11:00 UTC"),
        ((2026, 3, 4, 10), datetime(2026, 3, 4, 12, tzinfo=NEW_YORK), "17:00 UTC"),
        ((2026, 3, 4, 5), datetime(2026, 3, 4, 12, tzinfo=KATHMANDU), "06:15 UTC"),
        # Today in local time but tomorrow in UTC, and the reverse.
        ((2026, 3, 4, 23), datetime(2026, 3, 4, 19, tzinfo=NEW_YORK), "2026-03-05 00:00 UTC"),
        ((2026, 3, 4, 10), datetime(2026, 3, 5, 0, 30, tzinfo=BERLIN), "23:30 UTC"),
        # Around Berlin's changes of clocks, in spring and autumn.
        ((2026, 3, 28, 23), datetime(2026, 3, 29, 1, 59, tzinfo=BERLIN), "2026-03-29 00:59 UTC"),
        ((2026, 3, 29, 0), datetime(2026, 3, 29, 3, tzinfo=BERLIN), "01:00 UTC"),
        ((2026, 10, 25, 0), datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), "00:30 UTC"),
        ((2026, 10, 25, 0), datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN), "01:30 UTC"),
    ],
)
def test_ends_in_several_time_zones(now: tuple[int, ...], end: datetime, words: str) -> None:
    """Ends in any time zone are shown in UTC, also around a change of clocks."""
    moment = datetime(*now, tzinfo=NOW.tzinfo)  # type: ignore[arg-type,misc] # year to hour
    assert SHIFT._replace(end=end).describe_evidence(moment) == f"{ON_DBA} until {words}"


def test_order_of_duties() -> None:
    """Duties are ordered by how good they are as evidence, then by every field."""
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
