"""Faults that depend on the vendor: endless pages and wrong values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.vendors import create_double, faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import CLOUD_ID
from sandbox.vendors.pagerduty import PagerDuty
from tests.sandbox.manual_clock import HOUR
from tests.sandbox.vendor_accounts import ANA, get, iso, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.vendors.faults import WrongValue
    from sandbox.vendors.server import Double

JSM_SCHEDULES = f"/jsm/ops/api/{CLOUD_ID}/v1/schedules"
JSM_USERS = f"/ex/jira/{CLOUD_ID}/rest/api/3/user"
TABLES: list[tuple[str, Mapping[str, Mapping[str, WrongValue]], Mapping[str, str]]] = [
    (
        "incidentio",
        faults.INCIDENTIO,
        {
            "incidents": "/v2/incidents",
            "schedules": "/v2/schedules",
            "incident_updates": "/v2/incident_updates",
            "pages": "/v2/incidents",
        },
    ),
    (
        "pagerduty",
        faults.PAGERDUTY,
        {
            "oncalls": "/oncalls?include[]=users",
            "schedules": "/schedules",
            "layer-based schedule": "/schedules/PLAYERS?WINDOW",
            "shift-based schedule": "/v3/schedules/PSHIFTS?include[]=final_schedule&WINDOW",
            "user": "/users/P000001",
            "users": "/users?query=ana",
            "pages": "/oncalls",
        },
    ),
    (
        "opsgenie",
        faults.OPSGENIE,
        {
            "on-calls": "/v2/schedules/on-calls",
            "timeline": "/v2/schedules/pay-0001/timeline?intervalUnit=days",
        },
    ),
    (
        "jsm",
        faults.JSM,
        {
            "tenant": "/_edge/tenant_info",
            "schedules": f"{JSM_SCHEDULES}?size=1",
            "on-calls": f"{JSM_SCHEDULES}/pay-0001/on-calls",
            "timeline": f"{JSM_SCHEDULES}/pay-0001/timeline?intervalUnit=days",
            "users": f"{JSM_USERS}/bulk?accountId=ANA",
        },
    ),
]
CASES = [
    pytest.param(provider, paths[name], table, id=f"{provider} {name}")
    for provider, tables, paths in TABLES
    for name, table in tables.items()
]


def filled(provider: str) -> tuple[Double, str]:
    """Make a double with an item in each list, and return Ana's id."""
    double: Any = create_double(provider)
    ana = double.add_person("Ana Lima", ANA)
    match double:
        case IncidentIO():
            double.post_update(double.declare_incident("Fire", by=ANA, lead=ANA), by=ANA)
            for number in range(30):
                double.declare_incident(f"Fire {number}", by=ANA, lead=ANA)
            double.put_on_shift(double.add_schedule("Payments"), ANA)
        case PagerDuty():
            double.add_schedule("Layers", id="PLAYERS")
            double.add_schedule("Shifts", id="PSHIFTS", v3=True)
            double.add_escalation_policy("Payments", "PLAYERS", "PSHIFTS")
            for schedule in ("PLAYERS", "PSHIFTS"):
                double.put_on_shift(schedule, ANA)
        case _:
            double.add_schedule("Payments", id="pay-0001")
            double.add_schedule("Search")
            double.put_on_shift("Payments", double.add_escalation("Steps", [(ANA, 0)]))
    return double, ana.id


def values_at(body: Any, field: str) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return the values of a field in every item of the lists on its path."""
    values = [body]
    for step in field.split(".") if field else []:
        values = [
            value
            for item in values
            for value in (item if step == "*" else [item.get(step, "absent")])
        ]
    return values


@pytest.mark.parametrize(("provider", "path", "wrong"), CASES)
def test_wrong_values_are_in_the_body(
    provider: str, path: str, wrong: Mapping[str, WrongValue]
) -> None:
    """Each wrong value replaces a field of the right body everywhere."""
    double, ana = filled(provider)
    now = double.now()
    path = path.replace("WINDOW", f"since={iso(now)}&until={iso(now + HOUR)}")
    path = path.replace("ANA", ana)
    with double:
        right = read(double, path)
        for fault in wrong.values():
            double.clear_faults()
            double.fail("/", fault)
            values = values_at(get(double, path)[1], fault.field)
            assert values, fault
            assert all(value == fault.value for value in values)
            assert repr(values_at(right, fault.field)) != repr(values), fault


def test_a_wrong_value_may_be_in_the_first_item_only() -> None:
    """The other items are unchanged."""
    double, _ = filled("incidentio")
    with double:
        fault = faults.WrongValue("incidents.*.incident_role_assignments.*.role", "lead")
        double.fail("/", fault.in_first())
        first, second, *_ = read(double, "/v2/incidents")["incidents"]
    assert {role["role"] for role in first["incident_role_assignments"]} == {"lead"}
    assert all(isinstance(role["role"], dict) for role in second["incident_role_assignments"])


@pytest.mark.parametrize(
    ("provider", "path", "parameter", "rows", "link"),
    [
        ("incidentio", "/v2/incidents", "after", "incidents", "pagination_meta.after"),
        ("jsm", JSM_SCHEDULES, "offset", "values", "links.next"),
        ("jsm", f"{JSM_USERS}/bulk", "startAt", "values", "nextPage"),
    ],
)
@pytest.mark.parametrize("repeat", [False, True])
def test_pages_without_end(
    provider: str,
    path: str,
    parameter: str,
    rows: str,
    link: str,
    *,
    repeat: bool,
) -> None:
    """Each page is the first, with a link to another: always a new one, or always the same."""
    double, _ = filled(provider)
    with double:
        first = read(double, path)
        double.fail("/", faults.EndlessPages(repeat=repeat))
        pages = [read(double, path), read(double, path, **{parameter: 7})]
    assert [page[rows] for page in pages] == [first[rows]] * 2
    assert len({values_at(page, link)[0] for page in pages}) == (1 if repeat else 2)


@pytest.mark.parametrize("empty", [False, True])
def test_pages_without_end_at_pagerduty(*, empty: bool) -> None:
    """At PagerDuty, `more` is always true."""
    double, _ = filled("pagerduty")
    with double:
        double.fail("/oncalls", faults.EndlessPages(empty=empty))
        for offset in (0, 7000):
            page = read(double, "/oncalls", offset=offset)
            assert (len(page["oncalls"]), page["more"]) == (0 if empty else 2, True)
            assert page["offset"] == offset
