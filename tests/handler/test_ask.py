"""Asking several questions at once: all answers count; a name of two schedules matches neither."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handler.clock import Deadline
from handler.duty import (
    INCIDENT_ROLE,
    ON_CALL,
    Duty,
    Failure,
    Incident,
    ProviderSnapshot,
    ScheduleOrRole,
)
from handler.http import HttpError
from handler.json_fields import ShapeError
from handler.providers.base import CutShort, Page
from handler.providers.runner import QuestionRunner, ask
from tests.handler.builders import (
    GIVEN_UP,
    LONG,
    Fetch,
    fetching,
    make_duty,
    make_page,
    make_question,
)
from tests.handler.conftest import SetClock

InSeconds = Callable[[float], Deadline]
ROOT = Path(__file__).parents[2]


def test_no_questions(set_clock: SetClock) -> None:
    """Without questions, the snapshot is empty."""
    assert ask((), set_clock.deadline()) == ProviderSnapshot()


def test_all_pages_of_all_questions(set_clock: SetClock) -> None:
    """Duties, incidents and problems of all pages of all questions are merged."""
    first, second, third = make_duty("A"), make_duty("B"), make_duty("C")
    incidents = tuple(Incident(f"0{n}", f"INC-{n}", ()) for n in (3, 2, 1))
    snapshot = ask(
        iter(
            (
                make_question(
                    "one",
                    fetching(
                        make_page(first)._replace(incidents=incidents[:2]),
                        make_page(second)._replace(
                            incidents=incidents[2:], problems=("2 are odd",)
                        ),
                    ),
                ),
                make_question("two", fetching(make_page(third)), lists=INCIDENT_ROLE),
                make_question("none", fetching()),
            )
        ),
        set_clock.deadline(),
    )
    assert sorted(snapshot.duties) == [first, second, third]
    assert snapshot.incidents == incidents
    assert snapshot.failures == (Failure("P", "one", "2 are odd"),)


def test_answers_that_came_together_are_read_together(set_clock: SetClock) -> None:
    """One wait collects all answers that are there, so one decision is enough."""
    runner = QuestionRunner(set_clock.deadline())
    runner.start([make_question(name, fetching(make_page())) for name in "abc"], at_once=1)
    while runner._answered.qsize() < 3:
        threading.Event().wait(0.001)
    assert runner.wait(set_clock.deadline())
    assert runner.running() == 0
    assert not runner.wait(set_clock.deadline())


@pytest.mark.parametrize("at_once", [1, 3])
def test_only_so_many_at_once(at_once: int, set_clock: SetClock) -> None:
    """Exactly as many questions as allowed run at once, until all have run."""
    meet, lock = threading.Barrier(at_once), threading.Lock()
    one_more = threading.Event()
    running: set[int] = set()
    answered: list[int] = []

    def pages(number: int) -> Fetch:
        def read(_deadline: Deadline) -> Iterator[Page]:
            with lock:
                running.add(number)
                if len(running) > at_once:
                    one_more.set()
            meet.wait(LONG)
            one_more.wait(0.05)
            with lock:
                running.remove(number)
                answered.append(number)
            yield Page()

        return read

    questions = [make_question(str(number), pages(number)) for number in range(9)]
    assert ask(questions, set_clock.deadline(LONG), at_once).failures == ()
    assert sorted(answered) == list(range(9))
    assert not one_more.is_set()


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (HttpError("answered 500", status=500, body=b"s3cret"), "answered 500"),
        (CutShort("only the first 20 pages were read"), "only the first 20 pages were read"),
        (
            ShapeError("after is not a string"),
            "the answer could not be read: after is not a string",
        ),
        (KeyError("s3cret"), "the answer could not be read (KeyError)"),
        (RecursionError("s3cret"), "the answer could not be read (RecursionError)"),
    ],
)
def test_a_failure_hides_nothing(error: Exception, problem: str, set_clock: SetClock) -> None:
    """A failing question keeps its earlier pages; the failure never repeats content."""
    early, other = make_duty("early"), make_duty("other", kind=INCIDENT_ROLE)
    snapshot = ask(
        [
            make_question("broken", fetching(make_page(early), then=error)),
            make_question("whole", fetching(make_page(other)), lists=INCIDENT_ROLE),
        ],
        set_clock.deadline(),
    )
    assert {duty.id for duty in snapshot.duties} == {early.id, other.id}
    assert snapshot.failures == (Failure("P", "broken", problem),)


def test_a_question_that_fails_before_its_first_page(set_clock: SetClock) -> None:
    """A question that fails before its first page is a failure like any other."""

    def unable(_deadline: Deadline) -> Iterator[Page]:
        raise OSError

    snapshot = ask([make_question("broken", unable)], set_clock.deadline())
    assert [failure.problem for failure in snapshot.failures] == [
        "the answer could not be read (OSError)"
    ]


def test_a_hanging_question_is_given_up(
    real_deadline: InSeconds, released: threading.Event
) -> None:
    """At the deadline, a hanging question is given up; its earlier pages and others count."""
    early, other, late = (
        make_duty("early"),
        make_duty("other", kind=INCIDENT_ROLE),
        make_duty("late"),
    )
    ended = threading.Event()

    def hanging(_deadline: Deadline) -> Iterator[Page]:
        yield make_page(early)
        released.wait(LONG)
        yield make_page(late)
        ended.set()

    snapshot = ask(
        [
            make_question("hanging", hanging),
            make_question("whole", fetching(make_page(other)), lists=INCIDENT_ROLE),
        ],
        real_deadline(0.3),
    )
    assert not ended.is_set()
    assert {duty.id for duty in snapshot.duties} == {early.id, other.id}
    assert snapshot.failures == (Failure("P", "hanging", GIVEN_UP),)
    released.set()
    assert ended.wait(LONG)
    assert len(snapshot.duties) == 2


def test_what_waits_behind_a_hanging_question_is_not_asked(
    real_deadline: InSeconds, released: threading.Event
) -> None:
    """After the deadline no question starts; those that never ran are reported as given up."""
    asked, ended = threading.Event(), threading.Event()

    def hanging(_deadline: Deadline) -> Iterator[Page]:
        released.wait(LONG)
        yield Page()
        ended.set()

    def never(_deadline: Deadline) -> Iterator[Page]:
        asked.set()
        yield Page()

    questions = [make_question("hanging", hanging), make_question("behind", never)]
    snapshot = ask(questions, real_deadline(0.2), at_once=1)
    assert snapshot.failures == (
        Failure("P", "hanging", GIVEN_UP),
        Failure("P", "behind", GIVEN_UP),
    )
    released.set()
    assert ended.wait(LONG)
    assert not asked.wait(0.1)


def test_a_hanging_question_lets_the_process_end() -> None:
    """A thread that hangs doesn't keep the process alive."""
    program = """
import threading
from datetime import UTC, datetime
from time import monotonic, sleep
from handler.clock import Clock, Deadline
from handler.providers.base import Question
from handler.providers.runner import QuestionRunner, ask

clock = Clock(lambda: datetime.now(UTC), monotonic, sleep)
never = threading.Event().wait
snapshot = ask([Question("P", "hanging", "", lambda deadline: never())], Deadline(clock, 0.1))
print(snapshot.failures[0])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    assert ran.stdout.decode().strip() == f"P hanging: {GIVEN_UP}"
    assert ran.stderr == b""


def test_an_endless_question_is_given_up(set_clock: SetClock, released: threading.Event) -> None:
    """A question with always another page is given up at the deadline."""
    wanted, there, returned = threading.Semaphore(0), threading.Semaphore(0), threading.Event()
    snapshot: list[ProviderSnapshot] = []

    def endless(_deadline: Deadline) -> Iterator[Page]:
        while not released.is_set():
            wanted.acquire(timeout=1)
            yield Page()
            there.release()

    class Passed(Deadline):
        def left(self) -> float:
            wanted.release()
            there.acquire(timeout=1)
            return 0.0

    def caller() -> None:
        snapshot.append(ask([make_question("endless", endless)], Passed(set_clock.clock, 0)))
        returned.set()

    threading.Thread(target=caller, daemon=True).start()
    assert returned.wait(5)
    assert snapshot[0].failures == (Failure("P", "endless", GIVEN_UP),)


DBA = make_duty("DBA", "1")
LEAD, OPS = make_duty("Lead", "1", shortform="ops"), make_duty("ops", "2", shortform="o")
SHARED_NAMES: dict[str, tuple[list[Duty], dict[str, set[str]]]] = {
    "different names": ([DBA, make_duty("API", "2")], {}),
    "one name of two": ([DBA, make_duty("DBA", "2")], {"1": {"DBA"}, "2": {"DBA"}}),
    "names that differ in case": ([DBA, make_duty("dba", "2")], {}),
    "two people of one": ([DBA, DBA._replace(holder="bo@example.com")], {}),
    "a schedule and a role": ([DBA, make_duty("DBA", "2", kind=INCIDENT_ROLE)], {}),
    "two providers": ([DBA, make_duty("DBA", "2")._replace(provider="Q")], {}),
    "a shortform and a name": ([LEAD, OPS], {"1": {"ops"}, "2": {"ops"}}),
    "missing shortforms": ([make_duty("Lead", "1"), make_duty("Comms", "2")], {}),
    "missing names": ([make_duty("", "1"), make_duty("", "2")], {}),
}


@pytest.mark.parametrize(("duties", "shared"), SHARED_NAMES.values(), ids=SHARED_NAMES)
def test_shared_names(duties: list[Duty], shared: dict[str, set[str]], set_clock: SetClock) -> None:
    """A name of two schedules, or of two roles, at one provider is marked in both duties."""
    questions = [make_question("all", fetching(*(make_page(duty) for duty in duties)))]
    all_duties = ask(questions, set_clock.deadline()).duties
    assert {duty.id: set(duty.shared_names) for duty in all_duties if duty.shared_names} == shared
    assert len(all_duties) == len(duties)


def test_a_name_shared_with_an_empty_schedule(set_clock: SetClock) -> None:
    """A schedule with nobody on shift also makes a name shared."""
    empty = Page(schedules_and_roles=(ScheduleOrRole("P", ON_CALL, "2", ("DBA",)),))
    questions = [make_question("all", fetching(empty, make_page(make_duty("DBA", "1"))))]
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
def test_names_of_an_incomplete_list_do_not_count(
    lists: str,
    provider: str,
    name: str,
    doubted: bool,  # noqa: FBT001 - a column of the table
    set_clock: SetClock,
) -> None:
    """If a list is incomplete, another schedule may have the name: only ids count."""
    (duty,) = ask(
        [
            make_question("good", fetching(make_page(make_duty(name, "1")))),
            make_question("cut", fetching(then=CutShort("enough")), lists, provider),
        ],
        set_clock.deadline(),
    ).duties
    assert bool(duty.shared_names) is doubted
    assert duty.is_named(name) is (bool(name) and not doubted)
    assert duty.is_named("1")


def test_names_of_a_list_that_hangs_do_not_count(
    real_deadline: InSeconds, released: threading.Event
) -> None:
    """A list that hangs after its first page is incomplete as well."""

    def hanging(_deadline: Deadline) -> Iterator[Page]:
        yield make_page(make_duty("DBA", "1"))
        released.wait(LONG)

    (duty,) = ask([make_question("hanging", hanging)], real_deadline(0.2)).duties
    assert duty.shared_names == {"DBA"}


def test_a_name_that_is_another_ones_id(set_clock: SetClock) -> None:
    """A name that equals another schedule's id matches only the schedule with that id."""
    true, false = make_duty("DBA", "S1"), make_duty("S1", "S2")
    snapshot = ask(
        [make_question("schedules", fetching(make_page(true, false)))], set_clock.deadline()
    )
    assert [duty.id for duty in snapshot.duties if duty.is_named("S1")] == ["S1"]
    assert [duty.id for duty in snapshot.duties if duty.is_named("S2")] == ["S2"]


PAGERDUTY, OPSGENIE = "PagerDuty", "Opsgenie"


def _of(provider: str, name: str, id_: str, *, kind: str = ON_CALL) -> Duty:
    return make_duty(name, id_, kind=kind)._replace(provider=provider)


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
    """A name that equals an id at another provider is marked, and matches only the id."""
    questions = [
        make_question(duty.id, fetching(make_page(duty)), ON_CALL, duty.provider) for duty in duties
    ]
    all_duties = ask(questions, set_clock.deadline()).duties
    assert {
        duty.id: set(duty.ids_elsewhere) for duty in all_duties if duty.ids_elsewhere
    } == elsewhere


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
        (PAGERDUTY, "PROD123", True),
        (PAGERDUTY, "PRODAPI", False),
        (PAGERDUTY, "PROD1", False),
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
def test_a_name_that_may_be_an_id_of_a_failed_provider(
    provider: str,
    name: str,
    may_be: bool,  # noqa: FBT001 - a column of the table
    set_clock: SetClock,
) -> None:
    """If a provider fails, names that look like its ids don't count; others do."""
    fine = _of("another", name, "A1")
    other = make_question("fine", fetching(make_page(fine)), ON_CALL, "another")
    failing = make_question("down", fetching(then=CutShort("down")), ON_CALL, provider)
    (duty,) = ask([other, failing], set_clock.deadline()).duties
    assert duty.ids_elsewhere == ({name} if may_be else frozenset())
    # A failed list of another kind doesn't matter.
    roles = make_question("down", fetching(then=CutShort("down")), INCIDENT_ROLE, provider)
    (duty,) = ask([other, roles], set_clock.deadline()).duties
    assert not duty.ids_elsewhere


def test_ids_and_names_from_two_rounds(set_clock: SetClock) -> None:
    """Names are checked against ids from earlier and later rounds."""
    deadline = set_clock.deadline()
    name = make_question(
        "name", fetching(make_page(_of(OPSGENIE, "P1DBA", "O1"))), ON_CALL, OPSGENIE
    )
    id_ = make_question(
        "id", fetching(make_page(_of(PAGERDUTY, "DBA", "P1DBA"))), ON_CALL, PAGERDUTY
    )
    for first, second in ((name, id_), (id_, name)):
        snapshot = ask([second], deadline, before=ask([first], deadline))
        assert [set(duty.ids_elsewhere) for duty in snapshot.duties if duty.id == "O1"] == [
            {"P1DBA"}
        ]
