"""The documents' commands do the same in an interactive zsh as in a bash script."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.test_pasting import BLOCK, DOCUMENTS
from tests.support.documents import ROOT

ZSH = shutil.which("zsh")
# All programs that the blocks run; stubs replace them.
COMMANDS = (
    *("aws", "cp", "curl", "diff", "git", "jq", "make", "oncall", "openssl", "pip", "pulumi"),
    *("rm", "unzip", "./grant", ".venv/bin/oncall", ".venv/bin/pip", ".venv/bin/python"),
)
STUB = """#!/bin/sh
words=$(printf '<%s>' "$0" "$@")
printf '%s\\n' "$words" >> "$LOG"  # at once: the commands of a pipe write at the same time
echo "$*"
case "$0" in
  */jq) cat > /dev/null ;;
  */make) echo "  export PULUMI_BACKEND_URL=printed" ;;  # as `make bootstrap` does
esac
"""
pytestmark = pytest.mark.skipif(ZSH is None, reason="no zsh on PATH")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stubs of all commands, which log their arguments and do nothing."""
    folder = tmp_path_factory.mktemp("pasted")
    for name in COMMANDS:
        stub = folder / (name if "/" in name else f"bin/{name}")
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(STUB, encoding="utf-8")
        stub.chmod(0o755)
    (folder / ".sandbox").mkdir()
    (folder / ".sandbox/env").write_text("sandbox_off() { :; }\n", encoding="utf-8")
    (folder / ".env").write_text("INDENT_SPACE=acme\n", encoding="utf-8")
    return folder


def _run(folder: Path, *shell: str, stdin: str = "") -> tuple[str, str]:
    """Return the arguments of each command, sorted since pipes run in parallel, and the errors."""
    log = folder / "log"
    log.write_text("", encoding="utf-8")
    done = subprocess.run(
        shell,
        cwd=folder,
        env={"PATH": f"{folder}/bin:/bin", "LOG": str(log), "URL": "https://url", "PS1": ""},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "\n".join(sorted(log.read_text(encoding="utf-8").splitlines())), done.stderr


def _scripts() -> list[str]:
    scripts = []
    for document in DOCUMENTS:
        for language, block in BLOCK.findall((ROOT / document).read_text(encoding="utf-8")):
            lines = block.splitlines()
            if language == "console":
                lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
            indent = len(lines[0]) - len(lines[0].lstrip())
            scripts.append("\n".join(line[indent:] for line in lines) + "\n")
    return sorted(set(scripts))


@pytest.mark.parametrize("script", _scripts(), ids=lambda script: script.partition("\n")[0][:60])
def test_zsh_understands_it_like_bash(folder: Path, script: str) -> None:
    """A default zsh prompt runs each block's commands with the same arguments."""
    assert ZSH
    words, errors = _run(folder, "/bin/bash", "-c", script)
    assert "/bin/bash: " not in errors
    assert words or "pulumi" not in script
    typed, errors = _run(folder, ZSH, "-f", "-i", stdin=script)
    assert typed == words
    assert [line for line in errors.splitlines() if line.startswith("zsh:")] == []


@pytest.mark.parametrize("script", ["pulumi up # now\n", "pulumi get a[0]\n", "pulumi up '\n"])
def test_differences_are_noticed(folder: Path, script: str) -> None:
    """A comment, a pattern or an open quote makes zsh differ from bash."""
    assert ZSH
    words, errors = _run(folder, "/bin/bash", "-c", script)
    typed, more_errors = _run(folder, ZSH, "-f", "-i", stdin=script)
    assert (typed, errors) != (words, "") or "zsh:" in more_errors
