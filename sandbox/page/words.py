"""Words for a decision: its log record, turned into sentences. No I/O.

Nothing else of the page knows what such a record looks like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from auditlog.explain import Line, duration_in_words, tree, why
from auditlog.record import is_decision
from handler.durations import parse_duration, parse_instant


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision in words.

    Attributes:
        petitions: the names of the petitions it is about.
        at: when it was made; None where the record does not say.
        approves: whether it is a yes that opens something.
        headline: what was decided, and why, in a sentence.
        facts: all that led there, each with what belongs to it.
    """

    petitions: frozenset[str]
    at: datetime | None
    approves: bool
    headline: str
    facts: tuple[Line, ...]


def verdict(record: Mapping[str, Any]) -> Verdict | None:
    """Read a record of the function's log; None where it is no decision's."""
    if not is_decision(record):
        return None
    approved, dry_run = record["outcome"] == "approve", bool(record["dry_run"])
    reason = why(record)
    if approved:
        says = "would approve, but this is a dry run" if dry_run else "approves"
        headline = f"The webhook {says}: {reason.removeprefix('dry run: ')}, {_length(record)}."
    else:
        headline = f"The webhook leaves it to humans: {reason}."
    return Verdict(
        frozenset(record["petitions"]),
        parse_instant(str(record["decided_at"])),
        approved and not dry_run,
        headline,
        tree(record).under,
    )


def _length(record: Mapping[str, Any]) -> str:
    """Say how long access lasts, and why no longer if more was asked for."""
    granted, asked = record["duration"], record["trace"]["request"]["asked_duration"]
    said, limits = f"for {duration_in_words(granted)}", record["trace"]["limits"]
    lengths = parse_duration(granted), parse_duration(asked or "")
    if not (lengths[0] and lengths[1] and lengths[0] < lengths[1] and limits):
        return said
    return f"{said} instead of {duration_in_words(asked)}: {limits[-1]}"


def sentence(text: str) -> str:
    """Begin with a capital letter, end with a full stop."""
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
