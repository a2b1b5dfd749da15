"""A stack's plain settings, out of the project's folder. Its secrets are never read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ops.errors import CommandError

PROJECT_FILE = "Pulumi.yaml"
_NOTHING = frozenset({"", "null", "Null", "NULL", "~"})


def project_folder(start: Path) -> Path:
    """Find the project's folder: where one stands, or above.

    Raises:
        CommandError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise CommandError(f"there is no {PROJECT_FILE} here or above: go to the project's folder")


def stack_settings(folder: Path, stack: str) -> dict[str, str]:
    """Read the defaults of the project, then the stack's settings; encrypted ones are left out.

    Raises:
        CommandError: there is no such stack, or a file cannot be read.
    """
    project = _read(folder / PROJECT_FILE)
    file = folder / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        known = sorted(each.name.split(".")[1] for each in folder.glob("Pulumi.*.yaml"))
        remedy = f"there are {', '.join(known)}" if known else "run `make bootstrap` first"
        raise CommandError(f"--stack is {stack!r}, and there is no {file.name}: {remedy}")
    declared = {key: _default(value) for key, value in _record(project.get("config")).items()}
    settings = {}
    for key, value in {**declared, **_record(_read(file).get("config"))}.items():
        name = key.removeprefix(f"{project.get('name')}:")
        if isinstance(value, str):
            settings[name] = "" if value in _NOTHING else value
        elif set(_record(value)) != {"secure"}:
            raise CommandError(f"{file.name} gives {key} something that is no text")
    return settings


def _read(file: Path) -> dict[str, Any]:
    try:
        # Every value as it is written: `3` and `true` are texts to us.
        return _record(yaml.load(file.read_bytes(), yaml.BaseLoader))  # noqa: S506 - it makes texts only
    except OSError as error:
        raise CommandError(f"{file.name} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError):
        raise CommandError(f"{file.name} is no YAML") from None


def _record(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _default(declared: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Take the value of `KEY: value`, of `KEY: {value: ...}` or of `KEY: {default: ...}`."""
    if not isinstance(declared, dict):
        return declared
    return declared.get("value", declared.get("default", ""))
