"""`.sandbox/env`: what a shell, or `send`, needs to talk to a running sandbox."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

FILE = Path(".sandbox") / "env"


def write(path: Path, values: Mapping[str, str]) -> None:
    """Write the variables whole or not at all, readable by the owner only: secrets are in it."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".new")
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in values.items()]
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.writelines(lines)
    temporary.replace(path)


def read(path: Path) -> dict[str, str]:
    """Read what `write` wrote; empty where there is no such file."""
    if not path.exists():
        return {}
    words = (shlex.split(line)[1] for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _, value in pairs}
