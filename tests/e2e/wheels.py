"""Wheels without a network: ours as `make dist` builds them, others from installed packages."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def build_ours(folder: Path) -> Path:
    """Build both packages from a copy of their sources, and return the folder."""
    sources, built = folder / "sdk", folder / "dist"
    shutil.copytree(ROOT / "sdk", sources, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    subprocess.run(
        [
            *("make", "--directory", str(ROOT), "-o", ".venv/run.stamp", "-o", ".venv/dev.stamp"),
            *("packages", f"SDK={sources}", f"DIST={built}", f"BIN={Path(sys.executable).parent}"),
        ],
        check=True,
        capture_output=True,
    )
    return built


def pack_installed(name: str, into: Path) -> None:
    """Make wheels of an installed distribution and all its requirements."""
    for package in _with_requirements(name, {}).values():
        tag = re.findall("^Tag: (.*)$", package.read_text("WHEEL") or "", re.MULTILINE)[0]
        file = into / f"{package.name.replace('-', '_')}-{package.version}-{tag}.whl"
        with zipfile.ZipFile(file, "w") as wheel:
            for path in package.files or ():
                # Without compiled files and scripts, which an installation creates.
                if ".." not in path.parts and path.suffix != ".pyc":
                    wheel.write(path.locate(), str(path))


def _with_requirements(
    name: str, distributions: dict[str, Distribution]
) -> dict[str, Distribution]:
    if name not in distributions:
        distributions[name] = distribution(name)
        for requirement in distributions[name].requires or ():
            if "extra ==" not in requirement and (needed := _NAME.match(requirement)):
                _with_requirements(needed[0], distributions)
    return distributions
