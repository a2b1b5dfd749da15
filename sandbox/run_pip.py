"""Runs pip with this machine's settings for where packages come from, and no others.

A company's index, its certificate and a proxy must still be used. `user`, `target`,
`require-virtualenv` and the like, in pip.conf or the environment, would break or divert what the
Makefile installs. Run by `python -I` in a new virtual environment: standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from configparser import Error, RawConfigParser
from pathlib import Path

SOURCE_OPTIONS = frozenset(
    {
        *("index-url", "pypi-url", "extra-index-url", "find-links", "no-index", "trusted-host"),
        *("cert", "client-cert", "proxy", "keyring-provider"),
        *("timeout", "default-timeout", "retries", "resume-retries", "cache-dir", "no-cache-dir"),
    }
)
# The one feature each that says which certificates are trusted; others change how pip installs.
_CERTIFICATES = {"use-feature": "truststore", "use-deprecated": "legacy-certs"}
_ENVIRONMENT = "PIP_"
_FILE = "PIP_CONFIG_FILE"


def config_files(environment: Mapping[str, str], prefix: Path) -> Iterator[Path]:
    """Name the files that pip reads, in the order of its documentation: the later one wins."""
    config_file = environment.get(_FILE, "")
    if config_file == os.devnull:
        return
    home = Path(environment.get("HOME") or Path.home())
    support = Path("Library") / "Application Support"  # of macOS
    xdg = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    folders = [Path("/") / support / "pip"]
    folders += [Path(folder) / "pip" for folder in xdg.split(os.pathsep)]
    folders += [Path("/etc"), home / ".pip"]
    folders += [Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip"]
    folders += [home / support / "pip", prefix]
    yield from (folder / "pip.conf" for folder in folders)
    if config_file:
        yield Path(config_file)


def source_settings(
    files: Iterator[Path], environment: Mapping[str, str], command: str
) -> dict[str, str]:
    """Read the settings for where packages come from, as a command of pip does.

    Args:
        files: pip's configuration files; the later one wins.
        environment: where variables named `PIP_...` win over every file.
        command: `install`, for example, whose section of a file wins over `[global]`.

    Raises:
        configparser.Error, UnicodeDecodeError: a file is not in the format of pip.conf.
    """
    parser = RawConfigParser()
    for file in files:
        if os.access(file, os.R_OK):
            parser.read(file)
    settings = [
        pair
        for section in ("global", command)
        if parser.has_section(section)
        for pair in parser.items(section)
    ]
    settings += [
        (name.removeprefix(_ENVIRONMENT), value)
        for name, value in environment.items()
        if name.startswith(_ENVIRONMENT)
    ]
    sources = {}
    for name, value in settings:
        option = name.lower().replace("_", "-").removeprefix("--")
        if option in SOURCE_OPTIONS and value:
            sources[option] = value
        elif _CERTIFICATES.get(option) in value.split():
            sources[option] = _CERTIFICATES[option]
    if "find-links" not in sources:  # there would be no source of packages
        sources.pop("no-index", None)
    return sources


def pip_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Make an environment that gives pip these settings and no others."""
    others = {
        name: value for name, value in environment.items() if not name.startswith(_ENVIRONMENT)
    }
    variables = {
        f"{_ENVIRONMENT}{option.upper().replace('-', '_')}": value
        for option, value in settings.items()
    }
    # As documented, pip then reads no file at all.
    return {**others, _FILE: os.devnull, **variables}


def main(arguments: Sequence[str]) -> int:
    """Run pip, and give its exit status."""
    settings = {}
    # Packages in our own folder come from there only.
    if "--no-index" not in arguments:
        try:
            files = config_files(os.environ, Path(sys.prefix))
            settings = source_settings(files, os.environ, arguments[0])
        except (Error, UnicodeDecodeError) as error:
            print(f"error: pip's configuration cannot be read: {error}", file=sys.stderr)
            return 2
    command = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(
        command, env=pip_environment(settings, os.environ), check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
