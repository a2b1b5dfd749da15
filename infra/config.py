"""The stack's config, read once into one validated value, before any resource is registered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.runtime import is_config_secret
from pulumi.runtime.config import CONFIG

from handler.setting_parsers import Problems, SettingsError
from handler.settings import PLAIN_KEYS, POLICY, SECRET_KEYS, load
from infra.bucket_names import check_default_bucket
from infra.config_key_check import wrong_keys
from infra.config_warnings import config_warnings
from infra.deploy_role import PREVIEW_SUFFIX
from infra.policy_file import tested_policy
from infra.region import REGION, parse_region, region_of
from infra.settings import (
    ALARM_EMAIL,
    BY_NAME,
    DEPLOY_REPOSITORY,
    KMS_KEY_ALIAS,
    KMS_KEY_ID,
    KMS_KEY_MANAGED,
    LOG_RETENTION_DAYS,
    MEMORY_MB,
    PROGRAM_SETTINGS,
    RESERVED_CONCURRENCY,
    STATE_BUCKET,
    STATE_BUCKET_MANAGED,
)
from infra.stack_file import redirection_errors
from policy.remedies import UNREAD, ConfigError, config_rm, in_stack, report
from policy.setting_hints import check_typed_text
from policy.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Lambda's 4 KB, less what the secret's ARN and version take.
MOST_ENVIRONMENT_BYTES = 3800

# Secrets Manager's ("Quotas").
MOST_SECRET_BYTES = 65536


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
        callers, providers: the names and ids of those that are switched on.
        warnings: what is allowed but doubtful, or has no effect, a sentence each.
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
    callers: tuple[str, ...]
    providers: tuple[str, ...]
    warnings: tuple[str, ...] = ()


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
        sentences = report(f"Pulumi.{stack}.yaml", error, lambda problem: in_stack(problem, stack))
        raise pulumi.RunError(sentences) from None
    return config


def _read(root: Path, environment: Mapping[str, str], problems: Problems) -> StackConfig:
    project, stack = pulumi.get_project(), pulumi.get_stack()
    config = CONFIG.get()
    problems.extend(redirection_errors(config))
    problems.extend(wrong_keys(config, is_config_secret, project, stack))
    # What is encrypted and need not be may hold a secret all the same, and is not quoted.
    values = {
        key.removeprefix(f"{project}:"): value
        for key, value in config.items()
        if key.startswith(f"{project}:")
        and (key.removeprefix(f"{project}:") in SECRET_KEYS or not is_config_secret(key))
    }
    region = ""
    if not is_config_secret(REGION):
        region = problems.read(parse_region, *region_of(config, environment))
    secrets = {key: values[key] for key in SECRET_KEYS if values.get(key)}
    plain = {key: values[key].strip() for key in PLAIN_KEYS if values.get(key, "").strip()}
    policy = None
    if POLICY in plain and problems.read(BY_NAME[POLICY].read, plain, check_typed_text):
        policy = problems.read(tested_policy, root, plain | secrets)
    text = policy.json if policy else UNREAD if POLICY in plain else None
    settings = problems.read(load, plain | secrets, text, check_typed_text)
    problems.read(_check_size, plain)
    problems.read(_check_secret_size, secrets)
    read: dict[str, Any] = {
        row.name: problems.read(row.read, values, check_typed_text) for row in PROGRAM_SETTINGS
    }
    problems.extend(_conflicts(values, stack))
    if not values.get(STATE_BUCKET, "").strip():
        problems.read(check_default_bucket, STATE_BUCKET, stack)
    stack_config = StackConfig(
        function_settings=plain,
        secrets=secrets,
        policy=text or "",
        state_bucket=read[STATE_BUCKET],
        state_bucket_managed=read[STATE_BUCKET_MANAGED],
        state_key_alias=read[KMS_KEY_ALIAS],
        state_key_id=read[KMS_KEY_ID],
        state_key_managed=read[KMS_KEY_MANAGED],
        log_retention_days=read[LOG_RETENTION_DAYS],
        memory_mb=read[MEMORY_MB],
        reserved_concurrency=read[RESERVED_CONCURRENCY],
        alarm_email=read[ALARM_EMAIL],
        deploy_repository=read[DEPLOY_REPOSITORY],
        callers=() if problems else tuple(sorted(settings.callers)),
        providers=() if problems else tuple(settings.providers),
    )
    if problems:
        return stack_config
    warnings = config_warnings(stack_config, settings, policy, region, stack)
    return replace(stack_config, warnings=tuple(map(safe, warnings)))


def _conflicts(values: Mapping[str, str], stack: str) -> Iterator[SettingsError]:
    """Find settings that do not go with what else is set, or with the stack's name."""
    given = {key for key, value in values.items() if value.strip()}
    # `make bootstrap` sets both; the switch says nothing without what it is about.
    for key, subject in ((STATE_BUCKET_MANAGED, STATE_BUCKET), (KMS_KEY_MANAGED, KMS_KEY_ID)):
        if key in given and subject not in given:
            problem = f"is set, and {subject} is not; `make bootstrap` sets both"
            yield SettingsError(key, problem, fixes={key: None})
    if DEPLOY_REPOSITORY in given and stack.endswith(PREVIEW_SUFFIX):
        # The one who previews the other stack could deploy this one.
        other = stack.removesuffix(PREVIEW_SUFFIX)
        yield ConfigError(
            DEPLOY_REPOSITORY,
            f"is set for stack {stack!r}, but GitHub's environment of that name is for previews of "
            f"{other!r}",
            f"rename the stack, or run {config_rm(DEPLOY_REPOSITORY, stack)}",
        )


def _check_size(plain: Mapping[str, str]) -> None:
    """Refuse what Lambda would refuse in the middle of an update ("Lambda quotas").

    It measures the environment as JSON.
    """
    sizes = {key: len(_as_json({key: value})) for key, value in plain.items()}
    total = len(_as_json(plain))
    if total > MOST_ENVIRONMENT_BYTES:
        key = max(sizes, key=lambda name: sizes[name])
        problem = (
            f"takes {sizes[key]} of the {MOST_ENVIRONMENT_BYTES} bytes that the settings may take "
            f"together in a function's environment; they take {total}"
        )
        remedy = "shorten it, or write a policy file, which is no part of the environment"
        raise ConfigError(key, problem, remedy)


def _check_secret_size(secrets: Mapping[str, str]) -> None:
    size = len(json.dumps(secrets))
    if size > MOST_SECRET_BYTES:
        key = max(secrets, key=lambda name: len(secrets[name]))
        problem = (
            f"takes {len(json.dumps(secrets[key]))} of the {MOST_SECRET_BYTES} bytes that the "
            f"secrets may take together; they take {size}"
        )
        raise SettingsError(key, problem)


def _as_json(values: Mapping[str, str]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
