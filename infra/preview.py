"""A stack's preview as a comment: for a pull request, a job's summary, or the terminal."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from policy.terminal import safe, safe_lines

# GitHub takes 65,536 characters.
MOST_CHARACTERS = 60_000


def comment(stack: str, said: str, code: int) -> str:
    """Write the Markdown: the outcome, then what Pulumi said, its end if it is too long."""
    said = safe_lines(said)
    outcome = "" if code == 0 else f" failed (exit code {code})"
    if len(said) > MOST_CHARACTERS:
        said = "(the beginning is left out)\n" + said[-MOST_CHARACTERS:]
    fence = "```"
    while fence in said:
        fence += "`"
    return f"### Preview of {safe(stack)}{outcome}\n\n{fence}text\n{said.strip()}\n{fence}\n"


def hand_over(text: str, output: str | None, summary: str | None) -> None:
    """Write it where GitHub reads a step's output and a job's summary, or print it."""
    if output:
        # What was previewed must not be able to end its own value and begin another.
        end = f"end-{secrets.token_hex(16)}"
        _append(output, f"comment<<{end}\n{text}{end}\n")
    if summary:
        _append(summary, text)
    if not output and not summary:
        sys.stdout.write(text)


def main(stack: str) -> int:
    """Preview a stack, hand the comment over, and end as the preview ended."""
    pulumi = shutil.which("pulumi") or "pulumi"
    done = subprocess.run(
        [pulumi, "preview", "--stack", stack, "--diff", "--non-interactive", "--color", "never"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    text = comment(stack, done.stdout, done.returncode)
    hand_over(text, os.environ.get("GITHUB_OUTPUT"), os.environ.get("GITHUB_STEP_SUMMARY"))
    return done.returncode


def _append(path: str, text: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
