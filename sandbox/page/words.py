"""Words for a decision: its log record, turned into sentences. No I/O.

Nothing else of the page knows what such a record looks like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from handler.durations import parse_go, parse_instant
from policy.log_lines import is_decision
from policy.telling import Told, tree, why


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
    facts: tuple[Told, ...]


def verdict(record: Mapping[str, Any]) -> Verdict | None:
    """Read a record of the function's log; None where it is no decision's."""
    if not is_decision(record):
        return None
    approved, dry_run = record["outcome"] == "approve", bool(record["dry_run"])
    reason = why(record)
    if approved:
        length = go_duration(str(record["duration"]))
        says = "would approve, but this is a dry run" if dry_run else "approves"
        headline = f"The webhook {says}: {reason.removeprefix('dry run: ')}, for {length}."
    else:
        headline = f"The webhook leaves it to humans: {reason}."
    return Verdict(
        frozenset(record["petitions"]),
        parse_instant(str(record["decided_at"])),
        approved and not dry_run,
        headline,
        tree(record).under,
    )


def sentence(text: str) -> str:
    """Begin with a capital letter, end with a full stop."""
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def go_duration(text: str) -> str:
    """Say a Go duration in words; what is none stays as it is."""
    parsed = parse_go(text)
    return text if parsed is None else duration(parsed)


def duration(length: timedelta) -> str:
    """Say how long: `6 hours`, `1 hour 30 minutes`, `45 seconds`."""
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "hour"), (minutes, "minute"), (seconds, "second")]
    said = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return " ".join(said) or "0 seconds"
