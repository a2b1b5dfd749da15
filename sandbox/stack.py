"""A stack's config, read the way the Pulumi CLI reads it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path


_BOOL, _INT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"
_OF_YAML_1_1 = {_BOOL, _INT, "tag:yaml.org,2002:timestamp"}


def read_stack_config(root: Path, stack: str) -> tuple[dict[str, str], frozenset[str]]:
    """Read the defaults of `Pulumi.yaml`, then `Pulumi.<stack>.yaml`, as the program sees them.

    Keys are qualified (`oncall-approvals:MEMORY_MB`). Numbers and booleans become the strings that
    the CLI makes of them, lists and maps become JSON. Encrypted values are left out.

    Returns:
        The config, and the keys whose values the stack file holds encrypted.
    """
    project = _load(root / "Pulumi.yaml")
    config = {
        _qualified(key, project["name"]): _text(_default(declared))
        for key, declared in project.get("config", {}).items()
        if _default(declared) is not None
    }
    secret_keys = set()
    path = root / f"Pulumi.{stack}.yaml"
    # A new stack has no file until its first `pulumi config set`.
    settings = (_load(path).get("config") or {}) if path.exists() else {}
    for name, value in settings.items():
        key = _qualified(name, project["name"])
        if isinstance(value, dict) and set(value) == {"secure"}:
            secret_keys.add(key)
        else:
            config[key] = _text(value)
    return config, frozenset(secret_keys)


def _qualified(key: str, project: str) -> str:
    return key if ":" in key else f"{project}:{key}"


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


def _load(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as file:
        loaded: dict[str, Any] = yaml.load(file, _Loader) or {}  # noqa: S506 - a SafeLoader
    return loaded
