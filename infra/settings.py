"""The settings that only the program reads, and the table of all settings.

`handler/settings.py` has the function's settings, whose values the program passes on. The rules for
S3 bucket names and the state bucket's default name are here as well.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from handler.setting_parsers import Setting, SettingsError, parse_switch, parse_whole
from handler.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

STATE_BUCKET, STATE_BUCKET_MANAGED = "STATE_BUCKET", "STATE_BUCKET_MANAGED"
KMS_KEY_ALIAS, KMS_KEY_ID, KMS_KEY_MANAGED = "KMS_KEY_ALIAS", "KMS_KEY_ID", "KMS_KEY_MANAGED"
LOG_RETENTION_DAYS, MEMORY_MB = "LOG_RETENTION_DAYS", "MEMORY_MB"
RESERVED_CONCURRENCY, ALARM_EMAIL = "RESERVED_CONCURRENCY", "ALARM_EMAIL"
ENDPOINT, FUNCTION_URL, HTTP_API = "ENDPOINT", "function-url", "http-api"
THROTTLE_RATE, THROTTLE_BURST = "THROTTLE_RATE", "THROTTLE_BURST"
DEPLOY_REPOSITORY = "DEPLOY_REPOSITORY"

# The values of CloudWatch's PutRetentionPolicy, without "never".
LOG_RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
BUCKET_PREFIX = "indent-deploy-state"
BUCKET_EXAMPLE = "my-company-pulumi-state"
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
# `-an` is for names in the account's own namespace, which need another API call.
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")
_ANY_ACCOUNT = "0" * 12
_LONGEST_EMAIL = 254
_ATOM, _LABEL = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(\.{_ATOM})*@({_LABEL}\.)+{_LABEL}")
_ALIAS = re.compile(r"[a-zA-Z0-9_-][a-zA-Z0-9/_-]{0,249}")
_RESERVED_ALIAS = re.compile(r"aws(/.*)?|alias/.*")
_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
# GitHub's own: a login of letters, digits and hyphens (and _ where a company manages it).
_REPOSITORY = re.compile(
    r"(?P<owner>[A-Za-z0-9][A-Za-z0-9_-]{0,38})(@(?P<owner_id>[1-9][0-9]{0,19}))?"
    r"/(?P<name>(?!\.{1,2}(@|$))[A-Za-z0-9._-]{1,100})(@(?P<name_id>[1-9][0-9]{0,19}))?"
)

_T = TypeVar("_T")


def _optional(parse: Callable[[str, str], _T]) -> Callable[[str, str], _T | None]:
    """Parse an empty text as None."""
    return lambda key, value: parse(key, value) if value else None


def default_bucket_name(account: str, stack: str) -> str:
    """Return the bucket's name for a stack without `STATE_BUCKET`."""
    return f"{BUCKET_PREFIX}-{account}-{stack}"


def is_bucket_name(name: str) -> bool:
    """Check a bucket's name by S3's rules (S3 user guide, "Bucket naming rules")."""
    return (
        _BUCKET_NAME.fullmatch(name) is not None
        and ".." not in name
        and _IP_ADDRESS.fullmatch(name) is None
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
    )


def _parse_bucket(key: str, value: str) -> str:
    """Check a bucket's name.

    Raises:
        SettingsError: S3 doesn't allow the name.
    """
    if not is_bucket_name(value):
        allowed = "3 to 63 lower-case letters, digits, dots and hyphens (S3's naming rules)"
        problem = _reserved_part(value) or f": must be {allowed}"
        raise SettingsError(key, f"is {value!r}{problem}", BUCKET_EXAMPLE)
    return value


def check_default_bucket(key: str, stack: str) -> None:
    """Check that the default bucket's name is valid for a stack.

    Raises:
        SettingsError: the stack's name can't be part of a bucket's name.
    """
    name = default_bucket_name(_ANY_ACCOUNT, stack)
    if not is_bucket_name(name):
        problem = f"is not set, and the stack's name {stack!r} can't be part of a bucket's name"
        raise SettingsError(key, problem + _reserved_part(name), BUCKET_EXAMPLE)


def _reserved_part(name: str) -> str:
    """Say which part of a name S3 reserves, after a colon, or return ""."""
    for part in _RESERVED_PREFIXES:
        if name.startswith(part):
            return f": S3 reserves names that begin with {part}"
    for part in _RESERVED_SUFFIXES:
        if name.endswith(part):
            return f": S3 reserves names that end with {part}"
    return ""


def _parse_alias(key: str, value: str) -> str:
    """Check a key's alias by KMS's rules (API reference, "CreateAlias")."""
    if _ALIAS.fullmatch(value) is None or _RESERVED_ALIAS.fullmatch(value) is not None:
        allowed = "up to 250 letters, digits, /, _ and -, and must not begin with alias/ or aws/"
        raise SettingsError(key, f"is {value!r}: must be {allowed}", "oncall-state")
    return value


def _parse_key_id(key: str, value: str) -> str:
    if _KEY_ID.fullmatch(value) is None:
        problem = f"is {value!r}, which isn't a key id; `make bootstrap` sets it"
        raise SettingsError(key, problem, fixes={key: None})
    return value


def _parse_retention(key: str, value: str) -> int:
    allowed = {str(days): days for days in LOG_RETENTIONS}
    if value not in allowed:
        raise SettingsError(key, f"is {value!r}: must be one of {', '.join(allowed)}", "365")
    return allowed[value]


def _parse_endpoint(key: str, value: str) -> str:
    if value not in {FUNCTION_URL, HTTP_API}:
        raise SettingsError(key, f"is {value!r}: must be {FUNCTION_URL} or {HTTP_API}", HTTP_API)
    return value


def _parse_email(key: str, value: str) -> str:
    if not (_EMAIL.fullmatch(value) and len(value) <= _LONGEST_EMAIL):
        raise SettingsError(key, f"is {value!r}: must be one e-mail address", "oncall@example.com")
    return value


def _parse_repository(key: str, value: str) -> str:
    """Check a repository as GitHub's subject names it."""
    match = _REPOSITORY.fullmatch(value)
    if match is None or bool(match["owner_id"]) != bool(match["name_id"]):
        problem = (
            f"is {value!r}: must be OWNER/REPO, or OWNER@OWNERID/REPO@REPOID if GitHub's tokens "
            "contain the ids"
        )
        raise SettingsError(key, problem, "acme/oncall-approvals")
    return value


PROGRAM_SETTINGS = (
    Setting(
        STATE_BUCKET,
        _optional(_parse_bucket),
        "The bucket that holds Pulumi's state; `make bootstrap` sets it. Empty means "
        "`indent-deploy-state-<account>-<stack>`.",
    ),
    Setting(
        STATE_BUCKET_MANAGED,
        _optional(parse_switch),
        "Set by `make bootstrap`. `true` means that the stack manages the bucket, `false` that it "
        "leaves it alone. Empty means that the stack creates it.",
    ),
    Setting(
        KMS_KEY_ALIAS,
        _optional(_parse_alias),
        "Alias of the [KMS key that encrypts config and "
        "state](deploy.md#a-kms-key-instead-of-a-passphrase), such as `oncall-state`. Empty means "
        "that a passphrase encrypts them.",
    ),
    Setting(
        KMS_KEY_ID,
        _optional(_parse_key_id),
        "Set by `make bootstrap`. The id of the key with that alias.",
    ),
    Setting(
        KMS_KEY_MANAGED,
        _optional(parse_switch),
        "Set by `make bootstrap`. `true` means that the stack manages the key, `false` that it "
        "leaves it alone. Empty means that the stack creates it.",
    ),
    Setting(
        LOG_RETENTION_DAYS,
        _parse_retention,
        "Days for which the decision log, the audit trail, is kept. `pulumi destroy` leaves it.",
        "365",
    ),
    Setting(
        MEMORY_MB,
        partial(parse_whole, least=128, most=10240, example="512"),
        "Memory of the function. Its share of a processor grows with its memory.",
        "512",
    ),
    Setting(
        RESERVED_CONCURRENCY,
        _optional(partial(parse_whole, least=0, most=1000, example="10")),
        "Most calls that are answered at once; `0` shuts the URL. Empty means the account's "
        "limit. AWS keeps 100 of an account's concurrent executions unreserved, so a usual "
        "account (1000) can reserve at most 900, and a new one (its limit may be 10) none.",
    ),
    Setting(
        ENDPOINT,
        _parse_endpoint,
        "What callers call: `function-url`, the function's own public URL, or `http-api`, an HTTP "
        "API of API Gateway in front of it, with throttling and an access log. [Which one to "
        "take](security.md#function-url-or-http-api), and [how to switch]"
        "(deploy.md#change-the-endpoint): the URL changes.",
        FUNCTION_URL,
    ),
    Setting(
        THROTTLE_RATE,
        partial(parse_whole, least=1, most=10000, example="10"),
        "Calls per second that the HTTP API passes on, over time; others get a 429. Only with "
        "`ENDPOINT` `http-api`.",
        "10",
    ),
    Setting(
        THROTTLE_BURST,
        partial(parse_whole, least=1, most=5000, example="50"),
        "Calls that the HTTP API passes on at once, before `THROTTLE_RATE` counts. Only with "
        "`ENDPOINT` `http-api`.",
        "50",
    ),
    Setting(
        ALARM_EMAIL,
        _optional(_parse_email),
        "The address that [alarms](operate.md#alarms) are mailed to. Empty means nobody; the "
        "dashboard shows them anyway.",
    ),
    Setting(
        DEPLOY_REPOSITORY,
        _optional(_parse_repository),
        "The GitHub repository whose workflows deploy this stack, such as `acme/oncall-approvals`: "
        "makes [the roles that CI takes](deploy-from-ci.md). Empty means none.",
    ),
)
ALL_SETTINGS = (*SETTINGS, *PROGRAM_SETTINGS)
KEYS = tuple(row.name for row in ALL_SETTINGS)
BY_NAME = {row.name: row for row in ALL_SETTINGS}
