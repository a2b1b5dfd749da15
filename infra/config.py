"""The stack's config, read once into one validated value, before any resource is registered."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi.runtime import is_config_secret
from pulumi.runtime.config import CONFIG

from handler.settings import (
    PLAIN_KEYS,
    POLICY,
    SECRET_KEYS,
    Problems,
    SettingsError,
    load,
    parse_switch,
    parse_text,
    parse_whole,
)
from infra.config_keys import (
    ALARM_EMAIL,
    BUCKET_MANAGED,
    CONCURRENCY,
    KEY_ID,
    KEY_MANAGED,
    MEMORY,
    RETENTION,
    STACK_DEFAULTS,
    wrong_keys,
)
from infra.config_notes import notes_on
from infra.deploy_role import REPOSITORY, parse_repository
from infra.policy_file import tested_policy
from infra.region import REGION, parse_region, region_of
from infra.stack_file import leading_elsewhere
from infra.state_bucket import BUCKET, parse_bucket
from infra.state_key import ALIAS, parse_alias
from policy.remedies import UNREAD, ConfigError, in_stack, report
from policy.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What CloudWatch's PutRetentionPolicy takes. "Never" is no length of time.
LOG_RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
LEAST_MEMORY_MB, MOST_MEMORY_MB = 128, 10240
MOST_CONCURRENCY = 1000
# Lambda's 4 KB, less what the secret's ARN and version take.
MOST_ENVIRONMENT_BYTES = 3800

# Secrets Manager's ("Quotas").
MOST_SECRET_BYTES = 65536
MOST_EMAIL_CHARACTERS = 254

_ATOM, _LABEL = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(\.{_ATOM})*@({_LABEL}\.)+{_LABEL}")
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


def read_config(root: Path, environment: Mapping[str, str]) -> StackConfig:
    """Read the config of the running program's stack; an empty value counts as unset.

    Args:
        root: the project's folder, from which a policy file is named.
        environment: the process's, which may say the region.

    Raises:
        pulumi.RunError: for all wrong values, each in a sentence that names the key and the
            command that mends it. It never holds the value of a secret.
    """
    stack, problems = pulumi.get_stack(), Problems()
    config = _read(root, environment, problems)
    try:
        problems.check()
    except SettingsError as error:
        said = report(f"Pulumi.{stack}.yaml", error, lambda each: in_stack(each, stack))
        raise pulumi.RunError(said) from None
    return config


def _read(root: Path, environment: Mapping[str, str], problems: Problems) -> StackConfig:
    project, stack = pulumi.get_project(), pulumi.get_stack()
    config = CONFIG.get()
    problems.extend(leading_elsewhere(config))
    problems.extend(wrong_keys(config, is_config_secret, project, stack))
    # What is encrypted and need not be may hold a secret all the same, and is not quoted.
    found = {
        key.removeprefix(f"{project}:"): value
        for key, value in config.items()
        if key.startswith(f"{project}:")
        and (key.removeprefix(f"{project}:") in SECRET_KEYS or not is_config_secret(key))
    }
    region = ""
    if not is_config_secret(REGION):
        region = problems.read(parse_region, *region_of(config, environment))
    secrets = {key: found[key] for key in SECRET_KEYS if found.get(key)}
    plain = {key: found[key].strip() for key in PLAIN_KEYS if found.get(key, "").strip()}
    policy = None
    if POLICY in plain and problems.read(parse_text, POLICY, plain[POLICY]):
        policy = problems.read(tested_policy, root, plain | secrets)
    text = policy.json if policy else UNREAD if POLICY in plain else None
    settings = problems.read(load, plain | secrets, text)
    problems.read(_check_size, plain)
    problems.read(_check_secret_size, secrets)
    given = {key: problems.read(parse_text, key, found.get(key, "")) for key in STACK_DEFAULTS}
    stacks = {key: given[key] or default for key, default in STACK_DEFAULTS.items()}

    read = StackConfig(
        function_settings=plain,
        secrets=secrets,
        policy=text or "",
        state_bucket=problems.read(parse_bucket, stacks[BUCKET], stack),
        state_bucket_managed=problems.read(_parse_managed, BUCKET_MANAGED, stacks, BUCKET),
        state_key_alias=problems.read(parse_alias, stacks[ALIAS]),
        state_key_id=problems.read(_parse_key_id, KEY_ID, stacks[KEY_ID]),
        state_key_managed=problems.read(_parse_managed, KEY_MANAGED, stacks, KEY_ID),
        log_retention_days=problems.read(_parse_retention, RETENTION, stacks[RETENTION]),
        memory_mb=problems.read(
            parse_whole, MEMORY, stacks[MEMORY], LEAST_MEMORY_MB, MOST_MEMORY_MB, "512"
        ),
        reserved_concurrency=problems.read(_parse_concurrency, CONCURRENCY, stacks[CONCURRENCY]),
        alarm_email=problems.read(_parse_email, ALARM_EMAIL, stacks[ALARM_EMAIL]),
        deploy_repository=problems.read(parse_repository, stacks[REPOSITORY], stack),
        providers=() if problems else tuple(settings.providers),
    )
    if not problems:
        for note in notes_on(read, settings, policy, region, stack):
            pulumi.log.warn(safe(note))
    return read


def _check_size(plain: Mapping[str, str]) -> None:
    """Refuse what Lambda would refuse in the middle of an update ("Lambda quotas").

    It measures the environment as JSON.
    """
    sizes = {key: len(_as_json({key: value})) for key, value in plain.items()}
    total = len(_as_json(plain))
    if total > MOST_ENVIRONMENT_BYTES:
        key = max(sizes, key=lambda each: sizes[each])
        problem = (
            f"takes {sizes[key]} of the {MOST_ENVIRONMENT_BYTES} bytes that the settings may take "
            f"together in a function's environment; they take {total}"
        )
        remedy = "shorten it, or write a policy file, which is no part of the environment"
        raise ConfigError(key, problem, remedy)


def _check_secret_size(secrets: Mapping[str, str]) -> None:
    size = len(json.dumps(secrets))
    if size > MOST_SECRET_BYTES:
        key = max(secrets, key=lambda each: len(secrets[each]))
        problem = (
            f"takes {len(json.dumps(secrets[key]))} of the {MOST_SECRET_BYTES} bytes that the "
            f"secrets may take together; they take {size}"
        )
        raise SettingsError(key, problem)


def _as_json(values: Mapping[str, str]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _parse_managed(key: str, stacks: Mapping[str, str], of: str) -> bool | None:
    """Read a switch of `make bootstrap`'s, which says nothing without what it is about."""
    if not stacks[key]:
        return None
    if not stacks[of]:
        raise SettingsError(
            key, f"is set, and {of} is not; `make bootstrap` sets both", fixes={key: None}
        )
    return parse_switch(key, stacks[key])


def _parse_key_id(key: str, value: str) -> str | None:
    if value and _KEY_ID.fullmatch(value) is None:
        problem = f"is {value!r}, which isn't the id of a key; `make bootstrap` sets it"
        raise SettingsError(key, problem, fixes={key: None})
    return value or None


def _parse_retention(key: str, value: str) -> int:
    allowed = {str(days): days for days in LOG_RETENTIONS}
    if value not in allowed:
        raise SettingsError(key, f"is {value!r}: must be one of {', '.join(allowed)}", "365")
    return allowed[value]


def _parse_concurrency(key: str, value: str) -> int | None:
    return parse_whole(key, value, 0, MOST_CONCURRENCY, "10") if value else None


def _parse_email(key: str, value: str) -> str | None:
    if value and not (_EMAIL.fullmatch(value) and len(value) <= MOST_EMAIL_CHARACTERS):
        raise SettingsError(key, f"is {value!r}: must be one e-mail address", "oncall@example.com")
    return value or None
