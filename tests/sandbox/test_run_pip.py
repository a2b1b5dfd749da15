"""The Makefile's pip uses only those settings of the machine that locate packages."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import venv
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sandbox import run_pip
from sandbox.local_aws.program import ROOT

PATIENCE = 120
PIP = Path(sysconfig.get_path("purelib")) / "pip"
WHEEL = "tiny-1.0-py3-none-any.whl"


class Machine:
    """A virtual environment, a home, and a local index with one wheel."""

    def __init__(self, folder: Path, index: str) -> None:
        self.index = index
        self.venv = folder / "venv"
        self.home = folder / "home"
        self.home.mkdir()
        venv.create(self.venv)
        # A link to this environment's pip saves installing and compiling one.
        (packages,) = self.venv.glob("lib/python*/site-packages")
        (packages / "pip").symlink_to(PIP)

    def configure(self, *lines: str) -> None:
        """Write the user's pip.conf."""
        file = self.home / ".config" / "pip" / "pip.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join(("[global]", *lines))
        file.write_text(text, encoding="utf-8")

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the environment's Python with these arguments."""
        return subprocess.run(
            [str(self.venv / "bin" / "python"), "-I", *command],
            cwd=self.home,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), **variables},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def installs(self, *pip_: str, **variables: str) -> bool:
        """Install the wheel with this pip, return whether it is in place, and remove it."""
        self.run(*pip_, "install", "--quiet", "--no-deps", "tiny", **variables)
        (packages,) = self.venv.glob("lib/python*/site-packages")
        installed = (packages / "tiny.py").exists()
        for file in packages.glob("tiny*"):
            file.unlink() if file.is_file() else shutil.rmtree(file)
        return installed


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a running index."""
    folder = tmp_path_factory.mktemp("machine")
    packages = folder / "index" / "tiny"
    packages.mkdir(parents=True)
    with zipfile.ZipFile(packages / WHEEL, "w") as wheel:
        wheel.writestr("tiny.py", "")
        about = "tiny-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder / "index"))
    ) as server:
        serving = threading.Thread(target=server.serve_forever, args=[0.05])
        serving.start()
        yield Machine(folder, f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
        serving.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


OURS = (str(ROOT / "sandbox" / "run_pip.py"),)
PLAIN = ("-m", "pip")


DIVERTED = {
    "user": "true",
    "target": "{home}/elsewhere",
    "prefix": "{home}/elsewhere",
    "dry-run": "true",
    "requirement": "{home}/none.txt",
    "no-binary": ":all:",
    "no-index": "true",
}


def test_harmful_settings_are_ignored(machine: Machine) -> None:
    """Harmful settings in pip.conf break pip, but not ours."""
    machine.configure(
        f"index-url = {machine.index}",
        *(f"{name} = {DIVERTED[name].format(home=machine.home)}" for name in DIVERTED),
    )
    assert not machine.installs(*PLAIN)
    assert machine.installs(*OURS)


def test_harmful_variables_are_ignored(machine: Machine) -> None:
    """Harmful variables don't break ours, and PIP_INDEX_URL overrides pip.conf."""
    more = {"python": "/none", "constraint": "/none", "root": "/none", "log": "/none/log"}
    settings = {**DIVERTED, **more, "require-virtualenv": "true", "only-binary": ":none:"}
    machine.configure("index-url = http://127.0.0.1:9/")
    variables = {f"PIP_{name.upper().replace('-', '_')}": settings[name] for name in settings}
    assert machine.installs(*OURS, **variables, PIP_INDEX_URL=machine.index)


KEPT = {
    "PIP_INDEX_URL": "https://packages.example.com/simple",
    "PIP_EXTRA_INDEX_URL": "https://a.example.com https://b.example.com",
    "PIP_FIND_LINKS": "/opt/wheels",
    "PIP_NO_INDEX": "1",
    "PIP_TRUSTED_HOST": "packages.example.com",
    "PIP_CERT": "/etc/ssl/company.pem",
    "PIP_CLIENT_CERT": "/etc/ssl/mine.pem",
    "PIP_PROXY": "http://proxy.example.com:3128",
    "PIP_TIMEOUT": "60",
    "PIP_DEFAULT_TIMEOUT": "60",
    "PIP_RETRIES": "1",
    "PIP_CACHE_DIR": "/var/cache/pip",
    "PIP_KEYRING_PROVIDER": "subprocess",
    "PIP_USE_FEATURE": "truststore",
}


def environment_for(
    environment: dict[str, str], command: str = "install", *files: Path
) -> dict[str, str]:
    """Return the variables that pip gets from this environment and these files."""
    settings = run_pip.source_settings(iter(files), environment, command)
    return run_pip.pip_environment(settings, environment)


def test_settings_that_locate_packages_are_kept() -> None:
    """Index, proxy, certificate and timeout are kept; pip reads no file itself."""
    shell = {"PATH": "/bin", "PIP_USER": "1", "PIP_CONFIG_FILE": "/etc/mine", **KEPT}
    assert environment_for(shell) == {"PATH": "/bin", "PIP_CONFIG_FILE": os.devnull, **KEPT}
    features = {"PIP_USE_FEATURE": "fast-deps truststore", "PIP_USE_DEPRECATED": "legacy-resolver"}
    assert environment_for(features) == {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_USE_FEATURE": "truststore",
    }


def test_a_later_file_and_a_command_s_own_section_win(tmp_path: Path) -> None:
    """Files and sections override as in pip, however names are spelt."""
    first, later = tmp_path / "first", tmp_path / "later"
    first.write_text("[global]\nindex_url=one\ncert=c\n[install]\nproxy=p\n[list]\ncert=other\n")
    later.write_text("[global]\n--index-url=two\nproxy=q\ntimeout=\nextra-index-url=\n  a\n  b\n")
    assert environment_for({"PIP_CERT": ""}, "install", first, later, tmp_path / "none") == {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "two",
        "PIP_CERT": "c",
        "PIP_PROXY": "p",
        "PIP_EXTRA_INDEX_URL": "\na\nb",
    }


def test_the_files_are_those_of_pip(tmp_path: Path) -> None:
    """The files are those that pip reads, or none if PIP_CONFIG_FILE says so."""
    shell = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    shell["PIP_CONFIG_FILE"] = str(tmp_path / "named")
    ours = [str(file) for file in run_pip.config_files(shell, Path(sys.prefix))]
    output = subprocess.run(
        [sys.executable, "-I", "-m", "pip", "config", "debug"],
        env={"PATH": os.environ["PATH"], **shell},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout
    theirs = [line.strip().partition(", exists:")[0] for line in output.splitlines()]
    read = [file for file in theirs if file.endswith("pip.conf")]
    assert read
    assert set(read) <= set(ours)
    assert ours[-1] == str(tmp_path / "named")
    assert not list(run_pip.config_files({"PIP_CONFIG_FILE": os.devnull}, tmp_path))


def test_a_broken_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unreadable file is an error with status 2, unless pip needs no index."""
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").write_bytes(b"[global]\nindex-url = \xff\n")
    assert run_pip.main(["install", "x"]) == 2
    assert capsys.readouterr().err.startswith("error: pip's configuration cannot be read: ")
    assert run_pip.main(["download", "--no-index", "--help"]) == 0
