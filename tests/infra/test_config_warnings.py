"""What a preview warns of: allowed, and doubtful or without effect."""

from __future__ import annotations

import pytest

from tests.infra.program import NARROWED, OPEN, SECRETS, read

SCHEDULES, ROLES = "AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_INCIDENTIO_ROLES"
LABELS, END = "AUTO_APPROVAL_RESOURCE_LABELS", "AUTO_APPROVAL_END_WITH_SHIFT"
PARTICIPANTS = "INCIDENTIO_APPROVE_PARTICIPANTS"
SELF_DECLARED = "INCIDENTIO_APPROVE_SELF_DECLARED"
NO_END = (
    f"{END} is set: incident roles open nothing, since they have no end{{}}; in a policy file, "
    "end_with_shift can give them a duration, for example `without_end: 1h`"
)
NO_NAMES = (
    f"{PARTICIPANTS} has no effect: with {SCHEDULES} or {ROLES} set, only the schedules and "
    "roles that they name count; "
    f"run `pulumi config rm {PARTICIPANTS} --stack dev`"
)
REPORTER = (
    f"'Reporter' in {ROLES} has no effect: the reporter declared the incident, and self-declared "
    f"incidents only count if {SELF_DECLARED} is true; remove 'Reporter'"
)
POSTED = OPEN.replace(
    "any schedule opens", "any schedule or has posted an update to a live incident opens"
)
HOLDS = "holds a role other than the reporter's in a live incident or "
QUOTE = (
    f"{SCHEDULES}: '\u201cDBA' begins with U+201C LEFT DOUBLE QUOTATION MARK: remove it, "
    "and quote with \" or '"
)
DASH = f"{LABELS}: 'Prod\u2013EU' contains U+2013 EN DASH: write - instead"
# The settings, and every warning.
ROWS: list[tuple[dict[str, str], list[str]]] = [
    ({}, [OPEN]),
    ({SCHEDULES: " ", ROLES: ""}, [OPEN]),
    ({"AUTO_APPROVAL_DRY_RUN": "true"}, [OPEN.replace("opens any", "would open any")]),
    ({PARTICIPANTS: "true"}, [POSTED]),
    ({SCHEDULES: "DBA"}, []),
    ({ROLES: "DBA"}, []),
    ({PARTICIPANTS: "true", SCHEDULES: "DBA"}, [NO_NAMES]),
    ({PARTICIPANTS: "true", ROLES: "DBA"}, [NO_NAMES]),
    ({ROLES: "Reporter"}, [REPORTER]),
    ({ROLES: "Reporter", SELF_DECLARED: "true"}, []),
    ({END: "15m"}, [OPEN.replace(HOLDS, ""), NO_END.format("")]),
    ({END: "15m", ROLES: "lead"}, [NO_END.format(", so nobody is approved")]),
    ({END: "15m", ROLES: "lead", SCHEDULES: "DBA"}, [NO_END.format("")]),
    ({END: "15m", SCHEDULES: "DBA"}, []),
    ({SCHEDULES: "API, \u201cDBA"}, [QUOTE]),
    (
        {LABELS: "Env=Prod\u2013EU"},
        [OPEN.replace("any resource", "every resource labelled Env=Prod\u2013EU"), DASH],
    ),
    # Pulumi.yaml has the defaults for everybody.
    ({"PAGERDUTY_BASE_URL": "https://api.pagerduty.com", **NARROWED}, []),
]


@pytest.mark.parametrize(("plain", "warnings"), ROWS)
def test_row(plain: dict[str, str], warnings: list[str]) -> None:
    """Each is one sentence, with the command that mends it where one does."""
    assert read(plain).warnings == tuple(warnings)


@pytest.mark.parametrize("key", [SCHEDULES, "AUTO_APPROVAL_PAGERDUTY_SCHEDULES"])
def test_schedule_without_its_provider(key: str) -> None:
    """Where several are on, whoever names schedules at one of them names them for all."""
    two = {**SECRETS, "PAGERDUTY_KEY": "key"}
    assert read({key: "PIJ90N7, DBA, API"}, two).warnings == (
        (
            f"{key} names 'DBA' without its provider, so a schedule with this name counts at "
            f"incident.io and PagerDuty; run `pulumi config set {key} --stack dev` and enter its "
            "id, or name the provider in a policy file"
        ),
    )
    assert read({key: "PIJ90N7"}, two).warnings == ()
    assert read({key: "DBA"}).warnings == ()


@pytest.mark.parametrize(
    ("key", "value", "secret", "name"),
    [
        ("PAGERDUTY_BASE_URL", "https://api.eu.pagerduty.com", "PAGERDUTY_KEY", "PagerDuty"),
        ("OPSGENIE_BASE_URL", "https://api.eu.opsgenie.com", "OPSGENIE_KEY", "Opsgenie"),
        ("JSM_SITE", "acme", "JSM_API_TOKEN", "JSM Operations"),
        ("JSM_EMAIL", "bot@acme.io", "JSM_API_TOKEN", "JSM Operations"),
        (PARTICIPANTS, "true", "INCIDENTIO_API_KEY", "incident.io"),
        (SELF_DECLARED, "true", "INCIDENTIO_API_KEY", "incident.io"),
        (ROLES, "Lead", "INCIDENTIO_API_KEY", "incident.io"),
    ],
)
def test_setting_of_a_provider_that_is_not_asked(
    key: str, value: str, secret: str, name: str
) -> None:
    """Both ways out are offered; with the key there is nothing to note."""
    every = {**SECRETS, "OPSGENIE_KEY": "o", "PAGERDUTY_KEY": "p", "JSM_API_TOKEN": "j"}
    jsm = {"JSM_SITE": "acme", "JSM_EMAIL": "bot@acme.io"}
    warning = (
        f"{key} has no effect: {secret} is not set, so {name} is not asked; run "
        f"`pulumi config set --secret {secret} --stack dev` or "
        f"`pulumi config rm {key} --stack dev`"
    )
    others = {name: value for name, value in every.items() if name != secret}
    plain = {key: value} if secret == "JSM_API_TOKEN" else {**jsm, key: value}
    assert warning in read(plain, others).warnings
    assert warning not in read({**jsm, key: value}, every).warnings


def test_a_secret_without_what_it_signs() -> None:
    """No notice is sent without an address."""
    secrets = {**SECRETS, "NOTIFY_SECRET": f"whsec_{'A' * 32}"}
    assert read(NARROWED, secrets).warnings == (
        (
            "NOTIFY_SECRET has no effect: NOTIFY_URL is not set; run `pulumi config rm "
            "NOTIFY_SECRET --stack dev`"
        ),
    )
    assert read(NARROWED, {**secrets, "NOTIFY_URL": "https://h.example"}).warnings == ()


def test_previous_secret_of_a_caller_that_is_off() -> None:
    """It lets nobody in, and switches nothing on; a real rotation is nothing to note."""
    secrets = {**SECRETS, "AUTHZEN_TOKEN_PREVIOUS": "previous-token-" * 3}
    assert read(NARROWED, secrets).warnings == (
        (
            "AUTHZEN_TOKEN_PREVIOUS has no effect: AUTHZEN_TOKEN is not set; run `pulumi config rm "
            "AUTHZEN_TOKEN_PREVIOUS --stack dev`"
        ),
    )
    assert not read(NARROWED, {**secrets, "AUTHZEN_TOKEN": "current-token-" * 3}).warnings


@pytest.mark.parametrize(
    ("key", "value", "unset", "switch"),
    [
        ("WEBHOOK_MAX_AGE", "60", "INDENT_WEBHOOK_SECRET is", "INDENT_WEBHOOK_SECRET"),
        ("AUTHZEN_DEADLINE", "2.5", "AUTHZEN_TOKEN is", "AUTHZEN_TOKEN"),
        (
            *("CONDUCTORONE_BASE_URL", "https://a.example.com"),
            *("CONDUCTORONE_TENANT is", "CONDUCTORONE_TENANT"),
        ),
        *(
            (
                "PUBLIC_URL",
                "https://a.example.com",
                "AUTHZEN_TOKEN and CONDUCTORONE_TENANT are",
                key,
            )
            for key in ("AUTHZEN_TOKEN", "CONDUCTORONE_TENANT")
        ),
    ],
)
def test_setting_of_a_caller_that_is_off(key: str, value: str, unset: str, switch: str) -> None:
    """It has no effect until the caller is on; a default is nothing to note."""
    values = {
        "INDENT_WEBHOOK_SECRET": "a-signing-secret-of-the-tests",
        "AUTHZEN_TOKEN": "current-token-" * 3,
        "CONDUCTORONE_TENANT": "acme",
    }
    on = {switch: values[switch]}
    off = "AUTHZEN_TOKEN" if switch == "INDENT_WEBHOOK_SECRET" else "INDENT_WEBHOOK_SECRET"

    def warnings(on: dict[str, str], **plain: str) -> tuple[str, ...]:
        secrets = {name: value for name, value in on.items() if name != "CONDUCTORONE_TENANT"}
        others = {name: on[name] for name in on.keys() - secrets}
        secrets["INCIDENTIO_API_KEY"] = SECRETS["INCIDENTIO_API_KEY"]
        return read({**NARROWED, **others, **plain}, secrets).warnings

    assert warnings({off: values[off]}, **{key: value}) == (
        f"{key} has no effect: {unset} not set; run `pulumi config rm {key} --stack dev`",
    )
    assert warnings({off: values[off]}) == ()
    assert warnings(on, **{key: value}) == ()
