"""The examples in the packages' READMEs work."""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
import sys
from pathlib import Path

import approvals
import indentapi
import pytest
from scripted_api import ScriptedApi, petition

pytestmark = pytest.mark.usefixtures("environment")
SDK = Path(__file__).resolve().parents[2] / "sdk"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GROUP = {"kind": "okta.v1.Group", "id": "00g1", "displayName": "Production"}


def blocks(name: str, language: str) -> list[str]:
    """The code blocks of a README in this language."""
    text = (SDK / name / "README.md").read_text(encoding="utf-8")
    return [code for written_in, code in BLOCK.findall(text) if written_in == language]


def run(code: str) -> None:
    """Run a script."""
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own README


def test_requesting(api: ScriptedApi, capsys: pytest.CaptureFixture[str]) -> None:
    """The client's example requests Production, and prints the petition's address."""
    other = {**GROUP, "id": "00g2", "displayName": "Staging"}
    api.respond_with({"resources": [GROUP, other]}, petition("open"), petition("granted"))
    (script,) = blocks("indentapi", "python")
    run(script)
    assert capsys.readouterr().out == "Requested: https://indent.com/access/acmecorp/aec1b116\n"
    body = api.requests[1].body["petition"]
    assert (body["resources"], body["defaultDuration"]) == ([GROUP], "5400s")


def test_approval(api: ScriptedApi, capsys: pytest.CaptureFixture[str]) -> None:
    """The first example prints the shown output, except for the wait and the petition's name."""
    api.respond_with(petition("granted"))
    script, *_ = blocks("approvals", "python")
    run(script)
    (output,) = blocks("approvals", "")
    lines = [line for line in output.splitlines() if "Waiting" not in line]
    lines[0] = lines[0].rpartition("/")[0] + "/aec1b116"
    assert capsys.readouterr().out.splitlines() == lines


def test_async_example(api: ScriptedApi, capsys: pytest.CaptureFixture[str]) -> None:
    """The async example runs unchanged."""
    api.respond_with(petition("granted"))
    (script,) = [code for code in blocks("approvals", "python") if "asyncio.run" in code]
    run(script)
    assert capsys.readouterr().out.endswith("resetting the password\n")


def test_waiting_longer(api: ScriptedApi, capsys: pytest.CaptureFixture[str]) -> None:
    """The example that resumes after a timeout runs."""
    (script,) = [code for code in blocks("approvals", "python") if "late" in code]
    api.respond_with(*[petition("open")] * 3, petition("granted"))
    head = "from approvals import ApprovalTimeout, approval_sync\n"
    head += f"request = {{'reason': 'debug', 'resources': [{GROUP!r}]}}\n"
    run(head + script.replace("timeout=60", "timeout=0"))
    assert "Ask somebody to look at https://indent.com/access/acmecorp/aec1b116" in (
        capsys.readouterr().out
    )


def test_guarded_function(api: ScriptedApi) -> None:
    """The decorated example requests what its argument names."""
    api.respond_with(petition("granted"))
    (script,) = [code for code in blocks("approvals", "python") if "@requires" in code]
    run(f"{script}\nreset_password(7)")
    assert api.requests[0].body["petition"]["reason"] == "reset the password of 7"


@pytest.mark.parametrize("package", [indentapi, approvals])
def test_names(package: object) -> None:
    """Every exception that a README names exists."""
    name = str(getattr(package, "__name__", ""))
    text = (SDK / name / "README.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`(Approval\w+|\w+Error)`", text))
    assert names
    places = (package, indentapi, builtins)
    assert all(any(hasattr(place, name) for place in places) for name in names)
    for code in blocks(name, "python"):
        compile(code, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize(
    "example", sorted((SDK.parent / "examples").glob("*.py")), ids=lambda file: file.name
)
def test_examples_name_their_installation(example: Path) -> None:
    """Without the packages, an example's first lines and its error say where they come from."""
    text = example.read_text(encoding="utf-8")
    page = (SDK.parent / "docs/sandbox.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```sh\n(make dist)\n(.*install.*)\n", page)
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert all(f"`{command}`" in docstring for command in commands)
    done = subprocess.run(
        [sys.executable, "-IS", example], capture_output=True, text=True, check=False
    )
    assert "never from PyPI" in done.stderr
