"""incident.io's lists are read page by page, to the end or to a reported limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from handler.clock import Deadline
from handler.duty import Duty, ProviderSnapshot
from handler.providers import incidentio
from handler.providers.base import DutyQuery
from handler.providers.incidentio import IncidentIOClient
from handler.providers.runner import ask
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.server import Exchange, Fault
from tests.handler.conftest import ANA, BO, SetClock
from tests.handler.edited_answers import Edited, drop

Find = Callable[..., ProviderSnapshot]
INCIDENTS = "/v2/incidents"


@pytest.fixture
def _pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidentio, "PAGE_SIZE", 2)


def _schedules(double: IncidentIO, count: int) -> list[str]:
    """Add schedules S1, S2, … with Ana on shift for each, and give their ids."""
    ids = [double.add_schedule(f"S{number + 1}").id for number in range(count)]
    for id_ in ids:
        double.put_on_shift(id_, ANA)
    return ids


def _on_call(snapshot: ProviderSnapshot) -> list[Duty]:
    return [duty for duty in snapshot.duties if duty.kind == "on_call"]


def _asked(double: IncidentIO, path: str) -> list[list[str] | None]:
    return [call.query.get("after") for call in double.calls if call.path == path]


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (7, 4)])
def test_all_schedules(count: int, calls: int, double: IncidentIO, find: Find) -> None:
    """All pages are read, each once, with the last id as cursor."""
    ids = _schedules(double, count)
    snapshot = find()
    assert [duty.id for duty in snapshot.duties] == ids
    assert snapshot.failures == ()
    cursors = [[ids[at]] for at in range(1, count - 1, 2)]
    assert _asked(double, "/v2/schedules") == [None, *cursors]
    assert len(_asked(double, "/v2/schedules")) == calls


@pytest.mark.usefixtures("_pages_of_two")
def test_all_incidents(double: IncidentIO, find: Find) -> None:
    """Every page asks for live standard incidents; the newest of all pages is first."""
    for number in range(5):
        double.declare_incident(f"Fire {number}", by=BO, lead=ANA)
    snapshot = find()
    assert [incident.reference for incident in snapshot.incidents] == [
        f"INC-{n}" for n in (5, 4, 3, 2, 1)
    ]
    leads = [duty.incident for duty in snapshot.duties if duty.holder == ANA]
    assert leads == ["INC-5", "INC-4", "INC-3", "INC-2", "INC-1"]
    calls = [call.query for call in double.calls if call.path == "/v2/incidents"]
    assert len(calls) == 3
    assert all(
        (query["status_category[one_of]"], query["mode[one_of]"]) == (["live"], ["standard"])
        for query in calls
    )


def test_without_pagination_meta(double: IncidentIO, find: Find) -> None:
    """Without the optional `pagination_meta`, the answer is complete."""
    (schedule,) = _schedules(double, 1)
    double.fail("/v2/schedules", drop("pagination_meta"))
    snapshot = find()
    assert [duty.id for duty in snapshot.duties] == [schedule]
    assert snapshot.failures == ()
    assert _on_call(snapshot)[0].is_named("S1")


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.Status(500), "answered 500; request_id "),
        (faults.Status(429), "answered 429; request_id "),
        (faults.Status(422), "answered 422; request_id "),
        (faults.Garbage(), "the response is not JSON"),
        (faults.HangUp("body"), "connection failed: the response was cut off"),
        (faults.Hang(), "no complete answer in time"),
        (faults.WrongValue("", []), "could not be read: the answer is not an object"),
        (faults.WrongValue("schedules", 7), "could not be read: schedules is not a list"),
        (Edited(lambda body: body.pop("schedules")), "could not be read: schedules is missing"),
    ],
)
def test_a_later_page_is_broken(
    fault: Fault,
    problem: str,
    double: IncidentIO,
    find: Find,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """If a later page fails, earlier schedules count by id only: names may not be unique."""
    ids = _schedules(double, 5)
    double.declare_incident("Fire", lead=BO)
    double.fail("/v2/schedules", fault, page=2)
    snapshot = find(real_deadline(0.4) if isinstance(fault, faults.Hang) else None)
    (failure,) = snapshot.failures
    assert failure.question == "schedules"
    assert problem in failure.problem
    duties = _on_call(snapshot)
    assert [duty.id for duty in duties] == ids[:2]
    assert [duty.is_named(duty.id) for duty in duties] == [True, True]
    assert [duty.is_named(duty.name) for duty in duties] == [False, False]
    (role,) = (duty for duty in snapshot.duties if duty.incident)
    assert role.is_named("Incident Lead")


@pytest.mark.parametrize(
    ("fault", "calls", "problem"),
    [
        (faults.EndlessPages(), 20, "only the first 20 pages were read"),
        (faults.EndlessPages(repeat=True), 2, "the same page was returned twice"),
    ],
)
def test_a_list_without_end(
    fault: Fault, calls: int, problem: str, double: IncidentIO, find: Find
) -> None:
    """Reading stops at a limit, which is reported; the schedules read count by id only."""
    (schedule,) = _schedules(double, 1)
    double.fail("/v2/schedules", fault)
    snapshot = find()
    assert len(_asked(double, "/v2/schedules")) == calls
    assert [failure.problem for failure in snapshot.failures] == [problem]
    assert _on_call(snapshot)
    assert all(duty.is_named(schedule) for duty in _on_call(snapshot))
    assert not any(duty.is_named("S1") for duty in _on_call(snapshot))


@pytest.mark.usefixtures("_pages_of_two")
def test_page_limit(double: IncidentIO, find: Find) -> None:
    """A list of exactly 20 pages is read whole; one more schedule exceeds the limit."""
    ids = _schedules(double, 40)
    snapshot = find()
    assert ([duty.id for duty in snapshot.duties], snapshot.failures) == (ids, ())
    _schedules(double, 1)
    snapshot = find()
    assert [duty.id for duty in snapshot.duties] == ids
    assert [failure.problem for failure in snapshot.failures] == [
        "only the first 20 pages were read"
    ]


def test_shared_names_of_roles(double: IncidentIO, find: Find) -> None:
    """A name of two roles, even as a shortform or unassigned, matches neither."""
    comms = double.add_role("Comms", "talk")
    double.add_role("talk", "t")
    incident = double.declare_incident("Fire", lead=BO)
    double.assign_role(incident, comms, ANA)
    (duty,) = (duty for duty in find().duties if duty.holder == ANA)
    assert [duty.is_named(entry) for entry in ("Comms", "talk", comms.id)] == [True, False, True]


@dataclass(frozen=True)
class _TooLarge:
    """A fault: pages of more than `most` entries are over the size limit."""

    most: int

    def __call__(self, exchange: Exchange) -> None:
        """Answer a large page with an endless body, and a smaller one normally."""
        if int(exchange.request.parameter("page_size")) > self.most:
            faults.Huge(7)(exchange)
        else:
            exchange.send(exchange.response)


@pytest.mark.parametrize("most", [60, 10])
def test_pages_that_are_too_large(most: int, double: IncidentIO, find: Find) -> None:
    """Pages over the size limit are requested again with fewer entries, from the same cursor."""
    ids = _schedules(double, 120)
    double.fail("/v2/schedules", _TooLarge(most))
    snapshot = find()
    assert ([duty.id for duty in snapshot.duties], snapshot.failures) == (ids, ())
    sizes = [int(call.query["page_size"][0]) for call in double.calls if call.path != INCIDENTS]
    tried, read = ([250], 50) if most == 60 else ([250, 50], 10)
    assert sizes == [*tried, *[read] * (120 // read + bool(120 % read))]


def test_a_later_page_that_is_too_large(double: IncidentIO, find: Find) -> None:
    """If a later page is too large, only that page is requested again."""
    ids = _schedules(double, 300)
    double.fail("/v2/schedules", faults.Huge(7), page=2, times=1)
    snapshot = find()
    assert ([duty.id for duty in snapshot.duties], snapshot.failures) == (ids, ())
    cursors = _asked(double, "/v2/schedules")
    assert cursors == [None, [ids[249]], [ids[249]]]


def test_the_smallest_page_is_too_large(double: IncidentIO, find: Find) -> None:
    """If even the smallest page is too large, that is the reported failure."""
    _schedules(double, 1)
    double.fail("/v2/schedules", faults.Huge(7))
    snapshot = find()
    assert [failure.problem for failure in snapshot.failures] == [
        "the response is larger than 6 MiB"
    ]
    assert len(_asked(double, "/v2/schedules")) == 3


NAMED = [f"01FCNDV6P870EA6S7TK1DSYDG{number}" for number in range(3)]


@pytest.fixture
def ask_for(
    incidentio_client: IncidentIOClient, set_clock: SetClock
) -> Callable[..., ProviderSnapshot]:
    """Ask about Ana, and schedules that a rule names."""

    def asked(*schedules: str) -> ProviderSnapshot:
        query = DutyQuery(schedules, holders=frozenset({ANA}))
        questions = incidentio_client.questions(query, ProviderSnapshot())
        return ask(questions, set_clock.deadline())

    return asked


def test_schedules_named_by_id(double: IncidentIO, ask_for: Find) -> None:
    """Each schedule named by id takes one call; a missing one has nobody on call."""
    _schedules(double, 60)
    for id_ in NAMED[:2]:
        double.put_on_shift(double.add_schedule(f"of {id_}", id=id_), ANA)
    snapshot = ask_for(*NAMED)
    assert [duty.id for duty in snapshot.duties] == NAMED[:2]
    assert snapshot.failures == ()
    assert sorted(double.calls.paths()) == [f"/v2/schedules/{id_}" for id_ in NAMED]
    assert all(duty.is_named(duty.id) for duty in snapshot.duties)
    assert not any(duty.is_named(duty.name) for duty in snapshot.duties)


@pytest.mark.parametrize("names", [("S1",), (NAMED[0], "S1"), tuple(NAMED * 10)])
def test_schedules_named_by_name(names: tuple[str, ...], double: IncidentIO, ask_for: Find) -> None:
    """For a name, or for many ids, the whole list of schedules is read."""
    _schedules(double, 2)
    assert len(ask_for(*names).duties) == 2
    assert double.calls.paths() == ["/v2/schedules"]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.Status(500), "answered 500"),
        (faults.Status(403), "answered 403; the key needs the scope schedules.view"),
        (faults.TooManyRequests(3600), "answered 429"),
        (faults.Garbage(), "the response is not JSON"),
        (faults.WrongValue("schedule", None), "1 entries could not be read"),
        (faults.WrongValue("schedule", []), "the answer could not be read: schedule is not"),
        (faults.WrongValue("schedule.id", 7), "1 entries could not be read"),
    ],
    ids=repr,
)
def test_a_schedule_that_cannot_be_read(
    fault: Fault, problem: str, double: IncidentIO, ask_for: Find
) -> None:
    """An unreadable schedule is reported; others still count."""
    for id_ in NAMED[:2]:
        double.put_on_shift(double.add_schedule("x", id=id_), ANA)
    double.fail(f"/v2/schedules/{NAMED[0]}", fault)
    snapshot = ask_for(*NAMED[:2])
    assert [duty.id for duty in snapshot.duties] == [NAMED[1]]
    (failure,) = snapshot.failures
    assert failure.problem.startswith(problem)
    assert failure.question == f"schedule {NAMED[0]}"
