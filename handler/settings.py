"""The table of the function's settings, and the validated value that they are read into. No I/O.

The Pulumi program and the `oncall` command read their settings with the same rows. So `pulumi
preview` refuses what the function would refuse at its start. `infra/settings.py` has the rows that
only the program reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from handler.callers import CALLERS
from handler.json_fields import ShapeError
from handler.providers.registry import PROVIDERS
from handler.rules.model import Policy, policy_from_settings
from handler.setting_parsers import (
    Check,
    Problems,
    Setting,
    SettingsError,
    parse_api_key,
    parse_base_url,
    parse_duration,
    parse_labels,
    parse_list,
    parse_notice_secret,
    parse_notice_url,
    parse_public_url,
    parse_seconds,
    parse_shift_end,
    parse_signing_secret,
    parse_slack_url,
    parse_switch,
    parse_tenant,
    parse_text,
    parse_token,
    parse_whole,
)
from handler.typing import Any, NamedTuple

SIGNING_SECRET = "INDENT_WEBHOOK_SECRET"  # noqa: S105 - a name
PREVIOUS_SIGNING_SECRET = "INDENT_WEBHOOK_SECRET_PREVIOUS"  # noqa: S105 - a name
SIGNING_KEYS = (SIGNING_SECRET, PREVIOUS_SIGNING_SECRET)
AUTHZEN_KEYS = AUTHZEN_TOKEN, PREVIOUS_AUTHZEN_TOKEN = "AUTHZEN_TOKEN", "AUTHZEN_TOKEN_PREVIOUS"
NOTIFY_URL, NOTIFY_SLACK_URL = "NOTIFY_URL", "NOTIFY_SLACK_URL"
NOTIFY_KEYS = NOTIFY_SECRET, PREVIOUS_NOTIFY_SECRET = "NOTIFY_SECRET", "NOTIFY_SECRET_PREVIOUS"
# Secrets that are rotated: the current one, and the previous one, which still counts beside it.
ROTATED_SECRETS = (SIGNING_KEYS, AUTHZEN_KEYS, NOTIFY_KEYS)
AUTHZEN_DEADLINE, PUBLIC_URL = "AUTHZEN_DEADLINE", "PUBLIC_URL"
DURATION, POLICY = "AUTO_APPROVAL_DURATION", "AUTO_APPROVAL_POLICY"
SCHEDULES, OLDER_SCHEDULES = "AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_PAGERDUTY_SCHEDULES"
ROLES, LABELS = "AUTO_APPROVAL_INCIDENTIO_ROLES", "AUTO_APPROVAL_RESOURCE_LABELS"
END_WITH_SHIFT, DRY_RUN = "AUTO_APPROVAL_END_WITH_SHIFT", "AUTO_APPROVAL_DRY_RUN"
PARTICIPANTS = "INCIDENTIO_APPROVE_PARTICIPANTS"
SELF_DECLARED = "INCIDENTIO_APPROVE_SELF_DECLARED"
MAX_AGE = "WEBHOOK_MAX_AGE"
CONDUCTORONE_TENANT = "CONDUCTORONE_TENANT"
CONDUCTORONE_BASE_URL = "CONDUCTORONE_BASE_URL"

# A new setting is a row here and the code that uses it; `make settings` copies the table into
# Pulumi.yaml and the documentation.
SETTINGS = (
    Setting(
        SIGNING_SECRET,
        parse_signing_secret,
        "Turns on [Indent's protocol](callers.md#indent): the webhook's signing secret, at least "
        "16 characters.",
        secret=True,
    ),
    Setting(
        PREVIOUS_SIGNING_SECRET,
        parse_signing_secret,
        "Accepted beside the current one while it is set, to rotate it without downtime.",
        secret=True,
    ),
    Setting(
        AUTHZEN_TOKEN,
        parse_token,
        "Turns on [AuthZEN](callers.md#authzen): the bearer token of its callers, at least 32 "
        "characters.",
        secret=True,
    ),
    Setting(
        PREVIOUS_AUTHZEN_TOKEN,
        parse_token,
        "Accepted beside the current one while it is set, to rotate it without downtime.",
        secret=True,
    ),
    *(
        Setting(
            provider.key,
            parse_api_key,
            f"Turns on {provider.name}: its API key.",
            secret=True,
        )
        for provider in PROVIDERS
    ),
    Setting(
        NOTIFY_URL,
        parse_notice_url,
        "Sends a [notice](operate.md#notices) of each approval to this address, signed as Standard "
        "Webhooks.",
        secret=True,
    ),
    Setting(
        NOTIFY_SECRET,
        parse_notice_secret,
        f"Signs what is sent to `{NOTIFY_URL}`: `whsec_` and the base64 of 24 to 64 random bytes.",
        secret=True,
    ),
    Setting(
        PREVIOUS_NOTIFY_SECRET,
        parse_notice_secret,
        "Signs beside the current one while it is set, to rotate it without downtime.",
        secret=True,
    ),
    Setting(
        NOTIFY_SLACK_URL,
        parse_slack_url,
        "Sends a [notice](operate.md#notices) of each approval to this Slack incoming webhook.",
        secret=True,
    ),
    Setting(
        DURATION,
        parse_duration,
        "How long access lasts at most: hours (`3`, `1.5`) or units (`90m`, `1h30m`), up to 168 "
        "hours.",
        "6",
    ),
    Setting(
        POLICY,
        parse_text,
        "A [policy file](policy.md), such as `policy/prod.yaml`. It replaces the next five "
        "settings.",
    ),
    Setting(
        SCHEDULES,
        parse_list,
        "Schedules whose people on call are approved, by name or id: `DBA, API`. Empty means any "
        "schedule, or none if roles are named.",
    ),
    Setting(OLDER_SCHEDULES, parse_list, f"The older name of `{SCHEDULES}`. Set one of the two."),
    Setting(
        ROLES,
        parse_list,
        "incident.io roles that are approved, by name, short form or id. Empty means any role "
        "except the reporter's, or none if schedules are named.",
    ),
    Setting(
        LABELS,
        parse_labels,
        "Labels that every requested resource must have: `Env=Prod, Team=DB`.",
    ),
    Setting(
        END_WITH_SHIFT,
        parse_shift_end,
        "`true` ends access with the shift; a time such as `15m` (at most 24 hours) ends it that "
        "much later. A duty without an end, such as an incident role, then opens nothing.",
        "false",
    ),
    Setting(DRY_RUN, parse_switch, "`true` decides and logs, but approves nothing.", "false"),
    Setting(
        PARTICIPANTS,
        parse_switch,
        "`true` also approves whoever posted an update to a live incident, while neither schedules "
        "nor roles are named.",
        "false",
    ),
    Setting(
        SELF_DECLARED,
        parse_switch,
        "`true` also approves roles in incidents that are self-declared by the requester. Anybody "
        "can declare one.",
        "false",
    ),
    Setting(
        MAX_AGE,
        # A stolen call can be replayed for this long.
        partial(parse_whole, least=1, most=3600, example="300"),
        "Maximum clock difference for a signed call of Indent's protocol, in seconds; at most "
        "3600.",
        "300",
    ),
    Setting(
        AUTHZEN_DEADLINE,
        # The function is ended after 15 s.
        partial(parse_seconds, least=0.5, most=12, example="2.5"),
        "Seconds within which AuthZEN's callers get their answer, cold start included.",
        "6",
    ),
    Setting(
        PUBLIC_URL,
        parse_public_url,
        "The address at which callers reach the function, if you put your own domain in front of "
        "its URL: `https://oncall.example.com`.",
    ),
    Setting(
        CONDUCTORONE_TENANT,
        parse_tenant,
        "Turns on [ConductorOne](callers.md#conductorone): the tenant's name, which is `acme` in "
        "`acme.conductor.one`.",
    ),
    Setting(
        CONDUCTORONE_BASE_URL,
        partial(parse_base_url, example="https://acme.conductor.one"),
        "Where the tenant's public keys are, if not at `https://<tenant>.conductor.one`.",
    ),
    *(row for provider in PROVIDERS for row in provider.settings),
)
BY_NAME = {row.name: row for row in SETTINGS}
PLAIN_KEYS = tuple(row.name for row in SETTINGS if not row.secret)
SECRET_KEYS = tuple(row.name for row in SETTINGS if row.secret)
PROVIDER_KEYS = tuple(provider.key for provider in PROVIDERS)
# Settings that a policy file replaces.
BESIDE_POLICY = (SCHEDULES, OLDER_SCHEDULES, ROLES, LABELS, END_WITH_SHIFT)


class NoticeSettings(NamedTuple):
    """Where notices of approvals are sent; an address that isn't set is empty.

    Attributes:
        url: the address of a receiver of Standard Webhooks.
        secrets: those that sign what is sent there, the current one first.
        slack_url: the address of a Slack incoming webhook.
    """

    url: str = ""
    secrets: tuple[str, ...] = ()
    slack_url: str = ""

    def __repr__(self) -> str:
        """Hide the secrets, wherever the value is printed."""
        return "NoticeSettings(...)"


class Settings(NamedTuple):
    """The validated settings.

    Attributes:
        callers: the names of the callers that are on.
        webhook_secrets: Indent's signing secrets, the current one first.
        authzen_tokens: the tokens of AuthZEN's callers, the current one first.
        providers: the settings of each provider that is on, by its id; they include its key.
        notices: where notices are sent; None if no address is set.
    """

    callers: frozenset[str]
    webhook_secrets: tuple[str, ...]
    authzen_tokens: tuple[str, ...]
    providers: Mapping[str, Mapping[str, str]]
    dry_run: bool
    policy: Policy
    notices: NoticeSettings | None = None

    def __repr__(self) -> str:
        """Hide the secrets, wherever the value is printed."""
        return f"Settings(policy={self.policy!r}, ...)"


def load(
    values: Mapping[str, str], policy: str | None = None, check: Check | None = None
) -> Settings:
    """Validate the plain and the secret settings together; an empty value counts as unset.

    Args:
        values: the settings.
        policy: the content of the file that `AUTO_APPROVAL_POLICY` names.
        check: checks each plain text first, for mistakes that people make when they type.

    Raises:
        SettingsError: for all wrong values.
    """
    problems = Problems(_conflicts(values))
    # Settings of providers that are off are checked too, before somebody switches them on.
    read: dict[str, Any] = {row.name: problems.read(row.read, values, check) for row in SETTINGS}
    problems += _missing(values, read)
    loaded = problems.read(_policy, read, policy)
    problems.check()
    return Settings(
        callers=frozenset(entry.name for entry in CALLERS if read[entry.key]),
        webhook_secrets=_secrets(read, SIGNING_KEYS),
        authzen_tokens=_secrets(read, AUTHZEN_KEYS),
        providers={
            provider.id: {name: read[name] for name in provider.keys}
            for provider in PROVIDERS
            if read[provider.key]
        },
        dry_run=read[DRY_RUN],
        policy=loaded,
        notices=notice_settings(read),
    )


def notice_settings(read: Mapping[str, str]) -> NoticeSettings | None:
    """Give where notices are sent, of the values of all settings; None if nowhere."""
    url, slack_url = read[NOTIFY_URL], read[NOTIFY_SLACK_URL]
    if not (url or slack_url):
        return None
    return NoticeSettings(url, _secrets(read, NOTIFY_KEYS) if url else (), slack_url)


def max_age(values: Mapping[str, str]) -> timedelta:
    """Read `WEBHOOK_MAX_AGE` alone: it is needed before any secret.

    Raises:
        SettingsError: the value is wrong.
    """
    return timedelta(seconds=BY_NAME[MAX_AGE].read(values))


def _secrets(read: Mapping[str, str], keys: tuple[str, str]) -> tuple[str, ...]:
    """Give the current secret and the previous one; a previous one alone has no effect."""
    current, previous = (read[key] for key in keys)
    return tuple(filter(None, (current, previous))) if current else ()


def _missing(values: Mapping[str, str], read: Mapping[str, Any]) -> list[SettingsError]:
    """Find required settings that are not set."""
    problems = []
    if not any(values.get(entry.key, "").strip() for entry in CALLERS):
        first, *others = (entry.key for entry in CALLERS)
        problem = (
            f"or {' or '.join(others)} must be set: each switches a caller on, and at least one is "
            "needed (docs/callers.md)"
        )
        problems.append(SettingsError(first, problem))
    if not any(values.get(key) for key in PROVIDER_KEYS):
        problem = (
            f"or {' or '.join(PROVIDER_KEYS[1:])} must be set: "
            "at least one provider's key is needed to see who is on duty"
        )
        problems.append(SettingsError(PROVIDER_KEYS[0], problem))
    problems += [
        SettingsError(name, f"is not set: {provider.key} needs it")
        for provider in PROVIDERS
        if read[provider.key]
        for name in provider.required
        if not values.get(name, "").strip()
    ]
    if read[NOTIFY_URL] and not values.get(NOTIFY_SECRET):
        problem = (
            f'is not set: {NOTIFY_URL} needs it; make one with `echo "whsec_$(openssl rand '
            '-base64 32)"`'
        )
        problems.append(SettingsError(NOTIFY_SECRET, problem))
    return problems


def _conflicts(values: Mapping[str, str]) -> list[SettingsError]:
    """Find settings that must not be set together, and secrets that are set twice."""
    problems = []
    first_keys: dict[str, str] = {}
    for key in SECRET_KEYS:
        if secret := values.get(key, ""):
            first = first_keys.setdefault(secret, key)
            if first != key:
                problem = f"is the same secret as {first}: each of the two needs its own"
                fixes = {key: None} if (first, key) in ROTATED_SECRETS else {}
                problems.append(SettingsError(key, problem, fixes=fixes))
    given = [key for key in BESIDE_POLICY if values.get(key, "").strip()]
    if values.get(END_WITH_SHIFT, "").strip().lower() == "false":
        given.remove(END_WITH_SHIFT)
    if {SCHEDULES, OLDER_SCHEDULES} <= {*given}:
        problem = f"is the older name of {SCHEDULES}, and both are set: remove one of them"
        either = dict.fromkeys((OLDER_SCHEDULES, SCHEDULES))
        problems.append(SettingsError(OLDER_SCHEDULES, problem, fixes=either))
    if values.get(POLICY, "").strip():
        for key in given:
            problem = f"is set, and so is {key}, which a policy file replaces: remove one of them"
            problems.append(SettingsError(POLICY, problem, fixes=dict.fromkeys((key, POLICY))))
    return problems


def _policy(read: Mapping[str, Any], text: str | None) -> Policy:
    name = read[POLICY]
    if not name:
        return policy_from_settings(
            read[DURATION],
            read[SCHEDULES] or read[OLDER_SCHEDULES],
            read[ROLES],
            read[LABELS],
            participants=read[PARTICIPANTS],
            self_declared=read[SELF_DECLARED],
            shift_end=read[END_WITH_SHIFT],
        )
    if text is None:
        raise SettingsError(POLICY, f"is {name!r}, but that file isn't there")
    from handler.rules.codec import read_policy  # noqa: PLC0415 - only where a file is named

    try:
        return read_policy(text, self_declared=read[SELF_DECLARED])
    except ShapeError as error:
        raise SettingsError(POLICY, f"names a file that cannot be used: {error}") from None
