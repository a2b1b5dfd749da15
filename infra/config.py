"""Reads and validates the stack's config once, before any resource is registered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.runtime import is_config_secret
from pulumi.runtime.config import CONFIG

from handler.setting_parsers import Problems, SettingsError
from handler.settings import PLAIN_KEYS, POLICY, SECRET_KEYS, load
from infra.config_key_check import wrong_keys
from infra.config_warnings import config_warnings
from infra.deploy_role import PREVIEW_SUFFIX
from infra.http_api import Throttling
from infra.policy_file import read_tested_policy
from infra.region import REGION, parse_region, region_of
from infra.settings import (
    ALARM_EMAIL,
    BY_NAME,
    DEPLOY_REPOSITORY,
    ENDPOINT,
    HTTP_API,
    KMS_KEY_ALIAS,
    KMS_KEY_ID,
    KMS_KEY_MANAGED,
    LOG_RETENTION_DAYS,
    MEMORY_MB,
    PROGRAM_SETTINGS,
    RESERVED_CONCURRENCY,
    STATE_BUCKET,
    STATE_BUCKET_MANAGED,
    THROTTLE_BURST,
    THROTTLE_RATE,
    check_default_bucket,
)
from infra.stack_file import redirection_errors
from policy.remedies import UNREAD, ConfigError, config_rm, in_stack, report
from policy.setting_hints import check_typed_text
from policy.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Lambda's 4 KB, minus the secret's ARN and version.
MOST_ENVIRONMENT_BYTES = 3800

# Secrets Manager's ("Quotas").
MOST_SECRET_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class StackConfig:
    """The config of a stack.

    Attributes:
        function_settings: the plain settings that are set: environment variables of the function.
        secrets: the secret settings that are set, in plain text.
        policy: the policy that the settings name, as JSON; empty without one.
        state_bucket: name of the state bucket; None means the default name.
        state_bucket_managed: whether the stack adopts the bucket (True) or leaves it alone
            (False); None means that it creates the bucket.
        state_key_alias: alias of the key that encrypts the state's secrets; None means no key.
        state_key_id: the id of that key, once `make bootstrap` has created or found it.
        state_key_managed: as for the bucket.
        log_retention_days: how long the decision log is kept.
        memory_mb: the function's memory, in MiB.
        reserved_concurrency: the most calls at once; None means the account's limit.
        throttling: of the HTTP API in front of the function; None means a function URL.
        alarm_email: where alarms are mailed to; None means nowhere.
        deploy_repository: the GitHub repository that deploys the stack; None means none.
        callers, providers: the names and ids of those that are switched on.
        notices: whether notices of approvals are sent.
        warnings: sentences about settings that are doubtful or have no effect.
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
    throttling: Throttling | None = None
    alarm_email: str | None
    deploy_repository: str | None = None
    callers: tuple[str, ...]
    providers: tuple[str, ...]
    notices: bool = False
    warnings: tuple[str, ...] = ()


def read_config(root: Path, environment: Mapping[str, str]) -> StackConfig:
    """Read the config of the running program's stack; an empty value counts as unset.

    Args:
        root: the project's folder, to which the path of a policy file is relative.
        environment: of the process; it may set the region.

    Raises:
        pulumi.RunError: reports all wrong values, each in a sentence with the key and the command
            that corrects it. It never contains the value of a secret.
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
    # A plain setting that is encrypted may contain a secret, so it is not quoted.
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
        policy = problems.read(read_tested_policy, root, plain | secrets)
    text = policy.json if policy else UNREAD if POLICY in plain else None
    settings = problems.read(load, plain | secrets, text, check_typed_text)
    problems.read(_check_size, plain)
    problems.read(_check_secret_size, secrets)
    own: dict[str, Any] = {
        row.name: problems.read(row.read, values, check_typed_text) for row in PROGRAM_SETTINGS
    }
    problems.extend(_conflicts(values, stack))
    if not values.get(STATE_BUCKET, "").strip():
        problems.read(check_default_bucket, STATE_BUCKET, stack)
    stack_config = StackConfig(
        function_settings=plain,
        secrets=secrets,
        policy=text or "",
        state_bucket=own[STATE_BUCKET],
        state_bucket_managed=own[STATE_BUCKET_MANAGED],
        state_key_alias=own[KMS_KEY_ALIAS],
        state_key_id=own[KMS_KEY_ID],
        state_key_managed=own[KMS_KEY_MANAGED],
        log_retention_days=own[LOG_RETENTION_DAYS],
        memory_mb=own[MEMORY_MB],
        reserved_concurrency=own[RESERVED_CONCURRENCY],
        throttling=Throttling(rate=own[THROTTLE_RATE], burst=own[THROTTLE_BURST])
        if own[ENDPOINT] == HTTP_API
        else None,
        alarm_email=own[ALARM_EMAIL],
        deploy_repository=own[DEPLOY_REPOSITORY],
        callers=() if problems else tuple(sorted(settings.callers)),
        providers=() if problems else tuple(settings.providers),
        notices=not problems and settings.notices is not None,
    )
    if problems:
        return stack_config
    warnings = config_warnings(stack_config, values, settings, policy, region, stack)
    return replace(stack_config, warnings=tuple(map(safe, warnings)))


def _conflicts(values: Mapping[str, str], stack: str) -> Iterator[SettingsError]:
    """Find settings that conflict with other settings or with the stack's name."""
    keys = {key for key, value in values.items() if value.strip()}
    # `make bootstrap` sets both; neither switch means anything on its own.
    for key, subject in ((STATE_BUCKET_MANAGED, STATE_BUCKET), (KMS_KEY_MANAGED, KMS_KEY_ID)):
        if key in keys and subject not in keys:
            problem = f"is set, but {subject} is not; `make bootstrap` sets both"
            yield SettingsError(key, problem, fixes={key: None})
    if DEPLOY_REPOSITORY in keys and stack.endswith(PREVIEW_SUFFIX):
        # The role that previews the other stack could deploy this one.
        other = stack.removesuffix(PREVIEW_SUFFIX)
        yield ConfigError(
            DEPLOY_REPOSITORY,
            f"is set for stack {stack!r}, but GitHub's environment of that name is for previews of "
            f"{other!r}",
            f"rename the stack, or run {config_rm(DEPLOY_REPOSITORY, stack)}",
        )


def _check_size(plain: Mapping[str, str]) -> None:
    """Refuse an environment that Lambda would refuse during an update ("Lambda quotas").

    Lambda measures it as JSON.
    """
    sizes = {key: len(_as_json({key: value})) for key, value in plain.items()}
    total = len(_as_json(plain))
    if total > MOST_ENVIRONMENT_BYTES:
        key = max(sizes, key=lambda name: sizes[name])
        problem = (
            f"has {sizes[key]} bytes; together, the settings have {total} bytes, and the most in a "
            f"function's environment is {MOST_ENVIRONMENT_BYTES}"
        )
        remedy = "shorten it, or use a policy file, which is not part of the environment"
        raise ConfigError(key, problem, remedy)


def _check_secret_size(secrets: Mapping[str, str]) -> None:
    size = len(json.dumps(secrets))
    if size > MOST_SECRET_BYTES:
        key = max(secrets, key=lambda name: len(secrets[name]))
        problem = (
            f"has {len(json.dumps(secrets[key]))} bytes; together, the secrets have {size} bytes, "
            f"and the most is {MOST_SECRET_BYTES}"
        )
        raise SettingsError(key, problem)


def _as_json(values: Mapping[str, str]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
