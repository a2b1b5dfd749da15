"""Which provider is asked for what, and when: what rules need, while it can change a decision."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

import pytest

from handler.clock import Deadline
from handler.duty import (
    INCIDENT_ROLE,
    ON_CALL,
    Duty,
    Failure,
    ProviderSnapshot,
    ScheduleOrRole,
)
from handler.json_fields import ShapeError
from handler.providers.base import DutyQuery, Page, Question
from handler.providers.collect import (
    FOLLOW_UPS_AT_ONCE,
    PATIENCE,
    Outcome,
    collect_and_decide,
    dependencies,
    duty_query,
)
from handler.providers.runner import QuestionRunner
from handler.request import Request, Resource
from handler.rules.model import Policy, policy_from_settings
from tests.handler.builders import (
    AT_PAGERDUTY,
    DBA,
    FOR_JOAN,
    GIVEN_UP,
    JANE,
    JOAN,
    LEADS,
    LONG,
    Fetch,
    fetching,
    make_policy,
    make_request,
)
from tests.handler.conftest import NOW, SetClock

SHIFT = Duty("PagerDuty", ON_CALL, "S1", "DBA", JANE)
ENDED = SHIFT._replace(end=NOW + timedelta(hours=1))
LEAD = Duty("incident.io", INCIDENT_ROLE, "R1", "Lead", JANE, incident="INC-1")
TWO_HOURS = {"indent.com/time/duration": "2h"}
PAST = {"indent.com/time/expires": "2026-03-04T11:00:00Z"}

Decide = Callable[..., Outcome]
DecideIn = Callable[..., Outcome]
InSeconds = Callable[[float], Deadline]


class FakeClient(NamedTuple):
    """A provider's client whose questions a test defines."""

    ask: Callable[[DutyQuery, ProviderSnapshot], Sequence[Question]]

    def questions(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        """Give the test's questions."""
        return self.ask(query, snapshot)


def client_asking(*questions: Question) -> FakeClient:
    """Give a client with the same questions in every round."""
    return FakeClient(lambda _query, _snapshot: questions)


def question(name: str, ask: Fetch, provider: str = "PagerDuty") -> Question:
    """Make a question, to PagerDuty by default."""
    return Question(provider, name, "", ask)


def with_duties(*duties: Duty) -> Fetch:
    """Answer with these duties."""
    return fetching(Page(duties))


@pytest.fixture
def decide(set_clock: SetClock) -> Decide:
    """Decide requests with these clients: `decide(policy, requests, PagerDuty=client)`."""

    def decided(
        by: Policy, requests: Sequence[Request] = (make_request(),), **clients: FakeClient
    ) -> Outcome:
        return collect_and_decide(requests, by, clients, set_clock.clock, set_clock.deadline())

    return decided


DENIAL = {"name": "d", "resources": {"kinds": ["db"]}, "deny": True}
BRIEFLY = {"requested_duration": {"up_to": "1h"}}
UNASKED = [
    ("there is no request", make_policy(DBA), []),
    ("another rule denies it", make_policy(DBA, DENIAL), [make_request()]),
    ("no rule is for it", make_policy(DBA), [make_request("app")]),
    ("the requester's e-mail is missing", make_policy(DBA), [make_request(email="")]),
    ("the time is over", make_policy(DBA), [make_request(**PAST)]),
    (
        "one request of the petition is hopeless",
        make_policy(DBA),
        [make_request(petition="p"), make_request("x", petition="p")],
    ),
    ("the rule is for somebody else", make_policy({"all": [DBA, FOR_JOAN]}), [make_request()]),
    (
        "the request asks for too long",
        make_policy({"all": [BRIEFLY, DBA]}),
        [make_request(**TWO_HOURS)],
    ),
    (
        "another provider is meant",
        make_policy({"on_call": {**DBA["on_call"], "provider": "jsm"}}),
        [make_request()],
    ),
]


@pytest.mark.parametrize(
    ("by", "requests"), [row[1:] for row in UNASKED], ids=[row[0] for row in UNASKED]
)
def test_nothing_is_asked_in_vain(by: Policy, requests: list[Request], decide: Decide) -> None:
    """A provider isn't queried if none of its duties could approve a request."""
    outcome = decide(by, requests, PagerDuty=FakeClient(lambda *_: pytest.fail("it was asked")))
    assert not any(decision.approved for decision in outcome.decisions)
    assert (outcome.snapshot, outcome.providers, outcome.queries) == (ProviderSnapshot(), (), {})


def test_a_duty_that_is_found(decide: Decide) -> None:
    """If the first round finds a duty that approves, there is no second round."""
    outcome = decide(
        make_policy(DBA), PagerDuty=client_asking(question("on-calls", with_duties(SHIFT)))
    )
    assert [decision.evidence for decision in outcome.decisions] == [(SHIFT,)]
    assert outcome.snapshot == ProviderSnapshot((SHIFT,))
    assert outcome.providers == ("PagerDuty",)
    assert outcome.queries == {"PagerDuty": DutyQuery(("DBA",), holders=frozenset({JANE}))}


def test_only_those_that_the_rules_need(decide: Decide) -> None:
    """Of two providers that are on, only the one that the rule names is queried."""
    unasked = FakeClient(lambda *_: pytest.fail("it was asked"))
    outcome = decide(
        make_policy(AT_PAGERDUTY),
        PagerDuty=client_asking(question("on-calls", with_duties())),
        Opsgenie=unasked,
    )
    assert outcome.providers == ("PagerDuty",)
    assert list(outcome.queries) == ["PagerDuty"]


def test_decided_requesters_are_not_asked_about_again(decide: Decide) -> None:
    """The next round asks only about requesters who aren't decided yet."""
    queries: list[DutyQuery] = []

    def questions(query: DutyQuery, _snapshot: ProviderSnapshot) -> Sequence[Question]:
        queries.append(query)
        return [question("on-calls", with_duties(SHIFT))]

    outcome = decide(
        make_policy(DBA),
        [make_request(), make_request(email=JOAN)],
        PagerDuty=FakeClient(questions),
    )
    assert [decision.approved for decision in outcome.decisions] == [True, False]
    assert [query.holders for query in queries[:2]] == [frozenset({JANE, JOAN}), frozenset({JOAN})]
    assert outcome.queries["PagerDuty"].holders == frozenset({JANE, JOAN})


def test_one_that_fails_hides_no_other(decide: Decide) -> None:
    """If one provider fails, the other's duty still approves, and the failure is reported."""
    outcome = decide(
        make_policy({"any": [DBA, LEADS]}),
        PagerDuty=client_asking(question("on-calls", fetching(then=ShapeError("x is no list")))),
        **{"incident.io": client_asking(question("incidents", with_duties(LEAD), "incident.io"))},
    )
    assert outcome.decisions[0].evidence == (LEAD,)
    problem = "the answer could not be read: x is no list"
    assert outcome.snapshot.failures == (Failure("PagerDuty", "on-calls", problem),)
    assert outcome.providers == ("PagerDuty", "incident.io")


def test_an_end_is_looked_up_in_a_second_round(decide: Decide) -> None:
    """A shift's end is read in a second round, and nothing after it."""
    end = question("end of S1", with_duties(ENDED))

    def questions(query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        assert query.ends
        return [question("on-calls", with_duties(SHIFT)), *([end] if snapshot.duties else [])]

    outcome = decide(make_policy(DBA, end_with_shift={}), PagerDuty=FakeClient(questions))
    assert outcome.decisions[0].duration == timedelta(hours=1)
    assert outcome.snapshot.duties == (ENDED,)
    assert outcome.providers == ("PagerDuty",)


def test_nothing_is_asked_twice(decide: Decide) -> None:
    """A provider without new questions ends the collection, even if nobody is approved."""
    calls: list[Deadline] = []

    def pages(deadline: Deadline) -> Iterator[Page]:
        calls.append(deadline)
        yield Page()

    outcome = decide(make_policy(DBA), PagerDuty=client_asking(question("on-calls", pages)))
    assert not outcome.decisions[0].approved
    assert len(calls) == 1


def test_no_more_than_three_rounds(decide: Decide) -> None:
    """A provider that always has new questions gets three rounds."""
    rounds: list[ProviderSnapshot] = []

    def questions(_query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        rounds.append(snapshot)
        return [
            question(f"question {len(rounds)}", with_duties(SHIFT._replace(id=f"S{len(rounds)}")))
        ]

    outcome = decide(make_policy(LEADS), PagerDuty=FakeClient(questions))
    assert [len(snapshot.duties) for snapshot in rounds[:3]] == [0, 1, 2]
    assert len(outcome.snapshot.duties) == 3


def test_every_provider_has_the_whole_time(decide: Decide, set_clock: SetClock) -> None:
    """Follow-up questions to one provider don't shorten another's time."""
    ended, asked_on = threading.Event(), threading.Event()

    def slow(deadline: Deadline) -> Iterator[Page]:
        assert asked_on.wait(LONG)
        set_clock.advance(4.2)
        assert deadline.left() == pytest.approx(1.8)
        yield Page((LEAD,))
        ended.set()

    def end(deadline: Deadline) -> Iterator[Page]:
        assert deadline.left() == 6
        asked_on.set()
        assert ended.wait(LONG)
        yield Page((SHIFT._replace(id="S2", name="other"),))

    def questions(_query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        return [
            question("on-calls", with_duties(SHIFT)),
            *([question("end", end)] * bool(snapshot.duties)),
        ]

    outcome = decide(
        make_policy(LEADS),
        PagerDuty=FakeClient(questions),
        **{"incident.io": client_asking(question("incidents", slow, "incident.io"))},
    )
    assert outcome.decisions[0].evidence == (LEAD,)
    assert {failure.provider for failure in outcome.snapshot.failures} <= {"PagerDuty"}


@pytest.fixture
def decide_in(set_clock: SetClock, real_deadline: InSeconds) -> DecideIn:
    """Decide requests for a database, Jane's by default, within so many real seconds."""

    def decided(seconds: float, by: Policy, *people: str, **clients: FakeClient) -> Outcome:
        requests = [make_request(email=email) for email in people or (JANE,)]
        return collect_and_decide(requests, by, clients, set_clock.clock, real_deadline(seconds))

    return decided


def hanging(released: threading.Event, *duties: Duty) -> Fetch:
    """Answer with a page of these duties, and hang before the next."""

    def pages(_deadline: Deadline) -> Iterator[Page]:
        yield Page(duties)
        released.wait(LONG)

    return pages


def test_a_hanging_question_leaves_time_for_every_round(
    decide_in: DecideIn, released: threading.Event
) -> None:
    """While one question hangs, others get their follow-up rounds."""
    schedules = question("schedules", hanging(released, SHIFT._replace(holder="", user="U1")))
    on_calls, end = (
        question("on-calls of S1", with_duties(SHIFT)),
        question("end of S1", with_duties(ENDED)),
    )

    def questions(_query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        follow_ups = [on_calls] * bool(snapshot.without_email) + [end] * bool(snapshot.duties)
        return [schedules, *follow_ups]

    outcome = decide_in(2, make_policy(DBA, end_with_shift={}), PagerDuty=FakeClient(questions))
    assert outcome.decisions[0].duration == timedelta(hours=1)
    assert [failure.question for failure in outcome.snapshot.failures] == [schedules.name]


def test_a_hanging_question_leaves_time_for_all_follow_ups(
    decide_in: DecideIn, released: threading.Event
) -> None:
    """While one question hangs, each of the other answers gets its follow-ups."""
    asked = threading.Event()
    shifts = {"S1": SHIFT, "S2": SHIFT._replace(id="S2", holder=JOAN)}

    def end(id_: str) -> Question:
        def pages(_deadline: Deadline) -> Iterator[Page]:
            asked.set()
            yield Page((shifts[id_]._replace(end=ENDED.end),))

        return question(f"end of {id_}", pages)

    def on_calls(id_: str) -> Question:
        def pages(_deadline: Deadline) -> Iterator[Page]:
            if id_ == "S2":
                asked.wait(0.1)
            yield Page((shifts[id_],))

        return question(f"on-calls of {id_}", pages)

    schedules = question("schedules", hanging(released, SHIFT._replace(holder="", user="U1")))

    def questions(_query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        follow_ups = list(map(on_calls, shifts)) * bool(snapshot.without_email)
        return [schedules, *follow_ups, *(end(duty.id) for duty in snapshot.duties)]

    outcome = decide_in(
        2,
        make_policy(DBA, end_with_shift={}),
        *(JANE, JOAN),
        PagerDuty=FakeClient(questions),
    )
    assert [decision.approved for decision in outcome.decisions] == [True, True]


LONGER = {"name": "long", "resources": "any", "when": LEADS, "duration": "8h"}


@pytest.mark.parametrize("seconds", [0, 3.5])
def test_longer_access_is_waited_for(
    seconds: float, decide: Decide, set_clock: SetClock, released: threading.Event
) -> None:
    """An approval waits for part of the time if another provider could lengthen access."""
    asked = threading.Event()

    def at_once(_deadline: Deadline) -> Iterator[Page]:
        asked.wait(LONG)
        yield Page((SHIFT,))

    def late(_deadline: Deadline) -> Iterator[Page]:
        asked.set()
        released.wait(0.05)
        set_clock.advance(seconds)
        yield Page((LEAD,))

    outcome = decide(
        make_policy(DBA, LONGER),
        PagerDuty=client_asking(question("on-calls", at_once)),
        **{"incident.io": client_asking(question("incidents", late, "incident.io"))},
    )
    assert outcome.decisions[0].duration == timedelta(hours=8)
    assert outcome.snapshot.failures == ()


def test_longer_access_is_not_waited_for_long(
    decide: Decide, set_clock: SetClock, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After part of the time, an approval no longer waits for longer access."""
    waits: list[float] = []
    wait = QuestionRunner.wait

    def noted(collector: QuestionRunner, until: Deadline) -> bool:
        waits.append(until.left())
        return wait(collector, until)

    def late(_deadline: Deadline) -> Iterator[Page]:
        set_clock.advance(3.6)
        yield Page((SHIFT,))

    monkeypatch.setattr(QuestionRunner, "wait", noted)
    outcome = decide(
        make_policy(DBA, LONGER),
        PagerDuty=client_asking(question("on-calls", late)),
        **{"incident.io": client_asking(question("incidents", hanging(released), "incident.io"))},
    )
    assert outcome.decisions[0].evidence == (SHIFT,)
    assert outcome.snapshot.failures == (Failure("incident.io", "incidents", GIVEN_UP),)
    assert set(waits[1:]) == {0}


NO_LONGER = [
    ("no rule gives more", make_policy(DBA, dict(LONGER, duration="6h")), {}),
    ("no more is asked for", make_policy(DBA, LONGER), {"indent.com/time/duration": "6h"}),
    ("the longer rule is in dry run", make_policy(DBA, dict(LONGER, dry_run=True)), {}),
    (
        "the longer rule is for others",
        make_policy(DBA, dict(LONGER, resources={"kinds": ["app"]})),
        {},
    ),
]


@pytest.mark.parametrize(
    ("policy", "labels"), [row[1:] for row in NO_LONGER], ids=[row[0] for row in NO_LONGER]
)
def test_no_waiting_for_answers_that_change_nothing(
    policy: Policy, labels: dict[str, str], decide: Decide, released: threading.Event
) -> None:
    """Answers that can't change the decision are neither waited for nor failures."""
    outcome = decide(
        policy,
        [make_request(**labels)],
        PagerDuty=client_asking(
            question("on-calls", with_duties(SHIFT)), question("more", hanging(released))
        ),
        Opsgenie=client_asking(question("on-calls", hanging(released), "Opsgenie")),
        **{"incident.io": client_asking(question("incidents", hanging(released), "incident.io"))},
    )
    assert outcome.decisions[0].duration == timedelta(hours=6)
    assert outcome.snapshot.failures == ()
    assert {"PagerDuty", "Opsgenie"} <= set(outcome.providers)
    # A replay with another policy must not read missing answers as empty ones.
    assert set(outcome.queries) == set(outcome.providers)
    assert all(query.is_empty for query in outcome.queries.values())


def test_only_longer_access_is_waited_for(decide: Decide, released: threading.Event) -> None:
    """Where one rule could lengthen access, the answers that other rules need aren't waited for."""
    longer = {"on_call": {"schedules": ["Other"], "provider": "pagerduty"}}
    as_long = {"on_call": {"schedules": ["Other"], "provider": "opsgenie"}}
    outcome = decide(
        make_policy(
            AT_PAGERDUTY,
            dict(LONGER, when=longer),
            {"name": "as long", "resources": "any", "when": as_long, "duration": "6h"},
        ),
        PagerDuty=client_asking(question("on-calls", with_duties(SHIFT))),
        Opsgenie=client_asking(question("on-calls", hanging(released), "Opsgenie")),
    )
    assert outcome.decisions[0].duration == timedelta(hours=6)
    assert outcome.snapshot.failures == ()


def test_only_complete_queries_are_logged(decide: Decide) -> None:
    """A query is logged only if the provider answered all of its questions."""

    def questions(_query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        names = ["first", "second"] if snapshot.duties else ["first"]
        return [question(name, with_duties(SHIFT)) for name in names]

    other = make_request(email=JOAN)
    client = FakeClient(questions)
    (approved,) = decide(make_policy(DBA), PagerDuty=client).queries.values()
    assert approved.is_empty
    (both,) = decide(make_policy(DBA), [make_request(), other], PagerDuty=client).queries.values()
    assert both.schedules == ("DBA",)


def test_the_shorter_of_two_resources_is_what_counts(
    decide: Decide, released: threading.Event
) -> None:
    """The resource with the shortest access decides: longer access to others isn't awaited."""
    request = make_request()
    both = request._replace(resources=(*request.resources, Resource("app", "1")))
    brief = {"name": "b", "resources": {"kinds": ["app"]}, "when": DBA, "duration": "1h"}
    outcome = decide(
        make_policy(DBA, brief, dict(LONGER, resources={"kinds": ["db"]})),
        [both],
        PagerDuty=client_asking(question("on-calls", with_duties(SHIFT))),
        **{"incident.io": client_asking(question("incidents", hanging(released), "incident.io"))},
    )
    assert outcome.decisions[0].duration == timedelta(hours=1)
    assert outcome.snapshot.failures == ()


def test_follow_ups_do_not_wait_for_a_slow_provider(decide: Decide) -> None:
    """A provider's follow-ups start while another provider is still answering."""
    asked_on = threading.Event()

    def slow(_deadline: Deadline) -> Iterator[Page]:
        assert asked_on.wait(LONG)
        yield Page()

    def end(_deadline: Deadline) -> Iterator[Page]:
        asked_on.set()
        yield Page((ENDED,))

    def questions(_query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        follow_up = [question("end of S1", end)] if snapshot.duties else []
        return [question("on-calls", with_duties(SHIFT)), *follow_up]

    outcome = decide(
        make_policy(DBA, end_with_shift={}),
        PagerDuty=FakeClient(questions),
        Opsgenie=client_asking(question("on-calls", slow, "Opsgenie")),
    )
    assert outcome.decisions[0].duration == timedelta(hours=1)
    assert outcome.snapshot.failures == ()


def test_a_hanging_provider_approves_nobody(decide_in: DecideIn, released: threading.Event) -> None:
    """At the deadline a hanging provider is given up, and nobody is approved by it."""
    outcome = decide_in(
        0.3, make_policy(DBA), PagerDuty=client_asking(question("on-calls", hanging(released)))
    )
    assert not outcome.decisions[0].approved
    assert outcome.snapshot.failures == (Failure("PagerDuty", "on-calls", GIVEN_UP),)


def asking_for_ends(end: Fetch) -> FakeClient:
    """A client that reads ends of shifts only if the query needs them, as Opsgenie's does."""

    def questions(query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        ids = {duty.id for duty in snapshot.duties if duty.provider == "PagerDuty"}
        ends = [question(f"end of {id_}", end) for id_ in sorted(ids) if query.ends]
        return [question("on-calls", with_duties(SHIFT, OTHER_SHIFT)), *ends]

    return FakeClient(questions)


OTHER_SHIFT = SHIFT._replace(id="S2", name="API")


def test_an_approval_says_when_its_shift_ends(decide: Decide) -> None:
    """Only the end of the approving shift is read, and the reason has it."""
    asked: list[Deadline] = []

    def end(deadline: Deadline) -> Iterator[Page]:
        asked.append(deadline)
        yield Page((ENDED,))

    outcome = decide(make_policy(DBA), PagerDuty=asking_for_ends(end))
    (decision,) = outcome.decisions
    assert decision.evidence == (ENDED,)
    assert decision.reason == 'Rule "r": on call for DBA (PagerDuty) until 13:00 UTC'
    assert decision.duration == timedelta(hours=6)
    assert set(decision.duties) == {ENDED, OTHER_SHIFT}
    (query,) = outcome.queries.values()
    assert not query.ends
    (deadline,) = asked
    assert deadline.left() == pytest.approx(PATIENCE * 6)


def test_only_ends_are_asked_for(decide: Decide) -> None:
    """What the answers left open besides, nobody has to know any more."""
    listed = ScheduleOrRole("PagerDuty", ON_CALL, "S1", ("DBA",))
    asked: list[str] = []

    def ask_for(name: str) -> Fetch:
        def fetch(_deadline: Deadline) -> Iterator[Page]:
            asked.append(name)
            yield Page((ENDED,))

        return fetch

    def questions(query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        more = [question("more", ask_for("more"))] * bool(snapshot.schedules_and_roles)
        end = [question("end", ask_for("end"))] * (query.ends and bool(snapshot.duties))
        on_calls = fetching(Page((SHIFT,), schedules_and_roles=(listed,)))
        return [question("on-calls", on_calls), *more, *end]

    outcome = decide(make_policy(DBA), PagerDuty=FakeClient(questions))
    assert outcome.decisions[0].evidence == (ENDED,)
    assert asked == ["end"]


def test_an_end_is_for_approvals_only(decide: Decide) -> None:
    """No end is read for a request that is left to humans."""

    def end(_deadline: Deadline) -> Iterator[Page]:
        raise AssertionError

    outcome = decide(
        make_policy({"on_call": {"schedules": ["other"]}}), PagerDuty=asking_for_ends(end)
    )
    assert not outcome.decisions[0].approved
    assert outcome.snapshot.failures == ()


@pytest.mark.parametrize(
    "end",
    [
        fetching(then=ShapeError("no timeline")),
        fetching(Page(problems=("1 entries could not be read",))),
        fetching(),
        # These contradict the shift that was just current, and are ignored.
        with_duties(SHIFT._replace(end=NOW)),
        with_duties(SHIFT._replace(end=NOW - timedelta(days=1))),
        with_duties(SHIFT._replace(level=2, end=NOW + timedelta(hours=1))),
    ],
)
def test_no_end_revokes_an_approval(end: Fetch, decide: Decide) -> None:
    """Whatever the answer about the end, the approval stays, without a failure."""
    outcome = decide(make_policy(DBA), PagerDuty=asking_for_ends(end))
    (decision,) = outcome.decisions
    assert decision.evidence == (SHIFT,)
    assert decision.reason == 'Rule "r": on call for DBA (PagerDuty)'
    assert decision.duration == timedelta(hours=6)
    assert outcome.snapshot.failures == ()


def test_an_end_is_waited_for_only_while_there_is_time(
    decide: Decide, set_clock: SetClock, released: threading.Event
) -> None:
    """An end that hangs is awaited for part of the time; then the approval goes out without."""

    def end(_deadline: Deadline) -> Iterator[Page]:
        set_clock.advance(PATIENCE * 6)
        released.wait(LONG)
        yield Page((ENDED,))

    outcome = decide(make_policy(DBA), PagerDuty=asking_for_ends(end))
    assert outcome.decisions[0].evidence == (SHIFT,)
    assert outcome.snapshot.failures == ()


def test_no_end_is_asked_for_late(decide: Decide, set_clock: SetClock) -> None:
    """If the duty arrived late, its end isn't read."""
    asked: list[str] = []

    def late(_deadline: Deadline) -> Iterator[Page]:
        set_clock.advance(PATIENCE * 6)
        yield Page((SHIFT,))

    def questions(query: DutyQuery, _snapshot: ProviderSnapshot) -> Sequence[Question]:
        asked.extend(["end"] * query.ends)
        return [question("on-calls", late)]

    outcome = decide(make_policy(DBA), PagerDuty=FakeClient(questions))
    assert outcome.decisions[0].evidence == (SHIFT,)
    assert asked == []


def test_an_end_that_failed_is_not_asked_for_again(decide: Decide) -> None:
    """An end that already failed for one rule isn't read again for another's approval."""
    calls: list[str] = []

    def end(_deadline: Deadline) -> Iterator[Page]:
        calls.append("end")
        yield from fetching(then=ShapeError("no timeline"))(_deadline)

    ends_with_shift = {**LONGER, "when": DBA, "end_with_shift": {}}
    outcome = decide(make_policy(DBA, ends_with_shift), PagerDuty=asking_for_ends(end))
    assert outcome.decisions[0].evidence == (SHIFT,)
    failed = [failure.question for failure in outcome.snapshot.failures]
    assert sorted(failed) == ["end of S1", "end of S2"]
    assert len(calls) == len(failed)


def test_a_decision_holds_for_its_moment(decide: Decide, set_clock: SetClock) -> None:
    """A shift that ends while providers are queried approves nobody."""

    def slow(_deadline: Deadline) -> Iterator[Page]:
        set_clock.advance(2)
        brief = SHIFT._replace(id="S2", end=NOW + timedelta(seconds=2))
        yield Page((brief,))

    outcome = decide(make_policy(DBA), PagerDuty=client_asking(question("on-calls", slow)))
    assert not outcome.decisions[0].approved
    assert outcome.decisions[0].now == NOW + timedelta(seconds=2)


def test_concurrency_of_rounds(decide: Decide) -> None:
    """The first round's questions run all at once; follow-ups run a few at a time."""
    first, then = threading.Barrier(9), threading.Barrier(FOLLOW_UPS_AT_ONCE)
    lock = threading.Lock()
    running, most = 0, 0

    def meeting(barrier: threading.Barrier) -> Fetch:
        def pages(_deadline: Deadline) -> Iterator[Page]:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            barrier.wait(LONG)
            with lock:
                running -= 1
            yield Page((SHIFT._replace(id="S3", name="other"),))

        return pages

    def questions(_query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        nonlocal most
        most = 0
        barrier = then if snapshot.duties else first
        count = 8 if snapshot.duties else 9
        return [question(f"{count}.{number}", meeting(barrier)) for number in range(count)]

    outcome = decide(make_policy(DBA), PagerDuty=FakeClient(questions))
    assert outcome.snapshot.failures == ()
    assert most == 0


def test_follow_ups_beside_many_that_hang(decide_in: DecideIn, released: threading.Event) -> None:
    """While many questions hang, follow-ups run one by one, to save memory."""
    lock = threading.Lock()

    def alone(_deadline: Deadline) -> Iterator[Page]:
        with lock:
            released.wait(0.005)  # long enough for another thread to start
            yield Page((SHIFT._replace(id="S3", name="other"),))

    def follow_up(deadline: Deadline) -> Iterator[Page]:
        assert lock.acquire(blocking=False)
        lock.release()
        yield from alone(deadline)

    def questions(_query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        more = [question(str(number), follow_up) for number in range(20)]
        return [question("on-calls", alone), *(more if snapshot.duties else [])]

    outcome = decide_in(
        2,
        make_policy({"any": [DBA, LEADS]}),
        PagerDuty=FakeClient(questions),
        **{
            "incident.io": client_asking(
                *(question(str(n), hanging(released), "incident.io") for n in range(7))
            )
        },
    )
    assert [failure.provider for failure in outcome.snapshot.failures] == ["incident.io"] * 7
    assert len(outcome.snapshot.duties) == 21


ANY_SHIFT = {"on_call": {"schedules": "any"}}
APPS = {"name": "apps", "resources": {"kinds": ["app"]}, "when": LEADS, "duration": "1h"}
DRY = {"name": "dry", "resources": "any", "when": LEADS, "duration": "1h", "dry_run": True}
NEVER = {"name": "never", "resources": {"kinds": ["vault"]}, "deny": True}
HERS = frozenset({JANE})
QUERIES = [
    ("a schedule", make_policy(DBA), DutyQuery(("DBA",), holders=HERS)),
    ("any schedule", make_policy(ANY_SHIFT), DutyQuery(any_schedule=True, holders=HERS)),
    ("a role", make_policy(LEADS), DutyQuery(roles=True, holders=HERS)),
    (
        "two schedules of this provider, each once, and any",
        make_policy({"any": [DBA, AT_PAGERDUTY, ANY_SHIFT]}),
        DutyQuery(("DBA", "API"), any_schedule=True, holders=HERS),
    ),
    (
        "all that several conditions need",
        make_policy({"all": [LEADS, DBA, {"any": [AT_PAGERDUTY, FOR_JOAN]}]}),
        DutyQuery(("DBA", "API"), roles=True, holders=HERS),
    ),
    (
        "all that nested conditions need, if the requester matches",
        make_policy({"all": [LEADS, {"all": [DBA, {"requester": {"emails": [JANE]}}]}]}),
        DutyQuery(("DBA",), roles=True, holders=HERS),
    ),
    (
        "nothing, if the requester doesn't match",
        make_policy({"all": [LEADS, {"all": [DBA, FOR_JOAN]}]}),
        DutyQuery(),
    ),
    (
        "only the alternatives that this requester can satisfy",
        make_policy({"any": [DBA, {"all": [LEADS, FOR_JOAN]}]}),
        DutyQuery(("DBA",), holders=HERS),
    ),
    (
        "when the shift ends",
        make_policy(DBA, end_with_shift={}),
        DutyQuery(("DBA",), ends=True, holders=HERS),
    ),
    ("not for other resources", make_policy(DBA, APPS), DutyQuery(("DBA",), holders=HERS)),
    ("not for a denial", make_policy(DBA, NEVER), DutyQuery(("DBA",), holders=HERS)),
    (
        "for a rule in dry run as well",
        make_policy(DBA, DRY),
        DutyQuery(("DBA",), roles=True, holders=HERS),
    ),
    (
        "under an alias as well",
        make_policy(DBA)._replace(aliases={JANE: ("jd@corp.example",), JOAN: ("jr@corp.example",)}),
        DutyQuery(("DBA",), holders=frozenset({JANE, "jd@corp.example"})),
    ),
    (
        "an update, if a setting allows it",
        policy_from_settings(timedelta(hours=1), participants=True),
        DutyQuery(any_schedule=True, roles=True, updates=True, holders=HERS),
    ),
]


@pytest.mark.parametrize(
    ("policy", "query"), [row[1:] for row in QUERIES], ids=[row[0] for row in QUERIES]
)
def test_what_a_provider_is_asked_for(policy: Policy, query: DutyQuery) -> None:
    """A query has what the rules for these resources need, and the people it's about."""
    assert duty_query("PagerDuty", dependencies([make_request()], policy, NOW)) == query


def test_one_query_for_two_requests() -> None:
    """All requests of a call share one query."""
    requests = [make_request(), make_request("app", JOAN)]
    result = dependencies(requests, make_policy(DBA, APPS, end_with_shift={}), NOW)
    assert duty_query("PagerDuty", result) == DutyQuery(
        ("DBA",), roles=True, ends=True, holders=frozenset({JANE, JOAN})
    )
