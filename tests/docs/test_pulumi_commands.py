"""No Pulumi command that we run or print downloads a plugin that a state names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.test_pasting import DOCUMENTS as MARKDOWN

ROOT = Path(__file__).resolve().parents[2]
SWITCH = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
DOCUMENTS = sorted(ROOT / name for name in MARKDOWN)
BLOCK = re.compile(r"^ *```(?:sh|console)\n(.*?)^ *```$", flags=re.MULTILINE | re.DOTALL)
# A command at the start of a line or after shell syntax; not `make pulumi-cli`.
COMMAND = re.compile(r"(?:^ *|[|&;(=\"'] ?|\$ )pulumi (?:\w|-)", flags=re.MULTILINE)
PRODUCT = ("infra", "cli", "policy", "sandbox", "bench", "handler")
STARTS = {"run", "Popen", "call", "check_call", "check_output", "execv", "execve", "execvpe"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=MARKDOWN)
def test_documents_switch_it_off_before_the_first_command(document: Path) -> None:
    """Each document exports the switch before its first Pulumi command."""
    blocks = "\n".join(BLOCK.findall(document.read_text(encoding="utf-8")))
    first = COMMAND.search(blocks)
    assert first is None or f"export {SWITCH}=true\n" in blocks[: first.start()]


def test_pulumi_commands_are_found() -> None:
    """The pattern finds the Pulumi commands in each of these six documents."""
    found = [
        document.name
        for document in DOCUMENTS
        if COMMAND.search("\n".join(BLOCK.findall(document.read_text(encoding="utf-8"))))
    ]
    pages = {"operate.md", "deploy.md", "deploy-from-ci.md", "callers.md", "policy.md"}
    assert {"README.md", *pages} <= set(found)


@pytest.mark.parametrize("document", DOCUMENTS, ids=MARKDOWN)
def test_documents_preview_and_deploy_by_make(document: Path) -> None:
    """No block runs `pulumi preview` or `pulumi up`: make first proves the state's bucket."""
    blocks = "\n".join(BLOCK.findall(document.read_text(encoding="utf-8")))
    assert re.findall(r"pulumi (?:preview|up)\b.*", blocks) == []


def test_the_makefile_switches_it_off_for_all_targets() -> None:
    """The Makefile exports the switch above its first target that runs Pulumi."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"\nexport {SWITCH} := true\n" in text.partition("@pulumi ")[0]


def test_workflows_switch_it_off() -> None:
    """Each workflow that sets the backend sets the switch for all of its jobs."""
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        text = workflow.read_text(encoding="utf-8")
        if "PULUMI_BACKEND_URL" in text:
            assert f'\nenv:\n  {SWITCH}: "true"\n' in text, workflow


def _modules_that_run_pulumi() -> Iterator[tuple[Path, str]]:
    for room in PRODUCT:
        for file in sorted((ROOT / room).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            if not re.search(r"[\"']pulumi[\"']", text):
                continue
            names = {
                node.func.attr if isinstance(node.func, ast.Attribute) else ""
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Call)
            }
            if names & STARTS:
                yield file, text


def test_programs_switch_it_off() -> None:
    """Each module that starts Pulumi sets the switch."""
    found = dict(_modules_that_run_pulumi())
    assert {module.name for module in found} == {"pulumi_cli.py"}
    for file, text in found.items():
        assert SWITCH in text or "NO_PLUGINS_OF_A_STATE" in text, file


def test_printed_commands_switch_it_off() -> None:
    """Each module that prints an `export` line for the backend prints one for the switch."""
    for room in PRODUCT:
        for file in (ROOT / room).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            if re.search(r"export \{?\w*BACKEND|export \{backend\}|\{BACKEND\}=", text):
                assert "NO_PLUGINS" in text or SWITCH in text, file
