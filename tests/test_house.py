"""The rules of the repository: which directory may import which, and what the zip may import."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# handler <- {policy, auditlog} <- infra, cli <- sandbox; sdk stands alone; all <- tests, bench.
MAY_IMPORT: dict[str, set[str]] = {
    "handler": set(),
    "auditlog": {"handler"},
    "policy": {"handler"},
    "infra": {"handler", "auditlog", "policy"},
    "sandbox": {"handler", "auditlog", "policy", "infra", "cli"},
    "sdk": set(),
    "cli": {"handler", "auditlog", "policy", "sdk"},
}
# Exceptions: single modules, each with its reason.
ALSO = {
    # It reads a stack's state, and only infra/ can prove that the state is this account's.
    "cli/target.py": {
        *("infra", "infra.backend", "infra.errors", "infra.pulumi_cli", "infra.stack_file"),
    },
    # It explains what is deployed, and only infra/ reads a stack's file.
    "cli/config.py": {"infra.errors", "infra.stack_file"},
    # It needs the names of settings, and proposals for misspelt ones.
    "cli/misspelt_settings.py": {"infra.config_key_check", "infra.settings"},
    # It checks the name of a stack.
    "cli/arguments.py": {"infra.stack_file"},
}
ROOMS = {*MAY_IMPORT, "tests", "bench"}
# Directories that are imported under another name.
PACKAGES = {"indentapi": "sdk", "approvals": "sdk"}


def _files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@cache
def _imports(file: Path) -> frozenset[str]:
    return frozenset(_read_imports(file))


def _read_imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield node.module or ""


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_arrows_point_one_way(room: str) -> None:
    """A directory imports only the directories that the design allows."""
    for file in _files(room):
        for module in _imports(file) - ALSO.get(str(file.relative_to(ROOT)), set()):
            top = module.partition(".")[0]
            other = PACKAGES.get(top, top)
            assert other not in ROOMS - MAY_IMPORT[room] - {room}, f"{file} imports {module}"


def test_exceptions_are_used() -> None:
    """Every exception is needed by its file."""
    for name, modules in ALSO.items():
        assert modules <= _imports(ROOT / name)


def test_handler_is_standard_library_only() -> None:
    """No file in the zip imports a third-party module."""
    files = _files("handler")
    assert files
    for file in files:
        for module in _imports(file):
            top = module.partition(".")[0]
            # _typeshed exists for the type checker only.
            known = {"handler", "_typeshed", *sys.stdlib_module_names}
            assert top in known, f"{file} imports {module}"


def test_a_cold_start_loads_no_typing() -> None:
    """The handler has the names of `typing` from its own stand-in, which is cheaper to load."""
    others = [file for file in _files("handler") if file.name != "typing.py"]
    assert [str(file) for file in others if "typing" in _imports(file)] == []


PURE = (
    *(
        "callers/base",
        "callers/indent",
        "jwt",
        "request",
        "duty",
        "durations",
        "emails",
        "json_fields",
        "audit",
    ),
    *("characters", "folding", "settings", "setting_parsers", "hosts"),
    *("rules/model", "rules/conditions", "rules/evaluate", "rules/codec"),
    *("rules/matching", "rules/petitions"),
)
IMPURE = {"os", "socket", "ssl", "http", "urllib", "time", "threading", "sys", "io", "pathlib"}


@pytest.mark.parametrize("name", PURE)
def test_pure_files_do_no_io(name: str) -> None:
    """The files that decide import no I/O, and read no clock."""
    file = ROOT / "handler" / f"{name}.py"
    modules = _imports(file) - {"urllib.parse"}
    assert not {module.partition(".")[0] for module in modules} & IMPURE
    assert ".now(" not in file.read_text(encoding="utf-8")


def test_only_the_entry_reads_clock_and_environment() -> None:
    """Only handler/app.py reads the time and the environment."""
    for file in _files("handler"):
        if file.name != "app.py":
            assert "datetime.now" not in file.read_text(encoding="utf-8"), file
            assert not {"os", "time"} & _imports(file), file


def test_property_tests_have_no_deadline() -> None:
    """Each has the settings `STEADY`, without which Hypothesis fails a test that runs slowly."""
    others = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in _files("tests")
        if "given(" in (text := file.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
        and re.search(
            r"(?m)^given\(", decorators := "\n".join(map(ast.unparse, node.decorator_list))
        )
        and "STEADY" not in decorators
    ]
    assert others == []


def test_all_tests_are_run() -> None:
    """`make test` or `make test-e2e` runs each file of tests."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    paths = [*settings["tool"]["pytest"]["ini_options"]["testpaths"], "tests/engine"]
    files = {file for file in _files("tests") if file.name.startswith("test_")}
    run = {file for file in files if any(file.is_relative_to(ROOT / path) for path in paths)}
    assert files - run == set()
