"""Opsgenie and its successor alike: until when somebody is on call, and access that ends then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from handler.clock import Deadline
from handler.duty import ON_CALL, Duty, ProviderSnapshot
from handler.http import Client
from handler.providers import atlassian
from handler.providers.base import DutyQuery
from handler.setting_parsers import LONGEST_APPROVAL
from sandbox.vendors import faults, jsm_faults, opsgenie_faults
from sandbox.vendors.server import Fault
from tests.handler.atlassian_worlds import (
    ANAS_END,
    BOTH,
    PAYMENTS,
    World,
    holders,
    opened,
    problems,
)
from tests.handler.bad_answers import BAD_ANSWERS, takes_time
from tests.handler.conftest import ANA, BO, CY, NOW, SetClock
from tests.handler.edited import Edited, put

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0)
UNREAD = "its end could not be read"
# Of the doubles' wrong types, those that only say that something is not there.
HARMLESS = {"recipient is null", "responder is null"}


@pytest.fixture(params=BOTH)
def world(request: pytest.FixtureRequest, client: Client, set_clock: SetClock) -> Iterator[World]:
    """Either provider."""
    with opened(request.param, client, set_clock) as one:
        yield one


def _end(found: ProviderSnapshot) -> datetime | None:
    (duty,) = (each for each in found.duties if each.holder == ANA)
    return duty.end


def test_the_end_of_a_shift(world: World) -> None:
    """It is the duty's, and takes the place of what was known before."""
    world.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + 2 * HOUR)
    world.double.put_on_shift("Payments", BO, NOW - HOUR, NOW + HOUR, rotation="Nights")
    found = world.find(ANAS_END)
    assert found.failures == ()
    assert sorted(found.duties) == [
        Duty(world.name, ON_CALL, PAYMENTS, "Payments", ANA, end=NOW + 2 * HOUR),
        Duty(world.name, ON_CALL, PAYMENTS, "Payments", "bo@acme.example"),
    ]


@pytest.mark.parametrize(
    "wants",
    [
        ANAS_END._replace(ends=False),
        ANAS_END._replace(holders=frozenset({"bo@acme.example"})),
        ANAS_END._replace(any_schedule=False, schedules=("Search",)),
    ],
    ids=["no rule needs it", "somebody else's", "of another schedule"],
)
def test_an_end_that_nobody_needs_is_not_asked_for(wants: DutyQuery, world: World) -> None:
    """It costs a call, so it is asked for where a rule rests on it."""
    world.double.add_schedule("Search")
    world.double.put_on_shift("Payments", ANA)
    world.find(wants)
    assert world.asked("/timeline") == 0


def test_a_call_for_each_schedule(world: World) -> None:
    """Two people of one schedule need one timeline, two schedules two; eight days of it."""
    for name in ("Payments", world.double.add_schedule("Search"), world.double.add_schedule("Off")):
        world.double.put_on_shift(name, ANA)
    world.double.put_on_shift("Payments", BO)
    people = frozenset({ANA, "bo@acme.example"})
    found = world.find(DutyQuery(schedules=("Payments", "Search"), ends=True, holders=people))
    assert {each.name for each in found.duties if each.end} == {"Payments", "Search"}
    assert world.asked("/timeline") == 2
    (query, _) = (call.query for call in world.double.calls if call.path.endswith("/timeline"))
    assert query == {"interval": ["8"], "intervalUnit": ["days"]}


def test_ends_of_the_first_schedules_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit they stay unread."""
    monkeypatch.setattr(atlassian, "MOST_TIMELINES", 1)
    world.double.put_on_shift("Payments", ANA)
    world.double.put_on_shift(world.double.add_schedule("Search"), ANA)
    assert sorted(bool(each.end) for each in world.find(ANAS_END).duties) == [False, True]
    assert world.asked("/timeline") == 1


@pytest.mark.parametrize(
    ("shifts", "hours"),
    [
        ([(-1, 2), (2, 5)], 5),
        ([(2, 5), (-1, 2)], 5),
        ([(-1, 2), (1, 5), (3, 4)], 5),
        ([(-5, 4), (-1, 2)], 4),
        ([(-1, 2), (2.5, 5)], 2),
        ([(0, 2)], 2),
        ([(-3, 0), (0, 1)], 1),
        ([(-9, -3), (-1, 1)], 1),
    ],
    ids=[
        "two in a row",
        "in no order",
        "three that overlap",
        "one within another",
        "a gap between",
        "it begins now",
        "one has just ended",
        "one is long over",
    ],
)
def test_shifts_that_touch_are_one(
    shifts: list[tuple[float, float]], hours: float, world: World
) -> None:
    """Somebody is on call until nobody's handing over to himself: the end of the last in a row."""
    for number, (start, end) in enumerate(shifts):
        rotation = f"R{number}"
        world.double.put_on_shift(
            "Payments", ANA, NOW + start * HOUR, NOW + end * HOUR, rotation=rotation
        )
    assert _end(world.find(ANAS_END)) == NOW + hours * HOUR


def test_the_order_of_rotations_does_not_matter(world: World) -> None:
    """The later shift may be told first."""
    world.double.put_on_shift("Payments", ANA, end=NOW + HOUR, rotation="Days")
    world.double.put_on_shift("Payments", ANA, NOW + HOUR, NOW + 2 * HOUR, rotation="Nights")
    world.double.fail(
        world.timeline,
        Edited(lambda body: body.get("data", body)["finalTimeline"]["rotations"].reverse()),
    )
    assert _end(world.find(ANAS_END)) == NOW + 2 * HOUR


def test_the_end_of_another_provider_s_duty_is_not_asked_for(world: World) -> None:
    """Each looks up its own."""
    other = Duty("another", ON_CALL, PAYMENTS, "Payments", ANA)
    questions = world.source.questions(ANAS_END, ProviderSnapshot(duties=(other,)))
    assert [each.name for each in questions if each.name.startswith("timeline")] == []


def test_shifts_of_others_are_not_his(world: World) -> None:
    """Neither who is on shift beside him nor who comes next makes his longer."""
    world.double.put_on_shift("Payments", ANA, end=NOW + HOUR)
    world.double.put_on_shift("Payments", BO, NOW + HOUR, NOW + 9 * HOUR)
    world.double.put_on_shift("Payments", CY, end=NOW + 9 * HOUR, rotation="Nights")
    assert _end(world.find(ANAS_END)) == NOW + HOUR


def test_a_shift_that_is_forwarded(world: World) -> None:
    """It ends where another takes over, and where he stands in, with that."""
    world.double.put_on_shift("Payments", ANA, end=NOW + 8 * HOUR)
    world.double.forward(ANA, BO, NOW + HOUR, NOW + 2 * HOUR)
    assert _end(world.find(ANAS_END)) == NOW + HOUR
    world.double.take_off_shift("Payments", ANA)
    world.double.put_on_shift("Payments", CY, end=NOW + 8 * HOUR)
    world.double.forward(CY, ANA, end=NOW + 3 * HOUR)
    assert _end(world.find(ANAS_END)) == NOW + 3 * HOUR


@pytest.mark.parametrize("now", [MIDNIGHT, NOW, MIDNIGHT + DAY - timedelta(microseconds=1)])
def test_a_shift_that_is_longer_than_the_timeline(now: datetime, world: World) -> None:
    """It ends, as far as anybody has read, with the timeline: later than any access could."""
    world.clock.now = now
    world.double.put_on_shift("Payments", ANA, NOW - 30 * DAY, NOW + 30 * DAY)
    end = _end(world.find(ANAS_END))
    assert end == MIDNIGHT + 8 * DAY
    assert end - now >= LONGEST_APPROVAL
    decision = world.decide(end_with_shift={}, duration="168h")
    assert decision.duration == LONGEST_APPROVAL


def test_the_provider_s_clock_is_ahead(world: World) -> None:
    """A shift that it has cut in two, with the cut to come by our clock, is still one."""
    world.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + HOUR)
    second = timedelta(seconds=1)

    def cut(body: dict[str, object]) -> None:
        rotation = _rotation(body)
        (period,) = rotation["periods"]
        at = (NOW + second).isoformat()
        rotation["periods"] = [{**period, "endDate": at}, {**period, "startDate": at}]

    world.double.fail(world.timeline, Edited(cut))
    assert _end(world.find(ANAS_END)) == NOW + HOUR


def _rotation(body: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    data = body.get("data", body)
    rotation: dict[str, list[dict[str, object]]] = data["finalTimeline"]["rotations"][0]  # type: ignore[index]  # any JSON
    return rotation


def _period(fields: dict[str, object]) -> Edited:
    return Edited(lambda body: _rotation(body)["periods"][0].update(fields))


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-03-04T14:00:00Z", NOW + 2 * HOUR),
        ("2026-03-04T16:00:00.250+02:00", NOW + 2 * HOUR + timedelta(milliseconds=250)),
        ("2026-03-04T07:00:00-06:00", NOW + HOUR),
    ],
)
def test_times_with_fractions_and_offsets(text: str, end: datetime, world: World) -> None:
    """Every form of RFC 3339 is read."""
    world.double.put_on_shift("Payments", ANA)
    world.double.fail(world.timeline, _period({"endDate": text}))
    assert _end(world.find(ANAS_END)) == end


# -- access that ends with the shift -------------------------------------------------------------


def test_access_ends_with_the_shift(world: World) -> None:
    """The rule's time, or the shift's if that is less; the claim tells until when."""
    world.double.put_on_shift("Payments", ANA, end=NOW + 2 * HOUR)
    decision = world.decide(end_with_shift={})
    assert decision.duration == 2 * HOUR
    assert decision.reason == (
        f'Rule "Payments": on call for Payments ({world.name}) until 14:00 UTC'
    )
    assert world.decide(end_with_shift={"grace": "15m"}).duration == 2.25 * HOUR
    assert world.decide(end_with_shift={}, duration="1h").duration == HOUR
    assert world.asked("/timeline") == 3


def test_a_rule_without_it_asks_for_no_end(world: World) -> None:
    """Access lasts as long as the rule says, for no further call."""
    world.double.put_on_shift("Payments", ANA, end=NOW + 2 * HOUR)
    assert world.decide().duration == 6 * HOUR
    assert world.asked("/timeline") == 0


def test_a_shift_that_is_as_good_as_over(world: World) -> None:
    """Less than a minute of it gives no access."""
    world.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + timedelta(seconds=59))
    assert not world.decide(end_with_shift={}).approved
    assert world.decide().approved


def test_the_end_is_asked_for_once(world: World) -> None:
    """An end that stays unread is not asked for in the next round."""
    world.double.put_on_shift("Payments", ANA)
    world.double.fail(world.timeline, faults.Status(404))
    decision = world.decide(end_with_shift={})
    assert not decision.approved
    assert UNREAD in str(decision.rule_results)
    assert world.asked("/timeline") == 1


def test_nobody_who_is_not_on_call_gets_by_on_a_timeline(world: World) -> None:
    """It adds an end to a duty, never a duty."""
    world.double.put_on_shift("Payments", ANA)
    cy = next(each for each in world.double._tables.people.values() if each.email == CY)
    who = {"id": cy.id, "name": CY, "type": "user"}
    world.double.fail(world.timeline, _period({world.person: who}))
    found = world.find(ANAS_END._replace(holders=frozenset({ANA, CY})))
    assert [(each.holder, each.end) for each in found.duties] == [(ANA, None)]
    assert found.failures == ()


# -- timelines that cannot be read ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        *BAD_ANSWERS,
        (faults.Status(401), "answered 401; "),
        (faults.Status(403), "answered 403; "),
        (opsgenie_faults.Throttled(), "answered 429"),
    ],
)
def test_a_timeline_that_cannot_be_had(
    fault: Fault,
    problem: str,
    world: World,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """The duty stays, without an end: rules that need none hold, others do not."""
    if isinstance(fault, opsgenie_faults.Throttled) and world.provider == "jsm":
        fault = faults.TooManyRequests()
    world.double.put_on_shift("Payments", ANA)
    world.double.fail(world.timeline, fault)
    slow = takes_time(fault)
    found = world.find(ANAS_END, real_deadline(0.5) if slow else None)
    assert (holders(found), _end(found)) == ([ANA], None)
    (failure,) = found.failures
    assert failure.question == f"timeline of {PAYMENTS}"
    assert problem in failure.problem
    if not slow:
        assert not world.decide(end_with_shift={}).approved
        assert world.decide().approved


_WRONG = [
    pytest.param("opsgenie", what, fault, id=f"opsgenie: {what}")
    for what, fault in opsgenie_faults.WRONG_TIMELINES.items()
    if what != "the recipient's id is a number"  # nobody looks at it: the name is the e-mail
] + [
    pytest.param("jsm", what, fault, id=f"jsm: {what}")
    for what, fault in jsm_faults.WRONG_TIMELINES.items()
]


@pytest.mark.parametrize(("provider", "what", "fault"), _WRONG)
def test_a_timeline_of_wrong_types(
    provider: str, what: str, fault: faults.Replaced, client: Client, set_clock: SetClock
) -> None:
    """The end is not read, and that is said; nobody is approved where it matters."""
    with opened(provider, client, set_clock) as world:
        world.double.put_on_shift("Payments", ANA)
        world.double.fail(world.timeline, fault)
        found = world.find(ANAS_END)
        assert (holders(found), _end(found)) == ([ANA], None)
        assert bool(found.failures) is (what not in HARMLESS)
        assert not world.decide(end_with_shift={}).approved
        assert world.decide().approved


def test_a_period_that_is_odd_hides_no_other(world: World) -> None:
    """The end is of those that can be read; what is left out can only make it earlier."""
    world.double.put_on_shift("Payments", ANA, end=NOW + HOUR)
    world.double.put_on_shift("Payments", ANA, NOW + HOUR, NOW + 2 * HOUR)
    at = ("data", "finalTimeline") if world.provider == "opsgenie" else ("finalTimeline",)
    path = (*at, "rotations", 0, "periods", 1, "endDate")
    world.double.fail(world.timeline, put(*path, value=7))
    found = world.find(ANAS_END)
    assert _end(found) == NOW + HOUR
    assert problems(found) == ["1 entries could not be read"]


def test_a_rotation_that_is_odd_hides_no_other(world: World) -> None:
    """The same of a whole rotation."""
    world.double.put_on_shift("Payments", ANA, end=NOW + HOUR, rotation="Days")
    world.double.put_on_shift("Payments", ANA, end=NOW + 2 * HOUR, rotation="Nights")
    at = ("data", "finalTimeline") if world.provider == "opsgenie" else ("finalTimeline",)
    world.double.fail(world.timeline, put(*at, "rotations", 1, value=[]))
    found = world.find(ANAS_END)
    assert _end(found) == NOW + HOUR
    assert problems(found) == ["1 entries could not be read"]


def test_an_end_long_before_any_clock(world: World) -> None:
    """Periods that end before they begin, or at the ends of time, are no shifts."""
    world.double.put_on_shift("Payments", ANA)
    for start, end in (
        ("2026-03-04T13:00:00Z", "2026-03-04T11:00:00Z"),
        ("2026-03-04T12:00:00.000001Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "2026-03-04T12:00:00Z"),
    ):
        times: dict[str, object] = {"startDate": start, "endDate": end}
        world.double.fail(world.timeline, _period(times))
        assert _end(world.find(ANAS_END)) is None
