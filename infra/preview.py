"""Writes a stack's preview for a pull request, a job's summary, or the terminal."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.deploy_rights import Operation, ci_may
from infra.errors import SetupError, say_error
from infra.pulumi_cli import INTERRUPTED, InterruptedCommandError, Pulumi
from policy.terminal import safe, safe_lines

# GitHub's limit is 65,536 characters.
MOST_CHARACTERS = 60_000
MOST_STEPS, MOST_OF_A_STEP = 30, 150
UNKNOWN = "It is unknown if a person has to deploy this: `pulumi preview --json` failed.\n\n"
ROLE_TYPE, ROLE_NAME = "aws:iam/role:Role", "deploy-role"
# The engine's names for steps, and the operations of each.
OPERATIONS: Mapping[str, tuple[Operation, ...]] = {
    "same": (),
    "read": (),
    "refresh": (),
    "create": ("create",),
    "update": ("update",),
    "delete": ("delete",),
    "replace": ("create", "delete"),
    "create-replacement": ("create",),
    "delete-replaced": ("delete",),
}


def steps_for_a_person(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    """List the steps that the deploy role cannot take; none if the stack has no such role.

    Args:
        steps: of `pulumi preview --json --show-sames`.
    """
    named = [(step, *_type_and_name(step["urn"])) for step in steps]
    if (ROLE_TYPE, ROLE_NAME) not in {(type_, name) for _, type_, name in named}:
        return []
    descriptions = []
    for step, type_, name in named:
        changed = _changed_inputs(step)
        # CI has no right to an unknown operation.
        operations = OPERATIONS.get(step["op"])
        is_allowed = operations is not None and all(
            ci_may(type_, name, operation, changed) for operation in operations
        )
        if _reaches_aws(type_) and not is_allowed:
            what = f" ({', '.join(sorted(changed))})" if step["op"] == "update" else ""
            descriptions.append(f"{step['op']} {type_} {name}{what}")
    return descriptions


def comment(stack: str, printed: str, status: int, steps: Iterable[str] | None = ()) -> str:
    """Write the Markdown: the outcome, who has to deploy it, and Pulumi's output or its end.

    Args:
        stack: the stack.
        printed: Pulumi's output.
        status: its exit status.
        steps: the steps that a person has to deploy; None if unknown.
    """
    printed = safe_lines(printed)
    outcome = "" if status == 0 else f" failed (exit code {status})"
    if len(printed) > MOST_CHARACTERS:
        printed = "(the beginning is left out)\n" + printed[-MOST_CHARACTERS:]
    person = UNKNOWN if steps is None else _by_a_person(stack, [*steps])
    return f"### Preview of {safe(stack)}{outcome}\n\n{person}{_fenced(printed)}"


def write_comment(text: str, output: str | None, summary: str | None) -> None:
    """Write the comment to GitHub's files for outputs and summaries, or print it."""
    if output:
        # With a random end, the previewed text cannot end the value and begin another.
        end = f"end-{secrets.token_hex(16)}"
        _append(output, f"comment<<{end}\n{text}{end}\n")
    if summary:
        _append(summary, text)
    if not output and not summary:
        sys.stdout.write(text)


def main(stack: str) -> int:
    """Preview a stack, write the comment, and return the preview's exit status."""
    try:
        pulumi = Pulumi(Path.cwd(), "", os.environ)
        preview = pulumi.result("preview", "--stack", stack, "--diff", errors_in_output=True)
        person: list[str] | None = []
        if preview.status == 0:
            planned = pulumi.result("preview", "--stack", stack, "--json", "--show-sames")
            steps = _steps(planned.output)
            person = None if steps is None else steps_for_a_person(steps)
    except SetupError as error:
        say_error(error)
        return 1
    except InterruptedCommandError:
        return INTERRUPTED
    text = comment(stack, preview.output.decode(errors="replace"), preview.status, person)
    write_comment(text, os.environ.get("GITHUB_OUTPUT"), os.environ.get("GITHUB_STEP_SUMMARY"))
    return preview.status


def _steps(output: bytes) -> list[dict[str, Any]] | None:
    try:
        steps: list[dict[str, Any]] = json.loads(output)["steps"]
    except (ValueError, LookupError, TypeError):
        return None
    return steps


def _type_and_name(urn: str) -> tuple[str, str]:
    """Split `urn:pulumi:dev::project::parent$type::name`."""
    *_, types, name = urn.split("::", 3)
    return types.rpartition("$")[2], name


def _changed_inputs(step: Mapping[str, Any]) -> frozenset[str]:
    """Return the inputs that differ, without outputs of the provider."""
    inputs: set[str] = set()
    for state in (step.get("oldState"), step.get("newState")):
        inputs |= set((state or {}).get("inputs") or {})
    return frozenset(inputs & set(step.get("diffReasons") or ()))


def _reaches_aws(type_: str) -> bool:
    """Whether it is not a component, the stack itself or a provider."""
    return not type_.startswith(("pulumi:", "oncall-approvals:"))


def _by_a_person(stack: str, steps: list[str]) -> str:
    if not steps:
        return ""
    if len(steps) > MOST_STEPS:
        steps = [*steps[:MOST_STEPS], f"and {len(steps) - MOST_STEPS} more"]
    # Names come from the previewed code, so each gets its own, fenced line.
    lines = map(safe, steps)
    return (
        "**A person has to deploy this.** The role of CI has no right to these steps:\n\n"
        f"{_fenced(chr(10).join(line[:MOST_OF_A_STEP] for line in lines))}\n"
        f"Run `make deploy STACK={stack}` from this commit, with your own AWS credentials. "
        "CI deploys the rest.\n\n"
    )


def _fenced(text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text.strip()}\n{fence}\n"


def _append(path: str, text: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
