"""`.sandbox/env`: what a shell, or `send`, needs to talk to a running sandbox.

It may hold real keys. A sandbox that is killed cannot remove it, so its next reader does.
"""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import IO

FILE = Path(".sandbox") / "env"
UNDO = "sandbox_off"
# With these, AWS's tools would use another account than that of the variables.
UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_EXPORT = "export "
_PID = "sandbox_pid="
# For any POSIX shell, bash and zsh, also under `set -eu`. The earlier value of a variable goes into
# another variable, with a mark if it was exported.
_SCRIPT = r"""# What a shell needs to talk to the sandbox that runs here. Source this file: it sets
# the variables below, and unsets %(unset)s;
# doing so twice is safe. `%(undo)s` then sets every one back to what it
# was before, or unsets it.
%(pid_is)s%(pid)s
if ! kill -0 "$sandbox_pid" 2>/dev/null; then
  rm -f %(file)s
  unset sandbox_pid
  echo 'The sandbox of this file has stopped: run `make up` again.' >&2
  return 1
fi
unset sandbox_pid
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


def lock(path: Path) -> IO[str] | None:
    """Keep other sandboxes from writing this file and its neighbours; None if one is running.

    It is unlocked when what this returns is closed, or its process ends, however it ends.
    """
    path.parent.mkdir(exist_ok=True)
    file = path.with_suffix(".lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def write(path: Path, values: Mapping[str, str], pid: int | None = None) -> None:
    """Write the variables, whole or not at all, so that only the owner can read the secrets.

    `pid` is the sandbox's process; None is this one.
    """
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".new")
    exports = [f"{_EXPORT}{name}={shlex.quote(value)}\n" for name, value in values.items()]
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        parts = {
            "undo": UNDO,
            "pid_is": _PID,
            "pid": str(os.getpid() if pid is None else pid),
            "file": shlex.quote(str(path.absolute())),
            "names": " ".join([*values, *UNSET]),
            "unset": ", ".join(UNSET),
            "exports": "".join(exports),
        }
        file.write(_SCRIPT % parts)
    temporary.replace(path)


def read(path: Path) -> dict[str, str]:
    """Read what `write` wrote; nothing if there is no file, or its sandbox has stopped."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    pids = [int(line.removeprefix(_PID)) for line in lines if line.startswith(_PID)]
    if not all(map(_is_running, pids)):
        path.unlink(missing_ok=True)
        return {}
    words = (shlex.split(line)[1] for line in lines if line.startswith(_EXPORT))
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _, value in pairs}


def _is_running(pid: int) -> bool:
    """Whether one of our processes has this id."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
