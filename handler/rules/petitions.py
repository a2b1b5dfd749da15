"""Decides the requests of one petition together, or not at all. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from handler.durations import in_words
from handler.folding import fold
from handler.request import Request
from handler.rules.evaluate import Decision


def decide_together(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """Approve a petition's requests if each is approved by itself, all for the shortest time."""
    decisions = list(decisions)
    for group in group_by_petition([decision.request for decision in decisions]):
        refusals = [decisions[i] for i in group if not decisions[i].approved]
        # Prefer one that no further fact can lift: then no provider is asked in vain.
        refusal = min(refusals, key=lambda decision: decision.could_change, default=None)
        shortest = min(decisions[i].duration for i in group)
        for i in group:
            decisions[i] = (
                _refused_with(decisions[i], refusal)
                if refusal
                else _shortened(decisions[i], shortest)
            )
    return tuple(decisions)


def _refused_with(decision: Decision, refusal: Decision) -> Decision:
    """Refuse a request because another one of its petition is refused."""
    if decision.approved:
        reason = f"another part of the request is not approved: {refusal.reason}"
        decision = decision._replace(reason=reason, evidence=(), rules=(), duration=timedelta(0))
    return decision._replace(could_change=refusal.could_change)


def _shortened(decision: Decision, duration: timedelta) -> Decision:
    """Approve for no longer than the other requests of the petition."""
    if decision.duration <= duration:
        return decision
    limit = f"another part of the request is approved for {in_words(duration)}"
    return decision._replace(duration=duration, other_limits=decision.limits, deciding_limit=limit)


def group_by_petition(requests: Sequence[Request]) -> Iterable[list[int]]:
    """Group requests, by index, that share a petition's name, directly or through others."""
    parent: dict[str, str] = {}

    def first_of(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    names = [list(map(fold, request.groups)) for request in requests]
    for own in names:
        for name in own:
            parent[first_of(name)] = first_of(own[0])
    groups: dict[str | int, list[int]] = {}
    for index, own in enumerate(names):
        groups.setdefault(first_of(own[0]) if own else index, []).append(index)
    return groups.values()
