"""Records of decisions, as the function logs them and as they are read back."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from handler.audit import decision_record
from handler.callers.indent import read_request
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, ProviderSnapshot
from handler.providers.base import DutyQuery
from handler.request import Request, Resource
from handler.rules.evaluate import decide_all
from handler.rules.model import Policy, policy_from_settings
from tests.cli.conftest import JANE, NOW

HOUR = timedelta(hours=1)
POLICY = policy_from_settings(6 * HOUR, schedules=("DBA",))
SHIFT = Duty("incident.io", ON_CALL, "S1", "DBA", JANE, end=NOW + 2 * HOUR)
LEAD = Duty("incident.io", INCIDENT_ROLE, "R1", "Incident Lead", JANE, incident="INC-7")
DATABASE = Resource("db", "prod")
QUERIES = {"incident.io": DutyQuery(schedules=("DBA",))}


def asks(email: str = JANE, labels: dict[str, str] | None = None) -> Request:
    """A request for the database."""
    return read_request(Resource(email=email), (DATABASE,), labels or {})


def logged(
    *requests: Request,
    duties: tuple[Duty, ...] = (SHIFT,),
    policy: Policy = POLICY,
    queries: dict[str, DutyQuery] | None = None,
    call: str = "c-1",
    caller: str = "",
    caller_request: str = "",
) -> list[dict[str, Any]]:
    """What the function logs of a call, as it is read back."""
    snapshot = ProviderSnapshot(duties)
    records = [
        decision_record(
            each,
            snapshot=snapshot,
            providers=["incident.io"],
            policy=policy,
            dry_run=False,
            milliseconds=7,
            queries=QUERIES if queries is None else queries,
            call=call,
            caller=caller,
            caller_request=caller_request,
            number=number,
            of=len(requests),
        )
        for number, each in enumerate(decide_all(requests, snapshot, policy, NOW))
    ]
    read: list[dict[str, Any]] = json.loads(json.dumps(records))
    return [{"level": "INFO", "message": "decision", **each} for each in read]
