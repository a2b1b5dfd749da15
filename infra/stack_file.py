"""Reads `Pulumi.yaml` and `Pulumi.<stack>.yaml` like the Pulumi CLI does."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from handler.setting_parsers import SettingsError, WrongSettingsError
from infra.errors import ReportError, SetupError
from infra.region import parse_region, region_of
from policy.remedies import ConfigError, in_file, report
from policy.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PASSPHRASE = "passphrase"  # noqa: S105 - Pulumi's name for it
# These make the aws provider use other credentials or endpoints than those that were proven;
# `aws:endpoints` would also send the secrets there.
REDIRECTING_KEYS = frozenset(
    {
        *("aws:accessKey", "aws:secretKey", "aws:token", "aws:profile", "aws:sharedConfigFiles"),
        *("aws:sharedCredentialsFile", "aws:sharedCredentialsFiles", "aws:assumeRole"),
        *("aws:assumeRoles", "aws:assumeRoleWithWebIdentity", "aws:customCaBundle"),
        *("aws:endpoints", "aws:insecure", "aws:httpProxy", "aws:httpsProxy"),
    }
)
_BOOL, _INT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"
_OF_YAML_1_1 = {_BOOL, _INT, "tag:yaml.org,2002:timestamp"}
_STACK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFile:
    """The relevant contents of a stack's two files.

    Attributes:
        project: the name of the project.
        stack: the name of the stack.
        folder: of the files.
        region: `aws:region`, or the environment's; empty if neither is set.
        region_key: the setting or the variable that sets it.
        settings: the project's plain settings that are set, by unqualified name.
        encrypted: the names of the encrypted ones.
        encrypted_by: what encrypts the secrets of the stack's file: "passphrase", or the URL of a
            key; empty if the file doesn't say.
        secrets_provider: the URL of a key in the file, even if it encrypts nothing yet.
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
        """The tags of everything in this stack."""
        return {"project": self.project, "stack": self.stack}

    def checked_region(self) -> str:
        """Return the region.

        Raises:
            SetupError: it isn't set, or isn't valid.
        """
        try:
            return parse_region(self.region, self.region_key)
        except SettingsError as error:
            raise SetupError(self.reported(error)) from None

    def has(self, key: str) -> bool:
        """Whether a setting is set, in plain text or encrypted."""
        return key in self.encrypted or bool(self.settings.get(key))

    def reported(self, error: SettingsError) -> str:
        """Report the problems of the stack's settings."""
        file = f"Pulumi.{self.stack}.yaml"
        return report(file, error, lambda problem: in_file(problem, self.stack, self.project))


def read_stack_file(folder: Path, stack: str, environment: Mapping[str, str]) -> StackFile:
    """Read both files of a stack.

    Raises:
        SetupError: the stack's name isn't valid, or a file is missing or unreadable.
    """
    path = check_stack_file(folder, stack)
    project, stack_file = load_file(folder / "Pulumi.yaml"), load_file(path)
    config, encrypted = config_of(project, stack_file)
    if errors := [*redirection_errors({*config, *encrypted})]:
        raise ReportError(report(path.name, WrongSettingsError(errors), str))
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
        encrypted_by=_encryption(stack_file),
        secrets_provider=_text(stack_file.get("secretsprovider")),
    )


def is_stack_name(text: str) -> bool:
    """Whether a text is a valid name of a stack, and so safe as part of a file name."""
    return _STACK.fullmatch(text) is not None


def check_stack_file(folder: Path, stack: str) -> Path:
    """Find a stack's file.

    Raises:
        SetupError: the stack's name isn't valid, or there is no such file.
    """
    if not is_stack_name(stack):
        raise SetupError(
            f"STACK is {stack!r}; use letters, digits, -, _ and ., for example STACK=dev"
        )
    path = folder / f"Pulumi.{stack}.yaml"
    if not path.exists():
        names = stack_names(folder)
        others = f" (existing stacks: {', '.join(names)})" if names else ""
        raise SetupError(
            f"there is no {path.name}{safe(others)}; for a new stack, create it with the "
            f"region: `printf 'config:\\n  aws:region: eu-west-1\\n' > {path.name}`"
        )
    return path


def stack_names(folder: Path) -> list[str]:
    """List the stacks that have a file."""
    return sorted(file.name[7:-5] for file in folder.glob("Pulumi.*.yaml"))


def read_stack_config(root: Path, stack: str) -> tuple[dict[str, str], frozenset[str]]:
    """Read the defaults of `Pulumi.yaml`, then `Pulumi.<stack>.yaml`, as the program sees them.

    Keys are qualified (`oncall-approvals:MEMORY_MB`). Numbers and booleans become the same strings
    as in the CLI, lists and maps become JSON. Encrypted values are left out.

    Returns:
        The config, and the keys with encrypted values.

    Raises:
        SetupError: a file can't be read.
    """
    path = root / f"Pulumi.{stack}.yaml"
    # A new stack has no file until its first `pulumi config set`.
    return config_of(load_file(root / "Pulumi.yaml"), load_file(path) if path.exists() else {})


def config_of(
    project: Mapping[str, Any], stack_file: Mapping[str, Any]
) -> tuple[dict[str, str], frozenset[str]]:
    """Merge the contents of both files as `read_stack_config` does.

    Raises:
        SetupError: a list or a map contains itself.
    """
    name = str(project.get("name") or "")
    config = {
        _qualified(key, name): _cli_text(_default(declared))
        for key, declared in _mapping(project.get("config")).items()
        if _default(declared) is not None
    }
    secret_keys = set()
    for written, value in _mapping(stack_file.get("config")).items():
        key = _qualified(written, name)
        try:
            encrypted, text = _is_encrypted(value), _cli_text(value)
        except (ValueError, RecursionError):
            raise SetupError(f"{key} is a list or a map that contains itself; remove it") from None
        if encrypted:
            secret_keys.add(key)
            config.pop(key, None)
        else:
            config[key] = text
    return config, frozenset(secret_keys)


def load_file(path: Path) -> Mapping[str, Any]:
    """Load one of the files, with plain values like Go reads them.

    A text is parsed once, since a command needs both files several times.

    Raises:
        SetupError: it can't be read.
    """
    try:
        return _parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, ValueError, yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        problem = next(iter(str(error).splitlines()), "it is nested too deeply")
        raise SetupError(f"{path.name} can't be read{place}: {safe(problem)}") from None


@lru_cache(maxsize=8)
def _parse(text: str) -> Mapping[str, Any]:
    return _mapping(yaml.load(text, _Loader))  # noqa: S506 - a SafeLoader


def _mapping(value: object) -> dict[str, Any]:
    entries = value if isinstance(value, dict) else {}
    return {str(key): entry for key, entry in entries.items()}


def _is_encrypted(value: object) -> bool:
    """Whether a value is encrypted, or a list or map with one, as `--path` writes it."""
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(map(_is_encrypted, value.values()))
    return isinstance(value, list) and any(map(_is_encrypted, value))


def _qualified(key: str, project: str) -> str:
    # `aws:config:region` is an older form of `aws:region`.
    return key.replace(":config:", ":", 1) if ":" in key else f"{project}:{key}"


def _default(declared: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return the value of `KEY: value`, `KEY: {value: ...}` or `KEY: {default: ...}`."""
    if not isinstance(declared, dict):
        return declared
    return declared.get("value", declared.get("default"))


def _cli_text(value: Any) -> str:  # noqa: ANN401 - whatever YAML holds
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def redirection_errors(config: Iterable[str]) -> Iterator[ConfigError]:
    """Find keys that would send the deploy to another AWS account than the checked one."""
    # Pulumi also accepts `aws:config:endpoints`.
    for key in sorted(config):
        if key.replace("aws:config:", "aws:") in REDIRECTING_KEYS:
            yield ConfigError(
                key,
                "could send the deploy to another AWS account than the one that is checked",
                "remove it, and set credentials in the environment (AWS_PROFILE, or "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)",
            )


def _encryption(stack_file: Mapping[str, Any]) -> str:
    """Return what encrypts; a URL without its encrypted key encrypts nothing yet."""
    provider = _text(stack_file.get("secretsprovider"))
    if provider not in {"", "default", PASSPHRASE}:
        return provider if stack_file.get("encryptedkey") else ""
    return PASSPHRASE if stack_file.get("encryptionsalt") else ""


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


class _Loader(yaml.SafeLoader):
    """Reads plain values like Go, as YAML 1.2: `yes` and `1:30` are strings."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OF_YAML_1_1]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    _BOOL, re.compile("(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(_INT, re.compile("[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789"))
