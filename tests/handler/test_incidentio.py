"""incident.io: what is asked, and who is on shift."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from handler.duty import ON_CALL, Duty, ProviderSnapshot
from sandbox.vendors.incidentio import IncidentIO
from tests.handler.conftest import ANA, API_KEY, BO, NOW, SetClock
from tests.handler.edited import Edited, drop, put

Find = Callable[..., ProviderSnapshot]
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
SHIFT = ("schedules", 0, "current_shifts", 0)


def _holders(found: ProviderSnapshot) -> list[str]:
    return sorted(each.holder for each in found.duties)


def test_two_calls_for_a_decision(double: IncidentIO, find: Find) -> None:
    """Live standard incidents and schedules, one call each; the key travels as a bearer token."""
    find()
    incidents, schedules = sorted(double.calls, key=lambda call: call.path)
    assert (incidents.method, incidents.path) == ("GET", "/v2/incidents")
    assert incidents.query == {
        "status_category[one_of]": ["live"],
        "mode[one_of]": ["standard"],
        "page_size": ["250"],
    }
    assert (schedules.method, schedules.path) == ("GET", "/v2/schedules")
    assert schedules.query == {"page_size": ["250"]}
    assert {call.headers["authorization"] for call in double.calls} == {f"Bearer {API_KEY}"}


def test_an_organisation_without_anything(find: Find) -> None:
    """Empty lists are an answer."""
    assert find() == ProviderSnapshot()


def test_who_is_on_shift(double: IncidentIO, find: Find) -> None:
    """A shift is a duty with the schedule's id, name and link, and the shift's own times."""
    schedule = double.add_schedule("Payments primary")
    double.put_on_shift(schedule, BO, NOW - HOUR, NOW + HOUR + TICK)
    assert find() == ProviderSnapshot(
        duties=(
            Duty(
                provider="incident.io",
                kind=ON_CALL,
                id=schedule.id,
                name="Payments primary",
                holder="bo@acme.example",
                start=NOW - HOUR,
                end=NOW + HOUR + TICK,
                link=f"https://app.incident.io/sandbox/on-call/schedules/{schedule.id}",
            ),
        )
    )


def test_a_shift_from_its_start_until_just_before_its_end(double: IncidentIO, find: Find) -> None:
    """The duty is checked by our clock: its start is within, its end is not."""
    double.add_schedule("DBA")
    double.put_on_shift("DBA", ANA, NOW, NOW + HOUR)
    (duty,) = find().duties
    assert duty.runs_at(NOW)
    assert duty.runs_at(NOW + HOUR - TICK)
    assert not duty.runs_at(NOW - TICK)
    assert not duty.runs_at(NOW + HOUR)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-04T09:00:00Z", "2026-03-04T12:00:00Z"),
        ("2026-03-04T12:00:00.000001Z", "2026-03-04T13:00:00Z"),
        ("2026-03-04T13:00:00.1+01:00", "2026-03-04T14:00:00+01:00"),
        ("2026-03-04T12:30:00Z", "2026-03-04T11:30:00Z"),
    ],
    ids=["has ended", "has not begun", "has not begun, in another zone", "ends before it begins"],
)
def test_a_provider_whose_clock_is_wrong(
    start: str, end: str, double: IncidentIO, find: Find
) -> None:
    """What it calls a current shift is none unless our clock agrees."""
    double.add_schedule("DBA")
    double.put_on_shift("DBA", ANA)
    double.fail("/v2/schedules", _times(start, end))
    assert not any(each.runs_at(NOW) for each in find().duties)


def _times(start: str, end: str) -> Edited:
    return Edited(
        lambda body: body["schedules"][0]["current_shifts"][0].update(start_at=start, end_at=end)
    )


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-04T12:00:00Z", "2026-03-04T12:00:00.000001Z"),
        ("2026-03-04T11:59:59.999999999Z", "2026-03-05T00:00:00.5Z"),
        ("2026-03-04T13:00:00+01:00", "2026-03-04T07:00:00.123-06:00"),
    ],
)
def test_times_with_fractions_and_offsets(
    start: str, end: str, double: IncidentIO, find: Find
) -> None:
    """Every form of RFC 3339 is read."""
    double.add_schedule("DBA")
    double.put_on_shift("DBA", ANA)
    double.fail("/v2/schedules", _times(start, end))
    (duty,) = find().duties
    assert duty.runs_at(NOW)


def test_several_people_on_shift(double: IncidentIO, find: Find) -> None:
    """Everybody on shift is on duty: of one schedule, of several, without end in common."""
    for name in ("DBA", "API"):
        double.add_schedule(name)
        double.put_on_shift(name, ANA)
    double.put_on_shift("DBA", BO, end=NOW + HOUR)
    found = {(each.name, each.holder) for each in find().duties}
    assert found == {("DBA", ANA), ("API", ANA), ("DBA", "bo@acme.example")}


def test_nobody_on_shift(double: IncidentIO, find: Find, set_clock: SetClock) -> None:
    """No shift, a shift of nobody, of somebody without e-mail, past or to come: nobody's duty."""
    ghost = double.add_person("Deactivated", None)
    for name in ("empty", "of nobody", "without e-mail", "past", "to come"):
        double.add_schedule(name)
    double.put_on_shift("of nobody", None)
    double.put_on_shift("without e-mail", ghost)
    double.put_on_shift("past", ANA, NOW - 2 * HOUR, NOW - HOUR)
    double.put_on_shift("to come", BO, NOW + HOUR, NOW + 2 * HOUR)
    found = find()
    assert [each.name for each in found.without_email] == ["without e-mail"]
    assert found._replace(without_email=()) == ProviderSnapshot()
    set_clock.advance(3600)
    assert _holders(find()) == ["bo@acme.example"]


@pytest.mark.parametrize(
    ("edit", "holders"),
    [
        (drop("schedules", 0, "permalink"), [ANA]),
        (drop("schedules", 0, "name"), [ANA]),
        (drop("schedules", 0, "config"), [ANA]),
        (drop("schedules", 0, "current_shifts"), []),
        (put("schedules", 0, "current_shifts", value=None), []),
        (drop(*SHIFT, "entry_id"), [ANA]),
        (drop(*SHIFT, "rotation_id"), [ANA]),
        (drop(*SHIFT, "user", "id"), [ANA]),
        (drop(*SHIFT, "user", "slack_user_id"), [ANA]),
        (drop(*SHIFT, "user", "email"), []),
        (put(*SHIFT, "user", "email", value=None), []),
        (put(*SHIFT, "user", "email", value="  "), []),
        (put(*SHIFT, "user", value=None), []),
        (drop("pagination_meta"), [ANA]),
        (put("news", value={"of": "tomorrow"}), [ANA]),
        (put(*SHIFT, "user", "role", value="new_kind"), [ANA]),
    ],
)
def test_optional_fields_of_a_schedule(
    edit: Edited, holders: list[str], double: IncidentIO, find: Find
) -> None:
    """What the vendor's schema calls optional may be absent, and new things may come."""
    double.add_schedule("DBA")
    double.put_on_shift("DBA", ANA)
    double.fail("/v2/schedules", edit)
    found = find()
    assert _holders(found) == holders
    assert found.failures == ()
