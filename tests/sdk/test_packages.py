"""The packages' versions, dependencies and types."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path
from typing import Any

import approvals
import indentapi
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SDK = ROOT / "sdk"


def _project(name: str) -> dict[str, Any]:
    text = (SDK / name / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project


def test_one_version() -> None:
    """Both packages have the same version, and approvals requires exactly that."""
    assert indentapi.__version__ == approvals.__version__
    assert _project("approvals")["dependencies"] == [f"indentapi=={indentapi.__version__}"]
    (only,) = _project("indentapi")["dependencies"]
    assert only.startswith("requests>=")


@pytest.mark.parametrize(
    ("package", "others"),
    # urllib3 is a dependency of requests, which raises its exceptions.
    [("indentapi", {"requests", "urllib3"}), ("approvals", {"indentapi"})],
)
def test_imports(package: str, others: set[str]) -> None:
    """A package imports only the standard library, itself and its dependencies."""
    files = [*(SDK / package / "src" / package).glob("*.py")]
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            tops = {name.partition(".")[0] for name in names}
            assert tops <= {package, *others, *sys.stdlib_module_names}, file


@pytest.mark.parametrize("package", ["indentapi", "approvals"])
def test_attributes_are_annotated(package: str) -> None:
    """Attributes are annotated, since type checkers infer differently (`--verifytypes`)."""
    bare = [
        f"{file.name}:{node.lineno}: self.{target.attr}"
        for file in (SDK / package / "src" / package).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute)
        if isinstance(target.value, ast.Name)
        if target.value.id == "self"
        if not target.attr.startswith("_")
    ]
    assert bare == []
