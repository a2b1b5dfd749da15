"""Asking several questions at once: every answer counts, every failure is said."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handler.clock import Deadline
from handler.duty import INCIDENT_ROLE, Failure, Incident, ProviderSnapshot
from handler.http import HttpError
from handler.json_fields import ShapeError
from handler.providers.base import CutShort, Page, ask
from tests.handler.asking import GIVEN_UP, LONG, Ask, a_duty, answers, page, question
from tests.handler.conftest import SetClock

InSeconds = Callable[[float], Deadline]
ROOT = Path(__file__).parents[2]


def test_no_questions(set_clock: SetClock) -> None:
    """Nothing asked, nothing found."""
    assert ask((), set_clock.deadline()) == ProviderSnapshot()


def test_all_pages_of_all_questions(set_clock: SetClock) -> None:
    """Duties, incidents and problems of every page are found."""
    first, second, third = a_duty("A"), a_duty("B"), a_duty("C")
    incidents = tuple(Incident(f"0{n}", f"INC-{n}", ()) for n in (3, 2, 1))
    found = ask(
        iter(
            (
                question(
                    "one",
                    answers(
                        page(first)._replace(incidents=incidents[:2]),
                        page(second)._replace(incidents=incidents[2:], problems=("2 are odd",)),
                    ),
                ),
                question("two", answers(page(third)), lists=INCIDENT_ROLE),
                question("none", answers()),
            )
        ),
        set_clock.deadline(),
    )
    assert sorted(found.duties) == [first, second, third]
    assert found.incidents == incidents
    assert found.failures == (Failure("P", "one", "2 are odd"),)


def test_questions_are_asked_at_once(set_clock: SetClock) -> None:
    """Two questions that wait for each other are both answered."""
    meet = threading.Barrier(2)

    def pages(_deadline: Deadline) -> Iterator[Page]:
        meet.wait(LONG)
        yield Page()

    asked = [question(name, pages) for name in ("one", "two")]
    assert ask(asked, set_clock.deadline(LONG)).failures == ()


@pytest.mark.parametrize("at_once", [1, 3])
def test_only_so_many_at_once(at_once: int, set_clock: SetClock) -> None:
    """Exactly as many as allowed are asked together, until all are."""
    meet, lock = threading.Barrier(at_once), threading.Lock()
    one_more = threading.Event()
    running: set[int] = set()
    answered: list[int] = []

    def pages(number: int) -> Ask:
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

    questions = [question(str(number), pages(number)) for number in range(9)]
    assert ask(questions, set_clock.deadline(LONG), at_once).failures == ()
    assert sorted(answered) == list(range(9))
    assert not one_more.is_set()


def test_every_question_gets_the_deadline(set_clock: SetClock) -> None:
    """It is one and the same deadline for all."""
    deadline, given = set_clock.deadline(), []

    def pages(handed: Deadline) -> Iterator[Page]:
        given.append(handed)
        yield Page()

    ask([question("one", pages), question("two", pages)], deadline)
    assert given == [deadline, deadline]


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
    """A question that fails keeps its early pages and the other answers; only its kind is told."""
    early, other = a_duty("early"), a_duty("other", kind=INCIDENT_ROLE)
    found = ask(
        [
            question("broken", answers(page(early), then=error)),
            question("whole", answers(page(other)), lists=INCIDENT_ROLE),
        ],
        set_clock.deadline(),
    )
    assert {each.id for each in found.duties} == {early.id, other.id}
    assert found.failures == (Failure("P", "broken", problem),)


def test_a_question_that_fails_before_its_first_page(set_clock: SetClock) -> None:
    """What cannot even be asked is a failure like others."""

    def unable(_deadline: Deadline) -> Iterator[Page]:
        raise OSError

    found = ask([question("broken", unable)], set_clock.deadline())
    assert [each.problem for each in found.failures] == ["the answer could not be read (OSError)"]


def test_a_hanging_question_is_given_up(
    real_deadline: InSeconds, released: threading.Event
) -> None:
    """The caller gets its early pages and the other answers; the thread goes on for nobody."""
    early, other, late = a_duty("early"), a_duty("other", kind=INCIDENT_ROLE), a_duty("late")
    ended = threading.Event()

    def hanging(_deadline: Deadline) -> Iterator[Page]:
        yield page(early)
        released.wait(LONG)
        yield page(late)
        ended.set()

    found = ask(
        [
            question("hanging", hanging),
            question("whole", answers(page(other)), lists=INCIDENT_ROLE),
        ],
        real_deadline(0.3),
    )
    assert not ended.is_set()
    assert {each.id for each in found.duties} == {early.id, other.id}
    assert found.failures == (Failure("P", "hanging", GIVEN_UP),)
    released.set()
    assert ended.wait(LONG)
    assert len(found.duties) == 2


def test_what_waits_behind_a_hanging_question_is_not_asked(
    real_deadline: InSeconds, released: threading.Event
) -> None:
    """After the deadline nothing is begun; what was never asked is said to be given up, too."""
    asked, ended = threading.Event(), threading.Event()

    def hanging(_deadline: Deadline) -> Iterator[Page]:
        released.wait(LONG)
        yield Page()
        ended.set()

    def never(_deadline: Deadline) -> Iterator[Page]:
        asked.set()
        yield Page()

    questions = [question("hanging", hanging), question("behind", never)]
    found = ask(questions, real_deadline(0.2), at_once=1)
    assert found.failures == (
        Failure("P", "hanging", GIVEN_UP),
        Failure("P", "behind", GIVEN_UP),
    )
    released.set()
    assert ended.wait(LONG)
    assert not asked.wait(0.1)


def test_a_hanging_question_lets_the_process_end() -> None:
    """A thread that was given up keeps no process alive."""
    program = """
import threading
from datetime import UTC, datetime
from time import monotonic, sleep
from handler.clock import Clock, Deadline
from handler.providers.base import Question, ask

clock = Clock(lambda: datetime.now(UTC), monotonic, sleep)
never = threading.Event().wait
found = ask([Question("P", "hanging", "", lambda deadline: never())], Deadline(clock, 0.1))
print(found.failures[0])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    assert ran.stdout.decode().strip() == f"P hanging: {GIVEN_UP}"
    assert ran.stderr == b""


def test_a_question_that_never_comes_to_an_end(
    set_clock: SetClock, released: threading.Event
) -> None:
    """A source with always one more page at hand is given up at the deadline like a silent one."""
    wanted, there, returned = threading.Semaphore(0), threading.Semaphore(0), threading.Event()
    found: list[ProviderSnapshot] = []

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
        found.append(ask([question("endless", endless)], Passed(set_clock.clock, 0)))
        returned.set()

    threading.Thread(target=caller, daemon=True).start()
    assert returned.wait(5)
    assert found[0].failures == (Failure("P", "endless", GIVEN_UP),)
