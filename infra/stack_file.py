"""What `Pulumi.yaml` and `Pulumi.<stack>.yaml` say of a stack, before there is a stack."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handler.settings import SettingsError, WrongSettingsError
from infra.errors import ReportError, SetupError
from infra.region import parse_region, region_of
from infra.stack_config import config_of, load_file
from policy.remedies import ConfigError, in_file, report
from policy.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFile:
    """What matters of a stack's two files.

    Attributes:
        project: the name of the project.
        stack: the name of the stack.
        folder: where the files are.
        region: `aws:region`, else the environment's; empty where neither is set.
        region_key: the setting or the variable that holds it.
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
    region_key: str
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
        try:
            return parse_region(self.region, self.region_key)
        except SettingsError as error:
            raise SetupError(self.reported(error)) from None

    def has(self, key: str) -> bool:
        """Whether a setting is there, in plain text or encrypted."""
        return key in self.encrypted or bool(self.settings.get(key))

    def reported(self, error: SettingsError) -> str:
        """Report what is wrong with the stack's settings."""
        file = f"Pulumi.{self.stack}.yaml"
        return report(file, error, lambda each: in_file(each, self.stack, self.project))


def read_stack_file(folder: Path, stack: str, environment: Mapping[str, str]) -> StackFile:
    """Read them.

    Raises:
        SetupError: the name can't be a stack's, there is no such file, or it can't be read.
    """
    path = check_stack_file(folder, stack)
    project, of_stack = load_file(folder / "Pulumi.yaml"), load_file(path)
    config, encrypted = config_of(project, of_stack)
    if elsewhere := [*leading_elsewhere({*config, *encrypted})]:
        raise ReportError(report(path.name, WrongSettingsError(elsewhere), str))
    name = _text(project.get("name"))
    of_project = f"{name}:"
    region, region_key = region_of(config, environment)
    return StackFile(
        project=name,
        stack=stack,
        folder=folder,
        region=region,
        region_key=region_key,
        settings={
            key.removeprefix(of_project): value.strip()
            for key, value in config.items()
            if key.startswith(of_project) and value.strip()
        },
        encrypted=frozenset(key.removeprefix(of_project) for key in encrypted),
        encrypted_by=_encryption(of_stack),
        secrets_provider=_text(of_stack.get("secretsprovider")),
    )


def check_stack_file(folder: Path, stack: str) -> Path:
    """Find a stack's file.

    Raises:
        SetupError: the name can't be a stack's, or there is no such file.
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
    return path


def leading_elsewhere(config: Iterable[str]) -> Iterator[ConfigError]:
    """Find the keys by which the deploy would reach another AWS than the one that is checked."""
    # Pulumi takes `aws:config:endpoints`, too.
    for key in sorted(config):
        if key.replace("aws:config:", "aws:") in ELSEWHERE:
            yield ConfigError(
                key,
                "would have the deploy reach another AWS than the one whose account is checked",
                "take it out, and give credentials by the environment (AWS_PROFILE, or "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)",
            )


def _encryption(of_stack: Mapping[str, Any]) -> str:
    """Tell what encrypts; an address without its encrypted key encrypts nothing yet."""
    provider = _text(of_stack.get("secretsprovider"))
    if provider not in {"", "default", PASSPHRASE}:
        return provider if of_stack.get("encryptedkey") else ""
    return PASSPHRASE if of_stack.get("encryptionsalt") else ""


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
