"""Records of decisions by a policy with several rules: as the function logs one, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from handler.audit import decision_record
from handler.durations import parse_duration
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, Failure, ProviderSnapshot
from handler.request import Request, Resource
from handler.rules.conditions import AllOf, AnyOf, IncidentRole, OnCall, Requester
from handler.rules.evaluate import decide_all
from handler.rules.model import Policy, Rule, Selector, ShiftEnd

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
JANE = "jane@example.com"
DATABASE, VAULT = Resource("db", "prod"), Resource("vault", "root")
SHIFT = Duty(
    "PagerDuty",
    ON_CALL,
    "S1",
    "DBA",
    JANE,
    start=NOW - timedelta(hours=1),
    end=NOW + timedelta(hours=2),
)
LEAD = Duty("incident.io", INCIDENT_ROLE, "R1", "Incident Lead", JANE, incident="INC-7")
REPORTER = Duty(
    "incident.io", INCIDENT_ROLE, "R2", "Reporter", JANE, incident="INC-7", reporter=True
)
DBAS = Rule(
    "DBAs reach databases",
    Selector(kinds=("db",)),
    OnCall(("DBA",), "PagerDuty"),
    timedelta(hours=3),
    shift_end=ShiftEnd(timedelta(minutes=15)),
)
LEADS = Rule(
    "Leads reach databases",
    Selector(kinds=("db",)),
    AnyOf((IncidentRole(("Incident Lead",)),)),
    timedelta(hours=1),
)
STAFF = Rule(
    "Staff on call",
    Selector(kinds=("db",)),
    AllOf((OnCall(("DBA",)), Requester(domains=("corp.example",)))),
    timedelta(hours=1),
)
VAULTS = Rule("Nobody gets the vault", Selector(kinds=("vault",)), deny=True)
VAULT_KEEPERS = Rule(
    "Vault keepers", Selector(kinds=("vault",)), OnCall(("Vault",)), timedelta(hours=1)
)
POLICY = Policy((DBAS, LEADS, VAULT_KEEPERS, VAULTS))


def request_for(*resources: Resource, duration: str = "") -> Request:
    """A request of Jane's."""
    return Request(Resource(email=JANE), resources, parse_duration(duration))


def log_record(
    request: Request,
    *duties: Duty,
    policy: Policy = POLICY,
    failures: Sequence[Failure] = (),
    providers: Sequence[str] = ("PagerDuty", "incident.io"),
    dry_run: bool = False,
    without_email: Mapping[str, tuple[int, int]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Decide a request at `NOW`, and give the decision's log line as it is read back."""
    snapshot = ProviderSnapshot(duties, tuple(failures))
    (decision,) = decide_all([request], snapshot, policy, NOW)
    record = decision_record(
        decision,
        snapshot=snapshot,
        providers=providers,
        policy=policy,
        dry_run=dry_run,
        milliseconds=7,
        without_email=without_email,
    )
    read: dict[str, Any] = json.loads(json.dumps({"message": "decision", **record}))
    return read
