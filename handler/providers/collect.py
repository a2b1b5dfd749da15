"""From requests to decisions: each provider that a rule needs is asked, while it matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from types import MappingProxyType

from handler.clock import Clock, Deadline
from handler.duty import Duty, ProviderSnapshot
from handler.http import Client
from handler.providers.base import DutyQuery, ProviderClient
from handler.providers.registry import BY_ID
from handler.providers.runner import GIVEN_UP, Batch, QuestionRunner, ask
from handler.request import Request
from handler.rules.conditions import (
    ANY,
    DutyCondition,
    IncidentRole,
    OnCall,
    PostedUpdate,
    accepts,
    duty_conditions,
)
from handler.rules.evaluate import Decision, decide_all, facts_of, requested_duration
from handler.rules.model import Policy
from handler.typing import NamedTuple, TypeAlias

# The duties, what they leave open, and what that leaves open.
MOST_ROUNDS = 3
FIRST_AT_ONCE, FOLLOW_UPS_AT_ONCE = 16, 4
# Of all providers: large answers take memory.
MOST_AT_ONCE = 7
# The part of the time after which a hanging question holds up neither its provider's follow-ups nor
# somebody who is already approved.
PATIENCE = 0.6
_SECOND = timedelta(seconds=1)
Identities: TypeAlias = Mapping[str, Mapping[str, str]]
_NO_IDENTITIES: Identities = MappingProxyType({})


def load_clients(
    client: Client, clock: Clock, providers: Mapping[str, Mapping[str, str]]
) -> dict[str, ProviderClient]:
    """Make the client of each provider that is on, by name.

    `providers` has the settings of each, by its id. The files of others are not loaded.
    """
    return {
        BY_ID[id_].name: import_module(f"handler.providers.{id_}").CLIENT(client, clock, settings)
        for id_, settings in providers.items()
    }


class DutyCollector:
    """Asks providers round by round; each has rounds of its own.

    A provider is asked what its answers leave open once it has answered all that it was asked. The
    waiting ends once no answer that is still to come could matter. After `PATIENCE`, a provider is
    also asked beside what hangs, and nobody waits for longer access, nor to know when a shift ends.

    Args:
        clients: by the provider's name.
        deadline: when all has to be answered.
        identities: the policy's.

    Attributes:
        snapshot: what has come so far; the holders of the duties are those of the policy.
        queries: the first query to each provider; no later one needs more. At the end, an empty one
            where nobody waited for the whole answer.
    """

    def __init__(
        self,
        clients: Mapping[str, ProviderClient],
        deadline: Deadline,
        identities: Identities = _NO_IDENTITIES,
    ) -> None:
        self.snapshot = ProviderSnapshot()
        self.queries: dict[str, DutyQuery] = {}
        self._clients = clients
        self._identities = {name: identities[name] for name in clients if name in identities}
        self._runner = QuestionRunner(deadline)
        self._deadlines = [deadline, deadline.part(PATIENCE)]
        self._rounds: Counter[str] = Counter()
        # What has to be answered before its provider is asked on.
        self._batches: dict[str, Batch] = {}
        self._asked: set[tuple[str, str, str]] = set()
        self._first_queries = self.queries

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the providers that were asked something."""
        return tuple(self._rounds)

    @property
    def _is_patient(self) -> bool:
        return len(self._deadlines) > 1

    def advance(
        self,
        queries: Mapping[str, DutyQuery],
        and_longer: Mapping[str, DutyQuery] | None = None,
    ) -> bool:
        """Ask what is new, and wait for the next answer; False once none could matter.

        Args:
            queries: what is undecided, by the name of the provider that may know it.
            and_longer: the same and what could lengthen access that is approved.
        """
        if and_longer is not None and self._is_patient:
            queries = and_longer
        if self._deadlines:
            self._start(queries)
        if not (self._deadlines and any(map(self._runner.running, queries))):
            self._stop()
            return False
        if not self._runner.wait(self._deadlines[-1]):
            self._deadlines.pop()
            self._batches.clear()
        self.snapshot = self._runner.snapshot()
        if self._identities:  # as few policies have them, others don't load the file
            identify = import_module("handler.identities").identify
            self.snapshot = identify(self.snapshot, self._identities)
        return True

    def _start(self, queries: Mapping[str, DutyQuery]) -> None:
        for name, query in queries.items():
            # What is on its way may answer what so far looks open.
            is_waited_for = name in self._batches and self._batches[name].unanswered
            if is_waited_for or self._rounds[name] == MOST_ROUNDS:
                continue
            self.queries.setdefault(name, query)
            questions = {
                question.key: question
                for question in self._clients[name].questions(query, self.snapshot)
                if question.key not in self._asked
            }
            if questions:
                at_once = self._room if self._rounds[name] else FIRST_AT_ONCE
                self._batches[name] = self._runner.start(questions.values(), at_once)
                self._asked.update(questions)
                self._rounds[name] += 1

    @property
    def _room(self) -> int:
        """How many follow-ups may be asked at once."""
        return max(1, min(FOLLOW_UPS_AT_ONCE, MOST_AT_ONCE - self._runner.running()))

    def read_ends(self, evidence: Iterable[Duty]) -> bool:
        """Read when the shifts end on which approvals are based; False if nothing was asked.

        Only the record needs to know, so no failure is noted. All that is asked is what the first
        query leaves open as soon as ends matter, for these shifts alone.
        """
        without_end = {duty._replace(user="") for duty in evidence if duty.has_end and not duty.end}
        if not (without_end and self._is_patient and self._deadlines[-1].left()):
            return False
        # A decision's duties have only the ids that the policy maps, and no shown e-mails.
        unread = [
            duty for duty in self.snapshot.duties if duty._replace(user="", shown="") in without_end
        ]
        known = ProviderSnapshot(tuple(unread))
        questions = {
            question.key: question
            for name in {duty.provider for duty in unread}
            for question in self._clients[name].questions(
                self._first_queries[name]._replace(ends=True), known
            )
            if question.key not in self._asked
        }
        answers = ask(questions.values(), self._deadlines[-1], self._room, self.snapshot)
        self.snapshot = answers._replace(failures=self.snapshot.failures)
        return bool(questions)

    def _stop(self) -> None:
        """Begin nothing more. An answer that nobody has to wait for is not a failure."""
        self._runner.stop()
        if self._is_patient:
            failures = self.snapshot.failures
            self.snapshot = self.snapshot._replace(
                failures=tuple(failure for failure in failures if failure.problem != GIVEN_UP)
            )
            self.queries = {
                name: query if self._is_answered(name, query) else DutyQuery()
                for name, query in self.queries.items()
            }

    def _is_answered(self, name: str, query: DutyQuery) -> bool:
        """Whether a provider has nothing more to say to a query: a replay would rely on it."""
        questions = self._clients[name].questions(query, self.snapshot)
        return not self._runner.running(name) and self._asked.issuperset(
            question.key for question in questions
        )


class Outcome(NamedTuple):
    """What came of the requests of one call.

    Attributes:
        decisions: one for each request, in order.
        providers: the names of those that were asked.
        queries: what the rules needed to know of each; empty if it did not have to say all of it.
        without_email: by provider, how many people on duty have no e-mail there, and of how many.
    """

    decisions: tuple[Decision, ...]
    snapshot: ProviderSnapshot
    providers: tuple[str, ...]
    queries: Mapping[str, DutyQuery]
    without_email: Mapping[str, tuple[int, int]]


def collect_and_decide(
    requests: Sequence[Request],
    policy: Policy,
    clients: Mapping[str, ProviderClient],
    clock: Clock,
    deadline: Deadline,
) -> Outcome:
    """Decide requests, asking the providers for as much as it takes, which may be nothing.

    A decision holds for the moment in which it was made: counted from any later one, access would
    be longer.
    """
    policy = policy.relevant_to(requests)
    collector = DutyCollector(clients, deadline, policy.identities)
    while True:
        decisions = decide_all(requests, collector.snapshot, policy, clock.now())
        now = clock.now()
        undecided = [decision.request for decision in decisions if decision.could_change]
        needed = dependencies(undecided, policy, now)
        longer = lengthening_dependencies(decisions, policy, now)
        queries = duty_queries(clients, needed, policy.identities)
        and_longer = None
        if longer:
            and_longer = duty_queries(clients, [*needed, *longer], policy.identities)
        if not collector.advance(queries, and_longer):
            break
    if collector.read_ends(duty for decision in decisions for duty in decision.evidence):
        with_ends = decide_all(requests, collector.snapshot, policy, decisions[0].now)
        # An end only says more: it takes no approval back, and changes none.
        if _durations(with_ends) == _durations(decisions):
            decisions = with_ends
    snapshot, now = collector.snapshot, clock.now()
    # Nearly always there is nobody to count.
    counted = requests if snapshot.without_email else ()
    conditions = [dependency.condition for dependency in dependencies(counted, policy, now)]
    return Outcome(
        decisions,
        snapshot,
        collector.providers,
        collector.queries,
        without_email(snapshot, conditions, now),
    )


def _durations(decisions: Iterable[Decision]) -> list[timedelta]:
    """Give the duration of each approval, and none where humans decide."""
    return [decision.duration for decision in decisions]


class Dependency(NamedTuple):
    """A condition on a duty that could make a rule hold.

    Attributes:
        ends: whether the rule's access ends with the duty.
        holders: whose duty it has to be, by e-mail; None means anybody's.
    """

    condition: DutyCondition
    ends: bool
    holders: frozenset[str] | None


def dependencies(
    requests: Iterable[Request],
    policy: Policy,
    now: datetime,
    longer_than: timedelta = timedelta.min,
) -> list[Dependency]:
    """Say on which duties it depends whether these requests are approved.

    Given `longer_than`, say it of approvals by rules that allow longer access than that.
    """
    result: list[Dependency] = []
    for request in requests:
        facts = facts_of(request, ProviderSnapshot(), policy, now)
        for rule in policy.rules:
            if rule.duration > longer_than and rule.may_approve(request):
                ends = rule.shift_end is not None
                result += (
                    Dependency(condition, ends, facts.addresses)
                    for condition in duty_conditions(rule.when, facts)
                )
    return result


def lengthening_dependencies(
    decisions: Iterable[Decision], policy: Policy, now: datetime
) -> list[Dependency]:
    """Say on which duties it depends whether the approved requests get longer access."""
    result: list[Dependency] = []
    for decision in decisions:
        request, duration = decision.request, decision.duration
        if decision.approved and duration < _longest(request, policy, now):
            result += dependencies([request], policy, now, longer_than=duration)
    return result


def _longest(request: Request, policy: Policy, now: datetime) -> timedelta:
    """Give the longest access that any duties could open, in whole seconds."""
    longest = [
        max(
            rule.duration
            for rule in policy.rules
            if not (rule.deny or rule.dry_run) and rule.resources.covers(resource, request.action)
        )
        for resource in request.resources
    ]
    requested = requested_duration(request, now)
    return min(longest if requested is None else (*longest, requested)) // _SECOND * _SECOND


def duty_queries(
    providers: Iterable[str],
    dependencies: Sequence[Dependency],
    identities: Identities = _NO_IDENTITIES,
) -> dict[str, DutyQuery]:
    """Say what each of these providers may know of it, where it may know anything."""
    if not dependencies:  # as once everybody is approved
        return {}
    queries = {name: duty_query(name, dependencies, identities) for name in providers}
    return {name: query for name, query in queries.items() if not query.is_empty}


def duty_query(
    provider: str, dependencies: Iterable[Dependency], identities: Identities = _NO_IDENTITIES
) -> DutyQuery:
    """Say what of it one provider may know, and of whom."""
    schedules: dict[str, None] = {}
    holders: list[frozenset[str] | None] = []
    any_schedule = roles = updates = any_end = False
    for condition, ends, people in dependencies:
        if isinstance(condition, OnCall):
            if condition.provider not in {"", provider}:
                continue
            schedules.update(dict.fromkeys(condition.schedules or ()))
            any_schedule = any_schedule or condition.schedules is ANY
        roles = roles or isinstance(condition, IncidentRole)
        updates = updates or isinstance(condition, PostedUpdate)
        any_end = any_end or ends
        holders.append(people)
    needed = tuple(schedules), any_schedule, roles, updates, any_end
    known = [people for people in holders if people is not None]
    if len(known) < len(holders) or not holders:  # it may be anybody's duty
        return DutyQuery(*needed)
    people = frozenset().union(*known)
    users = identities.get(provider, {}).items()
    return DutyQuery(*needed, people, {user: email for user, email in users if email in people})


def without_email(
    snapshot: ProviderSnapshot, conditions: Iterable[DutyCondition], now: datetime
) -> dict[str, tuple[int, int]]:
    """Count, by provider, the people on duty whose e-mail it does not show, and all of them.

    Only a duty now that one of the conditions means is counted, and a provider only if it hides
    somebody's.
    """
    distinct = tuple(dict.fromkeys(conditions))

    def people(duties: Iterable[Duty]) -> dict[str, set[str]]:
        by_provider: dict[str, set[str]] = {}
        for duty in duties:
            if duty.runs_at(now) and any(accepts(condition, duty) for condition in distinct):
                by_provider.setdefault(duty.provider, set()).add(duty.holder or duty.user)
        return by_provider

    hidden = people(snapshot.without_email)
    shown = people(snapshot.duties) if hidden else {}
    return {name: (len(ids), len(ids | shown.get(name, set()))) for name, ids in hidden.items()}
