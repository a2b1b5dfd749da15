"""Reports wrong settings: all at once, in sentences, with the commands that correct them."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from handler.setting_parsers import SettingsError
from handler.settings import SECRET_KEYS
from policy.terminal import safe

# Stands in for a policy file whose problems are reported already.
UNREAD = '{"rules": [], "aliases": {}}'


class ConfigError(SettingsError):
    """A wrong setting with its own remedy.

    Attributes:
        remedy: what to do, to follow a semicolon.
    """

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        super().__init__(key, problem)
        self.remedy = remedy


def report(subject: str, error: SettingsError, remedy: Callable[[SettingsError], str]) -> str:
    """Report all problems: as one sentence, or as a heading and a list.

    Args:
        subject: what has the problems, such as `Pulumi.dev.yaml`.
        error: the problems.
        remedy: returns what to do about a problem that has no remedy of its own.
    """
    sentences = list(dict.fromkeys(_sentence(problem, remedy) for problem in error.problems))
    if len(sentences) == 1:
        return sentences[0]
    lines = [
        f"{safe(subject)} has {len(sentences)} problems:",
        *(f"- {sentence}" for sentence in sentences),
    ]
    return "\n".join(lines)


def _sentence(error: SettingsError, remedy: Callable[[SettingsError], str]) -> str:
    problem, way = str(error), error.remedy if isinstance(error, ConfigError) else remedy(error)
    # A question, such as "did you mean 3h30m?", ends the sentence.
    if problem.endswith("?"):
        return safe(f"{problem} {way[:1].upper()}{way[1:]}")
    return safe(f"{problem}; {way}")


def in_stack(error: SettingsError, stack: str) -> str:
    """Return the command that corrects a setting of a stack. An example is called one."""
    if error.fixes:
        commands = [
            config_rm(key, stack) if value is None else config_set(key, stack, value)
            for key, value in error.fixes.items()
        ]
        return f"run {' or '.join(commands)}"
    if error.example:
        return f"for example, run {config_set(error.key, stack, error.example)}"
    return f"run {config_set(error.key, stack)}"


def in_file(error: SettingsError, stack: str, project: str) -> str:
    """Return the same for the file of a stack that may not exist, where no command works."""
    ways = [
        f"remove {key}" if value is None else _line(key, value, project)
        for key, value in error.fixes.items()
    ]
    if not ways and error.example:
        ways = [f"for example, {_line(error.key, error.example, project)}"]
    return f"{' or '.join(ways) or f'change {error.key}'} in Pulumi.{stack}.yaml"


def _line(key: str, value: str, project: str) -> str:
    whole = key if ":" in key else f"{project}:{key}"
    return f"write `{whole}: {value}` under `config:`"


def config_set(key: str, stack: str, value: str = "", *, plaintext: bool = False) -> str:
    """Return the command that sets a key; without a value, the CLI asks for it.

    Args:
        key: the key.
        stack: the stack.
        value: its value.
        plaintext: whether the CLI must be told not to encrypt it any more.
    """
    secret = ["--secret"] if key in SECRET_KEYS else ["--plaintext"] if plaintext else []
    if value.startswith("-"):
        return _command("set", *secret, "--stack", stack, "--", key, value)
    return _command("set", *secret, key, *([value] if value else []), "--stack", stack)


def config_rm(key: str, stack: str) -> str:
    """Return the command that removes a key."""
    return _command("rm", key, "--stack", stack)


def _command(*words: str) -> str:
    return f"`{shlex.join(['pulumi', 'config', *words])}`"
