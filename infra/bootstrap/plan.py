"""Which step comes next, given what is found. Nothing is done here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.bootstrap.copies import Copy


class StuckError(Exception):
    """What is left cannot be done by a program; says what a person has to do."""


class Step(Enum):
    """One step. Each may be cut short anywhere, and done again."""

    INIT = "makes an empty stack"
    PREVIEW = "previews what would be made, and asks what its bucket is called"
    RECOVER = "looks for what an update that was cut short has made"
    UP = "deploys"
    MOVE = "copies the state"
    VERIFY = "previews on the new copy"
    SETTLE = "puts the newly encrypted config in place"
    REMOVE = "removes the old copy"
    DONE = "is done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is found, and what this run has done.

    Attributes:
        source: the copy of the state at the place where it is to leave; None is no stack.
        target: the one at the place where it is to go.
        target_known: whether that place is known yet.
        settled: whether the stack's file is encrypted by what is wanted.
        up_to_date: whether this run has deployed.
        moved: whether this run has copied the state.
        verified: whether this run has seen the new copy work.
    """

    source: Copy | None
    target: Copy | None
    target_known: bool = True
    settled: bool = True
    up_to_date: bool = False
    moved: bool = False
    verified: bool = False


def next_step_there(found: Found) -> Step:
    """Tell what comes next on the way into the bucket.

    Raises:
        StuckError: nothing that a program should do.
    """
    there = found.target is not None and found.target.deployed
    if found.source is None and not there:
        return Step.INIT
    if not found.target_known:
        return Step.PREVIEW
    if found.source is not None and not _is_there(found.source, found.target):
        if found.source.cut_short:
            return Step.RECOVER
        if not found.up_to_date:
            return Step.UP
        return _move(found)
    return _finish(found)


def next_step_back(found: Found) -> Step:
    """Tell what comes next on the way out of the bucket.

    Raises:
        StuckError: nothing that a program should do.
    """
    if found.source is None or not found.source.deployed:
        if found.target is None or not found.target.deployed:
            raise StuckError(
                "no state of it is found, here or in a bucket; "
                "run `export PULUMI_BACKEND_URL='s3://BUCKET?region=REGION'` with its bucket"
            )
        return Step.DONE if found.source is None else Step.REMOVE
    if found.source.cut_short:
        raise StuckError(
            "an update was cut short while it changed "
            f"{', '.join(each.urn for each in found.source.cut_short)}: run `pulumi refresh` first"
        )
    if not _is_there(found.source, found.target):
        return _move(found)
    return _finish(found)


def _is_there(source: Copy, target: Copy | None) -> bool:
    """Whether the target holds what the source does, or what came of it later."""
    if target is None or not target.deployed:
        return False
    return not source.deployed or source == target or target.time > source.time


def _move(found: Found) -> Step:
    if found.moved:
        raise StuckError("its state was changed while it was copied: run this again")
    return Step.MOVE


def _finish(found: Found) -> Step:
    """Go on from where both places hold the state, or the target alone does."""
    if not found.settled and not found.moved:
        # What of the new encryption there is may be older than the config.
        if found.source == found.target:
            return Step.MOVE
        raise StuckError(
            "its state has moved already, encrypted by something else than the config asks for: "
            "run `make unbootstrap`, then `make bootstrap`"
        )
    if not found.verified:
        return Step.VERIFY
    if not found.settled:
        return Step.SETTLE
    return Step.DONE if found.source is None else Step.REMOVE
