"""Opsgenie and JSM Operations alike: who is on call, for which schedule, and until when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from handler.clock import Deadline
from handler.duty import CERTAIN, ON_CALL, Duty, ProviderSnapshot, ScheduleOrRole
from handler.http import Client
from handler.providers import atlassian
from handler.providers.base import DutyQuery
from handler.rules.model import LONGEST_APPROVAL
from sandbox.vendors import faults
from sandbox.vendors.server import Fault
from tests.handler.accounts import (
    ANAS_END,
    ANY_SCHEDULE,
    PAYMENTS,
    holders,
    id_of,
    open_atlassian,
    problems,
)
from tests.handler.accounts import (
    AtlassianAccount as Account,
)
from tests.handler.bad_answers import BAD_ANSWERS, takes_time
from tests.handler.conftest import ANA, BO, CY, NOW, SetClock
from tests.handler.edited_answers import Edited, drop, put

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(params=["opsgenie", "jsm"])
def account(
    request: pytest.FixtureRequest, client: Client, set_clock: SetClock
) -> Iterator[Account]:
    """An account at one of the two providers."""
    with open_atlassian(request.param, client, set_clock) as one:
        yield one


def test_who_is_on_shift(account: Account) -> None:
    """A duty has the schedule's id and name, the holder's e-mail, and no end yet."""
    account.double.put_on_shift("Payments", BO)
    snapshot = account.find()
    assert snapshot.duties == (
        Duty(
            provider=account.name,
            kind=ON_CALL,
            id=PAYMENTS,
            name="Payments",
            holder="bo@acme.example",
            user=id_of(account, BO),
        ),
    )
    assert snapshot.schedules_and_roles == (
        ScheduleOrRole(account.name, ON_CALL, PAYMENTS, ("Payments",)),
    )
    assert snapshot.failures == ()
    (duty,) = snapshot.duties
    assert duty.has_end
    assert duty.runs_at(NOW)


def test_nobody_on_shift(account: Account) -> None:
    """An empty, past or future shift gives no duty and no failure."""
    account.double.put_on_shift("Payments", None)
    account.double.put_on_shift("Payments", ANA, NOW - 2 * HOUR, NOW)
    account.double.put_on_shift("Payments", BO, NOW + HOUR, NOW + 2 * HOUR)
    snapshot = account.find()
    assert (snapshot.duties, snapshot.failures) == ((), ())
    account.clock.advance(3600)
    assert holders(account.find()) == ["bo@acme.example"]


def test_several_people(account: Account) -> None:
    """Everybody in each rotation of each schedule is on call, once per schedule."""
    account.double.put_on_shift("Payments", ANA)
    account.double.put_on_shift("Payments", BO, rotation="Nights")
    account.double.put_on_shift("Payments", ANA, rotation="Nights")
    account.double.put_on_shift(account.double.add_schedule("Search"), CY)
    holders_by_schedule = {(duty.name, duty.holder) for duty in account.find().duties}
    assert holders_by_schedule == {
        ("Payments", ANA),
        ("Payments", "bo@acme.example"),
        ("Search", CY),
    }
    assert len(account.find().duties) == 3


def test_a_disabled_schedule(account: Account) -> None:
    """Nobody is on call for a disabled schedule, but its name is still listed."""
    off = account.double.add_schedule("Old", enabled=False)
    account.double.put_on_shift(off, ANA)
    snapshot = account.find(DutyQuery(any_schedule=True, schedules=("Old", off.id)))
    assert (snapshot.duties, snapshot.failures) == ((), ())
    assert [(listed.id, listed.enabled) for listed in snapshot.schedules_and_roles] == [
        (PAYMENTS, True),
        (off.id, False),
    ]
    account.double.enable_schedule(off)
    assert holders(account.find()) == [ANA]


@pytest.mark.parametrize("enabled", [True, False])
def test_a_name_that_two_schedules_have(enabled: bool, account: Account) -> None:  # noqa: FBT001 - a parameter of the test
    """A name of two schedules matches neither, even if one is disabled; ids still match."""
    account.double.add_schedule("Payments", enabled=enabled)
    account.double.put_on_shift(PAYMENTS, ANA)
    (duty,) = account.find().duties
    assert duty.is_named(PAYMENTS)
    assert not duty.is_named("Payments")
    assert not account.decide().approved
    assert "must name it by id" in str(account.decide().rule_results)
    assert account.decide(when={"on_call": {"schedules": [PAYMENTS]}}).approved


def test_a_name_that_is_another_ones_id(account: Account) -> None:
    """A schedule whose name equals another's id isn't that schedule."""
    account.double.put_on_shift(account.double.add_schedule(PAYMENTS), BO)
    (duty,) = account.find(DutyQuery(schedules=(PAYMENTS,))).duties
    assert not duty.is_named(PAYMENTS)
    assert not account.decide(BO, when={"on_call": {"schedules": [PAYMENTS]}}).approved


def test_a_name_is_unique_among_what_the_key_sees(account: Account) -> None:
    """A name must be unique among the schedules that the key can see."""
    team = account.double.add_team("Core")
    mine = account.double.add_schedule("Payments", team=team)
    account.double.put_on_shift(mine, BO)
    account.double.put_on_shift(PAYMENTS, ANA)
    account.double.restrict_key(team)
    assert account.decide(BO).approved
    assert not account.decide(ANA).approved
    account.double.restrict_key(None)
    assert not account.decide(BO).approved


def test_without_a_rule_on_being_on_call_nothing_is_asked(account: Account) -> None:
    """These providers know on-call duties only, and aren't queried for roles or updates."""
    assert list(account.client.questions(DutyQuery(roles=True, updates=True), account.find())) == []


def test_a_schedule_without_an_id(account: Account) -> None:
    """A schedule without an id is skipped and reported; others count by id only."""
    account.double.put_on_shift(account.double.add_schedule("Search"), ANA)
    first = ("values", 0, "id") if account.provider == "jsm" else ("data", 0, "_parent", "id")
    listed = account.schedules if account.provider == "jsm" else f"{account.schedules}/on-calls"
    account.double.fail(listed, drop(*first), times=1)
    snapshot = account.find()
    (duty,) = snapshot.duties
    assert duty.holder == ANA
    assert duty.is_named(duty.id)
    assert not duty.is_named("Search")
    assert problems(snapshot) == ["1 entries could not be read"]


@pytest.mark.parametrize("bad", ["../x", "a/b", "a?b", "a b", "é", "%2e", "", "x" * 101])
def test_an_id_that_is_not_safe_in_a_url(bad: str, account: Account) -> None:
    """A schedule with an id that isn't safe in a URL is skipped, reported and never queried."""
    account.double.put_on_shift("Payments", ANA)
    jsm = account.provider == "jsm"

    def edit(body: dict[str, list[dict[str, dict[str, str]]]]) -> None:
        entry = body["values"][0] if jsm else body["data"][0]["_parent"]
        entry["id"] = bad  # type: ignore[assignment]  # any JSON

    account.double.fail(account.schedules, Edited(edit))
    snapshot = account.find(ANY_SCHEDULE)
    assert (snapshot.duties, snapshot.schedules_and_roles) == ((), ())
    assert problems(snapshot) == ["1 entries could not be read"]
    assert len(account.double.calls) == (2 if jsm else 1)


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0)
UNREAD = "its end could not be read"
# Wrong types that only mean that a value is missing.
HARMLESS = {
    "data.finalTimeline.rotations.*.periods.*.recipient: null",
    "finalTimeline.rotations.*.periods.*.responder: null",
}


def _end(snapshot: ProviderSnapshot) -> datetime | None:
    (duty,) = (duty for duty in snapshot.duties if duty.holder == ANA)
    return duty.end


def test_the_end_of_a_shift(account: Account) -> None:
    """A duty gets its shift's end from the timeline, in place of the unknown end."""
    account.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + 2 * HOUR)
    account.double.put_on_shift("Payments", BO, NOW - HOUR, NOW + HOUR, rotation="Nights")
    for people in (None, frozenset({ANA})):
        snapshot = account.find(ANAS_END._replace(holders=people))
        assert snapshot.failures == ()
        end, user = NOW + 2 * HOUR, id_of(account, ANA)
        duty = Duty(account.name, ON_CALL, PAYMENTS, "Payments", ANA, end=end, user=user)
        assert duty in snapshot.duties
        bos = [duty.end for duty in snapshot.duties if duty.holder == "bo@acme.example"]
        assert bos in ([], [None], [NOW + HOUR])
        assert people or bos[0]


@pytest.mark.parametrize(
    "wants",
    [
        ANAS_END._replace(ends=False),
        ANAS_END._replace(holders=frozenset({"bo@acme.example"})),
        ANAS_END._replace(any_schedule=False, schedules=("Search",)),
    ],
    ids=["no rule needs it", "somebody else's", "of another schedule"],
)
def test_the_end_is_not_read_unless_needed(wants: DutyQuery, account: Account) -> None:
    """A timeline costs a call, so it's read only for duties that a rule relies on."""
    account.double.add_schedule("Search")
    account.double.put_on_shift("Payments", ANA)
    account.find(wants)
    assert account.count_calls("/timeline") == 0


def test_a_call_for_each_schedule(account: Account) -> None:
    """Two people of one schedule need one timeline, two schedules two; nine days of it."""
    for name in (
        "Payments",
        account.double.add_schedule("Search"),
        account.double.add_schedule("Off"),
    ):
        account.double.put_on_shift(name, ANA)
    account.double.put_on_shift("Payments", BO)
    people = frozenset({ANA, "bo@acme.example"})
    snapshot = account.find(DutyQuery(schedules=("Payments", "Search"), ends=True, holders=people))
    assert {duty.name for duty in snapshot.duties if duty.end} == {"Payments", "Search"}
    assert account.count_calls("/timeline") == 2
    (query, _) = (call.query for call in account.double.calls if call.path.endswith("/timeline"))
    assert query == {"interval": ["9"], "intervalUnit": ["days"]}


def test_ends_of_the_first_schedules_only(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a limit of timelines, ends stay unknown."""
    monkeypatch.setattr(atlassian, "MOST_TIMELINES", 1)
    account.double.put_on_shift("Payments", ANA)
    account.double.put_on_shift(account.double.add_schedule("Search"), ANA)
    assert sorted(bool(duty.end) for duty in account.find(ANAS_END).duties) == [False, True]
    assert account.count_calls("/timeline") == 1


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
    shifts: list[tuple[float, float]], hours: float, account: Account
) -> None:
    """Adjacent and overlapping shifts of one person are one shift, until the last end."""
    for number, (start, end) in enumerate(shifts):
        rotation = f"R{number}"
        account.double.put_on_shift(
            "Payments", ANA, NOW + start * HOUR, NOW + end * HOUR, rotation=rotation
        )
    assert _end(account.find(ANAS_END)) == NOW + hours * HOUR


def test_the_end_of_another_provider_s_duty_is_not_asked_for(account: Account) -> None:
    """A client doesn't look up the ends of another provider's duties."""
    other = Duty("another", ON_CALL, PAYMENTS, "Payments", ANA)
    questions = account.client.questions(ANAS_END, ProviderSnapshot(duties=(other,)))
    assert [question.name for question in questions if question.name.startswith("timeline")] == []


def test_shifts_of_others_change_no_end(account: Account) -> None:
    """Other people's parallel or following shifts don't lengthen a person's shift."""
    account.double.put_on_shift("Payments", ANA, end=NOW + HOUR)
    account.double.put_on_shift("Payments", BO, NOW + HOUR, NOW + 9 * HOUR)
    account.double.put_on_shift("Payments", CY, end=NOW + 9 * HOUR, rotation="Nights")
    assert _end(account.find(ANAS_END)) == NOW + HOUR


@pytest.mark.parametrize("now", [MIDNIGHT, NOW, MIDNIGHT + DAY - timedelta(microseconds=1)])
def test_a_shift_that_is_longer_than_the_timeline(now: datetime, account: Account) -> None:
    """A shift longer than the timeline ends with it, which is beyond the longest approval."""
    account.clock.now = now
    account.double.put_on_shift("Payments", ANA, NOW - 30 * DAY, NOW + 30 * DAY)
    end = _end(account.find(ANAS_END))
    assert end == MIDNIGHT + 9 * DAY
    # In a schedule's own time zone, one of the days may be shorter.
    assert end - 2 * HOUR - now >= LONGEST_APPROVAL
    assert end - 2 * HOUR - now > CERTAIN
    decision = account.decide(end_with_shift={}, duration="168h")
    assert decision.duration == LONGEST_APPROVAL


def test_the_provider_s_clock_is_ahead(account: Account) -> None:
    """A shift that the provider splits at its own time, ahead of our clock, is still one."""
    account.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + HOUR)
    second = timedelta(seconds=1)

    def cut(body: dict[str, object]) -> None:
        rotation = _rotation(body)
        (period,) = rotation["periods"]
        at = (NOW + second).isoformat()
        rotation["periods"] = [{**period, "endDate": at}, {**period, "startDate": at}]

    account.double.fail(account.timeline, Edited(cut))
    assert _end(account.find(ANAS_END)) == NOW + HOUR


def _rotation(body: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    data = body.get("data", body)
    rotation: dict[str, list[dict[str, object]]] = data["finalTimeline"]["rotations"][0]  # type: ignore[index]  # any JSON
    return rotation


def _period(fields: dict[str, object]) -> Edited:
    return Edited(lambda body: _rotation(body)["periods"][0].update(fields))


# -- access that ends with the shift -------------------------------------------------------------


def test_access_ends_with_the_shift(account: Account) -> None:
    """Access lasts until the rule's or the shift's end, whichever is first."""
    account.double.put_on_shift("Payments", ANA, end=NOW + 2 * HOUR)
    decision = account.decide(end_with_shift={})
    assert decision.duration == 2 * HOUR
    assert decision.reason == (
        f'Rule "Payments": on call for Payments ({account.name}) until 14:00 UTC'
    )
    assert account.decide(end_with_shift={"grace": "15m"}).duration == 2.25 * HOUR
    assert account.decide(end_with_shift={}, duration="1h").duration == HOUR
    assert account.count_calls("/timeline") == 3


def test_an_approval_says_when_its_shift_ends(account: Account) -> None:
    """The reason has the shift's end, read for the approving schedule only."""
    account.double.put_on_shift("Payments", ANA, end=NOW + 2 * HOUR)
    account.double.put_on_shift(account.double.add_schedule("Search"), ANA)
    decision = account.decide()
    assert decision.duration == 6 * HOUR
    assert decision.reason == (
        f'Rule "Payments": on call for Payments ({account.name}) until 14:00 UTC'
    )
    assert account.count_calls("/timeline") == 1


@pytest.mark.parametrize(
    "fault", [faults.Status(404), faults.Status(403), faults.Garbage(), faults.HangUp()], ids=repr
)
def test_an_end_that_cannot_be_read_changes_nothing(fault: Fault, account: Account) -> None:
    """If the end can't be read, the approval stays, and its reason has no end."""
    account.double.put_on_shift("Payments", ANA, end=NOW + 2 * HOUR)
    account.double.fail(account.timeline, fault)
    decision = account.decide()
    assert decision.duration == 6 * HOUR
    assert decision.reason == f'Rule "Payments": on call for Payments ({account.name})'


def test_an_end_that_may_be_the_timeline_s(account: Account) -> None:
    """If the shift ends with the timeline, the reason has no end."""
    account.double.put_on_shift("Payments", ANA, NOW - 30 * DAY, NOW + 30 * DAY)
    assert account.decide().reason == f'Rule "Payments": on call for Payments ({account.name})'


@pytest.mark.parametrize(
    ("offset", "end"),
    [("+02:00", "16:00"), ("-05:00", "09:00"), ("+05:45", "19:45"), ("+00:00", "14:00")],
)
def test_an_end_in_another_time_zone(offset: str, end: str, account: Account) -> None:
    """The reason shows the end in UTC."""
    account.double.put_on_shift("Payments", ANA, end=NOW + 2 * HOUR)
    account.double.fail(account.timeline, _period({"endDate": f"2026-03-04T{end}:00{offset}"}))
    assert account.decide().reason.endswith(" until 14:00 UTC")


def test_the_end_is_asked_for_once(account: Account) -> None:
    """An end that couldn't be read isn't requested again."""
    account.double.put_on_shift("Payments", ANA)
    account.double.fail(account.timeline, faults.Status(404))
    decision = account.decide(end_with_shift={})
    assert not decision.approved
    assert UNREAD in str(decision.rule_results)
    assert account.count_calls("/timeline") == 1


def test_a_timeline_adds_no_duty(account: Account) -> None:
    """A timeline can add an end to a duty, but never adds a duty."""
    account.double.put_on_shift("Payments", ANA)
    cy = next(person for person in account.double.people if person.email == CY)
    who = {"id": cy.id, "name": CY, "type": "user"}
    account.double.fail(account.timeline, _period({account.person: who}))
    snapshot = account.find(ANAS_END._replace(holders=frozenset({ANA, CY})))
    assert [(duty.holder, duty.end) for duty in snapshot.duties] == [(ANA, None)]
    assert snapshot.failures == ()


# -- timelines that cannot be read ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        *BAD_ANSWERS,
        (faults.Status(401), "answered 401; "),
        (faults.Status(403), "answered 403; "),
        (faults.TooManyRequests(60, retry_after=None), "answered 429"),
    ],
)
def test_a_timeline_that_fails(
    fault: Fault,
    problem: str,
    account: Account,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """If the timeline fails, the duty has no end, and only rules that need none approve."""
    account.double.put_on_shift("Payments", ANA)
    account.double.fail(account.timeline, fault)
    slow = takes_time(fault)
    snapshot = account.find(ANAS_END, real_deadline(0.5) if slow else None)
    assert (holders(snapshot), _end(snapshot)) == ([ANA], None)
    (failure,) = snapshot.failures
    assert failure.question == f"timeline of {PAYMENTS}"
    assert problem in failure.problem
    if not slow:
        assert not account.decide(end_with_shift={}).approved
        assert account.decide().approved


_WRONG = [
    pytest.param("opsgenie", what, fault, id=f"opsgenie: {what}")
    for what, fault in faults.OPSGENIE["timeline"].items()
    if not fault.field.endswith("recipient.name")  # not read if there is an id
] + [
    pytest.param("jsm", what, fault, id=f"jsm: {what}")
    for what, fault in faults.JSM["timeline"].items()
]


@pytest.mark.parametrize(("provider", "what", "fault"), _WRONG)
def test_a_timeline_of_wrong_types(
    provider: str, what: str, fault: faults.WrongValue, client: Client, set_clock: SetClock
) -> None:
    """With a wrong type the end stays unknown, and rules that need it don't approve."""
    with open_atlassian(provider, client, set_clock) as account:
        account.double.put_on_shift("Payments", ANA)
        account.double.fail(account.timeline, fault)
        snapshot = account.find(ANAS_END)
        assert (holders(snapshot), _end(snapshot)) == ([ANA], None)
        assert bool(snapshot.failures) is (what not in HARMLESS)
        assert not account.decide(end_with_shift={}).approved
        assert account.decide().approved


def test_an_unreadable_period(account: Account) -> None:
    """An unreadable period is skipped and reported, which can only make the end earlier."""
    account.double.put_on_shift("Payments", ANA, end=NOW + HOUR)
    account.double.put_on_shift("Payments", ANA, NOW + HOUR, NOW + 2 * HOUR)
    at = ("data", "finalTimeline") if account.provider == "opsgenie" else ("finalTimeline",)
    path = (*at, "rotations", 0, "periods", 1, "endDate")
    account.double.fail(account.timeline, put(*path, value=7))
    snapshot = account.find(ANAS_END)
    assert _end(snapshot) == NOW + HOUR
    assert problems(snapshot) == ["1 entries could not be read"]


def test_an_unreadable_rotation(account: Account) -> None:
    """An unreadable rotation is skipped and reported; the others still count."""
    account.double.put_on_shift("Payments", ANA, end=NOW + HOUR, rotation="Days")
    account.double.put_on_shift("Payments", ANA, end=NOW + 2 * HOUR, rotation="Nights")
    at = ("data", "finalTimeline") if account.provider == "opsgenie" else ("finalTimeline",)
    account.double.fail(account.timeline, put(*at, "rotations", 1, value=[]))
    snapshot = account.find(ANAS_END)
    assert _end(snapshot) == NOW + HOUR
    assert problems(snapshot) == ["1 entries could not be read"]


def test_impossible_periods(account: Account) -> None:
    """A period that ends before it begins, or doesn't include now, gives no end."""
    account.double.put_on_shift("Payments", ANA)
    for start, end in (
        ("2026-03-04T13:00:00Z", "2026-03-04T11:00:00Z"),
        ("2026-03-04T12:00:00.000001Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "2026-03-04T12:00:00Z"),
    ):
        times: dict[str, object] = {"startDate": start, "endDate": end}
        account.double.fail(account.timeline, _period(times))
        assert _end(account.find(ANAS_END)) is None
