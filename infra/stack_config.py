"""A stack's config, read the way the Pulumi CLI reads it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from infra.errors import SetupError
from policy.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


_BOOL, _INT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"
_OF_YAML_1_1 = {_BOOL, _INT, "tag:yaml.org,2002:timestamp"}


def read_stack_config(root: Path, stack: str) -> tuple[dict[str, str], frozenset[str]]:
    """Read the defaults of `Pulumi.yaml`, then `Pulumi.<stack>.yaml`, as the program sees them.

    Keys are qualified (`oncall-approvals:MEMORY_MB`). Numbers and booleans become the strings that
    the CLI makes of them, lists and maps become JSON. Encrypted values are left out.

    Returns:
        The config, and the keys whose values the stack file holds encrypted.

    Raises:
        SetupError: a file can't be read.
    """
    path = root / f"Pulumi.{stack}.yaml"
    # A new stack has no file until its first `pulumi config set`.
    return config_of(load_file(root / "Pulumi.yaml"), load_file(path) if path.exists() else {})


def config_of(
    project: Mapping[str, Any], of_stack: Mapping[str, Any]
) -> tuple[dict[str, str], frozenset[str]]:
    """Give the same of the two files, loaded.

    Raises:
        SetupError: a value has no end.
    """
    name = str(project.get("name") or "")
    config = {
        _qualified(key, name): _text(_default(declared))
        for key, declared in _mapping(project.get("config")).items()
        if _default(declared) is not None
    }
    secret_keys = set()
    for each, value in _mapping(of_stack.get("config")).items():
        key = _qualified(each, name)
        try:
            encrypted, text = _is_encrypted(value), _text(value)
        except (ValueError, RecursionError):
            raise SetupError(f"{key} is a list or a map that holds itself; take it out") from None
        if encrypted:
            secret_keys.add(key)
            config.pop(key, None)
        else:
            config[key] = text
    return config, frozenset(secret_keys)


def load_file(path: Path) -> dict[str, Any]:
    """Load one of the files, its plain values as Go reads them.

    Raises:
        SetupError: it can't be read.
    """
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeError, ValueError, yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        problem = next(iter(str(error).splitlines()), "it is nested too deep")
        raise SetupError(f"{path.name} can't be read{place}: {safe(problem)}") from None
    return _mapping(loaded)


def _mapping(value: object) -> dict[str, Any]:
    found = value if isinstance(value, dict) else {}
    return {str(key): each for key, each in found.items()}


def _is_encrypted(value: object) -> bool:
    """Whether a value is encrypted, or a list or map that holds one, as `--path` makes it."""
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(map(_is_encrypted, value.values()))
    return isinstance(value, list) and any(map(_is_encrypted, value))


def _qualified(key: str, project: str) -> str:
    # `aws:config:region` is an older form of `aws:region`.
    return key.replace(":config:", ":", 1) if ":" in key else f"{project}:{key}"


def _default(declared: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Take the value of `KEY: value`, of `KEY: {value: ...}` or of `KEY: {default: ...}`."""
    if not isinstance(declared, dict):
        return declared
    return declared.get("value", declared.get("default"))


def _text(value: Any) -> str:  # noqa: ANN401 - whatever YAML holds
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values, as Go reads them: `yes` and `1:30` are strings."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to state it
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OF_YAML_1_1]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    _BOOL, re.compile("(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(_INT, re.compile("[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789"))
