"""Asking the providers: all questions at once, within one deadline, no failure hiding an answer."""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from _thread import start_new_thread
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from functools import cache

from handler import emails
from handler.clock import Deadline
from handler.duty import Duty, Failure, ProviderSnapshot
from handler.http import HttpError
from handler.json_fields import ShapeError
from handler.providers.base import CutShort, Page, Question
from handler.providers.registry import BY_NAME

# Of one question, all pages together: several times what the largest accounts have.
MOST_HELD_BYTES = 16 * 1024 * 1024
GIVEN_UP = "given up: no complete answer in time"
_ENTRY_BYTES, _CHARACTER_BYTES = 300, 4
_EMPTY = ProviderSnapshot()


class QuestionRun:
    """What one question has brought so far: its thread adds to it; the runner reads it."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.pages: list[Page] = []
        self.problem: str | None = GIVEN_UP

    def run(self, deadline: Deadline) -> None:
        """Ask. The problem is None once every page has come."""
        held_bytes = 0
        try:
            for page in self.question.fetch(deadline):
                held_bytes += _estimate_bytes(page)
                if held_bytes > MOST_HELD_BYTES:
                    raise CutShort("the rest of the list is too much to hold")  # noqa: TRY301 - one place says why
                self.pages.append(page)  # at once: pages before a failure count
            self.problem = None
        except (HttpError, CutShort) as error:
            self.problem = str(error)
        except ShapeError as error:
            self.problem = f"the answer could not be read: {error}"
        except Exception as error:  # noqa: BLE001 - a strange answer must not hide another provider's
            self.problem = f"the answer could not be read ({type(error).__name__})"


def _estimate_bytes(page: Page) -> int:
    texts: list[str] = []
    for duty in page.duties:
        texts += duty.id, duty.name, duty.shortform, duty.holder, duty.user, duty.link
    for listed in page.schedules_and_roles:
        texts += listed.id, *listed.names
    for incident in page.incidents:
        texts += incident.id, incident.reference
    entries = len(page.duties) + len(page.schedules_and_roles) + len(page.incidents)
    return entries * _ENTRY_BYTES + sum(map(len, texts)) * _CHARACTER_BYTES


class Batch:
    """Questions that were asked in one go.

    Attributes:
        unanswered: how many of them are not answered yet.
    """

    def __init__(self, questions: Iterable[Question]) -> None:
        self.runs = [QuestionRun(question) for question in questions]
        self.waiting = deque(self.runs)
        self.unanswered = len(self.runs)
        self._whole: ProviderSnapshot | None = None

    def work(self, deadline: Deadline, answered: SimpleQueue[tuple[Batch, str]]) -> None:
        """Ask waiting questions, one by one: one thread's work."""
        while True:
            try:
                run = self.waiting.popleft()
            except IndexError:
                return
            run.run(deadline)
            answered.put((self, run.question.provider))

    def snapshot(self) -> ProviderSnapshot:
        """Give what has come so far."""
        if self._whole:
            return self._whole
        snapshot = _snapshot(self.runs)
        if not self.unanswered:
            self._whole = snapshot
        return snapshot


class QuestionRunner:
    """Asks questions concurrently.

    Args:
        deadline: what is not answered by then is given up, and reported as a failure.
        before: what was known before.
    """

    def __init__(self, deadline: Deadline, before: ProviderSnapshot = _EMPTY) -> None:
        self._deadline = deadline
        self._before = before
        self._batches: list[Batch] = []
        self._answered: SimpleQueue[tuple[Batch, str]] = SimpleQueue()
        self._running: Counter[str] = Counter()

    def start(self, questions: Iterable[Question], at_once: int = 8) -> Batch:
        """Ask these, no more than so many of them at once."""
        batch = Batch(questions)
        self._batches.append(batch)
        self._running.update(run.question.provider for run in batch.runs)
        for _ in range(min(at_once, len(batch.runs))):
            # No Thread object: starting one waits for it to run, and joining one could wait for
            # good. A thread started so holds up neither the answer nor the end of the process.
            start_new_thread(batch.work, (self._deadline, self._answered))
        return batch

    def running(self, provider: str = "") -> int:
        """Count the questions that are not answered yet, to one provider or in all."""
        return self._running[provider] if provider else self._running.total()

    def wait(self, until: Deadline) -> bool:
        """Wait until a question is answered; False if none is in time, or none is asked.

        Answers that came with it are read at once: a decision after each would take longer.
        """
        if not self.running():
            return False
        answered, timeout = False, until.left()
        while True:
            try:
                batch, provider = self._answered.get(timeout=timeout)
            except Empty:
                return answered
            self._running[provider] -= 1
            batch.unanswered -= 1
            answered, timeout = True, 0

    def stop(self) -> None:
        """Begin nothing more, and ignore the answers that are still on their way."""
        for batch in self._batches:
            batch.waiting.clear()

    def snapshot(self) -> ProviderSnapshot:
        """Give what has come so far; pages that came before a failure count.

        A name counts as shared where two schedules (or roles) of a provider bear it, and where a
        list was not read to its end and the name was not searched for: the rest could bear it too.
        An id at one provider is not a name at another.
        """
        snapshot = self._before
        for batch in self._batches:
            snapshot = snapshot.merge(batch.snapshot())
        # Read after the answers: what became whole since then is still incomplete in them.
        incomplete = snapshot.incomplete | self._only_searched()
        return _mark_ambiguous_names(snapshot._replace(incomplete=incomplete))

    def _only_searched(self) -> frozenset[tuple[str, str]]:
        """Give provider and kind of what was asked for by name or id, and not listed as a whole.

        In a call of several requests it may be asked for in both ways.
        """
        lists: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
        for run in (run for batch in self._batches for run in batch.runs):
            question = run.question
            is_search = question.listed_names is not None
            if question.listed_kind and (is_search or run.problem is None):
                lists[is_search].add((question.provider, question.listed_kind))
        return frozenset(lists[True] - lists[False])


def ask(
    questions: Iterable[Question],
    deadline: Deadline,
    at_once: int = 8,
    before: ProviderSnapshot = _EMPTY,
) -> ProviderSnapshot:
    """Ask concurrently until the deadline; gives what was known `before`, and the answers."""
    runner = QuestionRunner(deadline, before)
    runner.start(questions, at_once)
    while runner.wait(deadline):
        pass
    runner.stop()
    return runner.snapshot()


def _snapshot(runs: Iterable[QuestionRun]) -> ProviderSnapshot:
    # The problem is read first: where there is none, all pages are there.
    results = [(run.question, run.problem, tuple(run.pages)) for run in runs]
    all_pages = [page for *_, pages in results for page in pages]
    duties = [duty for page in all_pages for duty in page.duties]
    # The one place that decides whether a duty can be matched with anybody, whatever the provider.
    without_email = [duty for duty in duties if not emails.is_address(duty.holder)]
    if without_email:
        duties = [duty for duty in duties if emails.is_address(duty.holder)]
    listing = [
        (question, problem is not None or any(page.names_missing for page in pages))
        for question, problem, pages in results
        if question.listed_kind
    ]

    def searched(*, failed: bool) -> frozenset[tuple[str, str, str]]:
        return frozenset(
            (question.provider, question.listed_kind, name)
            for question, is_cut in listing
            if is_cut is failed
            for name in question.listed_names or ()
        )

    # All searches for a name are asked in one go. If none finds the schedule that is known to have
    # it, they may miss others as well.
    found = {
        (listed.provider, listed.kind, name)
        for question, _, pages in results
        if question.listed_names
        for page in pages
        for listed in page.schedules_and_roles
        for name in (listed.id, *listed.names)
        if name in question.listed_names
    }

    return ProviderSnapshot(
        duties=tuple(duties),
        failures=tuple(
            Failure(question.provider, question.name, problem)
            for question, last_problem, pages in results
            for problem in (*(text for page in pages for text in page.problems), last_problem)
            if problem
        ),
        incidents=tuple(incident for page in all_pages for incident in page.incidents),
        schedules_and_roles=tuple(
            listed for page in all_pages for listed in page.schedules_and_roles
        ),
        incomplete=frozenset(
            (question.provider, question.listed_kind)
            for question, is_cut in listing
            if is_cut and question.listed_names is None
        ),
        without_email=tuple(without_email),
        users=tuple(user for page in all_pages for user in page.users),
        complete_names=searched(failed=False) & found,
        incomplete_names=searched(failed=True),
    )


_NO_PROVIDERS = frozenset[str]()


def _mark_ambiguous_names(snapshot: ProviderSnapshot) -> ProviderSnapshot:
    """Note in each duty which of its names may mean something else."""
    ids_by_name: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    providers_by_id: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for listed in snapshot.schedules_and_roles:
        providers_by_id[listed.kind, listed.id].add(listed.provider)
        # Its id, too: another one may bear that as its name.
        for name in (listed.id, *listed.names):
            ids_by_name[listed.provider, listed.kind, name].add(listed.id)
    shared = {name for name, ids in ids_by_name.items() if len(ids) > 1}
    incomplete = snapshot.incomplete
    complete_names = snapshot.complete_names - snapshot.incomplete_names
    several = len({listed.provider for listed in snapshot.schedules_and_roles}) > 1
    if not (shared or incomplete or several):
        return snapshot

    @cache  # hundreds of duties bear few names
    def ambiguous(provider: str, kind: str, *names: str) -> tuple[frozenset[str], frozenset[str]]:
        """Give the names that others bear, or may, and those that are ids elsewhere, or may be."""
        is_incomplete = (provider, kind) in incomplete
        unread = [other for other, listed in incomplete if listed == kind and other != provider]
        shared_names = (
            name
            for name in names
            if name
            and (
                (provider, kind, name) in shared
                or (is_incomplete and (provider, kind, name) not in complete_names)
            )
        )
        ids_elsewhere = (
            name
            for name in names
            if name
            and (
                providers_by_id.get((kind, name), _NO_PROVIDERS) - {provider}
                or _may_be_id(
                    name, [other for other in unread if (other, kind, name) not in complete_names]
                )
            )
        )
        return frozenset(shared_names), frozenset(ids_elsewhere)

    def mark(duty: Duty) -> Duty:
        shared_names, ids_elsewhere = ambiguous(duty.provider, duty.kind, duty.name, duty.shortform)
        if not (shared_names or ids_elsewhere):
            return duty
        return duty._replace(shared_names=shared_names, ids_elsewhere=ids_elsewhere)

    return snapshot._replace(
        duties=tuple(map(mark, snapshot.duties)),
        without_email=tuple(map(mark, snapshot.without_email)),
    )


def _may_be_id(name: str, providers: Iterable[str]) -> bool:
    """Whether it looks like an id of one of these, which did not list what they have.

    Their outage must not make it the name of another provider's schedule.
    """
    return any(other in BY_NAME and BY_NAME[other].may_have_id(name) for other in providers)
