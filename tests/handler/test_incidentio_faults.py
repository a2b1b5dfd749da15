"""Faults of incident.io: readable data still counts, and the rest is reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from handler.app import SYSTEM_CLOCK
from handler.clock import Deadline
from handler.duty import Duty, Failure, ProviderSnapshot
from handler.http import Client
from handler.providers import incidentio
from handler.providers.runner import ask
from sandbox.vendors import faults
from sandbox.vendors.faults import INCIDENTIO, WrongValue
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.server import Fault
from tests.handler.bad_answers import BAD_ANSWERS, takes_time
from tests.handler.conftest import ANA, API_KEY, BO, CY, EVERYTHING, SetClock
from tests.handler.edited_answers import HARMLESS, LISTS, put
from tests.handler.scripted import Scripted, reply

Find = Callable[..., ProviderSnapshot]


@pytest.fixture(autouse=True)
def one_of_each(double: IncidentIO) -> None:
    """Ana leads INC-1, and Bo is on shift for DBA."""
    double.declare_incident("Fire", lead=ANA)
    double.add_schedule("DBA")
    double.put_on_shift("DBA", BO)


def _client(client: Client, url: str, key: str) -> incidentio.IncidentIOClient:
    settings = {"INCIDENTIO_BASE_URL": url, "INCIDENTIO_API_KEY": key}
    return incidentio.IncidentIOClient(client, SYSTEM_CLOCK, settings)


def _kinds(snapshot: ProviderSnapshot) -> set[str]:
    return {duty.kind for duty in snapshot.duties}


@pytest.mark.parametrize("broken", sorted(LISTS))
@pytest.mark.parametrize(
    ("fault", "problem"),
    BAD_ANSWERS,
)
def test_one_answer_failing_hides_no_other(
    broken: str,
    fault: Fault,
    problem: str,
    double: IncidentIO,
    find: Find,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """If one list fails in any way, the other still counts, in time; the failure is reported."""
    double.fail(f"/v2/{broken}", fault)
    slow = takes_time(fault)
    snapshot = find(real_deadline(0.4) if slow else None)
    assert _kinds(snapshot) == set(LISTS.values()) - {LISTS[broken]}
    (failure,) = snapshot.failures
    assert (failure.provider, failure.question) == ("incident.io", broken)
    assert problem in failure.problem


@pytest.mark.parametrize("broken", sorted(LISTS))
@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (401, "answered 401; the key is wrong or revoked; request_id 0000000"),
        (403, "answered 403; the key needs the scope {scope}; request_id 0000000"),
        (500, "answered 500; request_id 0000000"),
    ],
)
def test_what_an_error_says(
    broken: str, status: int, problem: str, double: IncidentIO, find: Find
) -> None:
    """A failure has the status, a hint and the request id, but nothing else of the body."""
    double.fail(f"/v2/{broken}", faults.Status(status))
    (failure,) = find().failures
    assert failure.problem[:-1] == problem.format(scope=f"{broken}.view")
    assert failure.question == broken


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"request_id": "a-B_9"}', "; request_id a-B_9"),
        (b'{"type":"x","request_id":"01HZ","errors":[{"message":"of ana@acme.example"}]}',
         "; request_id 01HZ"),
        (b'{"request_id": "ana@acme.example"}', ""),
        (b'{"request_id": "two words"}', ""),
        (b'{"request_id": "line\\nbreak"}', ""),
        (b'{"request_id": "' + b"a" * 65 + b'"}', ""),
        (b'{"request_id": 7}', ""),
        (b'{"request_id": ""}', ""),
        (b"<html>ana@acme.example</html>", ""),
        (b"\xff\x00", ""),
        (b"", ""),
    ],
)  # fmt: skip
def test_request_ids(
    body: bytes,
    expected: str,
    client: Client,
    serve: Callable[..., Scripted],
    set_clock: SetClock,
) -> None:
    """Only a plausible request id is quoted from an error's body."""
    incidentio_client = _client(client, serve(reply(body, 404)).url, API_KEY)
    snapshot = ask(
        incidentio_client.questions(EVERYTHING, ProviderSnapshot()), set_clock.deadline()
    )
    assert {failure.problem for failure in snapshot.failures} == {f"answered 404{expected}"}


def test_failures_never_quote_the_answer(
    client: Client, serve: Callable[..., Scripted], set_clock: SetClock
) -> None:
    """Failures never quote the provider's data, whatever is wrong with it."""
    body = json.dumps({"incidents": [{"id": ANA, "creator": ANA}], "schedules": [{"id": [ANA]}]})
    incidentio_client = _client(client, serve(reply(body.encode())).url, API_KEY)
    snapshot = ask(
        incidentio_client.questions(EVERYTHING, ProviderSnapshot()), set_clock.deadline()
    )
    assert len(snapshot.failures) == 2
    assert ANA not in repr(snapshot.failures)


def _schedule(snapshot: ProviderSnapshot) -> Duty:
    (duty,) = (duty for duty in snapshot.duties if duty.kind == "on_call")
    return duty


def _table(wrong: Mapping[str, WrongValue]) -> list[Any]:
    inside = {what: fault for what, fault in wrong.items() if "*" in fault.field}
    return [pytest.param(fault, what in HARMLESS, id=what) for what, fault in inside.items()]


@pytest.mark.parametrize(("fault", "harmless"), _table(INCIDENTIO["incidents"]))
def test_a_wrong_type_in_an_incident(
    fault: WrongValue,
    harmless: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """A wrong type drops that whole incident, which is reported; null means absent."""
    double.declare_incident("Flood", by=CY, lead=CY)
    double.fail("/v2/incidents", fault.in_first())
    snapshot = find()
    left = ["INC-2", "INC-1"] if harmless else ["INC-1"]
    assert [incident.reference for incident in snapshot.incidents] == left
    assert {duty.holder for duty in snapshot.duties if duty.incident} == {ANA}
    problem = Failure("incident.io", "incidents", "1 entries could not be read")
    assert snapshot.failures == (() if harmless else (problem,))


@pytest.mark.parametrize(("fault", "harmless"), _table(INCIDENTIO["schedules"]))
def test_a_wrong_type_in_a_schedule(
    fault: WrongValue,
    harmless: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """A wrong type drops that schedule or shift, which is reported; null means absent."""
    double.add_schedule("API")
    double.put_on_shift("API", CY)
    double.fail("/v2/schedules", fault.in_first())
    snapshot = find()
    assert {duty.holder for duty in snapshot.duties if duty.end} == {CY}
    problem = Failure("incident.io", "schedules", "1 entries could not be read")
    assert snapshot.failures == (() if harmless else (problem,))


def test_a_wrong_shift_drops_no_other_of_its_schedule(double: IncidentIO, find: Find) -> None:
    """An unreadable shift is dropped; others of the same schedule count."""
    double.put_on_shift("DBA", CY)
    path = ("schedules", 0, "current_shifts", 0, "user")
    double.fail("/v2/schedules", put(*path, value="Bo"))
    snapshot = find()
    assert {duty.holder for duty in snapshot.duties} == {ANA, CY}
    assert [failure.problem for failure in snapshot.failures] == ["1 entries could not be read"]


@pytest.mark.parametrize("field", ["id", "name", "shortform"])
def test_a_wrong_role_drops_its_incident(field: str, double: IncidentIO, find: Find) -> None:
    """A role with an unreadable id or name drops its whole incident."""
    path = ("incidents", 0, "incident_role_assignments", 1, "role", field)
    double.fail("/v2/incidents", put(*path, value=7))
    snapshot = find()
    assert _kinds(snapshot) == {"on_call"}
    assert snapshot.incidents == ()


def _answers() -> list[Any]:
    return [
        pytest.param(name, fault, what in HARMLESS, id=f"{name}: {what}")
        for name in LISTS
        for what, fault in INCIDENTIO[name].items()
        if "*" not in fault.field
    ] + [
        pytest.param("incidents", WrongValue("", {}), False, id="no list"),
        pytest.param("schedules", WrongValue("", {"incidents": []}), False, id="another list"),
    ]


@pytest.mark.parametrize(("name", "fault", "harmless"), _answers())
def test_a_wrong_answer(
    name: str,
    fault: WrongValue,
    harmless: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """An answer that isn't the expected list is a failure, unlike an empty list."""
    double.fail(f"/v2/{name}", fault)
    snapshot = find()
    assert _kinds(snapshot) == set(LISTS.values()) - {LISTS[name]}
    output = [failure.problem.partition(":")[0] for failure in snapshot.failures]
    assert output == ([] if harmless else ["the answer could not be read"])


@pytest.mark.parametrize("fault", INCIDENTIO["pages"].values(), ids=INCIDENTIO["pages"])
def test_a_wrong_cursor(fault: WrongValue, double: IncidentIO, find: Find) -> None:
    """With an unreadable cursor more pages may follow: shifts count, but only by schedule id."""
    double.fail("/v2/schedules", fault)
    snapshot = find()
    assert _schedule(snapshot).shared_names == {"DBA"}
    (failure,) = snapshot.failures
    assert failure.problem.startswith("the answer could not be read: ")


@pytest.mark.parametrize("field", ["name", "permalink", "current_shifts"])
def test_an_unreadable_schedule_could_have_the_same_name(
    field: str, double: IncidentIO, find: Find
) -> None:
    """If a schedule can't be read, another one with its name counts by id only."""
    double.add_schedule("DBA")
    double.fail("/v2/schedules", put("schedules", 1, field, value=7))
    duty = _schedule(find())
    assert not duty.is_named("DBA")
    assert duty.is_named(duty.id)
