"""What `Pulumi.yaml` and `Pulumi.<stack>.yaml` say of a stack, before there is a stack."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from infra.errors import SetupError
from policy.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PASSPHRASE = "passphrase"  # noqa: S105 - what Pulumi calls it
# What has the aws provider use other credentials, or another AWS, than those whose account, bucket
# and key were proven; `aws:endpoints` would send the secrets there, too.
ELSEWHERE = frozenset(
    {
        *("aws:accessKey", "aws:secretKey", "aws:token", "aws:profile", "aws:sharedConfigFiles"),
        *("aws:sharedCredentialsFile", "aws:sharedCredentialsFiles", "aws:assumeRole"),
        *("aws:assumeRoles", "aws:assumeRoleWithWebIdentity", "aws:customCaBundle"),
        *("aws:endpoints", "aws:insecure", "aws:httpProxy", "aws:httpsProxy"),
    }
)
_STACK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_NOTHING = frozenset({"null", "Null", "NULL", "~"})
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFile:
    """What matters of a stack's two files.

    Attributes:
        project: the name of the project.
        stack: the name of the stack.
        folder: where the files are.
        region: `aws:region`, else the environment's; empty where neither is set.
        settings: the project's plain settings that are set, by their names without the project's.
        encrypted: the names of those that are encrypted.
        encrypted_by: what encrypts the secrets of the stack's file: "passphrase", or a key's
            address; empty where the file doesn't say.
        secrets_provider: the key's address that the file names, even if it encrypts nothing yet.
    """

    project: str
    stack: str
    folder: Path
    region: str
    settings: Mapping[str, str] = field(repr=False)
    encrypted: frozenset[str]
    encrypted_by: str
    secrets_provider: str

    @property
    def tags(self) -> dict[str, str]:
        """The tags that everything of this stack has."""
        return {"project": self.project, "stack": self.stack}

    def checked_region(self) -> str:
        """Give the region.

        Raises:
            SetupError: it isn't set, or can't be one.
        """
        if _REGION.fullmatch(self.region) is None:
            problem = f"is {self.region!r}, which isn't a region" if self.region else "is not set"
            raise SetupError(
                f"aws:region {problem}; write the region into Pulumi.{self.stack}.yaml, "
                "for example `aws:region: eu-west-1` under `config:`"
            )
        return self.region


def read_stack_file(folder: Path, stack: str, environment: Mapping[str, str]) -> StackFile:
    """Read them.

    Raises:
        SetupError: the name can't be a stack's, there is no such file, or it can't be read.
    """
    if _STACK.fullmatch(stack) is None:
        raise SetupError(
            f"STACK is {stack!r}; use letters, digits, -, _ and ., for example STACK=dev"
        )
    path = folder / f"Pulumi.{stack}.yaml"
    if not path.exists():
        known = sorted(each.name[7:-5] for each in folder.glob("Pulumi.*.yaml"))
        others = f" (there is {', '.join(known)})" if known else ""
        raise SetupError(
            f"there is no {path.name}{safe(others)}; for a new stack, write one with its "
            f"region: `printf 'config:\\n  aws:region: eu-west-1\\n' > {path.name}`"
        )
    project, of_stack = _load(folder / "Pulumi.yaml"), _load(path)
    name = _text(project.get("name"))
    config = {**_mapping(project.get("config")), **_mapping(of_stack.get("config"))}
    if leading := leads_elsewhere(config):
        raise SetupError(f"{path.name} has {leading}")
    regions = (_text(config.get("aws:region")), *map(environment.get, _REGIONS))
    return StackFile(
        project=name,
        stack=stack,
        folder=folder,
        region=next(filter(None, regions), ""),
        settings={
            key.removeprefix(f"{name}:"): text
            for key, value in config.items()
            if (text := _text(value))
        },
        encrypted=frozenset(
            key.removeprefix(f"{name}:") for key, value in config.items() if _is_encrypted(value)
        ),
        encrypted_by=_encryption(of_stack),
        secrets_provider=_text(of_stack.get("secretsprovider")),
    )


def leads_elsewhere(config: Iterable[str]) -> str:
    """Say which key leads elsewhere, and what to do about it; empty where none does."""
    # Pulumi takes `aws:config:endpoints`, too.
    found = sorted(ELSEWHERE.intersection(key.replace("aws:config:", "aws:") for key in config))
    if not found:
        return ""
    return (
        f"{found[0]}, by which the deploy would reach another AWS than the one whose account is "
        "checked; take it out, and give credentials by the "
        "environment (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
    )


def _encryption(of_stack: Mapping[str, Any]) -> str:
    """Tell what encrypts; an address without its encrypted key encrypts nothing yet."""
    provider = _text(of_stack.get("secretsprovider"))
    if provider not in {"", "default", PASSPHRASE}:
        return provider if of_stack.get("encryptedkey") else ""
    return PASSPHRASE if of_stack.get("encryptionsalt") else ""


def _load(path: Path) -> dict[str, Any]:
    try:
        # Every plain value as it is written.
        loaded = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - makes strings only
    except (OSError, UnicodeError, yaml.YAMLError, RecursionError) as error:
        problem = next(iter(str(error).splitlines()), "it is nested too deep")
        raise SetupError(f"{path.name} can't be read: {safe(problem)}") from None
    return _mapping(loaded)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_encrypted(value: object) -> bool:
    return isinstance(value, dict) and "secure" in value


def _text(value: object) -> str:
    if isinstance(value, dict):  # declared by the project's file, or encrypted
        value = value.get("value", value.get("default"))
    text = value.strip() if isinstance(value, str) else ""
    return "" if text in _NOTHING else text
