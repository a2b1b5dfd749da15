"""The function's zip: the handler's own files, the policy, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Where `handler/app.py` looks for it.
POLICY_IN_ZIP = "handler/policy.json"


def handler_archive(root: Path, policy: str = "") -> pulumi.AssetArchive:
    """List the Python files of `root/handler` by name, byte for byte: {"handler/app.py": ...}.

    So whoever has the repository can compare what is deployed with it.

    A policy, as JSON, lies beside them, so that another one deploys the function anew.

    Pulumi hashes and zips names and contents only (no times, owners or modes), in sorted order.
    The same files give the same hash and the same zip on any machine, wherever they lie there, and
    the function is deployed anew exactly when one of them changes. Listing them, instead of handing
    over the folder, keeps out what tests and editors leave in it.
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
    """Find what Python can import by name, which an editor's `.#app.py` or hidden folder is not."""
    for path in folder.rglob("*.py"):
        if all(part.isidentifier() for part in path.relative_to(root).with_suffix("").parts):
            yield path
