"""The switches: what they show, what they change at the provider, what they refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.demo_data import JANE, NORA, OMAR, PEOPLE, RITA
from sandbox.page.duty_board import IncidentIOBoard, Slot
from sandbox.vendors.incidentio_state import Organisation
from tests.sandbox.asked import Watch
from tests.sandbox.page_client import Answer, Visitor
from tests.sandbox.running_space import HOUR


def post(organisation: Organisation, name: str) -> Slot:
    """The post of this name, as it is now."""
    groups = IncidentIOBoard(organisation).groups()
    return next(one for group in groups for one in group.slots if one.name == name)


def holders(organisation: Organisation, name: str) -> list[str]:
    """Who is on it."""
    return [each.person.email for each in post(organisation, name).holders]


def turn(visitor: Visitor, post_id: str, **switch: str) -> Answer:
    """Press a switch: `on` or `off`, with whom."""
    return visitor.turn("incident.io", post_id, **switch)


def test_who_is_on_duty_is_shown(visitor: Visitor) -> None:
    """For each schedule and role: who, until when, and a switch for each person."""
    answer = visitor.get()
    assert (
        "incident.io Production on-call schedule On shift: Omar Haddad until 2 Mar 20:00 UTC"
        in answer.words
    )
    assert "INC-1 Checkout answers 500 live incident, declared by Rita Mora" in answer.words
    assert "Incident Lead: Jane Lind" in answer.words
    assert answer.pressed == ["Omar Haddad", "Jane Lind", "Rita Mora"]
    assert answer.html.count("aria-pressed") == 3 * len(PEOPLE)


def test_who_can_request_bears_his_duties(visitor: Visitor) -> None:
    """Whoever chooses in whose name to request sees who of them is on duty."""
    form = visitor.get().part("request")
    assert "Jane Lind: Incident Lead, INC-1</option>" in form
    assert "Omar Haddad: On shift, Production</option>" in form
    assert "Nora Falk: off duty</option>" in form


@pytest.mark.parametrize("name", ["On shift", "Incident Lead"])
def test_put_on_and_take_off(visitor: Visitor, organisation: Organisation, name: str) -> None:
    """A switch turned on and off again leaves nobody on; turned twice it changes nothing more."""
    first = post(organisation, name)
    (before,) = [each.person.email for each in first.holders]
    answer = turn(visitor, first.id, off=before)
    assert (answer.status, answer.headers["Location"]) == (303, f"/#slot-{first.id}")
    assert holders(organisation, name) == []
    assert f"{name}: nobody" in visitor.get().words
    for _ in range(2):
        assert turn(visitor, first.id, on=NORA).status == 303
        assert holders(organisation, name) == [NORA]
    assert f"{name}: Nora Falk" in visitor.get().words
    assert len(organisation.schedules[0].shifts) <= 1
    for _ in range(2):
        assert turn(visitor, first.id, off=NORA).status == 303
        assert holders(organisation, name) == []


def test_schedule_takes_several(visitor: Visitor, organisation: Organisation) -> None:
    """Two people can be on shift; both are named."""
    turn(visitor, post(organisation, "On shift").id, on=NORA)
    assert holders(organisation, "On shift") == [OMAR, NORA]
    words = visitor.get().words
    assert "On shift: Omar Haddad until 2 Mar 20:00 UTC, Nora Falk until 2 Mar 20:00 UTC" in words


def test_role_passes_on(visitor: Visitor, organisation: Organisation) -> None:
    """Giving a role takes it from whoever had it; taking it from another leaves it."""
    lead = post(organisation, "Incident Lead")
    turn(visitor, lead.id, on=OMAR)
    assert holders(organisation, "Incident Lead") == [OMAR]
    turn(visitor, lead.id, off=JANE)
    assert holders(organisation, "Incident Lead") == [OMAR]
    assert holders(organisation, "Reporter") == [RITA]


def test_shift_that_is_over_is_not_shown(
    visitor: Visitor, organisation: Organisation, watch: Watch
) -> None:
    """Nor one that has not begun: on duty is who is on duty now."""
    organisation.put_on_shift("Production", NORA, start=watch.time + 9 * HOUR)
    assert holders(organisation, "On shift") == [OMAR]
    watch.time += 8 * HOUR
    assert "On shift: nobody" in visitor.get().words
    watch.time += timedelta(hours=1)
    assert "On shift: Nora Falk until" in visitor.get().words


@pytest.mark.parametrize("category", ["closed", "gone"])
def test_switch_that_is_gone_is_told(
    visitor: Visitor, organisation: Organisation, category: str
) -> None:
    """An incident may close while somebody looks at it: the section says so, and shows the rest."""
    lead = post(organisation, "Incident Lead")
    organisation.close_incident("INC-1")
    answer = turn(visitor, lead.id if category == "closed" else "none", on=NORA)
    assert answer.status == 409
    assert "That duty is not there any more: what you see now is how things stand." in answer.words
    assert 'id="problem-duties"' in answer.html
    assert "INC-1" not in answer.words
    assert answer.pressed == ["Omar Haddad"]


@pytest.mark.parametrize(
    ("email", "said"),
    [("eve@example.com", "eve@example.com is nobody at"), ("", "A person without an e-mail")],
)
def test_stranger_is_told_at_the_switch(
    visitor: Visitor, organisation: Organisation, email: str, said: str
) -> None:
    """Whom the provider does not know nobody puts on duty."""
    shift = post(organisation, "On shift")
    answer = turn(visitor, shift.id, on=email)
    assert answer.status == 409
    assert said in answer.part(f"slot-{shift.id}")
    assert holders(organisation, "On shift") == [OMAR]


def test_other_provider_is_told(visitor: Visitor) -> None:
    """A provider that is not played has no switches."""
    answer = visitor.send("/duties", {"provider": "other", "slot": "x", "on": JANE})
    assert answer.status == 409
    assert "That provider is not played here" in answer.words


def test_those_without_an_address_are_left_out(
    visitor: Visitor, organisation: Organisation
) -> None:
    """Nobody is approved by no address: there is no switch for such a person, nor is he shown."""
    nameless = organisation.add_person("No Address", None)
    organisation.put_on_shift("Production", nameless)
    organisation.put_on_shift("Production", None)
    organisation.declare_incident("By a machine", lead=nameless)
    answer = visitor.get()
    assert "No Address" not in answer.html
    assert "live incident, declared by an API key" in answer.words


def test_provider_without_duties_says_so(visitor: Visitor, organisation: Organisation) -> None:
    """An organisation with neither schedule nor live incident is not just an empty space."""
    organisation._schedules.clear()
    organisation.close_incident("INC-1")
    assert "incident.io has no schedule and no live incident." in visitor.get().words


def test_many_people_are_folded(visitor: Visitor, organisation: Organisation) -> None:
    """Five switches are in sight and the rest folded, so that many people leave it short."""
    shift = post(organisation, "On shift")
    form = visitor.get().part(f"slot-{shift.id}")
    in_sight, _, folded = form.partition("<details")
    assert in_sight.count("aria-pressed") == 5
    assert folded.count("aria-pressed") == len(PEOPLE) - 5
    assert "<summary>4 more" in folded
