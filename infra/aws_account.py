"""Asks AWS who owns the credentials and a bucket, and turns its errors into plain sentences."""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from infra.errors import SetupError
from policy.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENDPOINT = "AWS_ENDPOINT_URL"
_LOOPBACK = ("127.", "localhost", "::1")
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)

# AWS's error codes for wrong or expired credentials.
_REFUSED_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
}
# In a region that the account hasn't enabled, STS knows none of its credentials.
_REFUSED_IN_REGION = {
    *("AuthFailure", "InvalidClientTokenId", "InvalidToken", "UnrecognizedClientException"),
}
_SIGN_IN = "run `aws sso login`, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAccount:
    """The account of the credentials in the environment.

    Attributes:
        id: its number.
        partition: `aws`, or that of China or the US government.
        region: in which AWS is asked.
        session: of boto3.
    """

    id: str
    partition: str
    region: str
    session: Any
    _clients: dict[tuple[str, str, int], Any] = field(default_factory=dict, repr=False)

    def client(self, service: str, endpoint: str = "", attempts: int = 3) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return the boto3 client of a service; clients are kept, as making one takes a moment."""
        key = (service, endpoint, attempts)
        if key not in self._clients:
            self._clients[key] = _client(self.session, *key)
        return self._clients[key]


def current_account(region: str, profile: str = "") -> AwsAccount:
    """Ask AWS which account the credentials belong to.

    Raises:
        SetupError: there are none, or AWS rejects them.
    """
    # Pulumi also reads AWS_REGION, which boto3 doesn't.
    region = region or os.environ.get("AWS_REGION", "")
    with aws_errors():
        session = _session(region, profile)
        caller = _client(session, "sts").get_caller_identity()
    # arn:aws:…, or arn:aws-us-gov:…
    partition = caller["Arn"].split(":")[1]
    return AwsAccount(
        id=caller["Account"], partition=partition, region=session.region_name, session=session
    )


def owned_bucket_region(account: AwsAccount, bucket: str, endpoint: str = "") -> str | None:
    """Prove that a bucket is this account's, and return its region; None if it doesn't exist.

    The name proves nothing, as anybody may have created a bucket with it. So nothing is read from a
    bucket, written to it or imported before this check.

    Raises:
        SetupError: it isn't this account's.
    """
    try:
        bucket_head = account.client("s3", endpoint).head_bucket(
            Bucket=bucket, ExpectedBucketOwner=account.id
        )
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:  # noqa: PLR2004 - HTTP's
            return None
        if status == 403 and error_code(error) not in _REFUSED_CREDENTIALS:  # noqa: PLR2004 - HTTP's
            raise SetupError(foreign_bucket(account, bucket)) from None
        raise
    return str(bucket_head.get("BucketRegion") or account.region)


def bucket_tags(account: AwsAccount, bucket: str) -> dict[str, str]:
    """Read the tags of a bucket after `owned_bucket_region`."""
    try:
        tagging = account.client("s3").get_bucket_tagging(
            Bucket=bucket, ExpectedBucketOwner=account.id
        )
    except ClientError as error:
        if error_code(error) != "NoSuchTagSet":
            raise
        return {}
    return {tag["Key"]: tag["Value"] for tag in tagging["TagSet"]}


def foreign_bucket(account: AwsAccount, bucket: str) -> str:
    """Return the error for a bucket of another account."""
    return (
        f"bucket {bucket} doesn't belong to account {account.id}, or you have no right to use it "
        "(s3:ListBucket), so nothing was read from it or written to it; check that the credentials "
        "are those of the right account, or choose another name: write "
        "`oncall-approvals:STATE_BUCKET: NAME` to the stack's file and run `make bootstrap`"
    )


def error_code(error: ClientError) -> str:
    """Return the code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turn errors of AWS, and of the network, into one sentence."""
    try:
        yield
    except _NO_CREDENTIALS as error:
        raise SetupError(
            f"AWS credentials are missing or expired ({_first_line(error)}); {_SIGN_IN}"
        ) from None
    except (EndpointConnectionError, HTTPClientError) as error:
        raise SetupError(
            f"AWS can't be reached ({_first_line(error)}); check aws:region, the network, and "
            f"that {ENDPOINT} is not set (`unset {ENDPOINT}`)"
        ) from None
    except ClientError as error:
        if error_code(error) in _REFUSED_CREDENTIALS:
            region = error_code(error) in _REFUSED_IN_REGION
            raise SetupError(
                f"AWS rejected the credentials ({safe(error_code(error))}): they are wrong or "
                f"expired{', or the account has not enabled aws:region' * region}; "
                f"{_SIGN_IN}{', or enable the region' * region}"
            ) from None
        raise SetupError(f"AWS refused: {_first_line(error)}") from None
    except (BotoCoreError, ResponseParserError) as error:
        raise SetupError(f"AWS can't be asked: {_first_line(error)}") from None


def loopback_endpoints(environment: Mapping[str, str]) -> dict[str, str]:
    """Find variables that send AWS calls to this machine, as in the sandbox."""
    return {
        key: value
        for key, value in environment.items()
        if key.startswith(ENDPOINT) and _hostname(value).startswith(_LOOPBACK)
    }


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def loopback_warning(environment: Mapping[str, str]) -> str:
    """Return a warning of such endpoints, or ""."""
    endpoints = loopback_endpoints(environment)
    if not endpoints:
        return ""
    listed = " and ".join(f"{key}={safe(value)}" for key, value in sorted(endpoints.items()))
    return (
        f"{listed}: AWS calls go to this machine, not to your account; "
        f"to use your account, run `unset {' '.join(sorted(endpoints))}`"
    )


def _session(region: str, profile: str) -> Any:  # noqa: ANN401 - boto3 has no types
    core = botocore.session.Session(profile=profile or None)

    def refuse(_prompt: str) -> NoReturn:
        option = f" --profile {shlex.quote(profile)}" if profile else ""
        raise SetupError(
            "the AWS profile needs an MFA code, which Pulumi can't ask for; run "
            f'`eval "$(aws configure export-credentials{option} --format env)"`, which asks for it'
        )

    # Otherwise boto3 would ask for the code here, and Pulumi would fail later.
    providers = core.get_component("credential_provider")
    providers.get_provider("assume-role")._prompter = refuse  # noqa: SLF001 - boto3 offers no other way
    return boto3.session.Session(botocore_session=core, region_name=region or None)


def _client(session: Any, service: str, endpoint: str = "", attempts: int = 3) -> Any:  # noqa: ANN401 - boto3 has no types
    retries = {"mode": "standard", "total_max_attempts": attempts}
    config = Config(connect_timeout=10, retries=retries)
    return session.client(service, endpoint_url=endpoint or None, config=config)


def _first_line(error: Exception) -> str:
    return safe(next(iter(str(error).splitlines()), type(error).__name__))
