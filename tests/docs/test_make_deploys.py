"""The targets that CI runs, without GitHub and with a stand-in for the pulumi CLI."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infra.preview import MOST_CHARACTERS, comment

ROOT = Path(__file__).resolve().parents[2]
CLI = """#!/bin/sh
echo "$@" >> "$TOLD"
echo '+ create ``` fence'
echo trouble >&2
exit "$CODE"
"""


def _make(target: str, folder: Path, *, code: int = 0, **env: str) -> tuple[int, str]:
    done = subprocess.run(
        ["/usr/bin/make", "-s", "-o", ".venv/run.stamp", target, "STACK=prod"],
        cwd=ROOT,
        env={"PATH": f"{folder}:/usr/bin:/bin", "TOLD": f"{folder}/told", "CODE": str(code), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def cli(tmp_path: Path) -> Path:
    """Put a pulumi into a folder, that tells its arguments."""
    path = tmp_path / "pulumi"
    path.write_text(CLI)
    path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("target", ["preview", "deploy", "preview-comment"])
def test_what_is_missing_is_said(target: str, tmp_path: Path, cli: Path) -> None:
    """Without a backend or a CLI, one sentence says so, and nothing is run."""
    assert "PULUMI_BACKEND_URL is not set" in _make(target, cli)[1]
    assert not (cli / "told").exists()
    (cli / "pulumi").unlink()
    code, said = _make(target, tmp_path, PULUMI_BACKEND_URL="file:///nowhere")
    assert code != 0
    assert "no pulumi on PATH" in said


@pytest.mark.parametrize(("target", "command"), [("preview", "preview"), ("deploy", "up")])
def test_pulumi_is_asked_for_that_stack(target: str, command: str, cli: Path) -> None:
    """The CLI runs once, for that stack, asks nothing, and its failure is the target's."""
    code, _ = _make(target, cli, code=3, PULUMI_BACKEND_URL="file:///nowhere")
    told = (cli / "told").read_text().splitlines()
    assert code != 0
    assert len(told) == 1
    assert told[0].startswith(f"{command} --stack prod ")
    assert "--non-interactive" in told[0]


@pytest.mark.parametrize("target", ["bootstrap", "unbootstrap"])
def test_the_move_says_what_it_needs(target: str, cli: Path) -> None:
    """It needs no backend, since it knows where to begin; without a CLI or a passphrase it ends."""
    code, said = _make(target, cli)
    assert code != 0
    assert "error: PULUMI_CONFIG_PASSPHRASE is not set" in said
    assert not (cli / "told").exists()
    (cli / "pulumi").unlink()
    assert "no pulumi on PATH" in _make(target, cli)[1]


def test_the_comment_reaches_github(cli: Path) -> None:
    """It is the step's output and the job's summary, also when the preview fails."""
    files = {key: str(cli / key) for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    code, said = _make("preview-comment", cli, code=3, PULUMI_BACKEND_URL="file:///no", **files)
    assert code != 0, said
    summary = Path(files["GITHUB_STEP_SUMMARY"]).read_text()
    assert summary == comment("prod", "+ create ``` fence\ntrouble\n", 3)
    first, *middle, last = Path(files["GITHUB_OUTPUT"]).read_text().splitlines()
    assert first == f"comment<<{last}"
    assert "\n".join(middle) + "\n" == summary


def test_the_comment_is_printed_elsewhere(cli: Path) -> None:
    """Without GitHub it goes to the terminal."""
    code, said = _make("preview-comment", cli, PULUMI_BACKEND_URL="file:///nowhere")
    assert code == 0
    assert said.startswith("### Preview of prod\n")


def test_no_output_leaves_its_fence() -> None:
    """Backticks of the preview do not end the block, and the end of a long one is kept."""
    text = comment("dev", "`````\n" + "x" * MOST_CHARACTERS + "end", 0)
    assert text.endswith("end\n```\n")
    assert len(text) < 65_536
    assert "\n``````text\n" in comment("dev", "`````", 0)
