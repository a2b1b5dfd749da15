"""The function's decisions, as the page shows them: a headline, the reasons, technical detail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from auditlog.explain import NOTE, Line, duration_in_words, hidden_emails, reasons, tree, why
from auditlog.record import Record
from cli.webhook_client import DEFAULT_KIND
from handler.durations import parse_duration, parse_instant
from handler.rules.evaluate import NO_DUTY

_CALLERS = {"indent": "Indent's protocol", "authzen": "AuthZEN", "conductorone": "ConductorOne"}


@dataclass(frozen=True, slots=True)
class DecisionSummary:
    """A decision of the function in words.

    Attributes:
        id: identifies it among the records of one log.
        petitions: the names of the petitions it is about.
        caller: who asked the function.
        requester: the e-mail of who requested access.
        resources: what was requested; the kind is left out where it is the usual one.
        at: when it was made; None where the record does not say.
        approves: whether it opens something.
        outcome: what was decided, for how long.
        reason: why, in a few words.
        reasons: what led to it, each with its own facts; none where `reason` says it all.
        technical: all else that the record has.
    """

    id: str
    petitions: frozenset[str]
    caller: str
    requester: str
    resources: str
    at: datetime | None
    approves: bool
    outcome: str
    reason: str
    reasons: tuple[Line, ...]
    technical: tuple[Line, ...]

    @property
    def headline(self) -> str:
        """What was decided and why, in a sentence."""
        return f"{self.outcome}: {self.reason}."


def summarize_decision(record: Record) -> DecisionSummary:
    """Put a decision's record into words."""
    is_approval, dry_run = record["outcome"] == "approve", bool(record["dry_run"])
    caller = str(record.get("caller", ""))
    reason = why(record).removeprefix("dry run: ")
    if reason.startswith("Rule "):
        reason = f"rule {reason.removeprefix('Rule ')}"
    # Which rules are for other resources is a detail.
    lines = tuple(line for line in reasons(record) if line.mark != NOTE or line.under)
    technical = tuple(line for line in tree(record).under[1:] if line not in lines)
    if is_approval:
        granted = _granted_duration(record)
        outcome = f"Dry run, would be approved {granted}" if dry_run else f"Approved {granted}"
    else:
        outcome = "Left to humans"
        is_denied = any(rule["verdict"] == "denies" for rule in record["trace"]["rules"])
        if is_denied or _has_no_duty(record):
            lines, technical = (), (*lines, *technical)
    return DecisionSummary(
        id=f"{record['call']}-{record['number']}",
        petitions=frozenset(record["petitions"]),
        caller=_CALLERS.get(caller, caller),
        requester=str(record["requester"]),
        resources=", ".join(name.removeprefix(f"{DEFAULT_KIND}:") for name in record["resources"]),
        at=parse_instant(str(record["decided_at"])),
        approves=is_approval and not dry_run,
        outcome=outcome,
        reason=reason,
        reasons=lines,
        technical=technical,
    )


def enumerate_names(names: Sequence[str]) -> str:
    """Join names: `A, B and C`."""
    *most, last = names or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _granted_duration(record: Record) -> str:
    """How long access lasts, and why no longer if more was requested."""
    granted, requested = record["duration"], record["trace"]["request"]["asked_duration"]
    text, limits = f"for {duration_in_words(granted)}", record["trace"]["limits"]
    lengths = parse_duration(granted), parse_duration(requested or "")
    if not (lengths[0] and lengths[1] and lengths[0] < lengths[1] and limits):
        return text
    return f"{text} instead of {duration_in_words(requested)} ({limits[-1]})"


def _has_no_duty(record: Record) -> bool:
    """Whether every provider answered that the requester has no duty, and nothing else matters."""
    trace = record["trace"]
    return bool(
        trace["providers"]
        and trace["rules"]
        and not trace["duties"]
        and not record["provider_failures"]
        and not hidden_emails(record)
        and all(rule.get("why", "") in {"", NO_DUTY} for rule in trace["rules"])
    )
