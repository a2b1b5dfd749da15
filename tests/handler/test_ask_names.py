"""Whose a name is: one that two may bear means neither."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from handler.clock import Deadline
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, ScheduleOrRole
from handler.providers.base import CutShort, Page, ask
from tests.handler.asking import LONG, a_duty, answers, page, question
from tests.handler.conftest import SetClock

InSeconds = Callable[[float], Deadline]


@pytest.mark.parametrize(
    ("duties", "shared"),
    [
        pytest.param([a_duty("DBA", "1"), a_duty("API", "2")], {}, id="different names"),
        pytest.param([a_duty("DBA", "1"), a_duty("DBA", "2")], {"1": {"DBA"}, "2": {"DBA"}},
                     id="one name of two"),
        pytest.param([a_duty("DBA", "1"), a_duty("dba", "2")], {}, id="case tells apart"),
        pytest.param([a_duty("DBA", "1"), a_duty("DBA", "1")._replace(holder="bo@example.com")], {},
                     id="two people of one"),
        pytest.param([a_duty("DBA", "1"), a_duty("DBA", "2", kind=INCIDENT_ROLE)], {},
                     id="a schedule and a role"),
        pytest.param([a_duty("DBA", "1"), a_duty("DBA", "2")._replace(provider="Q")], {},
                     id="two providers"),
        pytest.param([a_duty("Lead", "1", shortform="ops"), a_duty("ops", "2", shortform="o")],
                     {"1": {"ops"}, "2": {"ops"}}, id="a shortform and a name"),
        pytest.param([a_duty("Lead", "1"), a_duty("Comms", "2")], {}, id="no shortform is no name"),
        pytest.param([a_duty("", "1"), a_duty("", "2")], {}, id="no name is no name"),
    ],
)  # fmt: skip
def test_shared_names(duties: list[Duty], shared: dict[str, set[str]], set_clock: SetClock) -> None:
    """A name that two schedules, or two roles, of a provider bear is marked in both."""
    questions = [question("all", answers(*(page(each) for each in duties)))]
    found = ask(questions, set_clock.deadline()).duties
    assert {each.id: set(each.shared_names) for each in found if each.shared_names} == shared
    assert len(found) == len(duties)


def test_a_name_is_shared_with_what_nobody_holds(set_clock: SetClock) -> None:
    """A schedule without anybody on shift counts among the bearers of its name."""
    empty = Page(schedules_and_roles=(ScheduleOrRole("P", ON_CALL, "2", ("DBA",)),))
    questions = [question("all", answers(empty, page(a_duty("DBA", "1"))))]
    (duty,) = ask(questions, set_clock.deadline()).duties
    assert duty.shared_names == {"DBA"}
    assert not duty.is_named("DBA")
    assert duty.is_named("1")


@pytest.mark.parametrize(
    ("lists", "provider", "name", "doubted"),
    [
        (ON_CALL, "P", "DBA", True),
        (ON_CALL, "P", "", False),
        (INCIDENT_ROLE, "P", "DBA", False),
        (ON_CALL, "Q", "DBA", False),
        ("", "P", "DBA", False),
    ],
)
def test_a_list_not_read_to_its_end_makes_its_names_doubtful(
    lists: str,
    provider: str,
    name: str,
    doubted: bool,  # noqa: FBT001 - a column of the table
    set_clock: SetClock,
) -> None:
    """Who bears the name on the pages that were not read? The id still says which one it is."""
    (duty,) = ask(
        [
            question("good", answers(page(a_duty(name, "1")))),
            question("cut", answers(then=CutShort("enough")), lists, provider),
        ],
        set_clock.deadline(),
    ).duties
    assert bool(duty.shared_names) is doubted
    assert duty.is_named(name) is (bool(name) and not doubted)
    assert duty.is_named("1")


def test_a_list_that_was_given_up_makes_its_names_doubtful(
    real_deadline: InSeconds, released: threading.Event
) -> None:
    """A list that hangs after its first page is not read to its end, either."""

    def hanging(_deadline: Deadline) -> Iterator[Page]:
        yield page(a_duty("DBA", "1"))
        released.wait(LONG)

    (duty,) = ask([question("hanging", hanging)], real_deadline(0.2)).duties
    assert duty.shared_names == {"DBA"}


def test_a_name_that_is_another_ones_id(set_clock: SetClock) -> None:
    """Who may name a schedule may name it after the id of one that counts: it means that one."""
    true, false = a_duty("DBA", "S1"), a_duty("S1", "S2")
    found = ask([question("schedules", answers(page(true, false)))], set_clock.deadline())
    assert [each.id for each in found.duties if each.is_named("S1")] == ["S1"]
    assert [each.id for each in found.duties if each.is_named("S2")] == ["S2"]


PAGERDUTY, OPSGENIE = "PagerDuty", "Opsgenie"


def _of(provider: str, name: str, id_: str, *, kind: str = ON_CALL) -> Duty:
    return a_duty(name, id_, kind=kind)._replace(provider=provider)


@pytest.mark.parametrize(
    ("duties", "elsewhere"),
    [
        pytest.param([_of(PAGERDUTY, "DBA", "P1DBA"), _of(OPSGENIE, "P1DBA", "O1")],
                     {"O1": {"P1DBA"}}, id="a name that is an id"),
        pytest.param([_of(PAGERDUTY, "O1", "P1DBA"), _of(OPSGENIE, "P1DBA", "O1")],
                     {"O1": {"P1DBA"}, "P1DBA": {"O1"}}, id="either way"),
        pytest.param([_of(PAGERDUTY, "DBA", "1"), _of(OPSGENIE, "DBA", "2")], {}, id="one name"),
        pytest.param([_of(PAGERDUTY, "DBA", "1"), _of(OPSGENIE, "API", "1")], {}, id="one id"),
        pytest.param([_of(PAGERDUTY, "DBA", "1", kind=INCIDENT_ROLE), _of(OPSGENIE, "1", "2")], {},
                     id="a role's id"),
        pytest.param([_of(PAGERDUTY, "DBA", "1"), _of(PAGERDUTY, "1", "2")], {},
                     id="within a provider, where it is a shared name"),
    ],
)  # fmt: skip
def test_names_that_are_ids_elsewhere(
    duties: list[Duty], elsewhere: dict[str, set[str]], set_clock: SetClock
) -> None:
    """Who may name a schedule at one provider may name it after the id of another's."""
    questions = [question(each.id, answers(page(each)), ON_CALL, each.provider) for each in duties]
    found = ask(questions, set_clock.deadline()).duties
    assert {each.id: set(each.ids_elsewhere) for each in found if each.ids_elsewhere} == elsewhere


@pytest.mark.parametrize(
    ("provider", "name", "may_be"),
    [
        (PAGERDUTY, "P1DBA", True),
        (PAGERDUTY, "PIJ90N7", True),
        (PAGERDUTY, "PWIXJZS", True),
        (PAGERDUTY, "Q0R0SNU1NV1NQD", True),
        (PAGERDUTY, "Q1A2B3C4D5E6F7", True),
        (PAGERDUTY, "DBA", False),
        (PAGERDUTY, "Payments", False),
        (PAGERDUTY, "PROD", False),
        (PAGERDUTY, "PLATFORM", False),
        (PAGERDUTY, "PRIMARY", False),
        (PAGERDUTY, "PRIMARY1", False),
        (PAGERDUTY, "PRODUCT", False),
        (PAGERDUTY, "PROD24X7", False),
        (PAGERDUTY, "PAYMENT", False),
        (PAGERDUTY, "QUALITY", False),
        (PAGERDUTY, "ONCALL", False),
        (PAGERDUTY, "P1", False),
        (PAGERDUTY, "P1 DBA", False),
        (PAGERDUTY, "DB1PROD", False),
        (OPSGENIE, "e71d500f-896a-4b28-8b08-3bfe56e1ed76", True),
        (OPSGENIE, "P1DBA", False),
        ("JSM Operations", "e71d500f-896a-4b28-8b08-3bfe56e1ed76", True),
        ("JSM Operations", "DBA of e71d500f-896a-4b28-8b08-3bfe56e1ed76", False),
        ("incident.io", "01FCNDV6P870EA6S7TK1DSYDG0", True),
        ("incident.io", "01FCNDV6P870EA6S7TK1DSYDGU", False),
        ("unheard of", "P1DBA", False),
    ],
)
def test_a_name_that_looks_like_an_id_of_who_could_not_be_asked(
    provider: str,
    name: str,
    may_be: bool,  # noqa: FBT001 - a column of the table
    set_clock: SetClock,
) -> None:
    """An outage turns no id into a name, and ordinary names count on."""
    fine = _of("another", name, "A1")
    other = question("fine", answers(page(fine)), ON_CALL, "another")
    failing = question("down", answers(then=CutShort("down")), ON_CALL, provider)
    (duty,) = ask([other, failing], set_clock.deadline()).duties
    assert duty.ids_elsewhere == ({name} if may_be else frozenset())
    # A list of another kind says nothing of it.
    roles = question("down", answers(then=CutShort("down")), INCIDENT_ROLE, provider)
    (duty,) = ask([other, roles], set_clock.deadline()).duties
    assert not duty.ids_elsewhere


def test_what_comes_later_lifts_the_doubt(set_clock: SetClock) -> None:
    """What was read in two parts is put together: an id may come before the name or behind it."""
    deadline = set_clock.deadline()
    name = question("name", answers(page(_of(OPSGENIE, "P1DBA", "O1"))), ON_CALL, OPSGENIE)
    id_ = question("id", answers(page(_of(PAGERDUTY, "DBA", "P1DBA"))), ON_CALL, PAGERDUTY)
    for first, second in ((name, id_), (id_, name)):
        found = ask([second], deadline, before=ask([first], deadline))
        assert [set(each.ids_elsewhere) for each in found.duties if each.id == "O1"] == [{"P1DBA"}]
