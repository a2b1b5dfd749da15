"""`python -m infra.bootstrap STACK`, and `--back` for the way back. See the README."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra.bootstrap.cli import CommandError, InterruptedCommandError, Pulumi
from infra.bootstrap.plan import StuckError
from infra.bootstrap.scratch import scratch
from infra.bootstrap.session import Session
from infra.bootstrap.stack_file import (
    BACKEND,
    PASSPHRASE,
    SetupError,
    check_passphrase,
    places,
    read_stack_file,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str], environment: Mapping[str, str], project: Path) -> int:
    """Move the state, and give the exit status: 0 it is moved, 1 not, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m infra.bootstrap", description=__doc__)
    parser.add_argument("stack")
    parser.add_argument("--back", action="store_true", help="from the bucket to this machine")
    options = parser.parse_args(arguments)
    target = "unbootstrap" if options.back else "bootstrap"
    again = f"`make {target} STACK={options.stack}` goes on from there"
    try:
        _move(options.stack, environment, project, back=options.back)
    except SetupError as error:
        _complain(f"{error}")
    except KeyboardInterrupt:
        _complain(f"{options.stack}: interrupted; {again}")
        return INTERRUPTED
    except InterruptedCommandError as error:
        _complain(f"{options.stack}: {error}; {again}")
        return INTERRUPTED
    except (CommandError, StuckError) as error:
        _complain(f"{options.stack}: {error}\nNothing is lost: {again}.")
    else:
        return 0
    return 1


def _move(stack: str, environment: Mapping[str, str], project: Path, *, back: bool) -> None:
    file = read_stack_file(project, stack, environment)
    here, there = places(environment)
    if back or file.provider == PASSPHRASE:
        check_passphrase(environment)
    with scratch(file, stack) as folder:
        session = Session(
            pulumi=Pulumi(stack, environment),
            file=file,
            scratch=folder,
            environment=environment,
            here=here,
            there=there,
            back=back,
        )
        session.run()
    sys.stdout.write(f"{stack}: its state lies at {session.target}. What comes next needs:\n\n")
    sys.stdout.write(f"  export {BACKEND}='{session.target}'\n")


def _complain(sentence: str) -> None:
    sys.stderr.write(f"error: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, Path.cwd()))
