"""The demo's requests: who asks by which caller, and what the function should decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from cli.access_request import AccessRequest
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, ProviderSnapshot
from handler.rules.evaluate import Decision, decide
from handler.rules.model import Policy
from sandbox.callers.base import Sender
from sandbox.demo_data import (
    DAN,
    DATABASES,
    JANE,
    JUAN,
    NORA,
    OLGA,
    OMAR,
    PAUL,
    PAYMENTS,
    PETRA,
    RESOURCE,
    RITA,
    SCHEDULE,
    SEARCH,
    labels_for,
)
from sandbox.vendors.store import SHIFT

_PROVIDER = "incident.io"
_HALF_AN_HOUR, _HOUR, _YEAR = timedelta(minutes=30), timedelta(hours=1), timedelta(days=365)


@dataclass(frozen=True)
class DemoRequest:
    """One request of the demo.

    Attributes:
        email: who asks.
        situation: what is special about it, in a few words.
        duties: the duties that they have at the provider.
        duration: for how long they ask, or None.
        signed_ago: how old the signature is.
        forged: whether it is signed with another secret.
        provider: the provider whose double has the duties.
        caller: the access system, by its name in `handler.callers`.
    """

    email: str
    situation: str
    duties: tuple[Duty, ...] = ()
    duration: timedelta | None = None
    signed_ago: timedelta = timedelta(0)
    forged: bool = False
    provider: str = "incidentio"
    caller: str = "indent"

    @property
    def http(self) -> int:
        """The HTTP status of the right answer."""
        refused = self.forged or self.signed_ago
        return HTTPStatus.UNAUTHORIZED if refused else HTTPStatus.OK

    def request(self, policy: Policy) -> AccessRequest:
        """Give what is sent: it is for a resource that the policy's rules are for.

        An entitlement of ConductorOne has no labels but its app.
        """
        labels = {} if self.caller == "conductorone" else labels_for(policy)
        return AccessRequest(self.email, (("", RESOURCE),), labels, self.duration)

    def decision(self, sender: Sender, policy: Policy, now: datetime) -> Decision:
        """Decide as the function should; shifts have just begun."""
        request = sender.handler_request(self.request(policy), policy)
        ends = {ON_CALL: now + SHIFT}
        duties = tuple(duty._replace(end=ends.get(duty.kind)) for duty in self.duties)
        return decide(request, ProviderSnapshot(duties), policy, now)


def _role(name: str, holder: str, *, reporter: bool = False, self_declared: bool = False) -> Duty:
    return Duty(
        _PROVIDER,
        INCIDENT_ROLE,
        "",
        name,
        holder,
        shortform="lead" if name == "Incident Lead" else "",
        reporter=reporter,
        self_declared=self_declared,
    )


_JANE_LEADS = (_role("Incident Lead", JANE),)
_OMAR_IS_ON = (Duty(_PROVIDER, ON_CALL, "", SCHEDULE, OMAR),)
_RITA_REPORTED = (_role("Reporter", RITA, reporter=True, self_declared=True),)
# Whoever declares an incident is also its reporter.
_DAN_LEADS_OWN = (
    _role("Incident Lead", DAN, self_declared=True),
    _role("Reporter", DAN, reporter=True, self_declared=True),
)
_PETRA_IS_ON = (Duty("PagerDuty", ON_CALL, "", DATABASES, PETRA),)
_PAUL_IS_BACK_UP = (Duty("PagerDuty", ON_CALL, "", f"{DATABASES} back-up", PAUL, level=2),)
_OLGA_IS_ON = (Duty("Opsgenie", ON_CALL, "", PAYMENTS, OLGA),)
_JUAN_IS_ON = (Duty("JSM Operations", ON_CALL, "", SEARCH, JUAN),)

DEMO_REQUESTS: Sequence[DemoRequest] = (
    DemoRequest(JANE, "leads an incident", _JANE_LEADS),
    DemoRequest(JANE, "wants 30 minutes", _JANE_LEADS, duration=_HALF_AN_HOUR),
    DemoRequest(JANE, "wants a year", _JANE_LEADS, duration=_YEAR),
    DemoRequest(OMAR, "on call", _OMAR_IS_ON),
    DemoRequest(RITA, "reporter", _RITA_REPORTED),
    DemoRequest(DAN, "leads their own", _DAN_LEADS_OWN),
    DemoRequest(PETRA, "on call", _PETRA_IS_ON, provider="pagerduty"),
    DemoRequest(PAUL, "on call, back-up", _PAUL_IS_BACK_UP, provider="pagerduty"),
    DemoRequest(OLGA, "on call", _OLGA_IS_ON, provider="opsgenie"),
    DemoRequest(JUAN, "on call", _JUAN_IS_ON, provider="jsm"),
    DemoRequest(NORA, "off duty"),
    DemoRequest(JANE, "signed 1 hour ago", _JANE_LEADS, signed_ago=_HOUR),
    DemoRequest(JANE, "forged signature", _JANE_LEADS, forged=True),
    DemoRequest(OMAR, "on call", _OMAR_IS_ON, caller="authzen"),
    DemoRequest(JANE, "wants 1 hour", _JANE_LEADS, duration=_HOUR, caller="conductorone"),
    DemoRequest(NORA, "off duty", duration=_HOUR, caller="conductorone"),
)
