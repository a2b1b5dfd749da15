"""Checks the keys of a stack's config, and suggests the right key for an unknown one."""

from __future__ import annotations

import difflib
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from handler.providers.registry import PROVIDERS
from handler.setting_parsers import SettingsError
from handler.settings import (
    DRY_RUN,
    DURATION,
    LABELS,
    MAX_AGE,
    NOTIFY_SECRET,
    NOTIFY_SLACK_URL,
    NOTIFY_URL,
    OLDER_SCHEDULES,
    POLICY,
    ROLES,
    SCHEDULES,
    SECRET_KEYS,
    SIGNING_SECRET,
)
from infra.region import REGION, parse_region
from infra.settings import (
    ALARM_EMAIL,
    DEPLOY_REPOSITORY,
    ENDPOINT,
    KEYS,
    KMS_KEY_ALIAS,
    LOG_RETENTION_DAYS,
    MEMORY_MB,
    RESERVED_CONCURRENCY,
    STATE_BUCKET,
    THROTTLE_BURST,
    THROTTLE_RATE,
)
from policy.remedies import ConfigError, config_rm, config_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# The keys of the aws provider (`pulumi_aws.config`; a test compares them).
AWS_KEYS = frozenset(
    {
        *("accessKey", "allowedAccountIds", "assumeRoleWithWebIdentity", "assumeRoles"),
        *("customCaBundle", "defaultTags", "ec2MetadataServiceEndpoint"),
        *("ec2MetadataServiceEndpointMode", "endpoints", "forbiddenAccountIds", "httpProxy"),
        *("httpsProxy", "ignoreTags", "insecure", "maxRetries", "noProxy", "profile", "region"),
        *("retryMode", "s3UsEast1RegionalEndpoint", "s3UsePathStyle", "secretKey"),
        *("sharedConfigFiles", "sharedCredentialsFiles", "skipCredentialsValidation"),
        *("skipMetadataApiCheck", "skipRegionValidation", "skipRequestingAccountId", "stsRegion"),
        *("tagPolicyCompliance", "token", "tokenBucketRateLimiterCapacity"),
        *("useDualstackEndpoint", "useFipsEndpoint", "userAgents"),
        *("assumeRole", "sharedCredentialsFile"),  # of older versions
    }
)
_OF_PROVIDERS = {
    f"{name}_{ending}": key
    for provider in PROVIDERS
    for name in {provider.id.upper(), provider.key.partition("_")[0]}
    for endings, key in (
        (("KEY", "API_KEY", "TOKEN", "API_TOKEN"), provider.key),
        (("URL", "API_URL", "HOST", "API"), provider.settings[0].name),
        (("SCHEDULE", "SCHEDULES"), SCHEDULES),
    )
    for ending in endings
    if f"{name}_{ending}" not in KEYS
}
# Names that people might guess for a setting, in capitals, with _ between the words.
SYNONYMS = MappingProxyType(
    {
        **_OF_PROVIDERS,
        **{
            f"AUTO_APPROVAL_{name}": SCHEDULES
            for name in _OF_PROVIDERS
            if "SCHEDULE" in name and f"AUTO_APPROVAL_{name}" != OLDER_SCHEDULES
        },
        **dict.fromkeys(("SCHEDULE", "SCHEDULES", "ONCALL_SCHEDULES"), SCHEDULES),
        **dict.fromkeys(("ROLES", "INCIDENTIO_ROLES", "INCIDENT_ROLES"), ROLES),
        **dict.fromkeys(("AUTO_APPROVAL_ROLES", "AUTO_APPROVAL_INCIDENT_ROLES"), ROLES),
        **dict.fromkeys(("LABELS", "RESOURCE_LABELS", "AUTO_APPROVAL_LABELS"), LABELS),
        **dict.fromkeys(("DURATION", "APPROVAL_DURATION", "HOURS"), DURATION),
        **dict.fromkeys(("AUTO_APPROVAL_HOURS", "MAX_DURATION"), DURATION),
        **dict.fromkeys(("POLICY", "POLICY_FILE", "AUTO_APPROVAL_POLICY_FILE"), POLICY),
        **dict.fromkeys(("DRY_RUN", "DRYRUN", "AUTO_APPROVAL_DRYRUN"), DRY_RUN),
        **dict.fromkeys(("WEBHOOK_SECRET", "SIGNING_SECRET"), SIGNING_SECRET),
        **dict.fromkeys(("INDENT_SECRET", "INDENT_SIGNING_SECRET"), SIGNING_SECRET),
        **dict.fromkeys(("MAX_AGE", "WEBHOOK_AGE"), MAX_AGE),
        **dict.fromkeys(("ATLASSIAN_TOKEN", "ATLASSIAN_API_TOKEN"), "JSM_API_TOKEN"),
        **dict.fromkeys(("ATLASSIAN_EMAIL", "JSM_USER"), "JSM_EMAIL"),
        **dict.fromkeys(("ATLASSIAN_SITE", "JSM_SITE_URL"), "JSM_SITE"),
        **dict.fromkeys(("BUCKET", "STATE_BUCKET_NAME", "S3_BUCKET"), STATE_BUCKET),
        **dict.fromkeys(("KMS_ALIAS", "KMS_KEY", "KEY_ALIAS"), KMS_KEY_ALIAS),
        **dict.fromkeys(("RETENTION", "RETENTION_DAYS", "LOG_RETENTION"), LOG_RETENTION_DAYS),
        **dict.fromkeys(("MEMORY", "MEMORY_SIZE"), MEMORY_MB),
        **dict.fromkeys(("CONCURRENCY", "RESERVED_CONCURRENT_EXECUTIONS"), RESERVED_CONCURRENCY),
        **dict.fromkeys(("ENDPOINT_TYPE", "URL_TYPE"), ENDPOINT),
        **dict.fromkeys(("RATE", "RATE_LIMIT", "THROTTLING_RATE_LIMIT"), THROTTLE_RATE),
        **dict.fromkeys(("BURST", "BURST_LIMIT", "THROTTLING_BURST_LIMIT"), THROTTLE_BURST),
        **dict.fromkeys(("EMAIL", "ALERT_EMAIL", "ALARM_MAIL", "NOTIFY_EMAIL"), ALARM_EMAIL),
        **dict.fromkeys(("NOTICE_URL", "NOTIFICATION_URL", "NOTIFY_WEBHOOK_URL"), NOTIFY_URL),
        **dict.fromkeys(("NOTICE_SECRET", "NOTIFICATION_SECRET"), NOTIFY_SECRET),
        **dict.fromkeys(("SLACK_URL", "SLACK_WEBHOOK", "SLACK_WEBHOOK_URL"), NOTIFY_SLACK_URL),
        **dict.fromkeys(("REPOSITORY", "REPO", "GITHUB_REPOSITORY"), DEPLOY_REPOSITORY),
        **dict.fromkeys(("REGION", "AWS_REGION", "AWS_DEFAULT_REGION"), REGION),
    }
)
_PROFILE = frozenset({"PROFILE", "AWS_PROFILE"})
_BETWEEN_WORDS = re.compile(r"[^A-Z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def wrong_keys(
    config: Mapping[str, str], is_secret: Callable[[str], bool], project: str, stack: str
) -> Iterator[ConfigError]:
    """Find keys that nothing reads, plain secrets, and encrypted plain values.

    In other namespaces, find keys that resemble ours or the aws provider's. Except for a region, no
    value is quoted: it may be a secret under a misspelt name.

    Args:
        config: with qualified keys, such as `oncall-approvals:MEMORY_MB`.
        is_secret: whether the value of a qualified key is encrypted.
        project: the project's name.
        stack: the stack's name.
    """
    for key in sorted(config):
        namespace, _, name = key.partition(":")
        if namespace == project and name in KEYS:
            if name in SECRET_KEYS and config[key] and not is_secret(key):
                problem = "is a secret but is set in plain text"
                yield ConfigError(name, problem, f"run {config_set(name, stack)}")
            elif name not in SECRET_KEYS and is_secret(key):
                problem = "is set with --secret but is not a secret: AWS stores it in plain text"
                command = config_set(name, stack, plaintext=True)
                yield ConfigError(name, problem, f"run {command}")
        elif namespace == project:
            yield _unknown(name, nearest_setting(name), config, project, stack)
        elif namespace == "aws":
            name = name.removeprefix("config:")
            if name not in AWS_KEYS:
                yield _unknown(key, _nearest_aws_key(name), config, project, stack)
            elif name == "region" and is_secret(key):
                problem = "is set with --secret but is not a secret"
                command = config_set(key, stack, plaintext=True)
                yield ConfigError(key, problem, f"run {command}")
        elif (nearest := _setting_of_namespace(namespace, name, project)) and namespace != "pulumi":
            yield _unknown(key, nearest, config, project, stack)


def _unknown(
    key: str, nearest: str, config: Mapping[str, str], project: str, stack: str
) -> ConfigError:
    whole = key if ":" in key else f"{project}:{key}"
    problem = f"is not a setting of {'the aws provider' if key.startswith('aws:') else project}"
    remove = f"run {config_rm(key, stack)}"
    if not nearest and _words(key) in _PROFILE:
        return ConfigError(key, problem, f"{remove}, and export AWS_PROFILE instead")
    if not nearest:
        return ConfigError(key, problem, remove)
    problem = f"{problem}; did you mean {nearest}?"
    value = ""
    if nearest == REGION:
        try:
            value = parse_region(config[whole])
        except SettingsError:
            value = ""
    return ConfigError(key, problem, f"{remove}, then {config_set(nearest, stack, value)}")


def nearest_setting(name: str) -> str:
    """Return the setting that another name means or resembles, or ""."""
    words = _words(name)
    if words in KEYS or words in SYNONYMS:
        return SYNONYMS.get(words, words)
    known = {**SYNONYMS, **{key: key for key in KEYS if key != OLDER_SCHEDULES}}
    nearest = difflib.get_close_matches(words, known, n=1, cutoff=0.75)
    return known[nearest[0]] if nearest else ""


def _nearest_aws_key(name: str) -> str:
    by_words = {_words(key): key for key in AWS_KEYS}
    nearest = difflib.get_close_matches(_words(name), by_words, n=1, cutoff=0.75)
    if nearest:
        return f"aws:{by_words[nearest[0]]}"
    return "" if _words(name) not in KEYS else _words(name)


def _setting_of_namespace(namespace: str, name: str, project: str) -> str:
    """Return the setting that a key of another namespace means, or ""."""
    words = _words(name)
    if difflib.get_close_matches(_words(namespace), [_words(project)], n=1, cutoff=0.75):
        return nearest_setting(name)
    if _words(namespace) == "AWS":
        return _nearest_aws_key(name)
    return words if words in KEYS else ""


def _words(name: str) -> str:
    return _BETWEEN_WORDS.sub("_", _HUMP.sub("_", name).upper()).strip("_")
