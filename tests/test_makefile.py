"""The Makefile, run by make in an awkwardly named folder, with hostile variables."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.projects import project_with_code_in

ROOT = Path(__file__).resolve().parent.parent
AWKWARD = "a b'c$d \"é"
PATIENCE = 120
# Replaces the project's interpreter: prints its arguments, one per line.
SHOWS_ARGUMENTS = "#!/bin/sh\nprintf '%s\\n' \"$@\"\n"
# Each creates the file `pwned` if make or the shell evaluates it.
HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    "${x:-$(touch pwned)}",
    "$(shell touch pwned)",
    "${shell touch pwned}",
    "$(eval $(shell touch pwned))",
    "x;touch pwned;",
    "x&&touch pwned",
    "x|touch pwned",
    "'; touch pwned; '",
    "'$(touch pwned)'",
    "'$(shell touch pwned)'",
    "x\ntouch pwned\n",
    "'\ntouch pwned\n'",
    "#'$(touch pwned)",
    "\\';touch pwned;\\'",
)


def project(folder: Path) -> Path:
    """A copy of the project, with an up-to-date environment in its folder."""
    folder.mkdir()
    project_with_code_in(folder)
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, folder)
    bin_ = folder / ".venv" / "bin"
    bin_.mkdir(parents=True)
    (bin_ / "python").symlink_to(Path(sys.executable).resolve())
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder / ".venv")
    (folder / ".venv" / "lib").symlink_to(Path(sys.prefix) / "lib")
    for stamp in ("run.stamp", "dev.stamp"):
        (folder / ".venv" / stamp).touch()
    return folder


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in a folder whose name a shell would evaluate."""
    return project(tmp_path_factory.mktemp("makefile") / AWKWARD)


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Path]:
    """The Makefile alone, with an interpreter that prints its arguments and evaluates nothing."""
    folder = tmp_path / "project"
    bin_ = folder / ".venv" / "bin"
    bin_.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("python", "oncall"):
        (bin_ / name).write_text(SHOWS_ARGUMENTS, encoding="utf-8")
        (bin_ / name).chmod(0o755)
    yield folder
    assert not list(tmp_path.rglob("pwned"))


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make there, with only PATH from this shell."""
    return subprocess.run(
        ["make", "-s", *arguments],  # noqa: S607 - the one on the path
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def dry_run(folder: Path, *arguments: str, **variables: str) -> list[str]:
    """The arguments with which a target calls the interpreter."""
    ready = ("-o", ".venv/run.stamp", "-o", ".venv/bin/oncall")
    process = make(folder, *ready, *arguments, **variables)
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout.splitlines()


def one_line(value: str) -> str:
    """A value without line breaks, as in a recipe."""
    return value.replace("\n", " ")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("target", ["up", "demo"])
def test_a_stack_s_name_is_one_argument(bare: Path, target: str, value: str) -> None:
    """Any value of STACK reaches the command unchanged."""
    commands = dry_run(bare, target, f"STACK={value}")
    assert commands == ["-m", "sandbox", target, f"--stack={one_line(value)}"]


@pytest.mark.parametrize("value", HOSTILE)
def test_the_environment_s_stack_too(bare: Path, value: str) -> None:
    """STACK in the environment counts as well."""
    assert dry_run(bare, "demo", STACK=value)[-1] == f"--stack={one_line(value)}"


@pytest.mark.parametrize("value", HOSTILE)
def test_switches_are_not_evaluated(bare: Path, value: str) -> None:
    """Any value but the empty one switches on, and isn't evaluated."""
    assert dry_run(bare, "up", f"LIVE={value}") == ["-m", "sandbox", "up", "--stack=dev", "--live"]
    commands = dry_run(bare, "policy-test", f"SELF_DECLARED={value}")
    assert commands == ["-m", "policy", "test", "--self-declared", "--"]
    assert dry_run(bare, "up", "LIVE=") == ["-m", "sandbox", "up", "--stack=dev"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_policy_s_name_is_one_argument(bare: Path, value: str) -> None:
    """Any value of POLICY reaches the command unchanged; an empty one is left out."""
    up = ["-m", "sandbox", "up", "--stack=dev"]
    assert dry_run(bare, "up", f"POLICY={value}") == [*up, f"--policy={one_line(value)}"]
    assert dry_run(bare, "up", POLICY=value) == [*up, f"--policy={one_line(value)}"]
    assert dry_run(bare, "up", "POLICY=") == up


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["LIVE", "POLICY"])
def test_the_demo_refuses_what_it_would_ignore(bare: Path, name: str, value: str) -> None:
    """Otherwise its "all answers match the settings" would be read as about the policy named."""
    ready = ("-o", ".venv/run.stamp", "-o", ".venv/bin/oncall")
    process = make(bare, *ready, "demo", f"{name}={value}")
    assert (process.returncode, process.stdout) == (2, "")
    assert "LIVE and POLICY are for `make up` only\n" in process.stderr


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("target", ["up", "demo"])
def test_an_endpoint_is_one_argument(bare: Path, target: str, value: str) -> None:
    """Any value of ENDPOINT reaches the command unchanged; an empty one is left out."""
    command = ["-m", "sandbox", target, "--stack=dev"]
    assert dry_run(bare, target, f"ENDPOINT={value}") == [
        *command,
        f"--endpoint={one_line(value)}",
    ]
    assert dry_run(bare, target, ENDPOINT=value) == [*command, f"--endpoint={one_line(value)}"]
    assert dry_run(bare, target, "ENDPOINT=") == command


@pytest.mark.parametrize(
    ("value", "files"),
    [
        ("policy/a.yaml", ["policy/a.yaml"]),
        ("a.yaml  b.yaml", ["a.yaml", "b.yaml"]),
        ("'a b.yaml' c.yaml", ["a b.yaml", "c.yaml"]),
        ('"it\'s.yaml"', ["it's.yaml"]),
        ("x/$(touch pwned);.yaml", ["x/$(touch", "pwned);.yaml"]),
        ("'x/$(touch pwned);.yaml'", ["x/$(touch pwned);.yaml"]),
        ("'$(shell touch pwned).yaml'", ["$(shell touch pwned).yaml"]),
        ("--help", ["--help"]),
        ("Zürich.yaml", ["Zürich.yaml"]),
    ],
)
def test_files_are_read_as_words(bare: Path, value: str, files: list[str]) -> None:
    """Spaces separate files unless quoted, and nothing is evaluated."""
    assert dry_run(bare, "policy-test", f"FILES={value}") == ["-m", "policy", "test", "--", *files]


@pytest.mark.parametrize("value", HOSTILE)
def test_files_are_not_evaluated(bare: Path, value: str) -> None:
    """Nothing is evaluated, even with unmatched quotes (the fixture checks this)."""
    make(bare, "-o", ".venv/run.stamp", "policy-test", f"FILES={value}")


@pytest.mark.parametrize("value", [*HOSTILE, "no such/python"])
def test_the_interpreter_is_a_program_s_name(bare: Path, value: str) -> None:
    """PYTHON is one program, not a command, and the error names it unchanged."""
    (bare / "requirements.txt").touch()
    (bare / ".venv" / "run.stamp").unlink(missing_ok=True)
    process = make(bare, ".venv/run.stamp", f"PYTHON={value}")
    assert process.returncode == 2
    assert f"Python 3.11 or later is needed, {one_line(value)} is " in process.stderr


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ("nothing", "Setting up .venv: "),
        ("-c", "Python 3.11 or later is needed, ./python is Python 3.10.12."),
        ("-m venv", "Cannot create a virtual environment."),
    ],
)
def test_what_setting_up_prints_fits_a_terminal(bare: Path, failing: str, said: str) -> None:
    """Whatever make says while it sets up .venv fits 80 columns."""
    (bare / "requirements.txt").touch()
    steps = f'"{failing}"*) exit 1;; --version) echo Python 3.10.12;;'
    python = f'#!/bin/sh\ncase "$*" in {steps} esac\n'
    (bare / "python").write_text(python, encoding="utf-8")
    (bare / "python").chmod(0o755)
    process = make(bare, ".venv/run.stamp", "PYTHON=./python")
    printed = f"{process.stdout}{process.stderr}"
    assert said in printed
    words = [line for line in printed.splitlines() if not line.startswith("make: ")]
    assert max(map(len, words)) <= 80


def test_help_in_an_awkward_folder(awkward: Path) -> None:
    """The help lists all targets in groups, newcomers' first, and fits a terminal."""
    process = make(awkward, "help")
    assert (process.returncode, process.stderr) == (0, "")
    groups = [group.splitlines() for group in process.stdout.split("\n\n")]
    assert [group[0] for group in groups] == ["Try it:", "Deploy:", "Policy:", "Develop:"]
    assert [line.split()[0] for line in groups[0][1:]] == ["up", "demo", "oncall"]
    listed = [line.split()[0] for group in groups for line in group[1:]]
    documented = re.findall(r"(?m)^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"))
    assert listed == documented
    assert max(map(len, process.stdout.splitlines())) < 80
    assert make(awkward).stdout == process.stdout


def test_packages_in_an_awkward_folder(tmp_path: Path) -> None:
    """Both packages are built in both forms (setuptools can't handle a $ in the path)."""
    folder = project(tmp_path / AWKWARD.replace("$", ""))
    process = make(folder, "packages")
    assert (process.returncode, process.stderr) == (0, "")
    assert sorted(file.suffix for file in (folder / "dist").iterdir()) == [
        *(".gz", ".gz", ".whl", ".whl")
    ]


def test_oncall_in_an_awkward_folder(awkward: Path) -> None:
    """The installed command runs in any folder, and ignores another Python's variables."""
    assert make(awkward, "oncall").returncode == 0
    process = subprocess.run(
        [awkward / ".venv" / "bin" / "oncall", "--help"],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONHOME": "/none", "PYTHONPATH": "/none"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("usage: oncall ")


def test_policy_test_in_an_awkward_folder(awkward: Path) -> None:
    """A policy with an awkward name is tested."""
    folder = awkward / "x $(touch pwned);'"
    folder.mkdir()
    for suffix in (".yaml", ".test.yaml"):
        shutil.copy(awkward / "policy" / f"example{suffix}", folder / f"my{suffix}")
    process = make(awkward, "policy-test", f'FILES="{folder.name}/my.yaml"')
    assert (process.returncode, process.stderr) == (0, "")
    assert "cases passed." in process.stdout
    assert not list(awkward.rglob("pwned"))


ANOTHER_PYTHON: Mapping[str, str] = {
    "PYTHONHOME": "/none",
    "PYTHONPATH": "/none",
    "PYTHONSTARTUP": "/none",
    "PYTHONWARNINGS": "error",
    "PYTHONSAFEPATH": "1",
    "PYTHONINSPECT": "1",
    "PYTHONOPTIMIZE": "2",
}


def test_another_python_s_variables_change_nothing(awkward: Path) -> None:
    """Targets ignore variables meant for another Python."""
    process = make(awkward, "policy-test", **ANOTHER_PYTHON)
    assert (process.returncode, process.stderr) == (0, "")
