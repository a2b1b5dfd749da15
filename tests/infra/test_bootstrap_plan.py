"""What comes next, given what is found: each row is one situation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from infra.bootstrap.copies import Copy, CutShort
from infra.bootstrap.plan import Found, Step, StuckError, next_step_back, next_step_there

EARLY = datetime(2026, 11, 25, 9, tzinfo=UTC)
LATE = datetime(2026, 11, 25, 10, tzinfo=UTC)
EMPTY = Copy(time=EARLY, things=frozenset())
WHOLE = Copy(time=EARLY, things=frozenset({("urn:bucket", "b")}))
LATER = replace(WHOLE, time=LATE)
OTHER = replace(WHOLE, things=frozenset({("urn:bucket", "another")}))
CUT = replace(WHOLE, cut_short=(CutShort(urn="urn:role"), CutShort(urn="urn:log")))

THERE = [
    ("nothing anywhere", Found(source=None, target=None, target_known=False), Step.INIT),
    ("nothing here, a bucket given", Found(source=None, target=None), Step.INIT),
    ("nothing here, an empty one there", Found(source=None, target=EMPTY), Step.INIT),
    ("empty here", Found(source=EMPTY, target=None, target_known=False), Step.PREVIEW),
    ("half made", Found(source=WHOLE, target=None, target_known=False), Step.PREVIEW),
    ("empty here, no bucket yet", Found(source=EMPTY, target=None), Step.UP),
    ("made here, not seen yet", Found(source=WHOLE, target=None), Step.UP),
    ("made here, older there", Found(source=LATER, target=WHOLE), Step.UP),
    ("made here, something else there", Found(source=WHOLE, target=OTHER), Step.UP),
    ("cut short", Found(source=CUT, target=None), Step.RECOVER),
    ("cut short, of old", Found(source=CUT, target=None, up_to_date=True), Step.RECOVER),
    ("up to date", Found(source=WHOLE, target=None, up_to_date=True), Step.MOVE),
    ("begun there", Found(source=WHOLE, target=EMPTY, up_to_date=True), Step.MOVE),
    ("both places", Found(source=WHOLE, target=WHOLE), Step.VERIFY),
    ("both, not yet newly encrypted", Found(source=WHOLE, target=WHOLE, settled=False), Step.MOVE),
    (
        "both, newly encrypted by this run",
        Found(source=WHOLE, target=WHOLE, settled=False, moved=True),
        Step.VERIFY,
    ),
    (
        "verified, newly encrypted",
        Found(source=WHOLE, target=WHOLE, settled=False, moved=True, verified=True),
        Step.SETTLE,
    ),
    ("verified", Found(source=WHOLE, target=WHOLE, verified=True), Step.REMOVE),
    ("deployed there since", Found(source=WHOLE, target=LATER), Step.VERIFY),
    (
        "deployed there since, verified",
        Found(source=WHOLE, target=LATER, verified=True),
        Step.REMOVE,
    ),
    ("a colleague's empty one", Found(source=EMPTY, target=WHOLE), Step.VERIFY),
    ("there alone", Found(source=None, target=WHOLE), Step.VERIFY),
    ("there alone, verified", Found(source=None, target=WHOLE, verified=True), Step.DONE),
]
BACK = [
    ("there alone", Found(source=WHOLE, target=None), Step.MOVE),
    ("begun here", Found(source=WHOLE, target=EMPTY), Step.MOVE),
    ("older here", Found(source=LATER, target=WHOLE), Step.MOVE),
    ("both", Found(source=WHOLE, target=WHOLE), Step.VERIFY),
    ("both, not yet newly encrypted", Found(source=WHOLE, target=WHOLE, settled=False), Step.MOVE),
    (
        "verified, newly encrypted",
        Found(source=WHOLE, target=WHOLE, settled=False, moved=True, verified=True),
        Step.SETTLE,
    ),
    ("verified", Found(source=WHOLE, target=WHOLE, verified=True), Step.REMOVE),
    ("here alone", Found(source=None, target=WHOLE), Step.DONE),
    ("here, an empty one there", Found(source=EMPTY, target=WHOLE), Step.REMOVE),
]
STUCK = [
    ("there, encrypted otherwise", Found(source=None, target=WHOLE, settled=False), "unbootstrap"),
    (
        "deployed there since, encrypted otherwise",
        Found(source=WHOLE, target=LATER, settled=False),
        "encrypted by something else than the config asks for",
    ),
    (
        "changed while it was copied",
        Found(source=LATER, target=WHOLE, up_to_date=True, moved=True),
        "was changed while it was copied: run this again",
    ),
]
STUCK_BACK = [
    ("nothing anywhere", Found(source=None, target=None), "export PULUMI_BACKEND_URL='s3://"),
    ("nothing but empty ones", Found(source=EMPTY, target=EMPTY), "no state of it is found"),
    (
        "cut short",
        Found(source=CUT, target=None),
        "changed urn:role, urn:log: run `pulumi refresh`",
    ),
]


@pytest.mark.parametrize(
    ("found", "step"), [row[1:] for row in THERE], ids=[row[0] for row in THERE]
)
def test_next_step_into_the_bucket(found: Found, step: Step) -> None:
    """What is found says what comes next."""
    assert next_step_there(found) is step


@pytest.mark.parametrize(("found", "step"), [row[1:] for row in BACK], ids=[row[0] for row in BACK])
def test_next_step_back(found: Found, step: Step) -> None:
    """The same on the way out."""
    assert next_step_back(found) is step


@pytest.mark.parametrize(
    ("found", "says"), [row[1:] for row in STUCK], ids=[row[0] for row in STUCK]
)
def test_what_no_program_should_do(found: Found, says: str) -> None:
    """It is said what a person has to do."""
    with pytest.raises(StuckError, match=says):
        next_step_there(found)


@pytest.mark.parametrize(
    ("found", "says"), [row[1:] for row in STUCK_BACK], ids=[row[0] for row in STUCK_BACK]
)
def test_what_no_program_should_do_on_the_way_back(found: Found, says: str) -> None:
    """The same on the way out."""
    with pytest.raises(StuckError, match=says):
        next_step_back(found)
