"""PagerDuty's switches: who is on shift at which level, what they change, what they leave out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from sandbox.page.duty_board import DutyBoard, PagerDutyBoard, SlotGroup, SwitchError
from sandbox.vendors.pagerduty import PagerDuty
from tests.sandbox.asked import Watch
from tests.sandbox.page_client import Visitor
from tests.sandbox.pagerduty_asked import ANA, BO, HOUR


@pytest.fixture
def boards(account: PagerDuty) -> Sequence[DutyBoard]:
    """PagerDuty's, with a schedule at level 1 on which Ana is, and one in no policy."""
    account.add_schedule("Databases")
    account.put_on_shift("Databases", ANA)
    account.add_schedule("Nights", v3=True)
    account.add_escalation_policy("Storage", "Databases")
    return [PagerDutyBoard(account)]


def group(account: PagerDuty, title: str) -> SlotGroup:
    """The group of this title, as it is now."""
    return next(each for each in PagerDutyBoard(account).groups() if each.title == title)


def holders(account: PagerDuty, schedule: str) -> list[str]:
    """Who is on shift."""
    return [each.person.email for each in group(account, schedule).slots[0].holders]


def test_who_is_on_shift_is_shown_with_the_level(visitor: Visitor) -> None:
    """Under the provider's name: each schedule, its levels, who is on and until when."""
    answer = visitor.get()
    assert (
        "PagerDuty Databases on-call schedule, level 1 of Storage On shift: Ana Lima until "
        "2 Mar 20:00 UTC" in answer.words
    )
    assert "Nights on-call schedule, in no escalation policy On shift: nobody" in answer.words
    assert answer.pressed == ["Ana Lima"]


def test_every_level_of_every_policy_is_told(account: PagerDuty) -> None:
    """A schedule may be in several policies, at other levels; its brief title has each once."""
    account.add_schedule("Databases")
    account.add_schedule("Nights")
    for policy in ("Storage", "Backups"):
        account.add_escalation_policy(policy, "Nights")
        account.add_target(policy, "Databases", level=2)
    account.add_target("Backups", "Databases", level=1)
    found = group(account, "Databases")
    levels = "level 2 of Storage, level 1 of Backups, level 2 of Backups"
    assert found.description == f"on-call schedule, {levels}"
    assert found.short_title == "Databases, level 2, level 1"


@pytest.mark.parametrize("schedule", ["Databases", "Nights"])
def test_put_on_and_take_off(visitor: Visitor, account: PagerDuty, schedule: str) -> None:
    """A switch turned on and off again leaves nobody on; turned twice it changes nothing more."""
    (shift,) = group(account, schedule).slots
    for each in holders(account, schedule):
        assert visitor.turn("PagerDuty", shift.id, off=each).status == 303
    for _ in range(2):
        answer = visitor.turn("PagerDuty", shift.id, on=BO)
        assert (answer.status, answer.headers["Location"]) == (303, f"/#slot-{shift.id}")
        assert holders(account, schedule) == [BO]
    (kept,) = [each for each in account.schedules if each.name == schedule]
    assert len(kept.shifts) == 1
    visitor.turn("PagerDuty", shift.id, off=BO)
    assert holders(account, schedule) == []


def test_one_is_on_in_a_schedule_of_layers(visitor: Visitor, account: PagerDuty) -> None:
    """Whoever is put on takes the place of who was, who does not come back when that ends."""
    (shift,) = group(account, "Databases").slots
    visitor.turn("PagerDuty", shift.id, on=BO)
    assert holders(account, "Databases") == [BO]
    visitor.turn("PagerDuty", shift.id, off=BO)
    assert holders(account, "Databases") == []


def test_several_are_on_in_one_of_shifts(visitor: Visitor, account: PagerDuty) -> None:
    """There each has a shift of his own."""
    (shift,) = group(account, "Nights").slots
    visitor.turn("PagerDuty", shift.id, on=ANA)
    visitor.turn("PagerDuty", shift.id, on=BO)
    assert holders(account, "Nights") == [ANA, BO]


def test_end_is_that_of_all_shifts_without_a_break(account: PagerDuty, watch: Watch) -> None:
    """Whose next shift follows at once is on until the end of that; a shift for good has none."""
    account.add_schedule("Nights")
    change = watch.time + HOUR
    account.put_on_shift("Nights", ANA, end=change)
    account.put_on_shift("Nights", ANA, change, change + HOUR)
    (holder,) = group(account, "Nights").slots[0].holders
    assert holder.until == change + HOUR
    account.put_on_shift("Nights", BO, for_good=True)
    (holder,) = group(account, "Nights").slots[0].holders
    assert (holder.person.email, holder.until) == (BO, None)
    watch.time -= timedelta(seconds=1)
    assert holders(account, "Nights") == []


def test_those_without_an_address_are_left_out(visitor: Visitor, account: PagerDuty) -> None:
    """Nor has a switch who is deleted, though he stays in the schedule."""
    account.put_on_shift("Nights", BO)
    account.put_on_shift("Nights", None)
    account.delete_person(BO)
    answer = visitor.get()
    assert "Cy Nomail" not in answer.html
    assert "Bo Berg" not in answer.html
    assert holders(account, "Nights") == []


def test_whom_a_policy_pages_directly_is_not_on_shift(account: PagerDuty) -> None:
    """The webhook takes it for no duty, so the page does not show it as one."""
    account.add_escalation_policy("Storage", ANA)
    assert PagerDutyBoard(account).groups() == []


def test_unknown_duty_is_told(account: PagerDuty) -> None:
    """A schedule's own id is no post: that of another provider may be the same."""
    schedule = account.add_schedule("Nights")
    with pytest.raises(SwitchError, match="not there any more"):
        PagerDutyBoard(account).switch(schedule.id, ANA, on=True)
