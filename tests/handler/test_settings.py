"""Settings: valid and invalid values of every key, without quoting secrets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from handler import settings
from handler.hosts import is_loopback
from handler.rules.conditions import AnyOf, IncidentRole, OnCall, PostedUpdate
from handler.rules.model import ShiftEnd, policy_from_settings
from handler.setting_parsers import Setting, SettingsError
from handler.settings import Settings, load

SIGNING = "signing-secret-1"
API_KEY = "inc_live_key"
LEAST = {"INDENT_WEBHOOK_SECRET": SIGNING, "INCIDENTIO_API_KEY": API_KEY}
URL = "https://api.incident.io"


def flat(loaded: Settings) -> dict[str, Any]:
    """Give all values by name, including the default rule's and incident.io's."""
    (rule,) = loaded.policy.rules
    named: dict[str, Any] = {"schedules": (), "incident_roles": (), "participants": False}
    assert isinstance(rule.when, AnyOf)
    for condition in rule.when.members:
        if isinstance(condition, OnCall) and condition.schedules:
            named["schedules"] = condition.schedules
        if isinstance(condition, IncidentRole) and condition.roles:
            named["incident_roles"] = condition.roles
        named["participants"] = named["participants"] or isinstance(condition, PostedUpdate)
    return {
        **loaded._asdict(),
        **named,
        "duration": rule.duration,
        "resource_labels": rule.resources.labels,
        "shift_end": rule.shift_end,
        "self_declared": loaded.policy.self_declared,
        "incidentio_base_url": loaded.providers["incidentio"]["INCIDENTIO_BASE_URL"],
        "providers": None,
        "policy": None,
    }


def refused(changes: Mapping[str, str]) -> SettingsError:
    """Give the error for these values."""
    with pytest.raises(SettingsError) as caught:
        load({**LEAST, **changes})
    return caught.value


def test_the_defaults() -> None:
    """With a signing secret and one provider's key, everything else has a default."""
    assert load(LEAST) == Settings(
        callers=frozenset({"indent"}),
        webhook_secrets=(SIGNING,),
        authzen_tokens=(),
        providers={"incidentio": {"INCIDENTIO_API_KEY": API_KEY, "INCIDENTIO_BASE_URL": URL}},
        dry_run=False,
        policy=policy_from_settings(timedelta(hours=6)),
    )


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n"])
@pytest.mark.parametrize("key", settings.PLAIN_KEYS)
def test_empty_is_unset(key: str, blank: str) -> None:
    """A blank value is the same as none, so a deployment can pass every key."""
    assert load({**LEAST, key: blank}) == load(LEAST)


@pytest.mark.parametrize("key", [settings.SCHEDULES, settings.ROLES, settings.LABELS])
@pytest.mark.parametrize("unseen", ["\u200b", "\u3164", "\ufe0f", "\u00a0", "\x00"])
def test_invisible_characters_are_refused(key: str, unseen: str) -> None:
    """Invisible characters in names are refused, since nobody could see why they don't match."""
    output = f"{key} contains U+{ord(unseen):04X}, which is invisible: remove it, or use an id"
    with pytest.raises(SettingsError) as refused:
        load({**LEAST, key: f"Env=a, Team=D{unseen}B"})
    assert str(refused.value) == output
    load({**LEAST, key: f"Env=a,\n\tTeam=\u00c1\u2019s \u2013 \U0001f6a8{' '}"})


def test_unknown_keys_are_ignored() -> None:
    """Unknown variables, such as Lambda's own, are ignored."""
    assert load({**LEAST, "AWS_REGION": "us-west-2", "auto_approval_duration": "x"}) == load(LEAST)


@pytest.mark.parametrize(
    ("key", "value", "name", "read"),
    [
        *(
            ("AUTO_APPROVAL_DURATION", value, "duration", timedelta(seconds=seconds))
            for value, seconds in (
                ("3", 3 * 3600),
                (" 4 ", 4 * 3600),
                ("1.5", 5400),
                ("0.25", 900),
                ("007", 7 * 3600),
                ("3h", 3 * 3600),
                ("90m", 5400),
                ("1h30m", 5400),
                ("6h0m0s", 6 * 3600),
                ("3 h", 3 * 3600),
                ("90 min", 5400),
                ("1 Hour 30 Minutes", 5400),
                ("1d", 24 * 3600),
                ("1w", 168 * 3600),
                ("+30s", 30),
                ("1s", 1),
                ("1.999s", 1),
                ("0.000278", 1),
                ("168", 168 * 3600),
                ("168.0", 168 * 3600),
                ("604800s", 168 * 3600),
            )
        ),
        *(
            (key, value, name, read)
            for key, name in (
                ("AUTO_APPROVAL_SCHEDULES", "schedules"),
                ("AUTO_APPROVAL_INCIDENTIO_ROLES", "incident_roles"),
            )
            for value, read in (
                ("DBA", ("DBA",)),
                ("DBA, API", ("DBA", "API")),
                (" DBA ,API on call,", ("DBA", "API on call")),
                ("DBA,,API", ("DBA", "API")),
                ("API,DBA,API", ("API", "DBA")),
                ("dba,DBA", ("dba", "DBA")),
                ("Incident Lead,01HV…Ü", ("Incident Lead", "01HV…Ü")),
            )
        ),
        *(
            ("AUTO_APPROVAL_RESOURCE_LABELS", value, "resource_labels", read)
            for value, read in (
                ("Env=Prod", (("Env", "Prod"),)),
                ("Env=Prod, Team=DB", (("Env", "Prod"), ("Team", "DB"))),
                (" Env = Prod ,", (("Env", "Prod"),)),
                ("query=a=b", (("query", "a=b"),)),
                ("Env=Prod,Env = Prod", (("Env", "Prod"),)),
                ("env=Prod,Env=Dev", (("env", "Prod"), ("Env", "Dev"))),
            )
        ),
        *(
            (key, value, name, read)
            for key, name in (
                ("AUTO_APPROVAL_DRY_RUN", "dry_run"),
                ("INCIDENTIO_APPROVE_PARTICIPANTS", "participants"),
                ("INCIDENTIO_APPROVE_SELF_DECLARED", "self_declared"),
            )
            for value, read in (("true", True), ("True", True), (" TRUE ", True), ("False", False))
        ),
        *(
            ("AUTO_APPROVAL_END_WITH_SHIFT", value, "shift_end", ShiftEnd(timedelta(0)))
            for value in ("true", " TRUE ", "0s", "0h0m")
        ),
        *(
            ("AUTO_APPROVAL_END_WITH_SHIFT", value, "shift_end", ShiftEnd(grace))
            for value, grace in (
                (" 15m ", timedelta(minutes=15)),
                ("1h30m", timedelta(minutes=90)),
                ("0.5h", timedelta(minutes=30)),
                ("1s", timedelta(seconds=1)),
                ("24h", timedelta(days=1)),
            )
        ),
        ("AUTO_APPROVAL_END_WITH_SHIFT", "False", "shift_end", None),
        *(
            ("INCIDENTIO_BASE_URL", value, "incidentio_base_url", read)
            for value, read in (
                ("https://api.incident.io/", URL),
                (
                    "https://eu.example.test:8443/incident//",
                    "https://eu.example.test:8443/incident",
                ),
                ("HTTPS://API.Incident.IO", "HTTPS://API.Incident.IO"),
                ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
                ("http://127.9.9.9", "http://127.9.9.9"),
                ("http://localhost:1/", "http://localhost:1"),
                ("http://[::1]:8000", "http://[::1]:8000"),
            )
        ),
    ],
)
def test_valid_values(key: str, value: str, name: str, read: object) -> None:
    """A valid value is read, and changes nothing else."""
    result = flat(load({**LEAST, key: value}))
    assert result == {**flat(load(LEAST)), name: read}
    assert type(result[name]) is type(read)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://oncall.example.com", "https://oncall.example.com"),
        (" HTTPS://OnCall.Example.com// ", "https://oncall.example.com"),
        ("https://oncall.example.com:443", "https://oncall.example.com"),
        ("https://oncall.example.com:443/", "https://oncall.example.com"),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
        ("https://[2001:db8::443]", "https://[2001:db8::443]"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]"),
    ],
)
def test_public_url(value: str, url: str) -> None:
    """PUBLIC_URL can be read alone, before the secret is fetched."""
    assert settings.BY_NAME["PUBLIC_URL"].read({"PUBLIC_URL": value}) == url


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1", 1), ("300", 300), (" 0600 ", 600), ("3600", 3600), ("", 300), (" ", 300)],
)
def test_max_age(value: str, seconds: int) -> None:
    """WEBHOOK_MAX_AGE can be read alone, before the secret is fetched."""
    assert settings.max_age({"WEBHOOK_MAX_AGE": value}) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("value", "seconds"), [("2.5", 2.5), ("0.5", 0.5), ("12", 12), (" 3.250 ", 3.25), ("", 6)]
)
def test_deadline(value: str, seconds: float) -> None:
    """AUTHZEN_DEADLINE can be read alone, before the settings are loaded."""
    assert settings.BY_NAME["AUTHZEN_DEADLINE"].read({"AUTHZEN_DEADLINE": value}) == seconds


PUBLIC = "https://oncall.example.com"
ENDS = "true, false, or a grace period in whole seconds with its unit (15m), at most 24h"
HOURS = (
    "use hours (for example 3 or 1.5) or units (for example 90m or 1h30m), "
    "above 0 and at most 168 hours"
)
ADDRESS = "an https address, or http on loopback, without user, query or fragment"


@pytest.mark.parametrize(
    ("key", "value", "problem", "example"),
    [
        *(
            ("AUTO_APPROVAL_DURATION", value, f"is {value!r}: {HOURS}", "")
            for value in (
                *("0", "0.0", "-1", "168.000001", "169", "168h1s", "999999999", "1e3"),
                *("abc", "Infinity", "nan", "3.", ".5", "six", "999ms", "-90m", "1w1s", "1 month"),
                *(
                    "2562048h",
                    "\u0663",
                    "0x3",
                    "1_0",
                    "1h1h",
                    "1.5h30m",
                    "3:30",
                    "300h30",
                    "1,500",
                    "3h30",
                    "+3",
                ),
            )
        ),
        *(
            (key, value, f"is {value!r}: lists nothing between its commas", "DBA, API")
            for key in ("AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_INCIDENTIO_ROLES")
            for value in (",", ", ,", ",,,")
        ),
        (
            "AUTO_APPROVAL_RESOURCE_LABELS",
            ",",
            "is ',': lists nothing between its commas",
            "DBA, API",
        ),
        *(
            (
                "AUTO_APPROVAL_RESOURCE_LABELS",
                value,
                f"contains {entry!r}: each entry must be LABEL=VALUE",
                "Env=Prod, Team=DB",
            )
            for value, entry in (
                ("Env", "Env"),
                ("Env=Prod, Team", "Team"),
                ("Env:Prod", "Env:Prod"),
                ("=Prod", "=Prod"),
                ("Env=", "Env="),
                ("=", "="),
                ("Env = ,Team=DB", "Env ="),
            )
        ),
        (
            "AUTO_APPROVAL_RESOURCE_LABELS",
            "Env=Prod,Env=Dev",
            "requires two values of the label 'Env'",
            "Env=Prod",
        ),
        *(
            (key, value, f"is {value!r}: must be true or false", meant)
            for key in (
                "AUTO_APPROVAL_DRY_RUN",
                "INCIDENTIO_APPROVE_PARTICIPANTS",
                "INCIDENTIO_APPROVE_SELF_DECLARED",
            )
            for value, meant in (
                *((text, "true") for text in ("yes", "1", "on", "t", "Y")),
                *((text, "false") for text in ("no", "0", "off", "f", "N")),
                # No suggestion for these, since one of the two values approves more.
                *((text, "") for text in ("truee", "true,", "None")),
            )
        ),
        *(
            ("AUTO_APPROVAL_END_WITH_SHIFT", value, f"is {value!r}: must be {ENDS}", "15m")
            for value in (
                *("0", "+0", "-0", "15", "1.5", "yes", "on", "1", "none", "truee", "true, 15m"),
                *("-15m", "-1s", "24h1s", "25h", "25 hours", "1d1h", "500ms", "1ns", "15m.", "m"),
                *("h", "1.5s", "\u0661m", "2562048h", "s" * 65, "{grace: 15m}"),
            )
        ),
        *(
            (
                "WEBHOOK_MAX_AGE",
                value,
                f"is {value!r}: must be a whole number from 1 to 3600",
                "300",
            )
            for value in (
                *("0", "3601", "-1", "+300", "300.0", "5m", "1e3", "9999999999", "\u0663"),
                *("3 00", "0x10", "1_0"),
            )
        ),
        *(
            (
                *("AUTHZEN_DEADLINE", value),
                *(f"is {value!r}: must be a number of seconds from 0.5 to 12", "2.5"),
            )
            for value in (
                *("0", "0.499", "12.001", "-3", "+3", "3s", "2,5", ".5", "3.", "1e0", "nan"),
                *("inf", "100", "\u0663", "2.5000", "1_0"),
            )
        ),
        *(
            (
                *("PUBLIC_URL", value),
                f"is {value!r}: use the https address of a host, without a path",
                PUBLIC,
            )
            for value in (
                *("oncall.example.com", "http://oncall.example.com", "http://127.0.0.1:8000"),
                *("https://oncall.example.com/a", "https://oncall.example.com?a", "https://", "x"),
                *("https:///a", "https://a b", "https://oncall.example.com#a", "/"),
            )
        ),
        (
            "PUBLIC_URL",
            "https://a@b",
            "contains an @: use the https address of a host, without a path",
            PUBLIC,
        ),
        *(
            ("INCIDENTIO_BASE_URL", value, f"is {value!r}: use {ADDRESS}", URL)
            for value in (
                "api.incident.io",
                "//api.incident.io",
                "http://api.incident.io",
                "http://127.0.0.1.evil.test",
                "http://127.0.0",
                "http://1270.0.0.1",
                "http://localhost.evil.test",
                "http://0.0.0.0",
                "http://[::2]",
                "ftp://127.0.0.1",
                "file:///etc/passwd",
                "https://",
                "https:///v2",
                "https:api.incident.io",
                "https://api.incident.io?a=b",
                "https://api.incident.io#a",
                "https://[api.incident.io",
                "https://api.incident.io:port",
                "https://api.incident.io:65536",
                "https://api.incident .io",
                "https://api.incident.io/\r\nHost: evil.test",
                "https://\u0430pi.incident.io",
            )
        ),
    ],
)
def test_invalid_values(key: str, value: str, problem: str, example: str) -> None:
    """The error has the key, the value and what is allowed, and often an example."""
    error = refused({key: value})
    assert str(error) == f"{key} {problem}"
    assert error.key == key
    assert error.example == example
    if example:
        load({**LEAST, key: example if key != "AUTO_APPROVAL_RESOURCE_LABELS" else "Env=Prod"})


@pytest.mark.parametrize(
    "address",
    ["http://localhost@evil.test", "https://jane:hunter2@api.incident.io", "https://@evil.test"],
)
def test_an_address_with_a_user_is_refused_unquoted(address: str) -> None:
    """A URL with an @ is refused without quoting it, as it may have a password."""
    error = refused({"INCIDENTIO_BASE_URL": address})
    assert str(error) == f"INCIDENTIO_BASE_URL contains an @: use {ADDRESS}"


@pytest.mark.parametrize("mark", ["?", "#", "/?", "/#"])
def test_an_address_with_an_empty_query_or_fragment(mark: str) -> None:
    """A URL with a query or fragment, even empty, is refused, since paths are appended."""
    assert refused({"INCIDENTIO_BASE_URL": f"{URL}{mark}"}).key == "INCIDENTIO_BASE_URL"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.255", True),
        ("::1", True),
        ("", False),
        ("127.0.0.1.evil.test", False),
        ("x127.0.0.1", False),
        ("127.0.0.1\n", False),
        ("localhost.", False),
        ("0.0.0.0", False),  # noqa: S104 - nothing listens here
        ("10.0.0.1", False),
        ("\u0661\u0662\u0667.0.0.1", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:  # noqa: FBT001 - a column of a table
    """Only names that can't resolve to another machine are loopback."""
    assert is_loopback(host) is loopback


def test_all_problems_are_reported_at_once() -> None:
    """One error has all wrong keys first, then every problem."""
    wrong = {
        "AUTO_APPROVAL_DURATION": "soon",
        "AUTO_APPROVAL_SCHEDULES": ",",
        "AUTO_APPROVAL_POLICY": "policy/prod.yaml",
        "AUTO_APPROVAL_DRY_RUN": "perhaps",
        "INDENT_WEBHOOK_SECRET": "short-secret",
        "INCIDENTIO_API_KEY": "k3y with blanks",
        "WEBHOOK_MAX_AGE": "never",
        "JSM_API_TOKEN": "t0k3n",
    }
    error = refused(wrong)
    keys = {*wrong, "JSM_SITE", "JSM_EMAIL"} - {"JSM_API_TOKEN"}
    assert {problem.key for problem in error.problems} == keys
    assert {*str(error).partition(" are wrong: ")[0].split(", ")} == keys
    for problem in error.problems:
        assert str(problem) in str(error)
        assert problem.problems == (problem,)
    for secret in ("short-secret", "k3y", "t0k3n"):
        assert secret not in str(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PAGERDUTY_BASE_URL", "api.eu.pagerduty.com"),
        ("JSM_SITE", "acme.io/path"),
        ("JSM_EMAIL", "nobody"),
    ],
)
def test_settings_of_a_provider_that_is_off(key: str, value: str) -> None:
    """Wrong settings are reported even if their provider is off."""
    assert refused({key: value}).key == key


def test_settings_that_exclude_each_other() -> None:
    """For settings that exclude each other, the fix may remove either."""
    beside = ("AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_RESOURCE_LABELS")
    given = {**dict.fromkeys(beside, "a=b"), "AUTO_APPROVAL_POLICY": "policy/prod.yaml"}
    problems = refused(given).problems
    assert [dict(problem.fixes) for problem in problems if problem.fixes] == [
        {key: None, "AUTO_APPROVAL_POLICY": None} for key in beside
    ]


def test_check_sees_every_plain_value_and_no_secret() -> None:
    """The check gets every plain value, trimmed or default, and its errors are reported."""
    seen: dict[str, str] = {}

    def check(row: Setting, text: str) -> None:
        seen[row.name] = text
        if row.name == settings.DRY_RUN:
            raise SettingsError(row.name, "is odd")

    with pytest.raises(SettingsError, match=r"^AUTO_APPROVAL_DRY_RUN is odd$"):
        load({**LEAST, "AUTO_APPROVAL_SCHEDULES": " DBA "}, check=check)
    assert tuple(seen) == settings.PLAIN_KEYS
    default = settings.BY_NAME[settings.DURATION].default
    assert (seen[settings.SCHEDULES], seen[settings.DURATION]) == ("DBA", default)


@pytest.mark.parametrize(
    ("text", "tenant"), [("", ""), ("acme", "acme"), (" Acme-2 ", "acme-2"), ("a" * 63, "a" * 63)]
)
def test_valid_tenants(text: str, tenant: str) -> None:
    """A tenant is one name, read in lower case."""
    assert settings.BY_NAME["CONDUCTORONE_TENANT"].read({"CONDUCTORONE_TENANT": text}) == tenant


@pytest.mark.parametrize(
    "text",
    [
        *(
            "acme.conductor.one",
            "https://acme.conductor.one",
            "acme.evil.example",
            ".",
            "a.",
            "a b",
        ),
        *("-acme", "acme-", "a_b", "a/b", "acme@x", "acme:443", "\u00e4", "a" * 64, "a\nb"),
    ],
)
def test_invalid_tenants(text: str) -> None:
    """A tenant that could lead to another host is refused."""
    problem = refused({"CONDUCTORONE_TENANT": text})
    assert str(problem).startswith("CONDUCTORONE_TENANT is ")
    assert problem.example == "acme"


def test_where_the_tenants_keys_are() -> None:
    """The keys' URL must be secure, since whoever changes the keys could approve anybody."""
    row = settings.BY_NAME["CONDUCTORONE_BASE_URL"]
    for right in ("", "https://access.example.com", "http://127.0.0.1:8080"):
        assert row.read({row.name: right}) == right
    assert row.read({row.name: "https://access.example.com/"}) == "https://access.example.com"
    for wrong in ("http://access.example.com", "access.example.com", "https://u:p@example.com"):
        assert refused({row.name: wrong}).key == row.name
