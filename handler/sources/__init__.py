"""Asking the providers: all questions at once, within one deadline, no failure hiding an answer."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import NamedTuple

from handler.clock import Deadline
from handler.duties import Duty, Failure, Findings, Incident, Titled
from handler.http import HttpError


class Page(NamedTuple):
    """One page of a provider's answer.

    Attributes:
        duties: the current duties on it.
        titled: every schedule or role seen on it, held by somebody or not.
        incidents: the live incidents on it, newest first.
        problems: what on it could not be read or was left out, in words safe to log.
    """

    duties: tuple[Duty, ...] = ()
    titled: tuple[Titled, ...] = ()
    incidents: tuple[Incident, ...] = ()
    problems: tuple[str, ...] = ()


class Question(NamedTuple):
    """One thing to ask a provider, answered page by page.

    Attributes:
        provider, name: who is asked for what, as the log says it.
        lists: the kind of duty whose names the answer lists whole, or "".
        ask: reads the pages; may raise HttpError, or anything on a malformed answer.
    """

    provider: str
    name: str
    lists: str
    ask: Callable[[Deadline], Iterator[Page]]


class CutShort(Exception):  # noqa: N818 - it is no error of the provider's
    """The rest of a list was given up on purpose; the message says why."""


class _Answer(NamedTuple):
    question: int
    page: Page | None = None
    problem: str = ""


def ask(questions: Iterable[Question], deadline: Deadline, at_once: int = 8) -> Findings:
    """Ask concurrently; whatever is not answered by the deadline is given up and said so.

    Pages that came before a failure count. A name counts as shared where two schedules (or roles)
    of a provider bear it, and where a list was not read to its end: the rest could bear it too.
    """
    asked = tuple(questions)
    waiting = deque(enumerate(asked))
    answers: SimpleQueue[_Answer] = SimpleQueue()
    for _ in range(min(at_once, len(asked))):
        # Daemons: one that hangs beyond the deadline must not hold up the process.
        threading.Thread(target=_work, args=(waiting, deadline, answers), daemon=True).start()
    pages: list[Page] = []
    failures: list[Failure] = []
    unread = set(range(len(asked)))
    incomplete = set()

    def fail(index: int, problem: str) -> None:
        failures.append(Failure(asked[index].provider, asked[index].name, problem))

    while unread:
        try:
            index, page, problem = answers.get(timeout=deadline.left())
        except Empty:
            break
        if page:
            pages.append(page)
            for each in page.problems:
                fail(index, each)
            continue
        unread.discard(index)
        if problem:
            incomplete.add(index)
            fail(index, problem)
    waiting.clear()
    for index in sorted(unread):
        fail(index, "given up: no whole answer in time")
    partly = {(asked[i].provider, asked[i].lists) for i in unread | incomplete}
    return Findings(
        duties=_with_shared_names(pages, partly),
        failures=tuple(failures),
        incidents=tuple(each for page in pages for each in page.incidents),
    )


def _work(
    waiting: deque[tuple[int, Question]], deadline: Deadline, answers: SimpleQueue[_Answer]
) -> None:
    while True:
        try:
            index, question = waiting.popleft()
        except IndexError:
            return
        problem = ""
        try:
            for page in question.ask(deadline):
                answers.put(_Answer(index, page))
        except (HttpError, CutShort) as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - a strange answer must not hide another source's
            problem = f"the answer could not be read ({type(error).__name__})"
        answers.put(_Answer(index, problem=problem))


def _with_shared_names(pages: list[Page], partly: set[tuple[str, str]]) -> tuple[Duty, ...]:
    bearers: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for page in pages:
        for titled in page.titled:
            for name in titled.names:
                bearers[titled.provider, titled.kind, name].add(titled.id)
    shared = {bearer for bearer, ids in bearers.items() if len(ids) > 1}
    found: dict[Duty, None] = {}
    for duty in (each for page in pages for each in page.duties):
        names = {name for name in (duty.name, duty.shortform) if name}
        if (duty.provider, duty.kind) not in partly:
            names = {name for name in names if (duty.provider, duty.kind, name) in shared}
        found[duty._replace(shared_names=frozenset(names)) if names else duty] = None
    return tuple(found)
