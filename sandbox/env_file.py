"""`.sandbox/env`: what a shell, or `send`, needs to talk to a running sandbox."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

FILE = Path(".sandbox") / "env"
UNDO = "sandbox_off"
# What would have AWS's tools take another account than that of the variables.
UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_EXPORT = "export "
# For any POSIX shell, bash and zsh, also under `set -eu`. A variable that was there before is kept
# in one of the shell's own, with a mark where it was exported.
_SCRIPT = r"""# What a shell needs to talk to the sandbox that runs here. Source this file: it sets
# the variables below, and unsets %(unset)s;
# doing so twice is safe. `%(undo)s` then sets every one back to what it
# was before, or unsets it.
if command -v %(undo)s >/dev/null 2>&1; then %(undo)s; fi
for sandbox_name in %(names)s; do
  if eval "[ -n \"\${$sandbox_name+set}\" ]"; then
    eval "sandbox_old_$sandbox_name=\$$sandbox_name"
    if printenv "$sandbox_name" >/dev/null; then eval "sandbox_exported_$sandbox_name=1"; fi
    unset "$sandbox_name"
  fi
done
%(undo)s() {
  for sandbox_name in %(names)s; do
    unset "$sandbox_name"
    if eval "[ -n \"\${sandbox_old_$sandbox_name+set}\" ]"; then
      eval "$sandbox_name=\$sandbox_old_$sandbox_name"
      if eval "[ -n \"\${sandbox_exported_$sandbox_name+set}\" ]"; then
        export "$sandbox_name"
      fi
      unset "sandbox_old_$sandbox_name" "sandbox_exported_$sandbox_name"
    fi
  done
  unset sandbox_name
  unset -f %(undo)s
}
unset sandbox_name
%(exports)s"""


def write(path: Path, values: Mapping[str, str]) -> None:
    """Write the variables whole or not at all, readable by the owner only: secrets are in it."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".new")
    exports = [f"{_EXPORT}{name}={shlex.quote(value)}\n" for name, value in values.items()]
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        parts = {
            "undo": UNDO,
            "names": " ".join([*values, *UNSET]),
            "unset": ", ".join(UNSET),
            "exports": "".join(exports),
        }
        file.write(_SCRIPT % parts)
    temporary.replace(path)


def read(path: Path) -> dict[str, str]:
    """Read what `write` wrote; empty where there is no such file."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    words = (shlex.split(line)[1] for line in lines if line.startswith(_EXPORT))
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _, value in pairs}
