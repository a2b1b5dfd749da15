"""incident.io: who posted an update to a live incident."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from handler.duty import INCIDENT_UPDATE, Duty, Failure, ProviderSnapshot
from handler.providers import incidentio
from handler.providers.base import DutyQuery, ask
from handler.providers.collect import FOLLOW_UPS_AT_ONCE
from handler.request import Request, Resource
from handler.rules.evaluate import decide
from handler.rules.model import policy_from_settings
from sandbox.vendors import faults
from sandbox.vendors.exchange import Exchange
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.incidentio_faults import WRONG_UPDATES
from tests.handler.conftest import ANA, API_KEY, BO, CY, NOW, SetClock
from tests.handler.edited import Edited, drop, put

PATH = "/v2/incident_updates"
USER = ("incident_updates", 0, "updater", "user")
FindUpdates = Callable[[], ProviderSnapshot]


@pytest.fixture
def find_updates(source: incidentio.IncidentIO, set_clock: SetClock) -> FindUpdates:
    """Ask for the updates of all live incidents, as the handler does."""

    def found() -> ProviderSnapshot:
        wants = DutyQuery(updates=True)
        live = ask(source.questions(wants, ProviderSnapshot()), set_clock.deadline())
        first, *questions = source.questions(wants, live)
        assert first.name == "incidents"
        updates = ask(questions, set_clock.deadline(), at_once=FOLLOW_UPS_AT_ONCE)
        for failure in updates.failures:
            assert API_KEY not in str(failure)
            assert "@" not in str(failure)
        return updates

    return found


def _asked(double: IncidentIO) -> list[str]:
    return [call.query["incident_id"][0] for call in double.calls if call.path == PATH]


def test_who_posted(double: IncidentIO, find_updates: FindUpdates) -> None:
    """Having posted to a live incident is a duty of its own, once however often."""
    incident = double.declare_incident("Fire", by=BO)
    for _ in range(3):
        double.post_update(incident, by=ANA, message="Project Nightshade is on fire.")
    found = find_updates()
    assert found == ProviderSnapshot(
        duties=(
            Duty(
                provider="incident.io",
                kind=INCIDENT_UPDATE,
                id=incident.id,
                name="",
                holder=ANA,
                incident="INC-1",
                declarers=frozenset({"bo@acme.example"}),
            ),
        )
    )
    assert found.duties[0].told(NOW) == "posted an update to INC-1 (incident.io)"
    (call,) = (each for each in double.calls if each.path == PATH)
    assert call.query == {"incident_id": [incident.id], "page_size": ["250"]}
    assert call.headers["authorization"] == f"Bearer {API_KEY}"


def test_several_people_in_several_incidents(double: IncidentIO, find_updates: FindUpdates) -> None:
    """Each incident is asked for by itself, the closed ones not at all."""
    for name in ("Fire", "Flood", "Over"):
        double.declare_incident(name)
    double.close_incident("INC-3")
    for who, reference in ((ANA, "INC-1"), (BO, "INC-1"), (ANA, "INC-2"), (CY, "INC-3")):
        double.post_update(reference, by=who)
    assert {(each.holder, each.incident) for each in find_updates().duties} == {
        (ANA, "INC-1"),
        ("bo@acme.example", "INC-1"),
        (ANA, "INC-2"),
    }


@pytest.mark.parametrize("other", ["01ANOTHER", None, ""])
def test_an_update_of_another_incident(
    other: str | None, double: IncidentIO, find_updates: FindUpdates
) -> None:
    """What is answered beside what was asked for may be of an incident that is over."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=BO)
    double.post_update("INC-1", by=ANA)
    double.fail(PATH, put("incident_updates", 0, "incident_id", value=other))
    found = find_updates()
    holders = [each.holder for each in found.duties]
    assert len(holders) == (1 if other else 2)
    assert bool(found.failures) is bool(other)


def test_an_update_without_a_person(double: IncidentIO, find_updates: FindUpdates) -> None:
    """What an API key or a workflow posted is nobody's: the original crashed on it."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=ANA)
    double.post_update("INC-1", by=None)
    found = find_updates()
    assert [each.holder for each in found.duties] == [ANA]
    assert found.failures == ()


def test_who_declared_it_posts(double: IncidentIO, find_updates: FindUpdates) -> None:
    """An update to an incident of one's own is marked as such."""
    double.declare_incident("Fire", by=BO)
    double.post_update("INC-1", by=ANA)
    double.post_update("INC-1", by=BO)
    found = {each.holder: each.self_declared for each in find_updates().duties}
    assert found == {ANA: False, "bo@acme.example": True}


def test_the_role_list_rules_out_participants(
    double: IncidentIO, find_updates: FindUpdates
) -> None:
    """Where the policy names roles, an update proves nothing: in the original it did."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=ANA)
    (duty,) = find_updates().duties
    request = Request(Resource(email=ANA), (Resource("k", "1"),))

    def approved(*roles: str) -> bool:
        policy = policy_from_settings(timedelta(hours=6), (), roles, participants=True)
        return decide(request, ProviderSnapshot((duty,)), policy, NOW).approved

    assert approved()
    assert not approved("Incident Lead")


def test_only_of_the_newest_incidents(double: IncidentIO, find_updates: FindUpdates) -> None:
    """Of 25 live incidents the 20 newest are asked for, one call each."""
    incidents = [double.declare_incident(f"Fire {number}") for number in range(25)]
    for each in incidents:
        double.post_update(each, by=ANA)
    found = find_updates()
    assert {each.incident for each in found.duties} == {f"INC-{n}" for n in range(6, 26)}
    assert sorted(_asked(double)) == sorted(each.id for each in incidents[5:])
    assert found.failures == ()


class Together:
    """Holds calls until four are there, and a moment for a fifth; counts how many ever are."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self._four = threading.Barrier(4)
        self._fifth = threading.Event()

    def play(self, exchange: Exchange) -> None:
        """Answer, once three others are there."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            if self.most > 4:
                self._fifth.set()
        self._four.wait(20)
        self._fifth.wait(0.05)
        with self._lock:
            self._now -= 1
        exchange.send(exchange.right)


def test_four_at_once(double: IncidentIO, find_updates: FindUpdates) -> None:
    """Four incidents are asked for together, never more: the original asked for all at once."""
    for number in range(20):
        double.declare_incident(f"Fire {number}")
    together = Together()
    double.fail(PATH, together)
    assert find_updates().failures == ()
    assert (len(_asked(double)), together.most) == (20, 4)


def test_all_pages(
    double: IncidentIO, find_updates: FindUpdates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Updates come in pages, too; the oldest is the last."""
    monkeypatch.setattr(incidentio, "PAGE_SIZE", 2)
    double.declare_incident("Fire")
    double.post_update("INC-1", by=ANA)
    for _ in range(4):
        double.post_update("INC-1", by=None)
    assert [each.holder for each in find_updates().duties] == [ANA]
    assert len(_asked(double)) == 3


def test_a_later_page_is_broken(
    double: IncidentIO, find_updates: FindUpdates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before counts; which incident's updates are missing is said by reference."""
    monkeypatch.setattr(incidentio, "PAGE_SIZE", 2)
    double.declare_incident("Fire")
    double.post_update("INC-1", by=BO)
    double.post_update("INC-1", by=None)
    double.post_update("INC-1", by=ANA)
    double.fail(PATH, faults.Garbage(), page=2)
    found = find_updates()
    assert [each.holder for each in found.duties] == [ANA]
    assert found.failures == (Failure("incident.io", "updates of INC-1", "the answer is not JSON"),)


class OnlyOf:
    """A fault for one incident's updates."""

    def __init__(self, incident_id: str, fault: faults.Status) -> None:
        self._incident_id = incident_id
        self._fault = fault

    def play(self, exchange: Exchange) -> None:
        """Play it, or answer right."""
        if exchange.request.query["incident_id"] == [self._incident_id]:
            self._fault.play(exchange)
        else:
            exchange.send(exchange.right)


def test_one_incident_failing_hides_no_other(double: IncidentIO, find_updates: FindUpdates) -> None:
    """The updates of the other incidents count; a missing scope is named."""
    for name in ("Fire", "Flood"):
        incident = double.declare_incident(name)
        double.post_update(incident, by=ANA)
    double.fail(PATH, OnlyOf(incident.id, faults.Status(403)))
    found = find_updates()
    assert [each.incident for each in found.duties] == ["INC-1"]
    (failure,) = found.failures
    assert failure.question == "updates of INC-2"
    said = "answered 403; the key needs the scope incidents.view; request_id "
    assert failure.problem.startswith(said)


@pytest.mark.parametrize(
    "edit",
    [
        drop("incident_updates", 0, "updater", "user"),
        drop("incident_updates", 0, "updater"),
        put("incident_updates", 0, "updater", value=None),
        put(*USER, value=None),
        drop(*USER, "email"),
        put(*USER, "email", value=None),
        put("incident_updates", 0, "updater", value={"workflow": {"id": "W1", "name": "Nag"}}),
    ],
)
def test_nobody_posted(edit: Edited, double: IncidentIO, find_updates: FindUpdates) -> None:
    """Without a person with an e-mail it is nobody's duty, and no failure either."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=ANA)
    double.fail(PATH, edit)
    assert find_updates()._replace(without_email=()) == ProviderSnapshot()


def _in_the_first(fault: faults.Replaced) -> Edited:
    def edit(body: Any) -> None:  # noqa: ANN401 - any JSON
        alone = {"incident_updates": body["incident_updates"][:1]}
        changed = faults._replaced(alone, fault.path, fault.value)
        body["incident_updates"][:1] = changed["incident_updates"]

    return Edited(edit)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=what)
        for what, fault in WRONG_UPDATES.items()
        if "*" in fault.path and what != "updater is null"
    ],
)
def test_a_wrong_type_in_an_update(
    fault: faults.Replaced, double: IncidentIO, find_updates: FindUpdates
) -> None:
    """It drops that update only, and is said."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=ANA)
    double.post_update("INC-1", by=BO)
    double.fail(PATH, _in_the_first(fault))
    found = find_updates()
    assert [each.holder for each in found.duties] == [ANA]
    problem = "1 entries could not be read"
    assert found.failures == (Failure("incident.io", "updates of INC-1", problem),)


def test_a_wrong_answer(double: IncidentIO, find_updates: FindUpdates) -> None:
    """What is no list of updates is a failure, told without its body."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=ANA)
    double.fail(PATH, WRONG_UPDATES["incident_updates is an object"])
    problem = "the answer could not be read: incident_updates is not a list"
    assert find_updates() == ProviderSnapshot(
        failures=(Failure("incident.io", "updates of INC-1", problem),)
    )
