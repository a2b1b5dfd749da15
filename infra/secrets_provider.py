"""The URL of the key that encrypts a stack's secrets, in the stack's file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from infra.aws_account import ENDPOINT, current_account
from infra.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.stack_file import StackFile

SCHEME = "awskms"
_ACCOUNT = re.compile(r"arn:[^:]*:kms:[^:]*:([^:]*):")


def key_address(alias: str, region: str) -> str:
    """Return the URL of a key by its alias, which is always in the caller's account."""
    return f"{SCHEME}://alias/{alias}?region={region}&awssdk=v2"


def is_same_key(address: str, other: str) -> bool:
    """Whether both are the same key; an alias in another region is another key."""
    parts, others = _parts(address), _parts(other)
    return parts[0] == others[0] and len({parts[1], others[1]} - {""}) <= 1


def prove_key(file: StackFile, environment: Mapping[str, str]) -> None:
    """Prove that the key that encrypts the stack's secrets, or will, is this account's.

    The owner of the key can read the secrets. An id or an alias is always in the caller's account;
    an ARN names its account.

    Raises:
        SetupError: it isn't.
    """
    if not file.secrets_provider.lower().startswith(f"{SCHEME}:"):
        return
    remedy = (
        f"remove secretsprovider and encryptedkey from Pulumi.{file.stack}.yaml, run `make "
        f"bootstrap STACK={file.stack}`, and set the secrets again"
    )
    endpoint = _parts(file.secrets_provider)[2]
    if endpoint not in {"", environment.get(ENDPOINT), environment.get(f"{ENDPOINT}_KMS")}:
        raise SetupError(f"secretsprovider names {endpoint!r}, which isn't AWS; {remedy}")
    match = _ACCOUNT.search(unquote(file.secrets_provider))
    if match is None:
        return
    account = current_account(file.checked_region())
    if match[1] != account.id:
        raise SetupError(
            f"secretsprovider is a key of account {match[1]}, not {account.id}, so that account "
            f"could read the stack's secrets; {remedy}"
        )


def _parts(address: str) -> tuple[str, str, str]:
    """Split a URL into the key, its region and the KMS endpoint."""
    try:
        parts = urlsplit(address)
        query = parse_qs(parts.query)
    except ValueError:
        return address, "", ""
    key = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return key, query.get("region", [""])[0], query.get("endpoint", [""])[0]
