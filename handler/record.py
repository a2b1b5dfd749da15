"""The decision's log line: the audit trail. No I/O.

It holds no secret, no body, no signature, and nobody's e-mail but the requester's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handler import __version__, emails
from handler.decision import Decision
from handler.durations import format_go, format_instant
from handler.duties import Duty, Failure
from handler.events import Resource
from handler.policy import Policy

# One line of CloudWatch Logs holds 256 KB, and a body may ask for thousands of resources.
MOST_RESOURCES = 50
MOST_CHARACTERS = 200


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
    return {
        "petition": request.petition[:MOST_CHARACTERS],
        "requester": requester[:MOST_CHARACTERS],
        "resources": [_named(each, requester) for each in request.resources[:MOST_RESOURCES]],
        "resource_count": len(request.resources),
        "outcome": "approve" if duty else "abstain",
        "dry_run": dry_run,
        "reason": decision.reason,
        "duty": _duty(duty) if duty else None,
        "duration": format_go(decision.duration) if duty else None,
        "provider_failures": [str(each) for each in failures],
        "trace": list(decision.trace),
        "policy": policy.fingerprint,
        "version": __version__,
        "milliseconds": milliseconds,
    }


def _named(resource: Resource, requester: str) -> str:
    """Name a resource as `kind:id`; an id that is somebody else's e-mail is left out."""
    hidden = "@" in resource.id and emails.normal(resource.id) != requester
    return f"{resource.kind}:{'(an e-mail)' if hidden else resource.id}"[:MOST_CHARACTERS]


def _duty(duty: Duty) -> dict[str, Any]:
    return {
        "provider": duty.provider,
        "kind": duty.kind,
        "id": duty.id,
        "name": duty.name,
        "incident": duty.incident,
        "end": format_instant(duty.end) if duty.end else None,
        "link": duty.link,
    }
