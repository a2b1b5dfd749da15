"""Warns of settings that are valid but doubtful or without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handler.callers import CALLERS
from handler.providers.registry import BY_ID as PROVIDER_BY_ID
from handler.providers.registry import PROVIDERS
from handler.setting_parsers import parse_list, parse_switch
from handler.settings import (
    AUTHZEN_DEADLINE,
    BY_NAME,
    CONDUCTORONE_BASE_URL,
    DURATION,
    LABELS,
    MAX_AGE,
    NOTIFY_SECRET,
    NOTIFY_URL,
    OLDER_SCHEDULES,
    PARTICIPANTS,
    POLICY,
    PUBLIC_URL,
    ROLES,
    ROTATED_SECRETS,
    SCHEDULES,
    SELF_DECLARED,
)
from infra.policy_file import EXAMPLE, policy_notes
from infra.region import REGION, REGIONS, WITHOUT_FUNCTION_URLS, nearest_region
from infra.settings import BY_NAME as PROGRAM_BY_NAME
from infra.settings import ENDPOINT, HTTP_API, RESERVED_CONCURRENCY, THROTTLE_BURST, THROTTLE_RATE
from policy.case_runner import SUFFIX, TEST_SUFFIX
from policy.diagnostics import typographic_in
from policy.lint import kinds_without_end, open_rules
from policy.remedies import config_rm, config_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from handler.settings import Settings
    from infra.config import StackConfig
    from policy.loader import Loaded

# AWS's default quota for a region, and the part that Lambda keeps for other functions.
USUAL_CONCURRENCY, UNRESERVED = 1000, 100
# The callers that read a plain setting.
_SETTINGS_OF_CALLERS = {
    MAX_AGE: frozenset({"indent"}),
    AUTHZEN_DEADLINE: frozenset({"authzen"}),
    CONDUCTORONE_BASE_URL: frozenset({"conductorone"}),
    PUBLIC_URL: frozenset({"authzen", "conductorone"}),
}


def config_warnings(
    config: StackConfig,
    values: Mapping[str, str],
    settings: Settings,
    policy: Loaded | None,
    region: str,
    stack: str,
) -> Iterator[str]:
    """Yield the warnings, in sentences.

    Args:
        config: the config.
        values: the texts of all settings.
        settings: the function's settings, parsed.
        policy: the policy file that the config names, if any.
        region: the stack's region.
        stack: the stack's name.
    """
    plain = config.function_settings
    if policy:
        yield from policy_notes(policy, {**plain, **config.secrets}, stack)
    else:
        yield from _open_rules(settings, stack)
    yield from _ineffective_settings(plain, stack)
    yield from _settings_of_unused_callers(config, stack)
    yield from _settings_of_unused_providers(config, stack)
    yield from _ineffective_secrets(config.secrets, stack)
    yield from _schedules_without_provider(config, stack)
    yield from _spelling(plain)
    if not config.throttling:
        yield from _settings_without_api(values, stack)
    yield from _region_warnings(region, stack, has_api=bool(config.throttling))
    if (config.reserved_concurrency or 0) > USUAL_CONCURRENCY - UNRESERVED:
        yield (
            f"{RESERVED_CONCURRENCY} is {config.reserved_concurrency}: AWS keeps {UNRESERVED} of "
            "an account's concurrent executions unreserved; with the usual quota of "
            f"{USUAL_CONCURRENCY}, more than {USUAL_CONCURRENCY - UNRESERVED} fail during a "
            "deploy, and in a new account, whose quota may be 10, any number fails; check "
            'Lambda\'s quota "Concurrent executions" in this region first'
        )


def _settings_without_api(values: Mapping[str, str], stack: str) -> Iterator[str]:
    """Find settings of the HTTP API where there is none."""
    for key in (THROTTLE_RATE, THROTTLE_BURST):
        row = PROGRAM_BY_NAME[key]
        if row.read(values) != row.read({}):
            yield (
                f"{key} has no effect: {ENDPOINT} is not {HTTP_API}; "
                f"run {config_set(ENDPOINT, stack, HTTP_API)} or {config_rm(key, stack)}"
            )


def _ineffective_secrets(secrets: Mapping[str, str], stack: str) -> Iterator[str]:
    """Find secrets that have no effect without another one."""
    for current, previous in (*ROTATED_SECRETS, (NOTIFY_URL, NOTIFY_SECRET)):
        if previous in secrets and current not in secrets:
            yield (
                f"{previous} has no effect: {current} is not set; run {config_rm(previous, stack)}"
            )


def _settings_of_unused_callers(config: StackConfig, stack: str) -> Iterator[str]:
    """Find settings of callers that are off."""
    plain = config.function_settings
    for key, callers in _SETTINGS_OF_CALLERS.items():
        is_default = BY_NAME[key].read(plain) == BY_NAME[key].read({})
        if is_default or not callers.isdisjoint(config.callers):
            continue
        unset = [entry.key for entry in CALLERS if entry.name in callers]
        are = "are" if len(unset) > 1 else "is"
        yield (
            f"{key} has no effect: {' and '.join(unset)} {are} not set; run {config_rm(key, stack)}"
        )


def _open_rules(settings: Settings, stack: str) -> Iterator[str]:
    """Find rules that accept any duty, and duties that never count."""
    on = [PROVIDER_BY_ID[id_].name for id_ in settings.providers]
    tests = EXAMPLE.replace(SUFFIX, TEST_SUFFIX)
    for rule in open_rules(settings.policy, on):
        sentence = rule.describe(dry_run=settings.dry_run)
        yield (
            f"{sentence[0].upper()}{sentence[1:]}: none of {SCHEDULES}, {ROLES} and {POLICY} is "
            f"set; narrow it, for example with {config_set(SCHEDULES, stack, 'Production')}, or "
            f"with a policy file: `cp policy/example.yaml {EXAMPLE}`, `cp policy/example.test.yaml "
            f"{tests}` and {config_set(POLICY, stack, EXAMPLE)}"
        )
    yield from kinds_without_end(settings.policy, on)


def _ineffective_settings(plain: Mapping[str, str], stack: str) -> Iterator[str]:
    participants = parse_switch(PARTICIPANTS, plain.get(PARTICIPANTS, ""))
    roles = parse_list(ROLES, plain.get(ROLES, ""))
    reporter = next((role for role in roles if role.lower() == "reporter"), None)
    if reporter and not parse_switch(SELF_DECLARED, plain.get(SELF_DECLARED, "")):
        yield (
            f"{reporter!r} in {ROLES} has no effect: the reporter declared the incident, and "
            f"self-declared incidents only count if {SELF_DECLARED} is true; remove {reporter!r}"
        )
    if POLICY in plain:
        if BY_NAME[DURATION].read(plain) != BY_NAME[DURATION].read({}):
            yield (
                f"{DURATION} has no effect: each rule in {plain[POLICY]} has its own duration; "
                f"run {config_rm(DURATION, stack)}"
            )
        if participants:
            yield (
                f"{PARTICIPANTS} has no effect: a policy file, such as {plain[POLICY]}, only "
                f"accepts shifts and roles; run {config_rm(PARTICIPANTS, stack)}"
            )
    if participants and any(plain.get(key) for key in (SCHEDULES, OLDER_SCHEDULES, ROLES)):
        yield (
            f"{PARTICIPANTS} has no effect: with {SCHEDULES} or {ROLES} set, only the schedules "
            "and roles that they name count; "
            f"run {config_rm(PARTICIPANTS, stack)}"
        )


def _settings_of_unused_providers(config: StackConfig, stack: str) -> Iterator[str]:
    """Find settings of providers without a key."""
    plain = config.function_settings
    for provider in PROVIDERS:
        if provider.key in config.secrets:
            continue
        keys = [row.name for row in provider.settings if plain.get(row.name, "") != row.default]
        if provider.id == "incidentio":
            switches = (PARTICIPANTS, SELF_DECLARED)
            keys += [key for key in switches if parse_switch(key, plain.get(key, ""))]
            keys += [ROLES] if plain.get(ROLES) else []
        for key in keys:
            yield (
                f"{key} has no effect: {provider.key} is not set, so {provider.name} is not asked; "
                f"run {config_set(provider.key, stack)} or {config_rm(key, stack)}"
            )


def _schedules_without_provider(config: StackConfig, stack: str) -> Iterator[str]:
    """Find named schedules that may be at any of several providers."""
    plain = config.function_settings
    key = SCHEDULES if SCHEDULES in plain else OLDER_SCHEDULES
    providers = [PROVIDER_BY_ID[id_] for id_ in config.providers]
    schedules = [
        schedule
        for schedule in parse_list(key, plain.get(key, ""))
        if not any(provider.may_have_id(schedule) for provider in providers)
    ]
    if schedules and len(providers) > 1:
        names = " and ".join(provider.name for provider in providers)
        yield (
            f"{key} names {schedules[0]!r} without its provider, so a schedule with this name "
            f"counts at {names}; run {config_set(key, stack)} and enter its id, or name the "
            "provider in a policy file"
        )


def _spelling(plain: Mapping[str, str]) -> Iterator[str]:
    """Find quotes and dashes that editors insert, since names are compared exactly."""
    for key in (SCHEDULES, OLDER_SCHEDULES, ROLES, LABELS):
        for entry in parse_list(key, plain.get(key, "")):
            for text in entry.split("=") if key == LABELS else (entry,):
                if doubt := typographic_in(text.strip(), strict=False):
                    yield f"{key}: {text.strip()!r} {doubt}"


def _region_warnings(region: str, stack: str, *, has_api: bool) -> Iterator[str]:
    if region in WITHOUT_FUNCTION_URLS:
        if has_api:
            return
        yield (
            f"{REGION} is {region!r}, which had no Lambda function URLs when this version was "
            f"released, so the deploy would fail at the URL; run "
            f"{config_set(ENDPOINT, stack, HTTP_API)}, or use another region, for example with "
            f"{config_set(REGION, stack, 'eu-west-1')}"
        )
    elif region not in REGIONS:
        nearest = nearest_region(region)
        meant = f"; if you mean {nearest}, run {config_set(REGION, stack, nearest)}"
        yield (
            f"{REGION} is {region!r}, which isn't a region that this version knows"
            f"{meant if nearest else ''}"
        )
