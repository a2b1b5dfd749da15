"""incident.io's lists are read page by page, to their end or to a limit that is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handler.clock import Deadline
from handler.duty import Duty, ProviderSnapshot
from handler.providers import incidentio
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.server import Fault
from tests.handler.conftest import ANA, BO
from tests.handler.edited_answers import Edited, drop

Find = Callable[..., ProviderSnapshot]


@pytest.fixture
def _pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidentio, "PAGE_SIZE", 2)


def _schedules(double: IncidentIO, count: int) -> list[str]:
    """Schedules S1, S2, …, with Ana on shift in each; their ids."""
    ids = [double.add_schedule(f"S{number + 1}").id for number in range(count)]
    for each in ids:
        double.put_on_shift(each, ANA)
    return ids


def _on_call(snapshot: ProviderSnapshot) -> list[Duty]:
    return [duty for duty in snapshot.duties if duty.kind == "on_call"]


def _asked(double: IncidentIO, path: str) -> list[list[str] | None]:
    return [call.query.get("after") for call in double.calls if call.path == path]


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (7, 4)])
def test_all_schedules(count: int, calls: int, double: IncidentIO, find: Find) -> None:
    """Each page asks for the next by its last id, until there is none; none is asked twice."""
    ids = _schedules(double, count)
    snapshot = find()
    assert [duty.id for duty in snapshot.duties] == ids
    assert snapshot.failures == ()
    cursors = [[ids[at]] for at in range(1, count - 1, 2)]
    assert _asked(double, "/v2/schedules") == [None, *cursors]
    assert len(_asked(double, "/v2/schedules")) == calls


@pytest.mark.usefixtures("_pages_of_two")
def test_all_incidents(double: IncidentIO, find: Find) -> None:
    """Every page asks for live standard incidents; the newest comes first over all."""
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
    """An answer that says nothing of pages is whole: the vendor's schema calls it optional."""
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
        (faults.HangUp("body"), "connection failed (IncompleteRead)"),
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
    """The pages before count, by id only: an unread schedule could bear the same name."""
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
    """The rest is left, and that is reported; what came counts, by id only."""
    (schedule,) = _schedules(double, 1)
    double.fail("/v2/schedules", fault)
    snapshot = find()
    assert len(_asked(double, "/v2/schedules")) == calls
    assert [failure.problem for failure in snapshot.failures] == [problem]
    assert _on_call(snapshot)
    assert all(each.is_named(schedule) for each in _on_call(snapshot))
    assert not any(each.is_named("S1") for each in _on_call(snapshot))


@pytest.mark.usefixtures("_pages_of_two")
def test_the_last_page_that_is_read(double: IncidentIO, find: Find) -> None:
    """A list of exactly 20 pages is read whole; one more entry is one too many."""
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
    """A name that two roles bear, one perhaps as its shortform and unfilled, is neither's."""
    comms = double.add_role("Comms", "talk")
    double.add_role("talk", "t")
    incident = double.declare_incident("Fire", lead=BO)
    double.assign_role(incident, comms, ANA)
    (duty,) = (duty for duty in find().duties if duty.holder == ANA)
    assert [duty.is_named(entry) for entry in ("Comms", "talk", comms.id)] == [True, False, True]
