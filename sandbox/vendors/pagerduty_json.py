"""The vendor's JSON of an account's things, in full and as references.

Shapes: `User`, `Schedule`, `ScheduleV3`, `EscalationPolicy`, `Oncall` and their references in the
vendor's OpenAPI file. What is null here may be null there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.vendors.pagerduty_oncalls import OnCall
from sandbox.vendors.pagerduty_records import Person, Policy, Schedule

Json = dict[str, Any]

API = "https://api.pagerduty.com"
APP = "https://sandbox.pagerduty.com"


@dataclass(frozen=True, slots=True)
class Rendering:
    """What an answer is made from: the account as it is, and the time zone to tell times in."""

    people: Mapping[str, Person]
    schedules: Mapping[str, Schedule]
    policies: Mapping[str, Policy]
    account_zone: str
    zone: ZoneInfo

    def instant(self, moment: datetime) -> str:
        """ISO 8601 in whole seconds, with the zone's offset at that time, or Z."""
        told = moment.astimezone(self.zone).isoformat(timespec="seconds")
        return told.replace("+00:00", "Z")

    def user_reference(self, id_: str) -> Json:
        """No e-mail; of one who is deleted this is all there is, and it leads nowhere."""
        person = self.people[id_]
        reference = _reference("user", id_, person.name, "users")
        if person.deleted_at is None:
            return reference
        gone = self.instant(person.deleted_at)
        return {**reference, "self": None, "html_url": None, "deleted_at": gone}

    def user(self, id_: str) -> Json:
        """All of a user, or the reference to one who is deleted."""
        person = self.people[id_]
        if person.deleted_at is not None:
            return self.user_reference(id_)
        return {
            **self.user_reference(id_),
            "type": "user",
            "name": person.name,
            "email": person.email,
            "time_zone": self.account_zone,
            "color": "purple",
            "role": "user",
            "avatar_url": "https://secure.gravatar.com/avatar/0.png?d=mm&r=PG",
            "description": None,
            "invitation_sent": False,
            "job_title": None,
            "teams": [],
            "contact_methods": [],
            "notification_rules": [],
        }

    def schedule_reference(self, id_: str) -> Json:
        """Its type tells one of shifts from one of layers."""
        one = self.schedules[id_]
        if not one.v3:
            return _reference("schedule", id_, one.name, "schedules")
        page = {"html_url": f"{APP}/schedules/{id_}"}
        return {**_reference("schedule_v3", id_, one.name, "v3/schedules"), **page}

    def schedule(self, id_: str) -> Json:
        """All that both kinds of schedule have in common."""
        one = self.schedules[id_]
        used_by = [each.id for each in self.policies.values() if id_ in each.all_targets]
        return {
            **self.schedule_reference(id_),
            "type": "schedule_v3" if one.v3 else "schedule",
            "name": one.name,
            "description": "Who looks after it.",
            "time_zone": self.account_zone,
            "escalation_policies": [self.policy_reference(each) for each in used_by],
            "teams": [],
            "http_cal_url": f"{APP}/private/{id_}/feed",
            "web_cal_url": f"webcal://sandbox.pagerduty.com/private/{id_}/feed",
        }

    def listed_schedule(self, id_: str) -> Json:
        """A schedule of layers as the list has it."""
        return {**self.schedule(id_), "users": self.references(self.schedules[id_].members)}

    def policy_reference(self, id_: str) -> Json:
        """A policy by its name."""
        one = self.policies[id_]
        return _reference("escalation_policy", id_, one.name, "escalation_policies")

    def policy(self, id_: str) -> Json:
        """All of a policy."""
        one = self.policies[id_]
        return {
            **self.policy_reference(id_),
            "type": "escalation_policy",
            "name": one.name,
            "description": None,
            "num_loops": 0,
            "on_call_handoff_notifications": "if_has_services",
            "escalation_rules": [
                {
                    "id": f"{id_}{number}",
                    "escalation_delay_in_minutes": 30,
                    "targets": [self._target(each) for each in level],
                }
                for number, level in enumerate(one.levels, 1)
            ],
            "services": [],
            "teams": [],
        }

    def on_call(self, row: OnCall, included: Collection[str]) -> Json:
        """An on-call, with all of what is to be included, and references to what is not."""
        user = self.user if "users" in included else self.user_reference
        full = "escalation_policies" in included
        policy = self.policy if full else self.policy_reference
        whole = "schedules" in included
        schedule = self.schedule if whole else self.schedule_reference
        return {
            "escalation_policy": policy(row.policy.id),
            "escalation_level": row.level,
            "schedule": schedule(row.schedule.id) if row.schedule else None,
            "user": user(row.person_id),
            "start": self.instant(row.start) if row.start else None,
            "end": self.instant(row.end) if row.end else None,
        }

    def references(self, people: Iterable[str]) -> list[Json]:
        """References to all of them."""
        return [self.user_reference(each) for each in people]

    def _target(self, id_: str) -> Json:
        known = id_ in self.schedules
        return self.schedule_reference(id_) if known else self.user_reference(id_)


def _reference(kind: str, id_: str, summary: str, folder: str) -> Json:
    return {
        "id": id_,
        "type": f"{kind}_reference",
        "summary": summary,
        "self": f"{API}/{folder}/{id_}",
        "html_url": f"{APP}/{folder}/{id_}",
    }
