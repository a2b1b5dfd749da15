"""incident.io: all that a policy may name, for checks ahead of time."""

from __future__ import annotations

from handler.duty import INCIDENT_ROLE, INCIDENT_TYPE, KEY, SEVERITY, ProviderSnapshot
from handler.providers.base import ask
from handler.providers.incidentio import IncidentIO as Source
from sandbox.vendors.incidentio import IncidentIO
from tests.handler.conftest import API_KEY, SetClock
from tests.handler.edited import drop, put


def inventory(source: Source, set_clock: SetClock) -> ProviderSnapshot:
    """What the source says of itself, asked at once."""
    found = ask(source.inventory(), set_clock.deadline())
    assert API_KEY not in str(found)
    return found


def test_all_that_has_a_name(double: IncidentIO, source: Source, set_clock: SetClock) -> None:
    """Roles are there whether an incident is live or not, and severities, types and the key."""
    double.add_role("Communications Lead", "comms")
    found = inventory(source, set_clock)
    assert {(each.kind, each.names) for each in found.schedules_and_roles} == {
        (KEY, ("viewer", "schedules_reader", "global_access")),
        (INCIDENT_ROLE, ("Incident Lead", "lead")),
        (INCIDENT_ROLE, ("Reporter", "")),
        (INCIDENT_ROLE, ("Communications Lead", "comms")),
        *((SEVERITY, (name, "")) for name in ("Minor", "Major", "Critical")),
        *((INCIDENT_TYPE, (name, "")) for name in ("Production", "Security")),
    }
    assert found.failures == ()
    assert found.incomplete == frozenset()


def test_a_list_that_the_key_may_not_read(
    double: IncidentIO, source: Source, set_clock: SetClock
) -> None:
    """It is said which, and which scope the key needs."""
    double.key_roles = ("schedules_reader",)
    found = inventory(source, set_clock)
    told = sorted(str(each).partition("; request_id")[0] for each in found.failures)
    assert told == [
        f"incident.io {name}: answered 403; the key needs the scope {name}.view"
        for name in ("incident_roles", "incident_types", "severities")
    ]


def test_an_odd_list_is_a_failure(double: IncidentIO, source: Source, set_clock: SetClock) -> None:
    """What cannot be read whole says nothing about names."""
    double.fail("/v1/severities", drop("severities"))
    double.fail("/v1/incident_types", put("incident_types", 0, value="x"))
    double.fail("/v1/identity", put("identity", value=[]))
    found = inventory(source, set_clock)
    assert {(each.question, each.problem) for each in found.failures} == {
        ("severities", "the answer could not be read: severities is missing"),
        ("incident_types", "the answer could not be read: incident_types is not an object"),
        ("identity", "the answer could not be read: identity is not an object"),
    }
    assert {kind for _, kind in found.incomplete} == {SEVERITY, INCIDENT_TYPE, KEY}
