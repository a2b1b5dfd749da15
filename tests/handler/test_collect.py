"""Who is asked for what, and when: what the rules for a request need, while it can matter."""

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
    """A provider's client that asks what a test says."""

    ask: Callable[[DutyQuery, ProviderSnapshot], Sequence[Question]]

    def questions(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        """Fetch it."""
        return self.ask(query, snapshot)


def client_asking(*questions: Question) -> FakeClient:
    """Give a source that asks the same in every round."""
    return FakeClient(lambda _query, _snapshot: questions)


def question(name: str, ask: Fetch, provider: str = "PagerDuty") -> Question:
    """Fetch PagerDuty, if not said otherwise."""
    return Question(provider, name, "", ask)


def with_duties(*duties: Duty) -> Fetch:
    """Answer with these duties."""
    return fetching(Page(duties))


@pytest.fixture
def decide(set_clock: SetClock) -> Decide:
    """Decide requests by what these clients find: `decide(policy, requests, PagerDuty=client)`."""

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
        "one of the petition is hopeless",
        make_policy(DBA),
        [make_request(petition="p"), make_request("x", petition="p")],
    ),
    ("the rule is for somebody else", make_policy({"all": [DBA, FOR_JOAN]}), [make_request()]),
    ("he asks for too long", make_policy({"all": [BRIEFLY, DBA]}), [make_request(**TWO_HOURS)]),
    (
        "another provider is meant",
        make_policy({"on_call": {**DBA["on_call"], "provider": "jsm"}}),
        [make_request()],
    ),
]


@pytest.mark.parametrize(
    ("by", "requests"), [row[1:] for row in UNASKED], ids=[row[0] for row in UNASKED]
)
def test_nothing_is_asked(by: Policy, requests: list[Request], decide: Decide) -> None:
    """Where no duty of this provider could help, it hears nothing."""
    outcome = decide(by, requests, PagerDuty=FakeClient(lambda *_: pytest.fail("it was asked")))
    assert not any(decision.approved for decision in outcome.decisions)
    assert (outcome.snapshot, outcome.providers, outcome.queries) == (ProviderSnapshot(), (), {})


def test_a_duty_that_is_found(decide: Decide) -> None:
    """The first round finds it, and there is no second one."""
    outcome = decide(
        make_policy(DBA), PagerDuty=client_asking(question("on-calls", with_duties(SHIFT)))
    )
    assert [decision.evidence for decision in outcome.decisions] == [(SHIFT,)]
    assert outcome.snapshot == ProviderSnapshot((SHIFT,))
    assert outcome.providers == ("PagerDuty",)
    assert outcome.queries == {"PagerDuty": DutyQuery(("DBA",), holders=frozenset({JANE}))}


def test_only_those_that_the_rules_need(decide: Decide) -> None:
    """Of two providers that are on, the one is asked that the rule means."""
    unasked = FakeClient(lambda *_: pytest.fail("it was asked"))
    outcome = decide(
        make_policy(AT_PAGERDUTY),
        PagerDuty=client_asking(question("on-calls", with_duties())),
        Opsgenie=unasked,
    )
    assert outcome.providers == ("PagerDuty",)
    assert list(outcome.queries) == ["PagerDuty"]


def test_who_is_wanted_is_who_is_undecided(decide: Decide) -> None:
    """A request that is decided is asked about no more."""
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
    """The other one's duty opens what was asked for, and the failure is told."""
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
    """What the first answer leaves open is asked for, and then nothing more."""
    end = question("end of S1", with_duties(ENDED))

    def questions(query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        assert query.ends
        return [question("on-calls", with_duties(SHIFT)), *([end] if snapshot.duties else [])]

    outcome = decide(make_policy(DBA, end_with_shift={}), PagerDuty=FakeClient(questions))
    assert outcome.decisions[0].duration == timedelta(hours=1)
    assert outcome.snapshot.duties == (ENDED,)
    assert outcome.providers == ("PagerDuty",)


def test_nothing_is_asked_twice(decide: Decide) -> None:
    """A provider that has nothing new to ask ends the collection, also where nobody is approved."""
    calls: list[Deadline] = []

    def pages(deadline: Deadline) -> Iterator[Page]:
        calls.append(deadline)
        yield Page()

    outcome = decide(make_policy(DBA), PagerDuty=client_asking(question("on-calls", pages)))
    assert not outcome.decisions[0].approved
    assert len(calls) == 1


def test_no_more_than_three_rounds(decide: Decide) -> None:
    """A provider that always has something new to ask is heard three times."""
    rounds: list[ProviderSnapshot] = []

    def questions(_query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        rounds.append(snapshot)
        return [
            question(f"question {len(rounds)}", with_duties(SHIFT._replace(id=f"S{len(rounds)}")))
        ]

    outcome = decide(make_policy(LEADS), PagerDuty=FakeClient(questions))
    assert [len(each.duties) for each in rounds[:3]] == [0, 1, 2]
    assert len(outcome.snapshot.duties) == 3


def test_every_provider_has_the_whole_time(decide: Decide, set_clock: SetClock) -> None:
    """Who has long answered, and is asked on, shortens nobody else's time."""
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
    """Decide requests for a database, Jane's if nobody is named, in so many real seconds."""

    def decided(seconds: float, by: Policy, *people: str, **clients: FakeClient) -> Outcome:
        requests = [make_request(email=email) for email in people or (JANE,)]
        return collect_and_decide(requests, by, clients, set_clock.clock, real_deadline(seconds))

    return decided


def hanging(released: threading.Event, *duties: Duty) -> Fetch:
    """Answer with a page of these duties, and never with the next."""

    def pages(_deadline: Deadline) -> Iterator[Page]:
        yield Page(duties)
        released.wait(LONG)

    return pages


def test_who_hangs_leaves_time_for_every_round(
    decide_in: DecideIn, released: threading.Event
) -> None:
    """What is asked in the meantime may leave something open in turn: whose end, for example."""
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


def test_who_hangs_leaves_time_for_every_round_of_everybody(
    decide_in: DecideIn, released: threading.Event
) -> None:
    """One answer that leaves something open takes no round from the others of its round."""
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
    """While another provider could lengthen it, an approval waits for a part of the time."""
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
    """After a part of the time, what is known is enough for those whom it approves."""
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
def test_a_proof_ends_the_waiting(
    policy: Policy, labels: dict[str, str], decide: Decide, released: threading.Event
) -> None:
    """Nobody waits for an answer that can change nothing, and none of those is a failure."""
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
    # A replay with another policy must not take what did not come for what is not there.
    assert set(outcome.queries) == set(outcome.providers)
    assert all(query.is_empty for query in outcome.queries.values())


def test_what_need_not_be_asked_is_not_answered(decide: Decide) -> None:
    """By the log, a provider has told only what it was asked in full."""

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
    """Where one resource is open for as long as any rule opens it, nothing lengthens access."""
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


def test_another_provider_is_asked_on_beside_one_that_is_slow(decide: Decide) -> None:
    """Each provider's answers lead to its next questions at once."""
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


def test_nobody_is_approved_by_who_hangs(decide_in: DecideIn, released: threading.Event) -> None:
    """At the deadline what came so far is all there is."""
    outcome = decide_in(
        0.3, make_policy(DBA), PagerDuty=client_asking(question("on-calls", hanging(released)))
    )
    assert not outcome.decisions[0].approved
    assert outcome.snapshot.failures == (Failure("PagerDuty", "on-calls", GIVEN_UP),)


def asking_for_ends(end: Fetch) -> FakeClient:
    """A client that says when shifts end only if ends matter, as Opsgenie's does."""

    def questions(query: DutyQuery, snapshot: ProviderSnapshot) -> Sequence[Question]:
        ids = {duty.id for duty in snapshot.duties if duty.provider == "PagerDuty"}
        ends = [question(f"end of {id_}", end) for id_ in sorted(ids) if query.ends]
        return [question("on-calls", with_duties(SHIFT, OTHER_SHIFT)), *ends]

    return FakeClient(questions)


OTHER_SHIFT = SHIFT._replace(id="S2", name="API")


def test_an_approval_says_when_its_shift_ends(decide: Decide) -> None:
    """The end is asked for of the shift on which the approval is based, and of no other."""
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
    """Whoever is left to humans costs no further call."""

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
        # None of these can be true of somebody who was just on call.
        with_duties(SHIFT._replace(end=NOW)),
        with_duties(SHIFT._replace(end=NOW - timedelta(days=1))),
        with_duties(SHIFT._replace(level=2, end=NOW + timedelta(hours=1))),
    ],
)
def test_no_end_takes_an_approval_back(end: Fetch, decide: Decide) -> None:
    """Whatever is answered, or isn't: the decision stays, and nothing has failed."""
    outcome = decide(make_policy(DBA), PagerDuty=asking_for_ends(end))
    (decision,) = outcome.decisions
    assert decision.evidence == (SHIFT,)
    assert decision.reason == 'Rule "r": on call for DBA (PagerDuty)'
    assert decision.duration == timedelta(hours=6)
    assert outcome.snapshot.failures == ()


def test_an_end_is_waited_for_only_while_there_is_time(
    decide: Decide, set_clock: SetClock, released: threading.Event
) -> None:
    """It hangs until nobody is patient any more; then the approval goes out as it is."""

    def end(_deadline: Deadline) -> Iterator[Page]:
        set_clock.advance(PATIENCE * 6)
        released.wait(LONG)
        yield Page((ENDED,))

    outcome = decide(make_policy(DBA), PagerDuty=asking_for_ends(end))
    assert outcome.decisions[0].evidence == (SHIFT,)
    assert outcome.snapshot.failures == ()


def test_no_end_is_asked_for_late(decide: Decide, set_clock: SetClock) -> None:
    """Where the answer itself took that long, nothing more is asked."""
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
    """The rule that needs it has asked already; another rule approves without."""
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
    """A shift that ends while providers are asked approves nobody."""

    def slow(_deadline: Deadline) -> Iterator[Page]:
        set_clock.advance(2)
        brief = SHIFT._replace(id="S2", end=NOW + timedelta(seconds=2))
        yield Page((brief,))

    outcome = decide(make_policy(DBA), PagerDuty=client_asking(question("on-calls", slow)))
    assert not outcome.decisions[0].approved
    assert outcome.decisions[0].now == NOW + timedelta(seconds=2)


def test_all_at_once_and_then_a_few(decide: Decide) -> None:
    """The first round asks all there is at once; follow-ups, of which there may be many, a few."""
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
    """As many answers as hang take the memory of as many follow-ups: these come one by one."""
    lock = threading.Lock()

    def alone(_deadline: Deadline) -> Iterator[Page]:
        with lock:
            released.wait(0.005)  # for longer than it takes another thread to start
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
        "what all of several conditions need",
        make_policy({"all": [LEADS, DBA, {"any": [AT_PAGERDUTY, FOR_JOAN]}]}),
        DutyQuery(("DBA", "API"), roles=True, holders=HERS),
    ),
    (
        "what all within all need, where the requester is right",
        make_policy({"all": [LEADS, {"all": [DBA, {"requester": {"emails": [JANE]}}]}]}),
        DutyQuery(("DBA",), roles=True, holders=HERS),
    ),
    (
        "nothing, where he is not",
        make_policy({"all": [LEADS, {"all": [DBA, FOR_JOAN]}]}),
        DutyQuery(),
    ),
    (
        "of several ways only those that this requester can go",
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
        "for a rule in dry run, too",
        make_policy(DBA, DRY),
        DutyQuery(("DBA",), roles=True, holders=HERS),
    ),
    (
        "under an alias, too",
        make_policy(DBA)._replace(aliases={JANE: ("jd@corp.example",), JOAN: ("jr@corp.example",)}),
        DutyQuery(("DBA",), holders=frozenset({JANE, "jd@corp.example"})),
    ),
    (
        "an update, where settings say so",
        policy_from_settings(timedelta(hours=1), participants=True),
        DutyQuery(any_schedule=True, roles=True, updates=True, holders=HERS),
    ),
]


@pytest.mark.parametrize(
    ("policy", "query"), [row[1:] for row in QUERIES], ids=[row[0] for row in QUERIES]
)
def test_what_a_provider_is_asked_for(policy: Policy, query: DutyQuery) -> None:
    """A provider is asked for what the rules for these resources need, and of whom."""
    assert duty_query("PagerDuty", dependencies([make_request()], policy, NOW)) == query


def test_one_query_for_two_requests() -> None:
    """One question serves all requests of a call."""
    requests = [make_request(), make_request("app", JOAN)]
    result = dependencies(requests, make_policy(DBA, APPS, end_with_shift={}), NOW)
    assert duty_query("PagerDuty", result) == DutyQuery(
        ("DBA",), roles=True, ends=True, holders=frozenset({JANE, JOAN})
    )
