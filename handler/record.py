"""The decision's log line: the audit trail. No I/O.

It holds no secret, no body, no signature, and nobody's e-mail but the requester's.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

from handler import __version__, emails
from handler.decision import Decision
from handler.durations import format_go, format_instant
from handler.duties import Duty, Failure
from handler.policy import Policy

# One line of CloudWatch Logs holds 256 KB; a body may ask for thousands of resources, and one
# person may have thousands of duties.
MOST_ENTRIES = 50
MOST_CHARACTERS = 200
_EMAIL = re.compile(r"[^\s:@]+(?:@|%40)[^\s:@]+")


def decision_record(
    decision: Decision,
    *,
    failures: Sequence[Failure],
    policy: Policy,
    dry_run: bool,
    milliseconds: int,
) -> dict[str, Any]:
    """Say what was decided about one request, on what grounds, by which policy and code."""
    request, duty = decision.request, decision.duty
    requester = emails.normal(request.requester.email)

    def hidden(found: re.Match[str]) -> str:
        return found[0] if emails.same(found[0], requester) else "(an e-mail)"

    def safe(texts: Iterable[str]) -> list[str]:
        """Cut to size, and name nobody but the requester."""
        return [
            # Cut twice: an address that the second cut would halve is hidden before it.
            _EMAIL.sub(hidden, each[: 2 * MOST_CHARACTERS])[:MOST_CHARACTERS]
            if "@" in each or "%40" in each
            else each[:MOST_CHARACTERS]
            for each in itertools.islice(texts, MOST_ENTRIES)
        ]

    return {
        "petition": " ".join(safe(dict.fromkeys(request.petitions))),
        "requester": requester[:MOST_CHARACTERS],
        "resources": safe(f"{each.kind}:{each.id}" for each in request.resources),
        "resource_count": len(request.resources),
        "outcome": "approve" if duty else "abstain",
        "dry_run": dry_run,
        "reason": safe([decision.reason])[0],
        "duty": _duty(duty) if duty else None,
        "duration": format_go(decision.duration) if duty else None,
        "provider_failures": safe(str(each) for each in failures),
        "trace": safe(decision.trace),
        "trace_count": len(decision.trace),
        "policy": policy.fingerprint,
        "version": __version__,
        "milliseconds": milliseconds,
    }


def _duty(duty: Duty) -> dict[str, Any]:
    return {
        "provider": duty.provider,
        "kind": duty.kind,
        "id": duty.id,
        "name": "" if "@" in duty.name else duty.name,
        "incident": duty.incident,
        "end": format_instant(duty.end) if duty.end else None,
        "link": duty.link,
    }
