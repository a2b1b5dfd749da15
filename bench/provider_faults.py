"""Every fault that the doubles know, each with the double and the path that it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sandbox.vendors import faults
from sandbox.vendors.faults import INCIDENTIO, JSM, OPSGENIE, PAGERDUTY, WrongValue
from sandbox.vendors.jsm import CLOUD_ID
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.server import Double, Fault

_SLOW = (faults.Hang, faults.Drip, faults.Slow)
_JSM_BULK = f"/ex/jira/{CLOUD_ID}/rest/api/3/user/bulk"
_STATUSES = (400, 401, 403, 404, 429, 500, 502, 503)
# The right body with one wrong thing in it, by where such a body comes from.
_WRONG: Mapping[str, Mapping[str, Mapping[str, WrongValue]]] = {
    "incidentio": {
        "/v2/incidents": {**INCIDENTIO["incidents"], **INCIDENTIO["pages"]},
        "/v2/schedules": {**INCIDENTIO["schedules"], **INCIDENTIO["pages"]},
    },
    "pagerduty": {
        "/users": {**PAGERDUTY["users"], **PAGERDUTY["pages"]},
        "/oncalls": {**PAGERDUTY["oncalls"], **PAGERDUTY["pages"]},
    },
    "opsgenie": {
        "/v2/schedules/on-calls": OPSGENIE["on-calls"],
    },
    "jsm": {
        "/_edge/": JSM["tenant"],
        "/jsm/ops/api/": {**JSM["schedules"], **JSM["on-calls"], **JSM["timeline"]},
        _JSM_BULK: JSM["users"],
    },
}
_OWN: Mapping[str, Mapping[str, tuple[Fault, ...]]] = {
    "incidentio": {"/v2/": (faults.EndlessPages(), faults.EndlessPages(repeat=True))},
    "pagerduty": {
        "/oncalls": (
            faults.Status(429, b""),
            faults.TooManyRequests(1, retry_after=None),
            faults.EndlessPages(),
            faults.EndlessPages(empty=True),
        )
    },
    "opsgenie": {
        "/": tuple(faults.TooManyRequests(seconds, retry_after=None) for seconds in (60, 1))
    },
    "jsm": {_JSM_BULK: (faults.EndlessPages(), faults.EndlessPages(repeat=True))},
}


class ProviderFault(NamedTuple):
    """A fault of one provider."""

    provider: str
    prefix: str
    fault: Fault

    @property
    def is_slow(self) -> bool:
        """Whether it holds a call up, maybe for all of its time."""
        return isinstance(self.fault, _SLOW)

    def inject(self, double: Double) -> None:
        """Switch it on for the next calls, and off what was on."""
        double.clear_faults()
        double.fail(self.prefix, self.fault, times=1 if self.is_slow else 3)


def provider_faults(doubles: Mapping[str, Double]) -> Iterator[ProviderFault]:
    """Give all of them, for doubles that have the demo's people and schedules."""
    for name, double in doubles.items():
        for fault in _anywhere(double):
            yield ProviderFault(name, "/", fault)
        for prefix, own in _OWN.get(name, {}).items():
            yield from (ProviderFault(name, prefix, fault) for fault in own)
        for prefix, wrong in _WRONG.get(name, {}).items():
            yield from (ProviderFault(name, prefix, fault) for fault in wrong.values())
        if isinstance(double, Opsgenie):
            for schedule in double.schedules:
                at = f"/v2/schedules/{schedule.id}/timeline"
                for fault in OPSGENIE["timeline"].values():
                    yield ProviderFault(name, at, fault)


def _anywhere(double: Double) -> Iterator[Fault]:
    """Give those that any provider may have, at any path."""
    yield faults.Slow(0.5)
    yield faults.Hang()
    yield faults.HangUp()
    yield faults.HangUp("body")
    yield faults.Drip(0.02)
    yield faults.Drip(0.02, "headers")
    yield faults.EndlessBody()
    yield faults.Huge(8)
    yield from map(faults.Status, _STATUSES)
    yield faults.TooManyRequests()
    yield faults.TooManyRequests(1)
    yield faults.TooManyRequests(1, retry_after="date")
    yield faults.TooManyRequests(3600)
    yield faults.Redirect(f"{double.url}/elsewhere")
    yield faults.Garbage()
    yield faults.Nested()
