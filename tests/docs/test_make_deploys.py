"""The make targets that CI runs, without GitHub and with a stand-in for the Pulumi CLI."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from infra.preview import MOST_CHARACTERS, comment
from tests.support.documents import README, read_sections

ROOT = Path(__file__).resolve().parents[2]
SWITCH = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
CLI = f"""#!/bin/sh
echo "$@ ${SWITCH}" >> "$CALLS"
case "$1 $2" in
  "stack export") [ "$4" = "$HELD" ] && exit; echo "error: no stack named '$4' found" >&2; exit 1 ;;
  "stack ls") echo '[{{"name": "'$HELD'"}}]'; exit ;;
  "install --no-dependencies") exit ;;
esac
echo '+ create ``` fence'
echo trouble >&2
exit "$CODE"
"""
FOLDER = "file:///nowhere"


def _make(target: str, folder: Path, *, code: int = 0, **env: str) -> tuple[int, str]:
    done = subprocess.run(
        [
            *("/usr/bin/make", "-s", "-o", ".venv/run.stamp", "-o", ".venv/bin/oncall"),
            *(target, "STACK=dev"),
        ],
        cwd=ROOT,
        env={
            "PATH": f"{folder}:/usr/bin:/bin",
            "CALLS": f"{folder}/calls",
            "CODE": str(code),
            "HELD": "dev",
            "AWS_EC2_METADATA_DISABLED": "true",
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def cli(tmp_path: Path) -> Path:
    """Write a `pulumi` that logs its arguments and the switch."""
    path = tmp_path / "pulumi"
    path.write_text(CLI)
    path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("target", ["preview", "deploy", "preview-comment"])
def test_nothing_runs_without_the_stack(target: str, cli: Path) -> None:
    """If the backend doesn't have the stack, the target prints an error and runs nothing."""
    output = _make(target, cli, PULUMI_BACKEND_URL=FOLDER, HELD="prod")[1]
    assert "file:///nowhere has no stack 'dev' (it has prod)" in output
    assert "stack init" not in output
    assert len((cli / "calls").read_text().splitlines()) == 2  # stack export, stack ls


def test_nothing_runs_without_a_backend_or_the_cli(cli: Path) -> None:
    """The error names what is missing."""
    code, output = _make("deploy", cli)
    assert code != 0
    assert "PULUMI_BACKEND_URL, the place of the state, is not set" in output
    assert not (cli / "calls").exists()
    (cli / "pulumi").unlink()
    code, output = _make("deploy", cli, PULUMI_BACKEND_URL=FOLDER)
    assert code != 0
    assert "no pulumi on PATH" in output


@pytest.mark.parametrize(("target", "command"), [("preview", "preview"), ("deploy", "up")])
def test_target_runs_pulumi_once(target: str, command: str, cli: Path) -> None:
    """The target checks the stack, installs plugins, runs Pulumi once, and fails if Pulumi does.

    None of the commands downloads a plugin that a state names.
    """
    code, _ = _make(target, cli, code=3, PULUMI_BACKEND_URL=FOLDER)
    check, install, run = (cli / "calls").read_text().splitlines()
    assert code != 0
    assert check.startswith("stack export --stack dev")
    assert install.startswith("install --no-dependencies")
    assert run.startswith(f"{command} --stack=dev ")
    assert "--non-interactive" in run
    assert all(line.endswith(" true") for line in (check, install, run))


def test_bootstrap_without_passphrase_or_cli(cli: Path) -> None:
    """It doesn't need a backend, but stops without a passphrase or the CLI."""
    code, output = _make("bootstrap", cli)
    assert code != 0
    assert "error: PULUMI_CONFIG_PASSPHRASE is not set" in output
    assert not (cli / "calls").exists()
    (cli / "pulumi").unlink()
    assert "no pulumi on PATH" in _make("bootstrap", cli)[1]


@pytest.mark.parametrize("failing", ["make -s bootstrap STACK=dev", "make deploy STACK=dev"])
def test_the_pasted_deploy_stops_at_a_failure(failing: str, tmp_path: Path) -> None:
    """The README's block runs no further command after one that fails."""
    for name in ("make", "openssl", "pulumi"):
        stub = tmp_path / name
        stub.write_text(
            f'#!/bin/sh\necho "{name} $*" >> calls\n[ "{name} $*" = "{failing}" ] && exit 1\n'
            "echo '  export PULUMI_BACKEND_URL=printed'\n"
        )
        stub.chmod(0o755)
    *_, script = read_sections(README)["Deploy it"].blocks
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-1] == failing
    assert done.returncode != 0


@pytest.mark.parametrize(
    "target", ["preview", "deploy", "preview-comment", "bootstrap", "policy-test"]
)
def test_targets_install_oncall(target: str) -> None:
    """The documents run `.venv/bin/oncall` after these targets, so the targets install it."""
    rules = subprocess.run(
        ["/usr/bin/make", "-p", "-n", "-q", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    needs = dict(re.findall(r"^([a-z-]+): (.*)$", rules, flags=re.MULTILINE))
    assert ".venv/bin/oncall" in f"{needs[target]} {needs['backend']}".split()
    if "backend" not in needs[target].split():
        assert ".venv/bin/oncall" in needs[target].split()


def test_the_comment_reaches_github(cli: Path) -> None:
    """It is the step's output and in the job's summary, even if the preview fails."""
    files = {key: str(cli / key) for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    code, output = _make("preview-comment", cli, code=3, PULUMI_BACKEND_URL=FOLDER, **files)
    assert code != 0, output
    summary = Path(files["GITHUB_STEP_SUMMARY"]).read_text()
    assert summary == comment("dev", "+ create ``` fence\ntrouble\n", 3)
    first, *middle, last = Path(files["GITHUB_OUTPUT"]).read_text().splitlines()
    assert first == f"comment<<{last}"
    assert "\n".join(middle) + "\n" == summary


def test_the_comment_is_printed_elsewhere(cli: Path) -> None:
    """Outside GitHub the comment is printed to the terminal."""
    code, output = _make("preview-comment", cli, PULUMI_BACKEND_URL=FOLDER)
    assert code == 0
    assert output.startswith("### Preview of dev\n")


def test_no_output_leaves_its_fence() -> None:
    """Backticks in a preview don't end the code block; of a long preview, the end is kept."""
    text = comment("dev", "`````\n" + "x" * MOST_CHARACTERS + "end", 0)
    assert text.endswith("end\n```\n")
    assert len(text) < 65_536
    assert "\n``````text\n" in comment("dev", "`````", 0)
