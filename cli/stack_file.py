"""A stack's plain settings, out of the project's folder. Its secrets are never read."""

from __future__ import annotations

from pathlib import Path

from cli.errors import CommandError
from infra.errors import SetupError
from infra.stack_file import config_of, load_file, stack_names

PROJECT_FILE = "Pulumi.yaml"


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
    file = folder / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        names = stack_names(folder)
        remedy = f"there are {', '.join(names)}" if names else "run `make bootstrap` first"
        raise CommandError(f"--stack is {stack!r}, and there is no {file.name}: {remedy}")
    try:
        project = load_file(folder / PROJECT_FILE)
        config, _ = config_of(project, load_file(file))
    except SetupError as error:
        raise CommandError(str(error)) from None
    return {key.removeprefix(f"{project.get('name')}:"): value for key, value in config.items()}
