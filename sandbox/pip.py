"""pip, with those of this machine's settings that say where packages come from, and no others.

`user`, `target`, `require-virtualenv` and the like, in pip.conf or the environment, would break or
divert what the Makefile installs; a company's index, its certificate or a proxy has to stay. Run by
`python -I` in a new virtual environment: standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from configparser import Error, RawConfigParser
from pathlib import Path

KEPT = frozenset(
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
    """Name the files that pip reads, as its documentation lists them: the later one wins."""
    config_file = environment.get(_FILE, "")
    if config_file == os.devnull:
        return
    home = Path(environment.get("HOME") or Path.home())
    support = Path("Library") / "Application Support"  # of macOS
    xdg = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    folders = [Path("/") / support / "pip"]
    folders += [Path(each) / "pip" for each in xdg.split(os.pathsep)]
    folders += [Path("/etc"), home / ".pip"]
    folders += [Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip"]
    folders += [home / support / "pip", prefix]
    yield from (each / "pip.conf" for each in folders)
    if config_file:
        yield Path(config_file)


def kept_settings(
    files: Iterator[Path], environment: Mapping[str, str], command: str
) -> dict[str, str]:
    """Read the settings that a command of pip gets.

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
    kept = {}
    for name, value in settings:
        option = name.lower().replace("_", "-").removeprefix("--")
        if option in KEPT and value:
            kept[option] = value
        elif _CERTIFICATES.get(option) in value.split():
            kept[option] = _CERTIFICATES[option]
    if "find-links" not in kept:  # there would be nowhere to take a package from
        kept.pop("no-index", None)
    return kept


def environment_of(kept: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Hand these settings to pip by the environment, and hide every other one from it."""
    return {
        **{name: each for name, each in environment.items() if not name.startswith(_ENVIRONMENT)},
        _FILE: os.devnull,  # as documented, pip then reads no file at all
        **{f"{_ENVIRONMENT}{name.upper().replace('-', '_')}": each for name, each in kept.items()},
    }


def main(arguments: Sequence[str]) -> int:
    """Run pip, and give its exit status."""
    kept = {}
    # What comes from our own folder alone comes from nowhere else.
    if "--no-index" not in arguments:
        try:
            files = config_files(os.environ, Path(sys.prefix))
            kept = kept_settings(files, os.environ, arguments[0])
        except (Error, UnicodeDecodeError) as error:
            print(f"error: pip's configuration cannot be read: {error}", file=sys.stderr)
            return 2
    command = [sys.executable, "-I", "-m", "pip", *arguments]
    return subprocess.run(command, env=environment_of(kept, os.environ), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
