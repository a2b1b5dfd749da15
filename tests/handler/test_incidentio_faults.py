"""incident.io on a bad day: what can be read still counts, what cannot is said."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.http import Client
from handler.providers import incidentio
from handler.providers.base import ask
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.server import Fault
from tests.handler.bad_answers import BAD_ANSWERS, takes_time
from tests.handler.conftest import ANA, API_KEY, BO, EVERYTHING, SetClock
from tests.handler.edited import LISTS
from tests.handler.scripted import Scripted, reply

Find = Callable[..., ProviderSnapshot]


@pytest.fixture(autouse=True)
def one_of_each(double: IncidentIO) -> None:
    """Ana leads INC-1, Bo is on shift of DBA."""
    double.declare_incident("Fire", lead=ANA)
    double.add_schedule("DBA")
    double.put_on_shift("DBA", BO)


def _client(client: Client, url: str, key: str) -> incidentio.IncidentIO:
    return incidentio.IncidentIO(client, {"INCIDENTIO_BASE_URL": url, "INCIDENTIO_API_KEY": key})


def _kinds(found: ProviderSnapshot) -> set[str]:
    return {each.kind for each in found.duties}


@pytest.mark.parametrize("broken", sorted(LISTS))
@pytest.mark.parametrize(
    ("fault", "problem"),
    BAD_ANSWERS,
)
def test_one_source_failing_hides_no_other(
    broken: str,
    fault: Fault,
    problem: str,
    double: IncidentIO,
    find: Find,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """However the one list fails, within the budget the other one is read, and the log says it."""
    double.fail(f"/v2/{broken}", fault)
    slow = takes_time(fault)
    found = find(real_deadline(0.4) if slow else None)
    assert _kinds(found) == set(LISTS.values()) - {LISTS[broken]}
    (failure,) = found.failures
    assert (failure.provider, failure.question) == ("incident.io", broken)
    assert problem in failure.problem


@pytest.mark.parametrize("broken", sorted(LISTS))
@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (401, "answered 401; request_id 0000000"),
        (403, "answered 403; the key needs the scope {scope}; request_id 0000000"),
        (404, "answered 404; request_id 0000000"),
        (422, "answered 422; request_id 0000000"),
        (429, "answered 429; request_id 0000000"),
        (500, "answered 500; request_id 0000000"),
        (503, "answered 503; request_id 0000000"),
    ],
)
def test_what_an_error_says(
    broken: str, status: int, problem: str, double: IncidentIO, find: Find
) -> None:
    """The status, what mends it where we know, and the vendor's request id: nothing of the body."""
    double.fail(f"/v2/{broken}", faults.Status(status))
    (failure,) = find().failures
    assert failure.problem[:-1] == problem.format(scope=f"{broken}.view")
    assert failure.question == broken


def test_a_key_that_is_wrong(client: Client, double: IncidentIO, set_clock: SetClock) -> None:
    """Both lists fail, nothing is found, the key is not repeated."""
    source = _client(client, double.url, "another-k3y")
    found = ask(source.questions(EVERYTHING, ProviderSnapshot()), set_clock.deadline())
    assert found.duties == ()
    assert sorted(each.question for each in found.failures) == ["incidents", "schedules"]
    assert all(each.problem.startswith("answered 401") for each in found.failures)
    assert "k3y" not in repr(found)


def test_a_key_that_may_not_see_schedules(client: Client, set_clock: SetClock) -> None:
    """The one scope that is missing is named; what the key may see counts."""
    with IncidentIO(API_KEY, key_roles=["viewer"]) as double:
        double.add_person("Ana Lima", ANA)
        double.declare_incident("Fire", lead=ANA)
        source = _client(client, double.url, API_KEY)
        found = ask(source.questions(EVERYTHING, ProviderSnapshot()), set_clock.deadline())
    assert [each.holder for each in found.duties] == [ANA]
    (failure,) = found.failures
    assert "the key needs the scope schedules.view" in failure.problem


@pytest.mark.parametrize(
    ("body", "told"),
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
    told: str,
    client: Client,
    serve: Callable[..., Scripted],
    set_clock: SetClock,
) -> None:
    """Only what looks like an id is quoted out of an error's body."""
    source = _client(client, serve(reply(body, 404)).url, API_KEY)
    found = ask(source.questions(EVERYTHING, ProviderSnapshot()), set_clock.deadline())
    assert {each.problem for each in found.failures} == {f"answered 404{told}"}


def test_the_body_of_a_good_answer_is_never_told(
    client: Client, serve: Callable[..., Scripted], set_clock: SetClock
) -> None:
    """What the provider says of people stays out of failures, whatever is wrong with it."""
    body = json.dumps({"incidents": [{"id": ANA, "creator": ANA}], "schedules": [{"id": [ANA]}]})
    source = _client(client, serve(reply(body.encode())).url, API_KEY)
    found = ask(source.questions(EVERYTHING, ProviderSnapshot()), set_clock.deadline())
    assert len(found.failures) == 2
    assert ANA not in repr(found.failures)
