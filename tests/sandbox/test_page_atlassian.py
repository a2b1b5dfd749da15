"""Opsgenie's and JSM's switches: one board for both, so each fact is held for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from handler.providers.registry import BY_ID
from sandbox.page.duty_board import AtlassianBoard, DutyBoard, SlotGroup, SwitchError
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from tests.sandbox.asked import Watch
from tests.sandbox.atlassian_played import ANA, BO, CY, HOUR
from tests.sandbox.page_client import Visitor

Double = Opsgenie | JSM


@pytest.fixture(params=["opsgenie", "jsm"])
def played(request: pytest.FixtureRequest, watch: Watch) -> Iterator[tuple[str, Double]]:
    """The provider's id and its double: two people and one without an e-mail; Ana is on shift."""
    id_: str = request.param
    double: Double = Opsgenie("k", now=watch) if id_ == "opsgenie" else JSM("e", "t", now=watch)
    with double:
        double.add_person("Ana Lima", ANA)
        double.add_person("Bo Berg", BO)
        double.add_person("Cy Nomail", None)
        double.add_schedule("Payments")
        double.put_on_shift("Payments", ANA)
        yield id_, double


@pytest.fixture
def double(played: tuple[str, Double]) -> Double:
    """The double only."""
    return played[1]


@pytest.fixture
def board(played: tuple[str, Double]) -> AtlassianBoard:
    """Its board."""
    return AtlassianBoard(BY_ID[played[0]], played[1])


@pytest.fixture
def boards(board: AtlassianBoard) -> Sequence[DutyBoard]:
    """The page shows it alone."""
    return [board]


def payments(board: DutyBoard) -> SlotGroup:
    """The schedule, as it is now."""
    return next(each for each in board.groups() if each.title == "Payments")


def holders(board: DutyBoard) -> list[str]:
    """Who is on shift."""
    return [each.person.email for each in payments(board).slots[0].holders]


def test_who_is_on_shift_is_shown(visitor: Visitor, board: DutyBoard) -> None:
    """Under the provider's name: each schedule, who is on and until when."""
    answer = visitor.get()
    shift = "Payments on-call schedule On shift: Ana Lima until 2 Mar 20:00 UTC"
    assert f"{board.provider} {shift}" in answer.words
    assert answer.pressed == ["Ana Lima"]


def test_put_on_and_take_off(visitor: Visitor, board: DutyBoard, double: Double) -> None:
    """Several can be on; a switch turned twice changes nothing more."""
    (shift,) = payments(board).slots
    for _ in range(2):
        answer = visitor.turn(board.provider, shift.id, on=BO)
        assert (answer.status, answer.headers["Location"]) == (303, f"/#slot-{shift.id}")
        assert holders(board) == [ANA, BO]
    assert len(double.schedules[0].shifts) == 2
    for each in (ANA, BO):
        assert visitor.turn(board.provider, shift.id, off=each).status == 303
    assert holders(board) == []
    assert "On shift: nobody" in visitor.get().words


def test_nothing_to_be_on_duty_for_is_told(
    visitor: Visitor, board: DutyBoard, double: Double
) -> None:
    """A provider without a schedule is not just an empty space."""
    double._tables.schedules.clear()
    assert f"{board.provider} has no schedule." in visitor.get().words


def test_those_without_an_address_are_left_out(
    visitor: Visitor, double: Double, board: DutyBoard
) -> None:
    """Nobody is approved by no address: there is no switch for such a person, nor is he shown."""
    double.put_on_shift("Payments", None)
    double.put_on_shift("Payments", double.people[2])
    assert "Cy Nomail" not in visitor.get().html
    assert holders(board) == [ANA]


def test_closed_and_hidden_accounts_are_left_out(watch: Watch) -> None:
    """The webhook cannot see whose they are."""
    with JSM("e", "t", now=watch) as jsm:
        jsm.add_person("Ana Lima", ANA, hidden=True)
        jsm.add_person("Bo Berg", BO, active=False)
        jsm.add_person("Cy Cole", CY)
        people = AtlassianBoard(BY_ID["jsm"], jsm).people()
        assert [each.email for each in people] == [CY]


def test_schedule_that_is_off_and_its_team_are_told(double: Double, board: DutyBoard) -> None:
    """A team on shift is no switch, and a schedule that is switched off says so."""
    team = double.add_team("Core", [BO])
    double.put_on_shift("Payments", team)
    double.enable_schedule("Payments", enabled=False)
    told = "switched off, so that nobody is on call by it, the team Core is on shift"
    assert payments(board).description == f"on-call schedule, {told}"
    assert holders(board) == [ANA]


def test_forwarding_decides_who_is_on(double: Double, board: DutyBoard, watch: Watch) -> None:
    """Who gets what is another's is on until that ends, and no switch seems to change it."""
    double.forward(ANA, BO, end=watch.time + HOUR)
    (shift,) = payments(board).slots
    assert [(each.person.email, each.until) for each in shift.holders] == [(BO, watch.time + HOUR)]
    with pytest.raises(SwitchError, match="is forwarded to Bo Berg now"):
        board.switch(shift.id, ANA, on=True)
    with pytest.raises(SwitchError, match="Bo Berg is on shift for Ana Lima, who forwards it"):
        board.switch(shift.id, BO, on=False)
    assert len(double.schedules[0].shifts) == 1
    watch.time += HOUR
    assert holders(board) == [ANA]
    board.switch(shift.id, ANA, on=False)
    assert holders(board) == []
