"""Both SDK packages, built and installed as users do, and run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from indentapi import __version__

from sandbox.demo_space import open_space, variables
from sandbox.space import Space
from sandbox.stack import Sandbox
from tests.e2e.wheels import ROOT, build_ours, pack_installed

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Installed(NamedTuple):
    """The folder of the built files, and the Python in which they are installed."""

    built: Path
    python: Path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A clean environment with only approvals and its requirements, installed offline."""
    folder = tmp_path_factory.mktemp("installed")
    built = build_ours(folder)
    pack_installed("requests", built)
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--isolated", "--python", str(python), "install"),
            *("--quiet", "--no-index", "--find-links", str(built), "--no-compile", "approvals"),
        ],
        check=True,
        capture_output=True,
    )
    return Installed(built, python)


@pytest.fixture(scope="module")
def space(sandbox: Sandbox) -> Iterator[Space]:
    """A space that asks the deployed webhook."""
    with open_space(sandbox) as space:
        yield space


@pytest.mark.parametrize("name", ["indentapi", "approvals"])
def test_wheel_and_source(installed: Installed, name: str) -> None:
    """Each package has a wheel and a source archive, with types and licence."""
    full = f"{name}-{__version__}"
    with zipfile.ZipFile(installed.built / f"{full}-py3-none-any.whl") as wheel:
        files = set(wheel.namelist())
    assert {f"{name}/py.typed", f"{full}.dist-info/licenses/LICENSE"} <= files
    assert {Path(file).parts[0] for file in files} == {name, f"{full}.dist-info"}
    with tarfile.open(installed.built / f"{full}.tar.gz") as source:
        assert {f"{full}/README.md", f"{full}/LICENSE"} <= set(source.getnames())


def test_nothing_else_is_installed(installed: Installed) -> None:
    """Only the two packages, requests and its requirements are installed."""
    output = _run(
        installed.python,
        "-c",
        "import approvals, indentapi, importlib.metadata as m;"
        "print(approvals.__file__, indentapi.__file__, *sorted(d.name for d in m.distributions()))",
    )
    ours, theirs, *names = output.split()
    assert Path(ours).is_relative_to(installed.python.parents[1])
    assert Path(theirs).is_relative_to(installed.python.parents[1])
    assert names == [
        *("approvals", "certifi", "charset-normalizer", "idna", "indentapi", "requests", "urllib3")
    ]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("request_prod.py", "Requested: https://indent.com/access/acmecorp/UUID\n"),
        (
            "reset_password.py",
            "⏵ Requested approval #acmecorp/UUID\n✅ Granted\nThe password of user 123 is reset.\n",
        ),
    ],
)
def test_guides_scripts(
    installed: Installed, space: Space, tmp_path: Path, script: str, expected: str
) -> None:
    """The guide's scripts print what the guide shows, with settings from a `.env`."""
    shutil.copy(ROOT / "examples" / script, tmp_path)
    lines = [f"{name}={value}\n" for name, value in variables(space).items()]
    (tmp_path / ".env").write_text("".join(lines), encoding="utf-8")
    shell = 'set -a; . ./.env; set +a; exec "$@"'
    output = _run(
        Path("/bin/sh"), "-c", shell, "sh", str(installed.python), script, folder=tmp_path
    )
    assert UUID.sub("UUID", output) == expected


def _run(program: Path, *arguments: str, folder: Path | None = None) -> str:
    process = subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        env={"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout
