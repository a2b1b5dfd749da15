"""What a stack's file, and the environment, say of where its state lies and what encrypts it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BACKEND = "PULUMI_BACKEND_URL"
PASSPHRASE = "passphrase"  # noqa: S105 - what Pulumi calls it
PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_STACK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class SetupError(Exception):
    """Something of the project or the environment is not as it has to be; says how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFile:
    """What matters of `Pulumi.<stack>.yaml`.

    Attributes:
        path: where it lies.
        content: all of it; None where there is no such file.
        region: where the stack is; empty where neither file nor environment say it.
        alias: `KMS_KEY_ALIAS`; empty where no key is to be made.
        provider: what encrypts its secrets: "passphrase", or a key's address.
    """

    path: Path
    content: bytes | None = field(repr=False)
    region: str
    alias: str
    provider: str

    @property
    def key(self) -> str:
        """The address that the stack's own key has by its alias, or empty.

        Raises:
            SetupError: the region is not known.
        """
        if not self.alias:
            return ""
        return f"awskms://alias/{self.alias}?region={_known(self.region)}&awssdk=v2"

    def is_encrypted_by(self, provider: str) -> bool:
        """Whether it is that passphrase or key, however the address goes on after its name."""
        return self.provider.partition("?")[0] == provider.partition("?")[0]


def read_stack_file(project: Path, stack: str, environment: Mapping[str, str]) -> StackFile:
    """Read the stack's file, and what the project's says for all stacks.

    Raises:
        SetupError: the name is no stack's, or a file cannot be read.
    """
    if _STACK.fullmatch(stack) is None:
        raise SetupError(
            f"STACK is {stack!r}: allowed are letters, digits, - _ and ., such as STACK=dev"
        )
    path = project / f"Pulumi.{stack}.yaml"
    of_project, content = _load(project / "Pulumi.yaml"), None
    of_stack: dict[str, Any] = {}
    if path.exists():
        of_stack, content = _load(path), path.read_bytes()
    config = {**(of_project.get("config") or {}), **(of_stack.get("config") or {})}
    regions = [_text(config.get("aws:region")), *(environment.get(key, "") for key in REGIONS)]
    provider = _text(of_stack.get("secretsprovider"))
    return StackFile(
        path=path,
        content=content,
        region=next(filter(None, regions), ""),
        alias=_text(config.get(f"{of_project.get('name')}:KMS_KEY_ALIAS")),
        provider=PASSPHRASE if provider in {"", "default"} else provider,
    )


def places(environment: Mapping[str, str]) -> tuple[str, str]:
    """Tell where the state lies on this machine, and where in a bucket; empty if not known.

    Raises:
        SetupError: `PULUMI_BACKEND_URL` is neither.
    """
    url = environment.get(BACKEND, "")
    home = environment.get("HOME", "")
    # Where `pulumi login --local` keeps it; the CLI takes ~ for what the system has, not for HOME.
    here = f"file://{home}" if home.startswith("/") else "file://~"
    if url.startswith("s3://"):
        return here, url
    if url and not url.startswith("file://"):
        raise SetupError(
            f"{BACKEND} is {url!r}: allowed are file://… and s3://…; run `unset {BACKEND}`"
        )
    return url or here, ""


def bucket_url(bucket: str, region: str, environment: Mapping[str, str]) -> str:
    """Spell out the address that Pulumi takes a bucket by.

    Raises:
        SetupError: the region is not known.
    """
    _known(region)
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if endpoint:
        return f"s3://{bucket}?region={region}&endpoint={endpoint}&s3ForcePathStyle=true"
    # The second edition of AWS's SDK knows `aws sso login`; older CLIs take the first by default.
    return f"s3://{bucket}?region={region}&awssdk=v2"


def check_passphrase(environment: Mapping[str, str]) -> None:
    """Make sure that there is one: Pulumi cannot ask for it here.

    Raises:
        SetupError: there is none.
    """
    if not any(key in environment for key in PASSPHRASES):
        raise SetupError(
            f"{PASSPHRASES[0]} is not set, nor is {PASSPHRASES[1]}: it encrypts the secrets of the "
            f"stack; run `read -rs {PASSPHRASES[0]} && export {PASSPHRASES[0]}`"
        )


def _known(region: str) -> str:
    if not region:
        raise SetupError(
            "aws:region is not set, nor is AWS_REGION: state bucket and key are looked for in a "
            "region; run `pulumi config set aws:region eu-west-1`"
        )
    return region


def _load(path: Path) -> dict[str, Any]:
    try:
        # Every plain value as it is written.
        loaded = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - makes strings only
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        problem = str(error).splitlines()[0]
        raise SetupError(f"{os.fspath(path)} cannot be read: {problem}") from None
    if loaded is not None and not isinstance(loaded, dict):
        raise SetupError(f"{os.fspath(path)} is not a file of Pulumi's: it holds no keys")
    return loaded or {}


def _text(value: Any) -> str:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, dict):  # of the project's file
        value = value.get("value", value.get("default", ""))
    return value.strip() if isinstance(value, str) else ""
