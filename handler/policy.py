"""The policy: which duties open which resources, and for how long. No I/O."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from handler.duties import INCIDENT_ROLE, INCIDENT_UPDATE, Duty
from handler.events import Resource


class Policy(NamedTuple):
    """What the settings allow.

    With neither `schedules` nor `incident_roles`, any duty counts but a reporter's; with either,
    only duties named there do. Entries match a name, an id or a role's shortform, exactly. Updates
    to an incident, and duties in one that their holder declared himself, count by a switch each.
    """

    duration: timedelta
    schedules: tuple[str, ...] = ()
    incident_roles: tuple[str, ...] = ()
    resource_labels: tuple[tuple[str, str], ...] = ()
    participants: bool = False
    self_declared: bool = False

    @property
    def names_duties(self) -> bool:
        """Whether only duties that are named count."""
        return bool(self.schedules or self.incident_roles)

    @property
    def counts_updates(self) -> bool:
        """Whether an update to an incident can count: nothing names one, so never beside names."""
        return self.participants and not self.names_duties

    @property
    def fingerprint(self) -> str:
        """Tell policies apart in the log: the same one gives the same 16 hex digits anywhere."""
        return _fingerprint(self)

    def objection_to_duty(self, duty: Duty) -> str:
        """Say why a duty does not count, or "" if it does."""
        entries = self.incident_roles if duty.kind == INCIDENT_ROLE else self.schedules
        named = duty.kind != INCIDENT_UPDATE and any(duty.goes_by(entry) for entry in entries)
        if duty.kind == INCIDENT_UPDATE and not self.counts_updates:
            return "updates to an incident do not count here"
        if self.names_duties and not named:
            if not duty.shared_names.isdisjoint(entries):
                return "its name may belong to another one too: the policy has to name it by id"
            return "it is not among the schedules and roles that count"
        if duty.reporter and not named:
            return "counts only where the policy names it"
        if duty.self_declared and not self.self_declared:
            return "declared by the requester himself"
        return ""

    def objection_to_resource(self, resource: Resource, requester: Resource) -> str:
        """Say why a resource cannot be opened at all, or "" if duties decide."""
        if not (resource.kind.strip() and resource.id.strip()):
            return "a resource has no kind or no id"
        if resource.is_person and not resource.may_be(requester):
            return "a resource is another person"
        for name, wanted in self.resource_labels:
            if resource.labels.get(name) != wanted:
                return f"a resource does not carry the label {name}={wanted}"
        return ""


@lru_cache(maxsize=1)
def _fingerprint(policy: Policy) -> str:
    rules = json.dumps(policy._asdict(), default=str, sort_keys=True)
    return hashlib.sha256(rules.encode()).hexdigest()[:16]
