"""Words for a decision: its log record, turned into sentences. No I/O.

Nothing else of the page knows what such a record looks like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from handler.durations import parse_go, parse_instant

Mark = Literal["yes", "no", "note"]
_NO_DUTY = "no duty of the requester counts"
_DUTY = re.compile(r"(.+ \([^()]+\)): (.+)")
_ALLOWED = re.compile(r"the policy allows (\S+)")
_ASKED = re.compile(r"(\S+) was asked for")


@dataclass(frozen=True, slots=True)
class Line:
    """One fact that led to a decision: it speaks for it, against it, or is just said."""

    mark: Mark
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision in words.

    Attributes:
        petitions: the names of the petitions it is about.
        at: when it was made; None where the record does not say.
        approves: whether it is a yes that opens something.
        headline: what was decided, and why, in a sentence.
        lines: every fact that led there.
    """

    petitions: frozenset[str]
    at: datetime | None
    approves: bool
    headline: str
    lines: tuple[Line, ...]


def verdict(record: Mapping[str, Any]) -> Verdict | None:
    """Read a record of the function's log; None where it is no decision's."""
    if record.get("message") != "decision":
        return None
    approved, dry_run = record.get("outcome") == "approve", bool(record.get("dry_run"))
    reason = str(record.get("reason", "")).removeprefix("Approved: ")
    if approved:
        length = go_duration(str(record.get("duration") or ""))
        says = "would approve, but this is a dry run" if dry_run else "approves"
        headline = f"The webhook {says}: {reason}, for {length}."
    else:
        headline = f"The webhook leaves it to humans: {reason}."
    trace = [str(each) for each in record.get("trace") or ()]
    lines = [_line(each) for each in trace if each != reason]
    if not lines and reason == _NO_DUTY:
        lines.append(Line("no", "No provider states any duty of the requester now."))
    if (left_out := int(record.get("trace_count") or 0) - len(trace)) > 0:
        lines.append(Line("note", f"{left_out} more facts are left out of the log."))
    return Verdict(
        frozenset(str(record.get("petition", "")).split()),
        parse_instant(str(record.get("timestamp", ""))),
        approved and not dry_run,
        headline,
        tuple(lines),
    )


def _line(fact: str) -> Line:
    if found := _DUTY.fullmatch(fact):
        duty, judged = found.groups()
        if judged == "counts":
            return Line("yes", f"{sentence(duty)[:-1]}: this duty counts.")
        return Line("no", f"{sentence(duty)[:-1]}: this duty does not count ({judged}).")
    if found := _ALLOWED.fullmatch(fact):
        return Line("note", f"The policy allows {go_duration(found[1])}.")
    if found := _ASKED.fullmatch(fact):
        return Line("note", f"{sentence(go_duration(found[1]))[:-1]} was asked for.")
    return Line("no" if fact.startswith("no answer from ") else "note", sentence(fact))


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
