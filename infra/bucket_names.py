"""Names of S3 buckets: which S3 takes, and the one that a stack's state bucket has by default."""

from __future__ import annotations

import re

from handler.setting_parsers import SettingsError

NAME_PREFIX = "indent-deploy-state"
EXAMPLE = "my-company-pulumi-state"
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
# `-an` is for names of the account's own namespace, which are asked for in another way.
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")
_ANY_ACCOUNT = "0" * 12


def default_bucket_name(account: str, stack: str) -> str:
    """Name the bucket of a stack that sets no `STATE_BUCKET`."""
    return f"{NAME_PREFIX}-{account}-{stack}"


def is_bucket_name(name: str) -> bool:
    """Check a bucket's name by S3's rules (S3 user guide, "Bucket naming rules")."""
    return (
        _BUCKET_NAME.fullmatch(name) is not None
        and ".." not in name
        and _IP_ADDRESS.fullmatch(name) is None
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
    )


def parse_bucket(key: str, value: str) -> str:
    """Check a bucket's name.

    Raises:
        SettingsError: S3 takes no bucket of that name.
    """
    if not is_bucket_name(value):
        allowed = "3 to 63 lower-case letters, digits, dots and hyphens, by S3's naming rules"
        problem = _reserved_part(value) or f": must be {allowed}"
        raise SettingsError(key, f"is {value!r}{problem}", EXAMPLE)
    return value


def check_default_bucket(key: str, stack: str) -> None:
    """Check that a stack that names no bucket can have the default one.

    Raises:
        SettingsError: the stack's name can't be part of a bucket's.
    """
    name = default_bucket_name(_ANY_ACCOUNT, stack)
    if not is_bucket_name(name):
        problem = f"is not set, and stack name {stack!r} can't be part of a bucket's name"
        raise SettingsError(key, problem + _reserved_part(name), EXAMPLE)


def _reserved_part(name: str) -> str:
    """Say which part of a name S3 reserves, after a colon; empty where none is."""
    for part in _RESERVED_PREFIXES:
        if name.startswith(part):
            return f": S3 reserves names that begin with {part}"
    for part in _RESERVED_SUFFIXES:
        if name.endswith(part):
            return f": S3 reserves names that end with {part}"
    return ""
