"""Asking the providers: all questions at once, within one deadline, no failure hiding an answer."""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from _thread import start_new_thread
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from handler import emails
from handler.clock import Deadline
from handler.duty import Duty, Failure, Incident, ProviderSnapshot, ScheduleOrRole
from handler.http import HttpError
from handler.json_fields import ShapeError
from handler.providers.registry import BY_NAME

# Of one question, all pages together: several times what the largest accounts have.
MOST_HELD_BYTES = 16 * 1024 * 1024
_ENTRY_BYTES, _CHARACTER_BYTES = 300, 4
_NOTHING = ProviderSnapshot()


class Page(NamedTuple):
    """One page of a provider's answer.

    Attributes:
        duties: the current duties on it, also those whose holder's e-mail it does not show.
        schedules_and_roles: every schedule or role seen on it, held by somebody or not.
        incidents: the live incidents on it, newest first.
        problems: what on it could not be read or was left out, in words safe to log.
        unnamed: whether something was left out that may bear a name of the policy.
    """

    duties: tuple[Duty, ...] = ()
    schedules_and_roles: tuple[ScheduleOrRole, ...] = ()
    incidents: tuple[Incident, ...] = ()
    problems: tuple[str, ...] = ()
    unnamed: bool = False


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


class DutyQuery(NamedTuple):
    """What the rules for some requests need to know of a provider.

    Attributes:
        schedules: those that are named, by name or id.
        any_schedule: whether being on call for any other counts, too.
        roles: whether a role in a live incident may count.
        updates: whether an update to a live incident may count.
        ends: whether it matters when a shift ends.
        holders: the e-mails of those whom it is about, in normal form.
    """

    schedules: tuple[str, ...] = ()
    any_schedule: bool = False
    roles: bool = False
    updates: bool = False
    ends: bool = False
    holders: frozenset[str] = frozenset()

    @property
    def on_call(self) -> bool:
        """Whether it matters who is on call."""
        return bool(self.schedules) or self.any_schedule

    @property
    def anything(self) -> bool:
        """Whether anything is wanted at all."""
        return self.on_call or self.roles or self.updates


class Source(Protocol):
    """One provider, ready to be asked. Its file has `source(client, settings)`, which makes it."""

    def questions(self, wants: DutyQuery, snapshot: ProviderSnapshot) -> Iterable[Question]:
        """Say what to ask, given all that was found so far; what was asked before is left out.

        Called until nothing new is asked: what the first answers leave open comes in turn.
        """


class CutShort(Exception):  # noqa: N818 - it is no error of the provider's
    """The rest of a list was given up on purpose; the message says why."""


class _Asked:
    """What one question has brought so far: its thread adds to it, a collector reads it."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.pages: list[Page] = []
        self.problem: str | None = "given up: no whole answer in time"

    def run(self, deadline: Deadline) -> None:
        """Ask. The problem is None once every page has come."""
        held = 0
        try:
            for page in self.question.ask(deadline):
                held += _held_bytes(page)
                if held > MOST_HELD_BYTES:
                    raise CutShort("the rest of the list is too much to hold")  # noqa: TRY301 - one place says why
                self.pages.append(page)  # at once: pages before a failure count
            self.problem = None
        except (HttpError, CutShort) as error:
            self.problem = str(error)
        except ShapeError as error:
            self.problem = f"the answer could not be read: {error}"
        except Exception as error:  # noqa: BLE001 - a strange answer must not hide another source's
            self.problem = f"the answer could not be read ({type(error).__name__})"


def _held_bytes(page: Page) -> int:
    """Say what a page takes in memory, about."""
    characters = sum(
        len(each.id)
        + len(each.name)
        + len(each.shortform)
        + len(each.holder)
        + len(each.user)
        + len(each.link)
        for each in page.duties
    )
    characters += sum(len(each.id) + sum(map(len, each.names)) for each in page.schedules_and_roles)
    characters += sum(len(each.id) + len(each.reference) for each in page.incidents)
    entries = len(page.duties) + len(page.schedules_and_roles) + len(page.incidents)
    return entries * _ENTRY_BYTES + characters * _CHARACTER_BYTES


class QuestionRunner:
    """Asks questions concurrently, and gives what they brought so far.

    Args:
        deadline: what is not answered by then is given up, and said so.
        before: what was found before.
    """

    def __init__(self, deadline: Deadline, before: ProviderSnapshot = _NOTHING) -> None:
        self._deadline = deadline
        self._before = before
        self._batches: list[tuple[Sequence[_Asked], deque[_Asked]]] = []
        # The number of a batch, and the provider of which a question of it is answered.
        self._over: SimpleQueue[tuple[int, str]] = SimpleQueue()
        self._running: Counter[str] = Counter()
        self._unanswered: Counter[int] = Counter()
        self._found: dict[int, ProviderSnapshot] = {}  # by batches that are answered

    def start(self, questions: Iterable[Question], at_once: int = 8) -> None:
        """Ask these, no more than so many of them at once."""
        batch = tuple(map(_Asked, questions))
        waiting, number = deque(batch), len(self._batches)
        self._batches.append((batch, waiting))
        self._running.update(each.question.provider for each in batch)
        self._unanswered[number] = len(batch)
        for _ in range(min(at_once, len(batch))):
            # No Thread object: starting one waits for it to run, and joining one could wait for
            # good. A thread started so holds up neither the answer nor the end of the process.
            start_new_thread(_work, (waiting, self._deadline, number, self._over))

    def running(self, provider: str = "") -> int:
        """Say how many questions are not answered yet, to one provider or in all."""
        return self._running[provider] if provider else self._running.total()

    def wait(self, until: Deadline) -> bool:
        """Wait until all that was asked in one go is answered; False if nothing is in time.

        What was asked before, and hangs, does not hold that up.
        """
        while self.running():
            try:
                number, provider = self._over.get(timeout=until.left())
            except Empty:
                return False
            self._running[provider] -= 1
            self._unanswered[number] -= 1
            if not self._unanswered[number]:
                return True
        return False

    def stop(self) -> None:
        """Begin nothing more. What is on its way ends by itself, and is not heard."""
        for _, waiting in self._batches:
            waiting.clear()

    def found(self) -> ProviderSnapshot:
        """Give all that was found up to now, without saying which names are shared.

        Pages that came before a failure count.
        """
        found = ProviderSnapshot()
        for number, (batch, _) in reversed([*enumerate(self._batches)]):
            part = self._found.get(number) or _snapshot(batch)
            if not self._unanswered[number]:
                self._found[number] = part
            found = part.joined(found)
        return self._before.joined(found)

    def snapshot(self) -> ProviderSnapshot:
        """Give all that was found up to now.

        A name counts as shared where two schedules (or roles) of a provider bear it, and where a
        list was not read to its end: the rest could bear it too. What is an id at one provider is
        no name at another.
        """
        return _with_shared_names(self.found())


def _snapshot(batch: Sequence[_Asked]) -> ProviderSnapshot:
    # What a thread adds from here on is too late: it is told neither as a duty nor as read.
    # The problem is read first: where there is none, all pages are there.
    told = [(each.question, each.problem, tuple(each.pages)) for each in batch]
    pages = [page for *_, some in told for page in some]
    failures = [
        Failure(question.provider, question.name, problem)
        for question, problem, some in told
        for problem in (*(part for page in some for part in page.problems), problem)
        if problem
    ]
    stated = [duty for page in pages for duty in page.duties]
    # The one place that lets a duty be anybody's, whatever the provider.
    duties = tuple([duty for duty in stated if emails.is_address(duty.holder)])
    return ProviderSnapshot(
        duties=duties,
        failures=tuple(failures),
        incidents=tuple(each for page in pages for each in page.incidents),
        schedules_and_roles=tuple(each for page in pages for each in page.schedules_and_roles),
        incomplete=frozenset(
            (question.provider, question.lists)
            for question, problem, some in told
            if question.lists and (problem or any(page.unnamed for page in some))
        ),
        without_email=tuple(duty for duty in stated if not emails.is_address(duty.holder))
        if len(duties) < len(stated)
        else (),
    )


def ask(
    questions: Iterable[Question],
    deadline: Deadline,
    at_once: int = 8,
    before: ProviderSnapshot = _NOTHING,
) -> ProviderSnapshot:
    """Ask concurrently until the deadline; gives what was found `before` and now."""
    collector = QuestionRunner(deadline, before)
    collector.start(questions, at_once)
    while collector.wait(deadline):
        pass
    collector.stop()
    return collector.snapshot()


def _work(
    waiting: deque[_Asked], deadline: Deadline, number: int, over: SimpleQueue[tuple[int, str]]
) -> None:
    while True:
        try:
            asked = waiting.popleft()
        except IndexError:
            return
        asked.run(deadline)
        over.put((number, asked.question.provider))


# The names of a duty that others bear, and those that are ids at another provider.
_Ambiguous = tuple[frozenset[str], frozenset[str]]
_NO_NAMES = frozenset[str]()


def _with_shared_names(snapshot: ProviderSnapshot) -> ProviderSnapshot:
    bearers: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    owners: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for titled in snapshot.schedules_and_roles:
        owners[titled.kind, titled.id].add(titled.provider)
        # Its id, too: another one may bear that as its name.
        for name in (titled.id, *titled.names):
            bearers[titled.provider, titled.kind, name].add(titled.id)
    shared = {bearer for bearer, ids in bearers.items() if len(ids) > 1}
    several = len({each for ids in owners.values() for each in ids}) > 1
    if not (shared or snapshot.incomplete or several):
        return snapshot
    kinds = {*snapshot.incomplete, *((provider, kind) for provider, kind, _ in shared)}

    def ambiguous(provider: str, kind: str, names: tuple[str, ...]) -> _Ambiguous:
        doubtful = elsewhere = _NO_NAMES
        if (provider, kind) in kinds:
            incomplete = (provider, kind) in snapshot.incomplete
            doubtful = frozenset(
                each for each in names if each and (incomplete or (provider, kind, each) in shared)
            )
        # Of nearly all duties no name is anybody's id.
        if snapshot.incomplete or any((kind, each) in owners for each in names):
            unread = [
                each for each, what in snapshot.incomplete if what == kind and each != provider
            ]
            elsewhere = frozenset(
                each
                for each in names
                if each
                and (owners.get((kind, each), _NO_NAMES) - {provider} or _may_be_id(each, unread))
            )
        return doubtful, elsewhere

    # Hundreds of duties bear few names, and nearly always each of those is one thing's.
    both = (*snapshot.duties, *snapshot.without_email)
    bearing = {(each.provider, each.kind, each.name, each.shortform) for each in both}
    found = {key: ambiguous(*key[:2], key[2:] if key[3] else key[2:3]) for key in bearing}
    if not any(doubtful or elsewhere for doubtful, elsewhere in found.values()):
        return snapshot

    def marked(duty: Duty) -> Duty:
        doubtful, elsewhere = found[duty.provider, duty.kind, duty.name, duty.shortform]
        return duty._replace(shared_names=doubtful, ids_elsewhere=elsewhere)

    return snapshot._replace(
        duties=tuple(map(marked, snapshot.duties)),
        without_email=tuple(map(marked, snapshot.without_email)),
    )


def _may_be_id(name: str, providers: Iterable[str]) -> bool:
    """Whether it looks like an id of one of these, which did not list what they have.

    Then it means nothing else: their outage must not make it the name of another one's schedule.
    """
    return any(each in BY_NAME and BY_NAME[each].may_have_id(name) for each in providers)
