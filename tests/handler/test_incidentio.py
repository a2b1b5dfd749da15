"""incident.io: who is on shift, and who holds a role in a live incident, or posted an update."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.inventory import inventory_questions
from handler.duty import (
    INCIDENT_ROLE,
    INCIDENT_TYPE,
    INCIDENT_UPDATE,
    KEY,
    ON_CALL,
    SEVERITY,
    Duty,
    Failure,
    Incident,
    ProviderSnapshot,
)
from handler.providers.base import DutyQuery
from handler.providers.collect import FOLLOW_UPS_AT_ONCE
from handler.providers.incidentio import IncidentIOClient, read_incidents
from handler.providers.runner import ask
from sandbox.vendors import faults
from sandbox.vendors.incidentio import Category, IncidentIO, Mode
from sandbox.vendors.server import Exchange
from tests.handler.conftest import ANA, API_KEY, BO, CY, EVERYTHING, NOW, SetClock
from tests.handler.edited_answers import Edited, drop, put
from tests.handler.strategies import STEADY

Find = Callable[..., ProviderSnapshot]
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
SHIFT = ("schedules", 0, "current_shifts", 0)


def _holders(snapshot: ProviderSnapshot) -> list[str]:
    return sorted(duty.holder for duty in snapshot.duties)


def test_two_calls_for_a_decision(double: IncidentIO, find: Find) -> None:
    """A decision takes two calls: live standard incidents, and schedules."""
    find()
    incidents, schedules = sorted(double.calls, key=lambda call: call.path)
    assert (incidents.method, incidents.path) == ("GET", "/v2/incidents")
    assert incidents.query == {
        "status_category[one_of]": ["live"],
        "mode[one_of]": ["standard"],
        "page_size": ["250"],
    }
    assert (schedules.method, schedules.path) == ("GET", "/v2/schedules")
    assert schedules.query == {"page_size": ["250"]}
    assert {call.headers["authorization"] for call in double.calls} == {f"Bearer {API_KEY}"}


def test_an_empty_organisation(find: Find) -> None:
    """Empty lists are valid: no duty, and no failure."""
    assert find() == ProviderSnapshot()


def test_who_is_on_shift(double: IncidentIO, find: Find) -> None:
    """A shift is a duty with the schedule's id, name and link, and the shift's own times."""
    schedule = double.add_schedule("Payments primary")
    double.put_on_shift(schedule, BO, NOW - HOUR, NOW + HOUR + TICK)
    assert find() == ProviderSnapshot(
        duties=(
            Duty(
                provider="incident.io",
                kind=ON_CALL,
                id=schedule.id,
                name="Payments primary",
                holder="bo@acme.example",
                start=NOW - HOUR,
                end=NOW + HOUR + TICK,
                link=f"https://app.incident.io/sandbox/on-call/schedules/{schedule.id}",
                user=_id_of(double, BO),
            ),
        )
    )


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-04T09:00:00Z", "2026-03-04T12:00:00Z"),
        ("2026-03-04T12:00:00.000001Z", "2026-03-04T13:00:00Z"),
        ("2026-03-04T13:00:00.1+01:00", "2026-03-04T14:00:00+01:00"),
        ("2026-03-04T12:30:00Z", "2026-03-04T11:30:00Z"),
    ],
    ids=["has ended", "has not begun", "has not begun, in another zone", "ends before it begins"],
)
def test_a_current_shift_by_the_providers_clock_only(
    start: str, end: str, double: IncidentIO, find: Find
) -> None:
    """A shift that isn't current by our clock doesn't run, whatever the provider lists."""
    double.add_schedule("DBA")
    double.put_on_shift("DBA", ANA)
    double.fail("/v2/schedules", _times(start, end))
    assert not any(duty.runs_at(NOW) for duty in find().duties)


def _times(start: str, end: str) -> Edited:
    return Edited(
        lambda body: body["schedules"][0]["current_shifts"][0].update(start_at=start, end_at=end)
    )


def test_nobody_on_shift(double: IncidentIO, find: Find, set_clock: SetClock) -> None:
    """An empty, past or future shift, or one without an e-mail, gives no duty."""
    ghost = double.add_person("Deactivated", None)
    for name in ("empty", "of nobody", "without e-mail", "past", "to come"):
        double.add_schedule(name)
    double.put_on_shift("of nobody", None)
    double.put_on_shift("without e-mail", ghost)
    double.put_on_shift("past", ANA, NOW - 2 * HOUR, NOW - HOUR)
    double.put_on_shift("to come", BO, NOW + HOUR, NOW + 2 * HOUR)
    snapshot = find()
    assert [duty.name for duty in snapshot.without_email] == ["without e-mail"]
    assert snapshot._replace(without_email=()) == ProviderSnapshot()
    set_clock.advance(3600)
    assert _holders(find()) == ["bo@acme.example"]


@pytest.mark.parametrize(
    ("edit", "holders"),
    [
        (drop("schedules", 0, "permalink"), [ANA]),
        (drop("schedules", 0, "name"), [ANA]),
        (drop("schedules", 0, "config"), [ANA]),
        (drop("schedules", 0, "current_shifts"), []),
        (put("schedules", 0, "current_shifts", value=None), []),
        (drop(*SHIFT, "entry_id"), [ANA]),
        (drop(*SHIFT, "rotation_id"), [ANA]),
        (drop(*SHIFT, "user", "id"), [ANA]),
        (drop(*SHIFT, "user", "slack_user_id"), [ANA]),
        (drop(*SHIFT, "user", "email"), []),
        (put(*SHIFT, "user", "email", value=None), []),
        (put(*SHIFT, "user", "email", value="  "), []),
        (put(*SHIFT, "user", value=None), []),
        (drop("pagination_meta"), [ANA]),
        (put("news", value={"of": "tomorrow"}), [ANA]),
        (put(*SHIFT, "user", "role", value="new_kind"), [ANA]),
    ],
)
def test_optional_fields_of_a_schedule(
    edit: Edited, holders: list[str], double: IncidentIO, find: Find
) -> None:
    """Fields that the vendor's schema calls optional may be absent, and unknown ones present."""
    double.add_schedule("DBA")
    double.put_on_shift("DBA", ANA)
    double.fail("/v2/schedules", edit)
    snapshot = find()
    assert _holders(snapshot) == holders
    assert snapshot.failures == ()


ROLE = ("incidents", 0, "incident_role_assignments")
CREATOR = ("incidents", 0, "creator")


def _id_of(double: IncidentIO, email: str) -> str:
    (user_id,) = (person.id for person in double.people if person.email == email)
    return user_id


def _lead(snapshot: ProviderSnapshot) -> Duty:
    (duty,) = (duty for duty in snapshot.duties if duty.name == "Incident Lead")
    return duty


def test_who_holds_a_role(double: IncidentIO, find: Find) -> None:
    """An assigned role is a duty without an end; an unassigned role is not a duty."""
    comms = double.add_role("Communications Lead", "comms")
    double.add_role("Scribe", "scribe")
    incident = double.declare_incident("Fire", by=ANA)
    double.assign_role(incident, comms, BO)
    about: dict[str, Any] = {
        "link": "https://app.incident.io/sandbox/incidents/1",
        "incident": "INC-1",
        "severity": ("01HZV000000000000000000001", "Major"),
        "type": ("01HZT000000000000000000001", "Production"),
        "declarers": frozenset({ANA, _id_of(double, ANA)}),
    }
    snapshot = find()
    assert snapshot.duties == (
        Duty(
            provider="incident.io",
            kind=INCIDENT_ROLE,
            id=double.reporter.id,
            name="Reporter",
            holder=ANA,
            reporter=True,
            self_declared=True,
            user=_id_of(double, ANA),
            **about,
        ),
        Duty(
            provider="incident.io",
            kind=INCIDENT_ROLE,
            id=comms.id,
            name="Communications Lead",
            holder="bo@acme.example",
            shortform="comms",
            user=_id_of(double, BO),
            **about,
        ),
    )
    assert snapshot.duties[1].describe(NOW) == "Communications Lead of INC-1 (incident.io)"
    assert [(incident.id, incident.reference) for incident in snapshot.incidents] == [
        (incident.id, "INC-1")
    ]


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
def test_roles_of_unknown_type_are_reporters(
    fields: dict[str, str | None],
    reporter: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """A role of an unknown type is treated as a reporter, so it counts only if named."""
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
def test_self_declared_incidents(
    creator: dict[str, str] | None,
    reporter: dict[str, str],
    self_declared: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """The creator and the reporter, by e-mail or id, count as having declared the incident."""
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
    snapshot = find()
    assert snapshot.failures == ()
    assert _lead(snapshot).self_declared is self_declared


def test_declaring_affects_one_incident_only(double: IncidentIO, find: Find) -> None:
    """A person who declared one incident may still be approved for a role in another."""
    double.declare_incident("Fire", by=ANA, lead=ANA)
    double.declare_incident("Flood", by=BO, lead=ANA)
    leads = [duty for duty in find().duties if duty.name == "Incident Lead"]
    assert [(lead.incident, lead.self_declared) for lead in leads] == [
        ("INC-2", False),
        ("INC-1", True),
    ]


@pytest.mark.parametrize("mode", sorted(set(get_args(Mode)) - {"standard"}))
@pytest.mark.parametrize("sent_anyway", [False, True])
def test_only_standard_incidents(
    mode: Mode,
    sent_anyway: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """Test, tutorial and retrospective incidents give no duty, even if the provider lists them."""
    double.declare_incident("Drill", lead=BO, mode="standard" if sent_anyway else mode)
    double.declare_incident("Fire", lead=ANA)
    if sent_anyway:
        double.fail("/v2/incidents", put("incidents", 1, "mode", value=mode))
    snapshot = find()
    assert (_holders(snapshot), snapshot.failures) == ([ANA], ())
    assert [incident.reference for incident in snapshot.incidents] == ["INC-2"]


@pytest.mark.parametrize("category", sorted(set(get_args(Category)) - {"live"}))
@pytest.mark.parametrize("sent_anyway", [False, True])
def test_only_live_incidents(
    category: Category,
    sent_anyway: bool,  # noqa: FBT001 - a column of the table
    double: IncidentIO,
    find: Find,
) -> None:
    """Incidents that aren't live give no duty, even if the provider lists them."""
    double.declare_incident("Over", lead=BO, category="live" if sent_anyway else category)
    double.declare_incident("Fire", lead=ANA)
    if sent_anyway:
        path = ("incidents", 1, "incident_status", "category")
        double.fail("/v2/incidents", put(*path, value=category))
    snapshot = find()
    assert (_holders(snapshot), snapshot.failures) == ([ANA], ())
    assert [incident.reference for incident in snapshot.incidents] == ["INC-2"]


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
    """Optional fields may be absent; an incident without assigned roles isn't a failure."""
    double.declare_incident("Fire", lead=ANA, by=None)
    double.fail("/v2/incidents", edit)
    snapshot = find()
    assert _holders(snapshot) == holders
    assert snapshot.failures == ()
    assert [incident.reference for incident in snapshot.incidents] == ["INC-1"]


@pytest.mark.parametrize("reporter", [{"name": "Ana"}, {"user": {}}, {"id": "", "email": ""}])
def test_an_unidentified_reporter(
    reporter: dict[str, object], double: IncidentIO, find: Find
) -> None:
    """If the reporter isn't identified, it may be any role holder: no role counts."""
    double.declare_incident("Fire", by=None, lead=ANA)
    double.fail("/v2/incidents", put("incidents", 0, ROLE[2], 1, "assignee", value=reporter))
    assert find().duties == ()


def test_a_creator_of_a_new_kind(double: IncidentIO, find: Find) -> None:
    """If the creator is of an unknown kind, it may be any role holder: no role counts."""
    double.declare_incident("Fire", by=BO, lead=ANA)
    double.fail("/v2/incidents", put(*CREATOR, value={"of_tomorrow": {"id": "X"}}))
    assert find().duties == ()


def test_a_declarer_known_by_id_only(double: IncidentIO, find: Find) -> None:
    """A creator with only an id may be a role holder with only an e-mail: self-declared."""
    double.declare_incident("Fire", by=None, lead=ANA)

    def edit(body: Any) -> None:  # noqa: ANN401 - any JSON
        (incident,) = body["incidents"]
        incident["creator"] = {"user": {"id": "U1"}}
        incident[ROLE[2]][0]["assignee"] = {"email": ANA}

    double.fail("/v2/incidents", Edited(edit))
    (duty,) = find().duties
    assert duty.self_declared


def test_an_unreadable_incident_leaves_role_names_unique(double: IncidentIO, find: Find) -> None:
    """An incident without a creator gives no duty; names of roles still count elsewhere."""
    double.declare_incident("Fire", by=None, lead=ANA)
    double.declare_incident("Smoke", by=None)
    double.fail("/v2/incidents", drop(*CREATOR))
    (duty,) = find().duties
    assert duty.is_named("Incident Lead")


@pytest.mark.parametrize(
    "edit", [drop("incidents", 0, "reference"), put("incidents", 0, "reference", value=BO)]
)
def test_a_reference_that_is_missing_or_an_address(
    edit: Edited, double: IncidentIO, find: Find
) -> None:
    """If the reference is missing or an e-mail, the incident's id is used instead."""
    incident = double.declare_incident("Fire", lead=ANA)
    double.fail("/v2/incidents", edit)
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
    """An incident without a readable creator gives no duty, and is reported."""
    double.declare_incident("Fire", lead=ANA)
    double.fail("/v2/incidents", creator)
    snapshot = find()
    assert snapshot.duties == ()
    assert [failure.problem for failure in snapshot.failures] == ["1 entries could not be read"]


UPDATES = "/v2/incident_updates"
UPDATER = ("incident_updates", 0, "updater", "user")
FindUpdates = Callable[[], ProviderSnapshot]


@pytest.fixture
def find_updates(incidentio_client: IncidentIOClient, set_clock: SetClock) -> FindUpdates:
    """Ask for the updates of all live incidents, as the handler does."""

    def find() -> ProviderSnapshot:
        query = DutyQuery(updates=True)
        live = ask(incidentio_client.questions(query, ProviderSnapshot()), set_clock.deadline())
        first, *questions = incidentio_client.questions(query, live)
        assert first.name == "incidents"
        updates = ask(questions, set_clock.deadline(), at_once=FOLLOW_UPS_AT_ONCE)
        for failure in updates.failures:
            assert API_KEY not in str(failure)
            assert "@" not in str(failure)
        return updates

    return find


def _asked(double: IncidentIO) -> list[str]:
    return [call.query["incident_id"][0] for call in double.calls if call.path == UPDATES]


def test_who_posted(double: IncidentIO, find_updates: FindUpdates) -> None:
    """Having posted an update to a live incident is one duty, however many updates."""
    incident = double.declare_incident("Fire", by=BO)
    for _ in range(3):
        double.post_update(incident, by=ANA, message="Project Nightshade is on fire.")
    snapshot = find_updates()
    assert snapshot == ProviderSnapshot(
        duties=(
            Duty(
                provider="incident.io",
                kind=INCIDENT_UPDATE,
                id=incident.id,
                name="",
                holder=ANA,
                incident="INC-1",
                declarers=frozenset({"bo@acme.example", _id_of(double, BO)}),
                user=_id_of(double, ANA),
            ),
        )
    )
    assert snapshot.duties[0].describe(NOW) == "posted an update to INC-1 (incident.io)"
    (call,) = (call for call in double.calls if call.path == UPDATES)
    assert call.query == {"incident_id": [incident.id], "page_size": ["250"]}
    assert call.headers["authorization"] == f"Bearer {API_KEY}"


def test_several_people_in_several_incidents(double: IncidentIO, find_updates: FindUpdates) -> None:
    """Updates of each live incident are read; those of closed incidents are not."""
    for name in ("Fire", "Flood", "Over"):
        double.declare_incident(name)
    double.close_incident("INC-3")
    for who, reference in ((ANA, "INC-1"), (BO, "INC-1"), (ANA, "INC-2"), (CY, "INC-3")):
        double.post_update(reference, by=who)
    assert {(duty.holder, duty.incident) for duty in find_updates().duties} == {
        (ANA, "INC-1"),
        ("bo@acme.example", "INC-1"),
        (ANA, "INC-2"),
    }


@pytest.mark.parametrize("other", ["01ANOTHER", None, ""])
def test_an_update_of_another_incident(
    other: str | None, double: IncidentIO, find_updates: FindUpdates
) -> None:
    """An update of an incident other than the requested one is skipped and reported."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=BO)
    double.post_update("INC-1", by=ANA)
    double.fail(UPDATES, put("incident_updates", 0, "incident_id", value=other))
    snapshot = find_updates()
    holders = [duty.holder for duty in snapshot.duties]
    assert len(holders) == (1 if other else 2)
    assert bool(snapshot.failures) is bool(other)


def test_an_update_without_a_person(double: IncidentIO, find_updates: FindUpdates) -> None:
    """An update by an API key or workflow is nobody's duty; the original crashed."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=ANA)
    double.post_update("INC-1", by=None)
    snapshot = find_updates()
    assert [duty.holder for duty in snapshot.duties] == [ANA]
    assert snapshot.failures == ()


def test_an_update_by_the_declarer(double: IncidentIO, find_updates: FindUpdates) -> None:
    """An update to a self-declared incident is marked as self-declared."""
    double.declare_incident("Fire", by=BO)
    double.post_update("INC-1", by=ANA)
    double.post_update("INC-1", by=BO)
    self_declared = {duty.holder: duty.self_declared for duty in find_updates().duties}
    assert self_declared == {ANA: False, "bo@acme.example": True}


def test_only_of_the_newest_incidents(double: IncidentIO, find_updates: FindUpdates) -> None:
    """Of 25 live incidents, only the updates of the 20 newest are read, one call each."""
    incidents = [double.declare_incident(f"Fire {number}") for number in range(25)]
    for incident in incidents:
        double.post_update(incident, by=ANA)
    snapshot = find_updates()
    assert {duty.incident for duty in snapshot.duties} == {f"INC-{n}" for n in range(6, 26)}
    assert sorted(_asked(double)) == sorted(incident.id for incident in incidents[5:])
    assert snapshot.failures == ()


class OnlyOf:
    """A fault for one incident's updates."""

    def __init__(self, incident_id: str, fault: faults.Status) -> None:
        self._incident_id = incident_id
        self._fault = fault

    def __call__(self, exchange: Exchange) -> None:
        """Apply the fault for that incident, and answer normally for others."""
        if exchange.request.query["incident_id"] == [self._incident_id]:
            self._fault(exchange)
        else:
            exchange.send(exchange.response)


def test_one_incident_failing_hides_no_other(double: IncidentIO, find_updates: FindUpdates) -> None:
    """If one incident's updates fail, others count; the failure names the missing scope."""
    for name in ("Fire", "Flood"):
        incident = double.declare_incident(name)
        double.post_update(incident, by=ANA)
    double.fail(UPDATES, OnlyOf(incident.id, faults.Status(403)))
    snapshot = find_updates()
    assert [duty.incident for duty in snapshot.duties] == ["INC-1"]
    (failure,) = snapshot.failures
    assert failure.question == "updates of INC-2"
    output = "answered 403; the key needs the scope incidents.view; request_id "
    assert failure.problem.startswith(output)


@pytest.mark.parametrize(
    "edit",
    [
        drop("incident_updates", 0, "updater", "user"),
        drop("incident_updates", 0, "updater"),
        put("incident_updates", 0, "updater", value=None),
        put(*UPDATER, value=None),
        drop(*UPDATER, "email"),
        put(*UPDATER, "email", value=None),
        put("incident_updates", 0, "updater", value={"workflow": {"id": "W1", "name": "Nag"}}),
    ],
)
def test_nobody_posted(edit: Edited, double: IncidentIO, find_updates: FindUpdates) -> None:
    """An update without a person or an e-mail gives no duty and no failure."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=ANA)
    double.fail(UPDATES, edit)
    assert find_updates()._replace(without_email=()) == ProviderSnapshot()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=what)
        for what, fault in faults.INCIDENTIO["incident_updates"].items()
        if "*" in fault.field and what != "incident_updates.*.updater: null"
    ],
)
def test_a_wrong_type_in_an_update(
    fault: faults.WrongValue, double: IncidentIO, find_updates: FindUpdates
) -> None:
    """An update of a wrong type is skipped and reported; others still count."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=ANA)
    double.post_update("INC-1", by=BO)
    double.fail(UPDATES, fault.in_first())
    snapshot = find_updates()
    assert [duty.holder for duty in snapshot.duties] == [ANA]
    problem = "1 entries could not be read"
    assert snapshot.failures == (Failure("incident.io", "updates of INC-1", problem),)


def test_a_wrong_answer(double: IncidentIO, find_updates: FindUpdates) -> None:
    """An answer that isn't a list of updates is a failure, reported without its content."""
    double.declare_incident("Fire")
    double.post_update("INC-1", by=ANA)
    double.fail(UPDATES, faults.WrongValue("incident_updates", {}))
    problem = "the answer could not be read: incident_updates is not a list"
    assert find_updates() == ProviderSnapshot(
        failures=(Failure("incident.io", "updates of INC-1", problem),)
    )


def inventory(incidentio_client: IncidentIOClient, set_clock: SetClock) -> ProviderSnapshot:
    """Read what the provider lists besides duties."""
    snapshot = ask(inventory_questions("incident.io", incidentio_client), set_clock.deadline())
    assert API_KEY not in str(snapshot)
    return snapshot


def test_inventory(
    double: IncidentIO, incidentio_client: IncidentIOClient, set_clock: SetClock
) -> None:
    """The inventory has all roles, severities and incident types, and the key's scopes."""
    double.add_role("Communications Lead", "comms")
    snapshot = inventory(incidentio_client, set_clock)
    assert {(listed.kind, listed.names) for listed in snapshot.schedules_and_roles} == {
        (KEY, ("viewer", "schedules_reader", "global_access")),
        (INCIDENT_ROLE, ("Incident Lead", "lead")),
        (INCIDENT_ROLE, ("Reporter", "")),
        (INCIDENT_ROLE, ("Communications Lead", "comms")),
        *((SEVERITY, (name, "")) for name in ("Minor", "Major", "Critical")),
        *((INCIDENT_TYPE, (name, "")) for name in ("Production", "Security")),
    }
    assert snapshot.failures == ()
    assert snapshot.incomplete == frozenset()


def test_an_unreadable_inventory(
    double: IncidentIO, incidentio_client: IncidentIOClient, set_clock: SetClock
) -> None:
    """A list that can't be read whole is a failure, and its names count as incomplete."""
    double.fail("/v1/severities", drop("severities"))
    double.fail("/v1/incident_types", put("incident_types", 0, value="x"))
    double.fail("/v1/identity", put("identity", value=[]))
    snapshot = inventory(incidentio_client, set_clock)
    assert {(failure.question, failure.problem) for failure in snapshot.failures} == {
        ("severities", "the answer could not be read: severities is missing"),
        ("incident_types", "the answer could not be read: incident_types is not an object"),
        ("identity", "the answer could not be read: identity is not an object"),
    }
    assert {kind for _, kind in snapshot.incomplete} == {SEVERITY, INCIDENT_TYPE, KEY}


def _incident(number: int, *roles: tuple[str, str | None], **more: str) -> dict[str, Any]:
    """A live incident with these role holders; `more` names its severity and type."""
    people = {"b": {"id": "b", "email": BO}, "c": {"id": "c", "email": CY}, "g": {"id": "g"}}
    people |= {"a": {"id": "a", "email": ANA}, "n": {"name": "Nobody"}}
    return {
        "id": f"i{number}",
        "reference": f"INC-{number}",
        "permalink": f"https://app.incident.io/{number}",
        "creator": {"api_key": {"id": "k"}},
        "incident_role_assignments": [
            {
                "role": {"id": role, "name": f"Role {role}", "role_type": role},
                "assignee": people[who] if who else None,
            }
            for role, who in roles
        ],
        **{field: {"id": name, "name": name} for field, name in more.items()},
    }


_HELD = st.tuples(st.sampled_from(["lead", "reporter"]), st.sampled_from(["a", "b", "g", None]))
_CLASS = st.sampled_from(["Minor", "Major"])


@STEADY
@given(
    st.lists(
        st.builds(
            _incident, st.integers(1, 9), _HELD, _HELD, severity=_CLASS, incident_type=_CLASS
        ),
        max_size=6,
    )
)
def test_repeated_duties_of_others_are_dropped(incidents: list[dict[str, Any]]) -> None:
    """All duties of the requester are read; repeated duties of others are dropped.

    Others' duties are only counted, regardless of the incident and who declared it.
    """
    body = {"incidents": incidents}
    whole, page = read_incidents(body), read_incidents(body, frozenset({ANA, CY}))
    empty: dict[str, Any] = {"duties": ()}
    assert page._replace(**empty) == whole._replace(**empty)
    assert _duties_of_ana(page.duties) == _duties_of_ana(whole.duties)
    others = [_without_incident(duty) for duty in page.duties if duty.holder != ANA]
    assert set(others) == {_without_incident(duty) for duty in whole.duties if duty.holder != ANA}
    assert len(others) == len(set(others))


def test_a_holder_without_email_and_id() -> None:
    """A holder without e-mail and id is skipped; the incident's other roles count."""
    page = read_incidents({"incidents": [_incident(1, ("lead", "n"), ("custom", "a"))]})
    assert [(duty.id, duty.holder) for duty in page.duties] == [("custom", ANA)]
    assert page.problems == ()


def _duties_of_ana(duties: Iterable[Duty]) -> list[Duty]:
    return [duty for duty in duties if duty.holder == ANA]


def _without_incident(duty: Duty) -> Duty:
    return duty._replace(incident="", link="", self_declared=False, declarers=frozenset())


def test_a_decision_reads_the_requesters_duties_only(
    double: IncidentIO, incidentio_client: IncidentIOClient, set_clock: SetClock
) -> None:
    """A query for one person reads all their roles, and drops others' repeated ones."""
    for number in range(3):
        double.declare_incident(f"Fire {number}", by=CY, lead=ANA)
    query = EVERYTHING._replace(holders=frozenset({ANA}))
    snapshot = ask(incidentio_client.questions(query, ProviderSnapshot()), set_clock.deadline())
    assert _holders(snapshot) == [ANA, ANA, ANA, CY]
