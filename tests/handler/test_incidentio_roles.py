"""incident.io: who holds a role in a live incident, and who declared it himself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest

from handler.duty import INCIDENT_ROLE, Duty, Incident, ProviderSnapshot
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.incidentio_records import Category, Mode
from tests.handler.conftest import ANA, BO, CY, NOW
from tests.handler.edited import Edited, drop, put

Find = Callable[..., ProviderSnapshot]
ROLE = ("incidents", 0, "incident_role_assignments")
CREATOR = ("incidents", 0, "creator")


def _holders(found: ProviderSnapshot) -> list[str]:
    return sorted(each.holder for each in found.duties)


def _lead(found: ProviderSnapshot) -> Duty:
    (duty,) = (each for each in found.duties if each.name == "Incident Lead")
    return duty


def test_who_holds_a_role(double: IncidentIO, find: Find) -> None:
    """A filled role is a duty without end; an unfilled one is none."""
    comms = double.add_role("Communications Lead", "comms")
    double.add_role("Scribe", "scribe")
    incident = double.declare_incident("Fire", by=ANA)
    double.assign_role(incident, comms, BO)
    about: dict[str, Any] = {
        "link": "https://app.incident.io/sandbox/incidents/1",
        "incident": "INC-1",
        "severity": ("01HZV000000000000000000001", "Major"),
        "type": ("01HZT000000000000000000001", "Production"),
        "declarers": frozenset({ANA}),
    }
    found = find()
    assert found.duties == (
        Duty(
            provider="incident.io",
            kind=INCIDENT_ROLE,
            id=double.reporter.id,
            name="Reporter",
            holder=ANA,
            reporter=True,
            self_declared=True,
            **about,
        ),
        Duty(
            provider="incident.io",
            kind=INCIDENT_ROLE,
            id=comms.id,
            name="Communications Lead",
            holder="bo@acme.example",
            shortform="comms",
            **about,
        ),
    )
    assert found.duties[1].describe(NOW) == "Communications Lead of INC-1 (incident.io)"
    assert [(each.id, each.reference) for each in found.incidents] == [(incident.id, "INC-1")]


def test_newest_incident_first(double: IncidentIO, find: Find) -> None:
    """Incidents keep the provider's order; those without roles are among them."""
    for name in ("first", "second", "third"):
        double.declare_incident(name)
    assert [each.reference for each in find().incidents] == ["INC-3", "INC-2", "INC-1"]


@pytest.mark.parametrize(
    ("fields", "reporter"),
    [
        ({"role_type": "reporter", "name": "Reporter"}, True),
        ({"role_type": "reporter", "name": "Melder"}, True),
        ({"role_type": "custom", "name": "Reporter"}, False),
        ({"role_type": None, "name": "Reporter"}, True),
        ({"role_type": None, "name": "Incident Lead"}, True),
        ({"role_type": "lead", "name": "Incident Lead"}, False),
        ({"role_type": "of_tomorrow", "name": "Incident Lead"}, True),
        ({"role_type": "Reporter", "name": "Reporter"}, True),
    ],
)
def test_who_is_a_reporter(
    fields: dict[str, str | None],
    reporter: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """Every role is one that is not known to be taken on purpose: it counts only where named."""
    double.declare_incident("Fire", lead=ANA)
    double.fail(
        "/v2/incidents",
        Edited(lambda body: body["incidents"][0][ROLE[2]][0]["role"].update(fields)),
    )
    (duty,) = find().duties
    assert duty.reporter is reporter


@pytest.mark.parametrize(
    ("creator", "reporter", "self_declared"),
    [
        pytest.param({"email": ANA}, {}, True, id="creator, by e-mail"),
        pytest.param({"email": " ANA@Acme.Example"}, {}, True, id="creator, in another case"),
        pytest.param({"id": "U1"}, {}, True, id="creator, by id"),
        pytest.param(
            {"id": "U1", "email": BO}, {}, True, id="creator, by id, under another e-mail"
        ),
        pytest.param({"id": "U2", "email": ANA}, {}, True, id="creator, by e-mail, of another id"),
        pytest.param(None, {"email": ANA}, True, id="reporter, by e-mail"),
        pytest.param(None, {"id": "U1"}, True, id="reporter, by id"),
        pytest.param({"id": "U2", "email": BO}, {"id": "U1"}, True, id="reporter, not creator"),
        pytest.param({"id": "U1"}, {"id": "U2", "email": BO}, True, id="creator, not reporter"),
        pytest.param({"id": "U2", "email": BO}, {"id": "U3", "email": CY}, False, id="others"),
        pytest.param(None, {}, False, id="an API key"),
    ],
)
def test_who_declared_it_himself(
    creator: dict[str, str] | None,
    reporter: dict[str, str],
    self_declared: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """Whoever created or reported the incident declared it, be he known by e-mail or by id."""
    double.declare_incident("Fire", lead=ANA)

    def edit(body: Any) -> None:  # noqa: ANN401 - any JSON
        (incident,) = body["incidents"]
        incident["creator"] = {"api_key": {"id": "K1"}} if creator is None else {"user": creator}
        incident["incident_role_assignments"] = [
            {
                "role": {"id": "R1", "name": "Incident Lead", "role_type": "lead"},
                "assignee": {"id": "U1", "email": ANA},
            },
            {
                "role": {"id": "R2", "name": "Reporter", "role_type": "reporter"},
                "assignee": reporter,
            },
        ]

    double.fail("/v2/incidents", Edited(edit))
    found = find()
    assert found.failures == ()
    assert _lead(found).self_declared is self_declared


def test_declaring_taints_one_incident_only(double: IncidentIO, find: Find) -> None:
    """Who declared one incident may hold a role in another one."""
    double.declare_incident("Fire", by=ANA, lead=ANA)
    double.declare_incident("Flood", by=BO, lead=ANA)
    leads = [each for each in find().duties if each.name == "Incident Lead"]
    assert [(each.incident, each.self_declared) for each in leads] == [
        ("INC-2", False),
        ("INC-1", True),
    ]


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_no_title_anywhere(visibility: str, double: IncidentIO, find: Find) -> None:
    """An incident goes by its reference: its title stays with the provider."""
    double.declare_incident("Project Nightshade", by=BO, lead=ANA, visibility=visibility)  # type: ignore[arg-type]  # of the table
    found = find()
    assert _lead(found).incident == "INC-1"
    assert "nightshade" not in repr(found).lower()


@pytest.mark.parametrize("mode", sorted(set(get_args(Mode)) - {"standard"}))
@pytest.mark.parametrize("sent_anyway", [False, True])
def test_only_standard_incidents(
    mode: Mode,
    sent_anyway: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """A test, a tutorial or a retrospective proves nothing, even if the provider sends one."""
    double.declare_incident("Drill", lead=BO, mode="standard" if sent_anyway else mode)
    double.declare_incident("Fire", lead=ANA)
    if sent_anyway:
        double.fail("/v2/incidents", put("incidents", 1, "mode", value=mode))
    found = find()
    assert (_holders(found), found.failures) == ([ANA], ())
    assert [each.reference for each in found.incidents] == ["INC-2"]


@pytest.mark.parametrize("category", sorted(set(get_args(Category)) - {"live"}))
@pytest.mark.parametrize("sent_anyway", [False, True])
def test_only_live_incidents(
    category: Category,
    sent_anyway: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """What is not live (any more) proves nothing, even if the provider sends it."""
    double.declare_incident("Over", lead=BO, category="live" if sent_anyway else category)
    double.declare_incident("Fire", lead=ANA)
    if sent_anyway:
        path = ("incidents", 1, "incident_status", "category")
        double.fail("/v2/incidents", put(*path, value=category))
    found = find()
    assert (_holders(found), found.failures) == ([ANA], ())
    assert [each.reference for each in found.incidents] == ["INC-2"]


@pytest.mark.parametrize(
    ("edit", "holders"),
    [
        (drop("incidents", 0, "severity"), [ANA]),
        (drop("incidents", 0, "incident_type"), [ANA]),
        (drop("incidents", 0, "permalink"), [ANA]),
        (drop("incidents", 0, "mode"), [ANA]),
        (drop("incidents", 0, "incident_status"), [ANA]),
        (put("incidents", 0, "creator", "user", value=None), [ANA]),
        (drop("incidents", 0, "incident_role_assignments"), []),
        (put("incidents", 0, "incident_role_assignments", value=None), []),
        (put("incidents", 0, "incident_role_assignments", value=[]), []),
        (drop(*ROLE, 0, "role", "shortform"), [ANA]),
        (drop(*ROLE, 0, "role", "role_type"), [ANA]),
        (drop(*ROLE, 0, "assignee", "id"), [ANA]),
        (drop(*ROLE, 0, "assignee", "email"), []),
        (put(*ROLE, 0, "assignee", value=None), []),
        (drop(*ROLE, 0, "assignee"), []),
        (put("incidents", 0, "news", value=["of tomorrow"]), [ANA]),
    ],
)
def test_optional_fields_of_an_incident(
    edit: Edited, holders: list[str], double: IncidentIO, find: Find
) -> None:
    """What may be absent is no failure: an incident without roles is one nobody has a role in."""
    double.declare_incident("Fire", lead=ANA, by=None)
    double.fail("/v2/incidents", edit)
    found = find()
    assert _holders(found) == holders
    assert found.failures == ()
    assert [each.reference for each in found.incidents] == ["INC-1"]


@pytest.mark.parametrize("reporter", [{"name": "Ana"}, {"user": {}}, {"id": "", "email": ""}])
def test_a_reporter_who_cannot_be_told_from_others(
    reporter: dict[str, object], double: IncidentIO, find: Find
) -> None:
    """Somebody reported it, and it may be whoever leads it: it proves nothing."""
    double.declare_incident("Fire", by=None, lead=ANA)
    double.fail("/v2/incidents", put("incidents", 0, ROLE[2], 1, "assignee", value=reporter))
    assert find().duties == ()


def test_a_creator_of_a_new_kind(double: IncidentIO, find: Find) -> None:
    """It may stand for a person, whoever is the reporter now: the role can be handed on."""
    double.declare_incident("Fire", by=BO, lead=ANA)
    double.fail("/v2/incidents", put(*CREATOR, value={"of_tomorrow": {"id": "X"}}))
    assert find().duties == ()


def test_a_reference_that_is_an_address(double: IncidentIO, find: Find) -> None:
    """A claim names nobody: the incident's id stands in."""
    incident = double.declare_incident("Fire", lead=ANA)
    double.fail("/v2/incidents", put("incidents", 0, "reference", value=BO))
    assert find().incidents[0].reference == incident.id


def test_a_declarer_known_by_id_only(double: IncidentIO, find: Find) -> None:
    """Against a holder known by e-mail only, he might be the same person."""
    double.declare_incident("Fire", by=None, lead=ANA)

    def edit(body: Any) -> None:  # noqa: ANN401 - any JSON
        (incident,) = body["incidents"]
        incident["creator"] = {"user": {"id": "U1"}}
        incident[ROLE[2]][0]["assignee"] = {"email": ANA}

    double.fail("/v2/incidents", Edited(edit))
    (duty,) = find().duties
    assert duty.self_declared


def test_an_unreadable_incident_still_tells_its_roles(double: IncidentIO, find: Find) -> None:
    """One that hides its creator proves nothing, and does not make the names of roles unsure."""
    double.declare_incident("Fire", by=None, lead=ANA)
    double.declare_incident("Smoke", by=None)
    double.fail("/v2/incidents", drop(*CREATOR))
    (duty,) = find().duties
    assert duty.is_named("Incident Lead")


def test_an_incident_without_reference(double: IncidentIO, find: Find) -> None:
    """Its id stands in."""
    incident = double.declare_incident("Fire", lead=ANA)
    double.fail("/v2/incidents", drop("incidents", 0, "reference"))
    assert find().incidents == (Incident(incident.id, incident.id, ()),)


NOBODYS: list[object] = [
    None,
    {},
    {"user": None},
    {"user": {}},
    {"user": {"name": "Ana"}},
    {"of_tomorrow": {"id": "X"}},
    {"api_key": None},
]


@pytest.mark.parametrize(
    "creator",
    [
        drop(*CREATOR),
        *(put(*CREATOR, value=value) for value in NOBODYS),
    ],
)
def test_an_incident_that_hides_its_creator(
    creator: Edited, double: IncidentIO, find: Find
) -> None:
    """Without the required `creator` nobody can tell who declared it: it proves nothing."""
    double.declare_incident("Fire", lead=ANA)
    double.fail("/v2/incidents", creator)
    found = find()
    assert found.duties == ()
    assert [each.problem for each in found.failures] == ["1 entries could not be read"]
