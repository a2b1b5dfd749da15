"""Prove that Pulumi's backend is this account's and has the stack: `python -m infra.backend STACK`.

`make preview` and `make deploy` run it before Pulumi reads any state.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from infra.aws_account import (
    ENDPOINT,
    aws_errors,
    current_account,
    loopback_warning,
    owned_bucket_region,
)
from infra.errors import SetupError, say_error
from infra.pulumi_cli import (
    BACKEND,
    INTERRUPTED,
    NO_PLUGINS_OF_A_STATE,
    InterruptedCommandError,
    Pulumi,
)
from infra.secrets_provider import prove_key
from infra.stack_file import read_stack_file
from policy.terminal import Parser, safe, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.stack_file import StackFile

NO_STACK = "no stack named"  # the CLI's words
_AWS = re.compile(r"https://([a-z0-9-]+\.)+(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu)/?")
# The backends of Pulumi 3.200.
SCHEMES = ("s3", "file", "https", "gs", "azblob")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The place of Pulumi's state.

    Attributes:
        url: the whole URL.
        bucket: the bucket of an s3 URL, or "".
        region: the region in the URL, or "".
        endpoint: the S3 endpoint in the URL, or "".
        profile: the AWS profile in the URL, or "".
    """

    url: str
    bucket: str = ""
    region: str = ""
    endpoint: str = ""
    profile: str = ""


def bucket_url(bucket: str, region: str, environment: Mapping[str, str]) -> str:
    """Return the backend URL of a bucket."""
    endpoint = environment.get(f"{ENDPOINT}_S3") or environment.get(ENDPOINT)
    if endpoint:
        return f"s3://{bucket}?region={region}&endpoint={endpoint}&s3ForcePathStyle=true"
    # Version 2 of AWS's SDK supports `aws sso login`; older CLIs use version 1 by default.
    return f"s3://{bucket}?region={region}&awssdk=v2"


def parse_backend(url: str, stack: str) -> Backend:
    """Parse a backend URL.

    Raises:
        SetupError: it is empty or invalid.
    """
    remedy = (
        f"run the `export` lines that `make bootstrap STACK={stack}` prints, for example "
        f"`export {NO_PLUGINS_OF_A_STATE}=true {BACKEND}='s3://BUCKET?region=REGION&awssdk=v2'`"
    )
    if not url:
        raise SetupError(f"{BACKEND}, the place of the state, is not set; {remedy}")
    try:
        parts = urlsplit(url)
        # Pulumi uses the first value of a repeated parameter.
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    except ValueError:
        parts, query = urlsplit(""), {}
    if parts.scheme not in SCHEMES or (parts.scheme == "s3" and not parts.netloc):
        raise SetupError(f"{BACKEND} is {url!r}, which isn't the URL of a backend; {remedy}")
    if parts.scheme != "s3":
        return Backend(url=url)
    endpoint = query.get("endpoint", "")
    if endpoint and "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    return Backend(
        url=url,
        bucket=parts.netloc,
        region=query.get("region", ""),
        endpoint=endpoint,
        profile=query.get("profile", ""),
    )


def prove_backend(file: StackFile, environment: Mapping[str, str]) -> Backend:
    """Prove that the environment's backend, if it is a bucket, and the key are this account's.

    Raises:
        SetupError: one of them isn't, or there is no backend.
    """
    backend = parse_backend(environment.get(BACKEND, ""), file.stack)
    prove_key(file, environment)
    if backend.bucket:
        _check_endpoint(backend, environment)
        with aws_errors():
            _check_bucket(backend, backend.region or file.checked_region(), file.stack)
    return backend


def check_backend(stack: str, environment: Mapping[str, str], folder: Path) -> None:
    """Prove that the backend is this account's, and has the stack.

    Raises:
        SetupError: it isn't, or doesn't.
    """
    backend = prove_backend(read_stack_file(folder, stack, environment), environment)
    pulumi = Pulumi(folder, backend.url, environment)
    try:
        # Only this stack: the role that CI takes may not read other states.
        pulumi.run("stack", "export", "--stack", stack)
    except SetupError as error:
        if NO_STACK not in str(error):
            raise
        raise SetupError(
            f"{backend.url} has no stack {stack!r}{_other_stacks(pulumi)}; export the {BACKEND} "
            f"that `make bootstrap STACK={stack}` prints; it also sets up a new stack"
        ) from None


def _other_stacks(pulumi: Pulumi) -> str:
    """List the stacks of the backend, if they can be read."""
    try:
        stacks = listed_stacks(pulumi)
    except SetupError:  # the roles of CI can't
        return ""
    return f" (it has {', '.join(sorted(map(safe, stacks)))})" if stacks else " (it is empty)"


def listed_stacks(pulumi: Pulumi) -> set[str]:
    """List the stacks of this project in the backend.

    Raises:
        SetupError: Pulumi doesn't list them.
    """
    printed = pulumi.run("stack", "ls", "--json")
    try:
        # Pulumi Cloud puts the organisation before the name.
        return {str(stack["name"]).rpartition("/")[2] for stack in json.loads(printed)}
    except (ValueError, LookupError, TypeError):
        raise SetupError(
            "`pulumi stack ls --json` didn't print a list of stacks; use Pulumi 3.200 or newer"
        ) from None


def _check_endpoint(backend: Backend, environment: Mapping[str, str]) -> None:
    """Refuse an unknown server, which could claim that any bucket is ours."""
    named = {environment.get(ENDPOINT), environment.get(f"{ENDPOINT}_S3")}
    if not backend.endpoint or backend.endpoint in named or _AWS.fullmatch(backend.endpoint):
        return
    raise SetupError(
        f"{BACKEND} names the endpoint {backend.endpoint!r}, which isn't AWS's; if the state is "
        f"there, also run `export {ENDPOINT}_S3={shlex.quote(backend.endpoint)}`"
    )


def _check_bucket(backend: Backend, region: str, stack: str) -> None:
    account = current_account(region, backend.profile)
    actual = owned_bucket_region(account, backend.bucket, backend.endpoint)
    if actual is None:
        raise SetupError(
            f"{BACKEND} names the bucket {backend.bucket}, which does not exist; run "
            f"`make bootstrap STACK={stack}` and export the {BACKEND} that it prints"
        )
    if actual != region:
        raise SetupError(
            f"the bucket {backend.bucket} is in {actual}, not in {region}; in {BACKEND}, write "
            f"region={actual}"
        )


def main(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    """Check a stack's backend; return 0 if all is well, 1 if not, or 130 if interrupted."""
    parser = Parser(prog="python -m infra.backend", description=__doc__)
    parser.add_argument("stack")
    stack = parser.parse_args(arguments).stack
    if warning := loopback_warning(environment):
        say(f"warning: {warning}", sys.stderr)
    try:
        check_backend(stack, environment, folder)
    except SetupError as error:
        say_error(error)
        return 1
    except (KeyboardInterrupt, InterruptedCommandError):
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, Path.cwd()))
