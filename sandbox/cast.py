"""The people of the demo: who they are at the provider, and what they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import MappingProxyType

from handler.durations import parse_go
from handler.duties import INCIDENT_ROLE, ON_CALL, Duty
from handler.policy import Policy
from sandbox.doubles.incidentio import IncidentIO

_PROVIDER = "incident.io"
SCHEDULE = "Production"
RESOURCE = "prod-db"


@dataclass(frozen=True)
class Scene:
    """One request of the demo.

    Attributes:
        email: who asks.
        who: what he is, in words.
        duties: what the provider states about him, in the decision's words.
        duration: what he asks for, as a Go duration, or "".
        signed_ago: how old the signature is.
        forged: whether it is made with another secret.
    """

    email: str
    who: str
    duties: tuple[Duty, ...] = ()
    duration: str = ""
    signed_ago: timedelta = timedelta(0)
    forged: bool = False

    @property
    def asked(self) -> timedelta | None:
        """The time asked for, or None."""
        return parse_go(self.duration)

    @property
    def http(self) -> int:
        """The HTTP status that has to come."""
        refused = self.forged or self.signed_ago
        return HTTPStatus.UNAUTHORIZED if refused else HTTPStatus.OK

    def is_approved_by(self, policy: Policy) -> bool:
        """Whether the policy counts one of the duties: then a claim has to come, and else none."""
        return self.http == HTTPStatus.OK and not all(map(policy.objection_to_duty, self.duties))


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


JANE, OMAR, RITA = "jane@example.com", "omar@example.com", "rita@example.com"
DAN, NORA = "dan@example.com", "nora@example.com"
PEOPLE: Mapping[str, str] = MappingProxyType(
    {
        JANE: "Jane Lind",
        OMAR: "Omar Haddad",
        RITA: "Rita Mora",
        DAN: "Dan Weiss",
        NORA: "Nora Falk",
    }
)
_JANE_LEADS = (_role("Incident Lead", JANE),)
_OMAR_IS_ON = (Duty(_PROVIDER, ON_CALL, "", SCHEDULE, OMAR),)
_RITA_REPORTED = (_role("Reporter", RITA, reporter=True, self_declared=True),)
# Whoever declares an incident is its reporter, too.
_DAN_LEADS_HIS_OWN = (
    _role("Incident Lead", DAN, self_declared=True),
    _role("Reporter", DAN, reporter=True, self_declared=True),
)

SCENES: Sequence[Scene] = (
    Scene(JANE, "leads a live incident", _JANE_LEADS),
    Scene(JANE, "the same, for half an hour", _JANE_LEADS, duration="30m"),
    Scene(JANE, "the same, for a year", _JANE_LEADS, duration="8760h"),
    Scene(OMAR, f"on shift for {SCHEDULE}", _OMAR_IS_ON),
    Scene(RITA, "reported the incident", _RITA_REPORTED),
    Scene(DAN, "leads what he declared", _DAN_LEADS_HIS_OWN),
    Scene(NORA, "off duty"),
    Scene(JANE, "a call signed an hour ago", _JANE_LEADS, signed_ago=timedelta(hours=1)),
    Scene(JANE, "a forged signature", _JANE_LEADS, forged=True),
)


def put_on_stage(double: IncidentIO) -> None:
    """Give the provider the people, the schedule and the incidents that the scenes speak of."""
    for email, name in PEOPLE.items():
        double.add_person(name, email)
    double.add_schedule(SCHEDULE)
    double.put_on_shift(SCHEDULE, OMAR)
    double.declare_incident("Checkout answers 500", by=RITA, lead=JANE)
    double.declare_incident("Trust me", by=DAN, lead=DAN)
