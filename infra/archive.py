"""The function's zip: the handler's files and the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Where `handler/app.py` reads it.
POLICY_IN_ZIP = "handler/policy.json"


def handler_archive(root: Path, policy: str = "") -> pulumi.AssetArchive:
    """Return the Python files of `root/handler` by name, byte for byte: {"handler/app.py": ...}.

    Anybody can compare them with the repository. A policy, as JSON, is part of the zip, so that
    a changed policy redeploys the function.

    Pulumi hashes and zips only names and contents (no times, owners or modes), in sorted order. The
    same files give the same zip on any machine, and the function is redeployed exactly if one of
    them changes. Listing the files keeps out what tests and editors leave in the folder.
    """
    root = root.resolve()
    assets: dict[str, pulumi.Asset | pulumi.Archive] = {
        path.relative_to(root).as_posix(): pulumi.StringAsset(path.read_bytes().decode())
        for path in sorted(_modules(root / "handler", root))
    }
    if policy:
        assets[POLICY_IN_ZIP] = pulumi.StringAsset(policy)
    return pulumi.AssetArchive(assets)


def _modules(folder: Path, root: Path) -> Iterator[Path]:
    """Find importable modules, without an editor's `.#app.py` or hidden folders."""
    for path in folder.rglob("*.py"):
        if all(part.isidentifier() for part in path.relative_to(root).with_suffix("").parts):
            yield path
