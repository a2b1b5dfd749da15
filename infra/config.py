"""The stack's config, read once into one validated value, before any resource is registered."""

from __future__ import annotations

import difflib
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi.runtime import is_config_secret
from pulumi.runtime.config import CONFIG

from handler.providers import BY_ID
from handler.settings import (
    DEFAULTS,
    LABELS,
    OLDER_SCHEDULES,
    PLAIN_KEYS,
    POLICY,
    ROLES,
    SCHEDULES,
    SECRET_KEYS,
    SettingsError,
    load,
    parse_duration,
    parse_list,
    parse_switch,
    parse_whole,
)
from infra.deploy_role import REPOSITORY, parse_repository
from infra.policy_file import EXAMPLE, tested_policy
from infra.stack_file import leads_elsewhere
from infra.state_bucket import default_bucket_name, is_bucket_name
from infra.state_key import ALIAS, parse_alias
from policy.reach import kinds_without_end, open_rules
from policy.spelling import typographic_in
from policy.terminal import safe
from policy.trial import SUFFIX, TEST_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from handler.settings import Settings

# What `make bootstrap` made, for the program to take over or to leave alone.
BUCKET, BUCKET_MANAGED = "STATE_BUCKET", "STATE_BUCKET_MANAGED"
KEY_ID, KEY_MANAGED = "KMS_KEY_ID", "KMS_KEY_MANAGED"
STACK_DEFAULTS = {
    BUCKET: "",
    BUCKET_MANAGED: "",
    ALIAS: "",
    KEY_ID: "",
    KEY_MANAGED: "",
    "LOG_RETENTION_DAYS": "365",
    "MEMORY_MB": "512",
    "RESERVED_CONCURRENCY": "",
    "ALARM_EMAIL": "",
    REPOSITORY: "",
}
DURATION, PARTICIPANTS = "AUTO_APPROVAL_DURATION", "INCIDENTIO_APPROVE_PARTICIPANTS"
KEYS = (*SECRET_KEYS, *PLAIN_KEYS, *STACK_DEFAULTS)
# What another key says, too.
NAMED_BESIDE = (POLICY, OLDER_SCHEDULES)
# What CloudWatch's PutRetentionPolicy takes. "Never" is no length of time.
LOG_RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
LEAST_MEMORY_MB, MOST_MEMORY_MB = 128, 10240
MOST_CONCURRENCY = 1000
# Lambda's 4 KB, less what the secret's ARN and version take.
MOST_ENVIRONMENT_BYTES = 3800

_EMAIL = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+\.[^\s@,;<>]+")
_ACCOUNT_DIGITS = "0" * 12
_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackConfig:
    """What a stack is deployed with.

    Attributes:
        function_settings: the plain settings that are set: environment variables of the function.
        secrets: the secret settings that are set, in plain text.
        policy: the policy that the settings name, as JSON; empty where they name none.
        state_bucket: name of the state bucket; None is the default name.
        state_bucket_managed: whether the stack takes the bucket over (True) or leaves it alone
            (False); None makes it.
        state_key_alias: alias of the key that encrypts the state's secrets; None is no key.
        state_key_id: the id of that key, where `make bootstrap` made or found it.
        state_key_managed: the same of the key.
        log_retention_days: how long the decision log is kept.
        memory_mb: the function's memory, in MiB.
        reserved_concurrency: calls answered at once, at most; None is the account's own limit.
        alarm_email: whom alarms are mailed to; None is nobody.
        deploy_repository: whose workflows deploy the stack, as GitHub names it; None is nobody's.
        providers: the ids of those that are switched on.
    """

    function_settings: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    policy: str = field(repr=False, default="")
    state_bucket: str | None
    state_bucket_managed: bool | None = None
    state_key_alias: str | None = None
    state_key_id: str | None = None
    state_key_managed: bool | None = None
    log_retention_days: int
    memory_mb: int
    reserved_concurrency: int | None
    alarm_email: str | None
    deploy_repository: str | None = None
    providers: tuple[str, ...]


def read_config(root: Path) -> StackConfig:
    """Read the config of the running program's stack; an empty value counts as unset.

    Args:
        root: the project's folder, from which a policy file is named.

    Raises:
        pulumi.RunError: for the first wrong value, in one sentence that names the key and the
            command that mends it. It never holds the value of a secret.
    """
    namespace = f"{pulumi.get_project()}:"
    found = {
        key.removeprefix(namespace): value
        for key, value in CONFIG.get().items()
        if key.startswith(namespace)
    }
    if leading := leads_elsewhere(CONFIG.get()):
        raise pulumi.RunError(f"the stack's config has {leading}")
    _check_keys(found)
    secrets = {key: found[key] for key in SECRET_KEYS if found.get(key)}
    plain = {key: found[key].strip() for key in PLAIN_KEYS if found.get(key, "").strip()}
    stack = {key: found.get(key, "").strip() or STACK_DEFAULTS[key] for key in STACK_DEFAULTS}
    try:
        policy = tested_policy(root, plain | secrets)
        settings = load(plain | secrets, policy.json if policy else None)
        _note_reach(plain, settings)
        _note_what_has_no_effect(plain)
        _note_unassigned_schedules(plain, settings.providers)
        _note_spelling(plain)
        _check_size(plain)
        return StackConfig(
            function_settings=plain,
            secrets=secrets,
            policy=policy.json if policy else "",
            state_bucket=_parse_bucket(BUCKET, stack[BUCKET]),
            state_bucket_managed=_parse_managed(BUCKET_MANAGED, stack, of=BUCKET),
            state_key_alias=parse_alias(stack[ALIAS]),
            state_key_id=_parse_key_id(KEY_ID, stack[KEY_ID]),
            state_key_managed=_parse_managed(KEY_MANAGED, stack, of=KEY_ID),
            log_retention_days=_parse_retention("LOG_RETENTION_DAYS", stack["LOG_RETENTION_DAYS"]),
            memory_mb=parse_whole(
                "MEMORY_MB", stack["MEMORY_MB"], LEAST_MEMORY_MB, MOST_MEMORY_MB, "512"
            ),
            reserved_concurrency=_parse_concurrency(
                "RESERVED_CONCURRENCY", stack["RESERVED_CONCURRENCY"]
            ),
            alarm_email=_parse_email("ALARM_EMAIL", stack["ALARM_EMAIL"]),
            deploy_repository=parse_repository(stack[REPOSITORY], pulumi.get_stack()),
            providers=tuple(settings.providers),
        )
    except SettingsError as error:
        mend = _mend(error.key, error.example)
        made = error.key in {BUCKET_MANAGED, KEY_ID, KEY_MANAGED}
        if made or (error.key in NAMED_BESIDE and error.key in plain and not error.example):
            mend = f"pulumi config rm {error.key}"
        run = " Run" if str(error).endswith("?") else "; run"
        raise pulumi.RunError(safe(f"{error}{run} `{mend}`")) from None


def _check_keys(found: Mapping[str, str]) -> None:
    """Refuse keys that nothing reads, and secrets and plain values in each other's place."""
    for key in sorted(found):
        secret = is_config_secret(f"{pulumi.get_project()}:{key}")
        if key not in KEYS:
            raise pulumi.RunError(safe(_unknown(key)))
        if key in SECRET_KEYS and found[key] and not secret:
            raise pulumi.RunError(
                f"{key} is a secret, but is set in plain text; run `{_mend(key, '')}`"
            )
        if key not in SECRET_KEYS and secret:
            raise pulumi.RunError(
                f"{key} is set with --secret, but is no secret: it is kept in plain text in AWS; "
                f"run `pulumi config set --plaintext {key}`"
            )


def _unknown(key: str) -> str:
    # Its value is not quoted: it may be a secret under a misspelt name.
    problem = f"{key} is not a setting of {pulumi.get_project()}"
    remove = f"`pulumi config rm {shlex.quote(key)}`"
    nearest = difflib.get_close_matches(key.upper(), KEYS, n=1)
    if not nearest:
        return f"{problem}; run {remove}"
    return f"{problem}, the nearest is {nearest[0]}; run {remove}, then `{_mend(nearest[0], '')}`"


def _mend(key: str, example: str) -> str:
    """Build the command that sets a key; without an example the CLI asks for the value."""
    option = ["--secret"] if key in SECRET_KEYS else []
    return shlex.join(["pulumi", "config", "set", *option, key, *([example] if example else [])])


def _note_reach(plain: Mapping[str, str], settings: Settings) -> None:
    """Warn where any duty opens what is requested, and where the shift's end shuts roles out."""
    if POLICY in plain:  # its own warnings say so
        return
    on = [BY_ID[each].name for each in settings.providers]
    for each in open_rules(settings.policy, on):
        said = each.told(dry_run=settings.dry_run)
        tests = EXAMPLE.replace(SUFFIX, TEST_SUFFIX)
        note = (
            f"{said[0].upper()}{said[1:]}: none of {SCHEDULES}, {ROLES} and {POLICY} is set; "
            f"narrow it, for example with `{_mend(SCHEDULES, 'Production')}`, or with a policy "
            f"file: `cp policy/example.yaml {EXAMPLE}`, `cp policy/example.test.yaml {tests}` and "
            f"`{_mend(POLICY, EXAMPLE)}`"
        )
        pulumi.log.warn(safe(note))
    for note in kinds_without_end(settings.policy, on):
        pulumi.log.warn(note)


def _note_what_has_no_effect(plain: Mapping[str, str]) -> None:
    def on(key: str) -> bool:
        return parse_switch(key, plain.get(key, ""))

    roles = parse_list(ROLES, plain.get(ROLES, ""))
    reporter = next((each for each in roles if each.lower() == "reporter"), None)
    if reporter and not on("INCIDENTIO_APPROVE_SELF_DECLARED"):
        pulumi.log.warn(
            f"{reporter!r} in {ROLES} has no effect: the reporter is who "
            "declared the incident, which counts only after "
            "`pulumi config set INCIDENTIO_APPROVE_SELF_DECLARED true`"
        )
    if POLICY in plain:
        _note_what_the_policy_says(plain, participants=on(PARTICIPANTS))
    named = any(plain.get(key) for key in (SCHEDULES, OLDER_SCHEDULES, ROLES))
    if named and on(PARTICIPANTS):
        named_by = f"{SCHEDULES} or {ROLES}"
        pulumi.log.warn(
            f"{PARTICIPANTS} has no effect: with {named_by} set, only duties "
            "named there count, and taking part in an incident has no name; "
            f"run `pulumi config rm {PARTICIPANTS}`"
        )


def _note_unassigned_schedules(plain: Mapping[str, str], on: Iterable[str]) -> None:
    """Warn where a schedule of that name at any of several providers would do."""
    key = SCHEDULES if SCHEDULES in plain else OLDER_SCHEDULES
    providers = [BY_ID[each] for each in on]
    named = [
        each
        for each in parse_list(key, plain.get(key, ""))
        if not any(provider.may_have_id(each) for provider in providers)
    ]
    if named and len(providers) > 1:
        names = " and ".join(each.name for each in providers)
        pulumi.log.warn(
            f"{key} names {named[0]!r} without its provider, and {names} are on: a schedule of "
            f"that name at either counts; run `pulumi config set {key}` with its id, or name the "
            f"provider in a policy file"
        )


def _note_spelling(plain: Mapping[str, str]) -> None:
    """Warn of quotes and dashes that editors put in: names and labels are compared exactly."""
    for key in (SCHEDULES, OLDER_SCHEDULES, ROLES, LABELS):
        for entry in parse_list(key, plain.get(key, "")):
            for text in entry.split("=") if key == LABELS else (entry,):
                if doubt := typographic_in(text.strip(), strict=False):
                    pulumi.log.warn(f"{key}: {text.strip()!r} {doubt}")


def _note_what_the_policy_says(plain: Mapping[str, str], *, participants: bool) -> None:
    given = parse_duration(DURATION, plain.get(DURATION, DEFAULTS[DURATION]))
    if given != parse_duration(DURATION, DEFAULTS[DURATION]):
        pulumi.log.warn(
            f"{DURATION} has no effect: each rule of {plain[POLICY]} says how long; "
            f"run `pulumi config rm {DURATION}`"
        )
    if participants:
        pulumi.log.warn(
            f"{PARTICIPANTS} has no effect: a policy file, such as {plain[POLICY]}, counts shifts "
            f"and roles; run `pulumi config rm {PARTICIPANTS}`"
        )


def _check_size(plain: Mapping[str, str]) -> None:
    """Refuse what Lambda would refuse in the middle of an update ("Lambda quotas")."""
    sizes = {key: len(f"{key}{value}".encode()) for key, value in plain.items()}
    if sum(sizes.values()) > MOST_ENVIRONMENT_BYTES:
        key = max(sizes, key=lambda each: sizes[each])
        problem = (
            f"takes {sizes[key]} of the {MOST_ENVIRONMENT_BYTES} bytes that the settings may take "
            f"together in a function's environment; they take {sum(sizes.values())}"
        )
        raise SettingsError(key, problem, "DBA, API")


def _parse_bucket(key: str, value: str) -> str | None:
    """Check a bucket's name by S3's rules (S3 user guide, "Bucket naming rules")."""
    if not value:
        stack = pulumi.get_stack()
        if not is_bucket_name(default_bucket_name(_ACCOUNT_DIGITS, stack)):
            problem = f"is not set, and stack name {stack!r} cannot be part of a bucket's name"
            raise SettingsError(key, problem, "my-company-pulumi-state")
        return None
    if not is_bucket_name(value):
        allowed = "3 to 63 lower-case letters, digits, dots and hyphens, by S3's naming rules"
        raise SettingsError(key, f"is {value!r}: allowed are {allowed}", "my-company-pulumi-state")
    return value


def _parse_managed(key: str, stack: Mapping[str, str], *, of: str) -> bool | None:
    """Read a switch of `make bootstrap`'s, which says nothing without what it is about."""
    if not stack[key]:
        return None
    if not stack[of]:
        raise SettingsError(key, f"is set, and {of} is not; `make bootstrap` sets both", "")
    return parse_switch(key, stack[key])


def _parse_key_id(key: str, value: str) -> str | None:
    if value and _KEY_ID.fullmatch(value) is None:
        problem = f"is {value!r}, which isn't the id of a key; `make bootstrap` sets it"
        raise SettingsError(key, problem, "")
    return value or None


def _parse_retention(key: str, value: str) -> int:
    allowed = {str(days): days for days in LOG_RETENTIONS}
    if value not in allowed:
        raise SettingsError(key, f"is {value!r}: allowed are {', '.join(allowed)}", "365")
    return allowed[value]


def _parse_concurrency(key: str, value: str) -> int | None:
    return parse_whole(key, value, 0, MOST_CONCURRENCY, "10") if value else None


def _parse_email(key: str, value: str) -> str | None:
    if value and not _EMAIL.fullmatch(value):
        raise SettingsError(key, f"is {value!r}: allowed is one address", "oncall@example.com")
    return value or None
