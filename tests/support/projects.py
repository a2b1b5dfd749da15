"""A project's folder for each test, so that tests never use a developer's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from sandbox.local_aws.program import PROJECT, ROOT


def project_in(
    folder: Path, *, region: str = "us-west-2", encrypted: Sequence[str] = (), **settings: str
) -> Path:
    """Write the project's files and a dev stack with these settings; the program stays ours.

    The settings in `encrypted` get an encrypted value.
    """
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    lines = [f"  {PROJECT}:{key}: {json.dumps(value)}\n" for key, value in settings.items()]
    lines += [f"  {PROJECT}:{key}: {{secure: v1:encrypted}}\n" for key in encrypted]
    (folder / "Pulumi.dev.yaml").write_text(
        f"config:\n  aws:region: {region}\n{''.join(lines)}", encoding="utf-8"
    )
    return folder


def project_with_code_in(folder: Path, **settings: str) -> Path:
    """Write a project with a copy of the code, so that `python -m sandbox` there is independent."""
    for room in ("handler", "auditlog", "policy", "infra", "cli", "sandbox", "sdk", "examples"):
        shutil.copytree(ROOT / room, folder / room)
    return project_in(folder, **settings)


def broken_home_in(folder: Path) -> Path:
    """Make a home folder with unreadable AWS files."""
    aws = folder / "home" / ".aws"
    aws.mkdir(parents=True)
    for name in ("config", "credentials"):
        (aws / name).write_text("[profile\nregion\n", encoding="utf-8")
    (aws / "models").mkdir()
    (aws / "models" / "endpoints.json").write_text("{", encoding="utf-8")
    return aws.parent
