"""The decision: who is approved, for how long, and who must not be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from handler.decision import decide, decide_all
from handler.durations import format_go, format_instant
from handler.duties import (
    INCIDENT_ROLE,
    INCIDENT_UPDATE,
    ON_CALL,
    Duty,
    Failure,
    Findings,
)
from handler.events import Request, Resource
from handler.policy import Policy, simple

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
JANE = "jane@example.com"
ANY = simple(timedelta(hours=6))

SHIFT = Duty(
    "incident.io",
    ON_CALL,
    "S1",
    "DBA",
    JANE,
    start=NOW - timedelta(hours=1),
    end=NOW + timedelta(hours=1),
)
LEAD = Duty(
    "incident.io", INCIDENT_ROLE, "R1", "Incident Lead", JANE, shortform="lead", incident="INC-42"
)
REPORTER = LEAD._replace(id="R2", name="Reporter", shortform="", reporter=True)
OWN_LEAD = LEAD._replace(self_declared=True)
OWN_REPORTER = REPORTER._replace(self_declared=True)
UPDATE = Duty("incident.io", INCIDENT_UPDATE, "I1", "", JANE, incident="INC-42")

DATABASE = Resource("postgres.v1.Role", "prod-db")


def asks(*resources: Resource, email: str = JANE, labels: dict[str, str] | None = None) -> Request:
    """Jane asks for the database, unless said otherwise."""
    person = Resource("slack/user", "U1", email)
    return Request(person, resources or (DATABASE,), labels or {})


def policy(**changes: object) -> Policy:
    """Take the default policy with some settings changed."""
    return simple(**{"duration": timedelta(hours=6), **changes})  # type: ignore[arg-type]  # what it takes


APPROVED = [
    ("on shift", ANY, SHIFT),
    ("lead of a live incident", ANY, LEAD),
    ("on a schedule named by name", policy(schedules=("DBA",)), SHIFT),
    ("on a schedule named by id", policy(schedules=("S1",)), SHIFT),
    (
        "on a schedule named by id though its name is shared",
        policy(schedules=("S1",)),
        SHIFT._replace(shared_names=frozenset({"DBA"})),
    ),
    (
        "a shared name where nothing has to be named",
        ANY,
        SHIFT._replace(shared_names=frozenset({"DBA"})),
    ),
    ("a role named by name", policy(incident_roles=("Incident Lead",)), LEAD),
    ("a role named by shortform", policy(incident_roles=("lead",)), LEAD),
    ("a role named by id", policy(incident_roles=("R1",)), LEAD),
    (
        "a role named, its shortform shared",
        policy(incident_roles=("Incident Lead",)),
        LEAD._replace(shared_names=frozenset({"lead"})),
    ),
    (
        "the reporter where named, of somebody else's incident",
        policy(incident_roles=("Reporter",)),
        REPORTER,
    ),
    (
        "the reporter where named and self-declared incidents count",
        policy(incident_roles=("Reporter",), self_declared=True),
        OWN_REPORTER,
    ),
    ("lead of his own incident where that counts", policy(self_declared=True), OWN_LEAD),
    ("an update where updates count", policy(participants=True), UPDATE),
    ("a shift that begins this instant", ANY, SHIFT._replace(start=NOW)),
    ("a shift without end", ANY, SHIFT._replace(start=None, end=None)),
]


@pytest.mark.parametrize(
    ("allows", "duty"), [row[1:] for row in APPROVED], ids=[row[0] for row in APPROVED]
)
def test_is_approved(allows: Policy, duty: Duty) -> None:
    """A duty that the policy counts opens the resource for the policy's time."""
    decision = decide(asks(), Findings((duty,)), allows, NOW)
    assert decision.approved, decision.judged
    assert decision.evidence == (duty,)
    assert decision.duration == timedelta(hours=6)


def test_letter_case_of_the_requester_does_not_matter() -> None:
    """Holders come in normal form, and the requester's e-mail is brought to it."""
    assert decide(asks(email=" Jane@EXAMPLE.com"), Findings((LEAD,)), ANY, NOW).approved


NOT_APPROVED = [
    ("nobody on duty", ANY, ()),
    ("somebody else on duty", ANY, (LEAD._replace(holder="joan@example.com"),)),
    ("a longer e-mail that contains the requester's", ANY, (LEAD._replace(holder="x" + JANE),)),
    ("a shorter e-mail", ANY, (LEAD._replace(holder="jane@example.co"),)),
    (
        "an e-mail that only Unicode folding would match",
        ANY,
        (LEAD._replace(holder="jane@example.com".replace("e", "é")),),
    ),
    ("a shift that ends this instant", ANY, (SHIFT._replace(end=NOW),)),
    ("a shift that begins in a second", ANY, (SHIFT._replace(start=NOW + timedelta(seconds=1)),)),
    ("the reporter", ANY, (REPORTER,)),
    ("the reporter where another role is named", policy(incident_roles=("lead",)), (REPORTER,)),
    (
        "the reporter even where self-declared incidents count",
        policy(self_declared=True),
        (OWN_REPORTER,),
    ),
    (
        "the named reporter of his own incident",
        policy(incident_roles=("Reporter",)),
        (OWN_REPORTER,),
    ),
    ("lead of an incident he declared himself", ANY, (OWN_LEAD,)),
    (
        "named lead of an incident he declared himself",
        policy(incident_roles=("lead",)),
        (OWN_LEAD,),
    ),
    ("another schedule than named", policy(schedules=("API",)), (SHIFT,)),
    ("a schedule in other letter case", policy(schedules=("dba",)), (SHIFT,)),
    ("a part of a schedule's name", policy(schedules=("DB",)), (SHIFT,)),
    ("a schedule named where only roles are", policy(incident_roles=("DBA",)), (SHIFT,)),
    ("a shift where only roles are named", policy(incident_roles=("lead",)), (SHIFT,)),
    ("a role where only schedules are named", policy(schedules=("lead",)), (LEAD,)),
    (
        "a schedule whose name another bears too",
        policy(schedules=("DBA",)),
        (SHIFT._replace(shared_names=frozenset({"DBA"})),),
    ),
    (
        "a role whose shortform another bears too",
        policy(incident_roles=("lead",)),
        (LEAD._replace(shared_names=frozenset({"lead"})),),
    ),
    ("an update where updates do not count", ANY, (UPDATE,)),
    (
        "an update where roles are named",
        policy(participants=True, incident_roles=("lead",)),
        (UPDATE,),
    ),
    (
        "an update where schedules are named",
        policy(participants=True, schedules=("DBA", "I1")),
        (UPDATE,),
    ),
    (
        "an update to an incident he declared himself",
        policy(participants=True),
        (UPDATE._replace(self_declared=True),),
    ),
]


@pytest.mark.parametrize(
    ("allows", "duties"), [row[1:] for row in NOT_APPROVED], ids=[row[0] for row in NOT_APPROVED]
)
def test_is_not_approved(allows: Policy, duties: tuple[Duty, ...]) -> None:
    """What the policy does not count opens nothing; another duty is still worth asking for."""
    decision = decide(asks(), Findings(duties), allows, NOW)
    assert not decision.approved
    assert decision.wants_facts
    assert decision.duration == timedelta(0)


PROD = Resource("postgres.v1.Role", "prod-db", labels={"Env": "Prod", "Team": "DB"})
HOPELESS = [
    ("no e-mail", ANY, asks(email="")),
    ("a blank e-mail", ANY, asks(email=" \t")),
    ("nothing requested", ANY, Request(Resource(email=JANE), ())),
    ("more than anybody needs", ANY, asks(*[DATABASE] * 1001)),
    ("a resource without kind", ANY, asks(Resource("", "prod-db"))),
    ("a resource without id", ANY, asks(Resource("postgres.v1.Role", ""))),
    ("one good resource and one without id", ANY, asks(DATABASE, Resource("k", ""))),
    ("another person", ANY, asks(Resource("okta.v1.User", "u2", "bob@example.com"))),
    ("the database and another person", ANY, asks(DATABASE, Resource("u", "2", "bob@example.com"))),
    (
        "another person, known by a label",
        ANY,
        asks(Resource("u", "2", labels={"indent.com/resource/email": "bob@example.com"})),
    ),
    ("a missing label", policy(resource_labels=(("Env", "Prod"),)), asks()),
    ("a label of another value", policy(resource_labels=(("Env", "prod"),)), asks(PROD)),
    ("one label of two", policy(resource_labels=(("Env", "Prod"), ("Tier", "1"))), asks(PROD)),
    (
        "one resource of two labelled",
        policy(resource_labels=(("Env", "Prod"),)),
        asks(PROD, DATABASE),
    ),
    (
        "access until a moment gone by",
        ANY,
        asks(labels={"indent.com/time/expires": "2026-03-02T11:00:00Z"}),
    ),
    (
        "access for less than a minute more",
        ANY,
        asks(labels={"indent.com/time/expires": "2026-03-02T12:00:59.999Z"}),
    ),
    (
        "less than a minute more, and less still",
        ANY,
        asks(
            labels={
                "indent.com/time/duration": "10s",
                "indent.com/time/expires": "2026-03-02T12:00:30Z",
            }
        ),
    ),
    (
        "less than a minute more, where the policy allows less still",
        policy(duration=timedelta(seconds=30)),
        asks(labels={"indent.com/time/expires": "2026-03-02T12:00:40Z"}),
    ),
    ("a resource with a blank id", ANY, asks(Resource("postgres.v1.Role", " "))),
    ("another account by the same e-mail", ANY, asks(Resource("slack/user", "U2", JANE))),
    ("an account by another address", ANY, asks(Resource("user", "dan@example.com", JANE))),
    ("a user without e-mail", ANY, asks(Resource("slack/user", "T1/U2"))),
    (
        "somebody with two e-mails",
        ANY,
        Request(
            Resource("u", "1", JANE, {"indent.com/resource/email": "bob@example.com"}), (DATABASE,)
        ),
    ),
    ("less than a second", ANY, asks(labels={"indent.com/time/duration": "999ms"})),
    ("a nanosecond", ANY, asks(labels={"indent.com/petition/duration": "1ns"})),
]


@pytest.mark.parametrize(
    ("allows", "request_"), [row[1:] for row in HOPELESS], ids=[row[0] for row in HOPELESS]
)
def test_no_duty_helps(allows: Policy, request_: Request) -> None:
    """What no duty can open is not approved even for the lead, and asks no provider."""
    decision = decide(request_, Findings((LEAD, SHIFT)), allows, NOW)
    assert not decision.approved
    assert not decision.wants_facts


def test_the_requester_himself_may_be_among_the_resources() -> None:
    """A resource with the requester's own e-mail is not another person."""
    own = Resource("okta.v1.User", "u1", " Jane@Example.com ")
    assert decide(asks(DATABASE, own), Findings((LEAD,)), ANY, NOW).approved


def test_all_labels_on_all_resources() -> None:
    """Where labels are asked, every resource carrying all of them is approved."""
    allows = policy(resource_labels=(("Env", "Prod"), ("Team", "DB")))
    assert decide(asks(PROD, PROD), Findings((LEAD,)), allows, NOW).approved


DURATIONS = [
    ("nothing asked", {}, "6h0m0s"),
    ("less, as a time label", {"indent.com/time/duration": "90m"}, "1h30m0s"),
    ("less, as a petition label", {"indent.com/petition/duration": "30s"}, "30s"),
    (
        "the lesser of both",
        {"indent.com/time/duration": "2h", "indent.com/petition/duration": "1h"},
        "1h0m0s",
    ),
    ("more", {"indent.com/time/duration": "720h"}, "6h0m0s"),
    ("until later", {"indent.com/time/expires": "2027-01-01T00:00:00Z"}, "6h0m0s"),
    ("until sooner", {"indent.com/time/expires": "2026-03-02T13:00:00.900Z"}, "1h0m0s"),
    (
        "until sooner, in another zone",
        {"indent.com/time/expires": "2026-03-02T15:00:00+02:00"},
        "1h0m0s",
    ),
    ("a minute", {"indent.com/time/expires": "2026-03-02T12:01:00Z"}, "1m0s"),
    (
        "the earliest of all",
        {"indent.com/time/duration": "2h", "indent.com/time/expires": "2026-03-02T12:30:00Z"},
        "30m0s",
    ),
    ("indefinitely", {"indent.com/time/indefinite": "true"}, "6h0m0s"),
    ("indefinitely, the old way", {"indent.com/time/duration": "-1ns"}, "6h0m0s"),
    ("nothing, in figures", {"indent.com/time/duration": "0s"}, "6h0m0s"),
    ("something unreadable", {"indent.com/time/duration": "forever"}, "6h0m0s"),
    ("an unreadable moment", {"indent.com/time/expires": "tomorrow"}, "6h0m0s"),
    ("a moment without zone", {"indent.com/time/expires": "2026-03-02T12:30:00"}, "6h0m0s"),
    ("a legacy label that is never read", {"expires": "2026-03-02T12:30:00Z"}, "6h0m0s"),
]


@pytest.mark.parametrize(
    ("labels", "granted"), [row[1:] for row in DURATIONS], ids=[row[0] for row in DURATIONS]
)
def test_duration(labels: dict[str, str], granted: str) -> None:
    """The grant is the earliest of what the policy allows and what was asked."""
    decision = decide(asks(labels=labels), Findings((LEAD,)), ANY, NOW)
    assert format_go(decision.duration) == granted


def test_role_is_named_before_shift_whatever_came_first() -> None:
    """The same facts in any order give the same claim."""
    one = decide(asks(), Findings((SHIFT, LEAD)), ANY, NOW)
    other = decide(asks(), Findings((LEAD, SHIFT)), ANY, NOW)
    assert one == other
    assert one.reason == "Approved: Incident Lead of INC-42 (incident.io)"


def test_reason_of_a_shift_names_schedule_and_end() -> None:
    """The reason names the evidence by reference."""
    reason = decide(asks(), Findings((SHIFT,)), ANY, NOW).reason
    assert reason == "Approved: on call for DBA (incident.io) until 13:00 UTC"


def test_a_failing_provider_hides_no_duty_and_gives_none() -> None:
    """A failure decides nothing, whatever it is."""
    failure = Failure("incident.io", "schedules", "answered 500")
    assert decide(asks(), Findings((LEAD,), (failure,)), ANY, NOW).approved
    assert not decide(asks(), Findings((), (failure,)), ANY, NOW).approved


def test_trace_says_why_each_duty_counts_or_not() -> None:
    """Every duty of the requester, and of nobody else, is judged, and what set the time is said."""
    others = LEAD._replace(holder="joan@example.com", incident="INC-7")
    decision = decide(asks(), Findings((OWN_LEAD, SHIFT, others)), ANY, NOW)
    assert decision.duties == (OWN_LEAD, SHIFT)
    (judged,) = decision.judged
    assert judged.verdict == "grants"
    assert judged.duties == ((OWN_LEAD, "declared by the requester himself"), (SHIFT, ""))
    assert decision.limits == ("the policy allows 6h0m0s",)


PETITION = {"petition": "aec1b116"}


class TestPetition:
    """The requests of one petition stand or fall together."""

    def test_all_approved_for_the_shortest_time(self) -> None:
        """One petition has one duration: the shortest that was decided."""
        short = asks(labels={**PETITION, "indent.com/time/duration": "1h"})
        found = decide_all([asks(labels=PETITION), short], Findings((LEAD,)), ANY, NOW)
        assert [format_go(each.duration) for each in found] == ["1h0m0s", "1h0m0s"]

    @pytest.mark.parametrize(
        "other",
        [
            asks(email="bob@example.com", labels=PETITION),
            asks(email="bob@example.com", labels={"indent.com/petition": "aec1b116"}),
            asks(email="bob@example.com", labels={"Petition\t": " AEC1B116 "}),
            asks(email="bob@example.com", labels={**PETITION, "indent.com/petition": "other"}),
            asks(Resource("k", ""), labels=PETITION),
        ],
        ids=["nobody on duty", "the other label", "another spelling", "both labels", "no id"],
    )
    @pytest.mark.parametrize("order", [1, -1])
    def test_one_refused_refuses_all(self, other: Request, order: int) -> None:
        """No claim is made for a part of a petition, in whatever order its events come."""
        events = [asks(labels=PETITION), other][::order]
        found = decide_all(events, Findings((LEAD,)), ANY, NOW)
        assert [each.approved for each in found] == [False, False]

    def test_joined_through_a_third(self) -> None:
        """Requests that name one petition each are one where a third names both."""
        events = [
            asks(labels={"petition": "a"}),
            asks(labels={"petition": "b"}),
            asks(email="bob@example.com", labels={"petition": "b", "indent.com/petition": "c"}),
            asks(labels={"petition": "c", "indent.com/petition": "a"}),
            asks(labels={"petition": "d"}),
        ]
        found = decide_all(events, Findings((LEAD,)), ANY, NOW)
        assert [each.approved for each in found] == [False, False, False, False, True]

    def test_trace_tells_who_cut_it_short(self) -> None:
        """A duration that another request of the petition limits is explained."""
        short = asks(labels={**PETITION, "indent.com/time/duration": "1h"})
        found = decide_all([asks(labels=PETITION), short], Findings((LEAD,)), ANY, NOW)
        assert found[0].limits[-1] == "a request of the same petition gets 1h0m0s"

    def test_hopeless_member_stops_asking(self) -> None:
        """Where a member can never be approved, no further duty is worth asking for."""
        hopeless = asks(Resource("k", ""), labels=PETITION)
        wanting = asks(email="bob@example.com", labels=PETITION)
        found = decide_all([asks(labels=PETITION), wanting, hopeless], Findings((LEAD,)), ANY, NOW)
        assert not found[0].wants_facts
        assert "no kind or no id" in found[0].reason

    def test_other_petitions_are_decided_by_themselves(self) -> None:
        """Events of other petitions, or of none, do not drag each other down."""
        events = [
            asks(labels=PETITION),
            asks(email="bob@example.com", labels={"petition": "other"}),
            asks(),
            asks(email="bob@example.com"),
        ]
        found = decide_all(events, Findings((LEAD,)), ANY, NOW)
        assert [each.approved for each in found] == [True, False, True, False]


def test_expiry_is_never_later_than_asked() -> None:
    """Fractions are cut off, never rounded up."""
    asked = NOW + timedelta(hours=1, milliseconds=999)
    request = asks(labels={"indent.com/time/expires": format_instant(asked)})
    decision = decide(request, Findings((LEAD,)), ANY, NOW)
    assert NOW + decision.duration <= asked
