"""The demo's request from code: the example script in a process of its own, and what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from handler.callers.indent import APPROVE, BOT_KIND
from handler.duty import ProviderSnapshot
from handler.request import Request, Resource
from handler.rules.evaluate import decide
from handler.settings import Settings
from policy.terminal import safe_lines
from sandbox.demo_data import DEMO_REQUESTS, JANE, NORA
from sandbox.demo_space import variables
from sandbox.local_aws.program import ROOT
from sandbox.space import Space
from sandbox.space.resources import ACTION
from sandbox.space.tokens import Owner

SCRIPT = "examples/reset_password.py"
_ACTION = Resource(kind=ACTION, id="reset-password:123")
_SOURCES = os.pathsep.join(str(ROOT / "sdk" / name / "src") for name in ("indentapi", "approvals"))
_PATIENCE = 60


@dataclass(frozen=True)
class ScriptRun:
    """What the script printed, and who approved it.

    Attributes:
        output: what it printed.
        approved: whether the webhook approved it, and no human.
        expected: whether that is as it should be, and the script went on.
    """

    output: str
    approved: bool
    expected: bool


def must_approve_script(settings: Settings, *, is_shut: bool = False) -> bool:
    """Whether the webhook of these settings has to approve what the script asks for."""
    request = Request(Resource(kind="user", id=JANE, email=JANE), (_ACTION,))
    decision = decide(
        request, ProviderSnapshot(DEMO_REQUESTS[0].duties), settings.policy, datetime.now(UTC)
    )
    return decision.approved and not (is_shut or settings.dry_run)


def run_script(space: Space, *, by_webhook: bool) -> ScriptRun:
    """Run the script as Jane; what the webhook leaves to humans, the administrator approves.

    `by_webhook` is whether the webhook has to approve it.
    """
    encoding = sys.stdout.encoding or "utf-8"
    with subprocess.Popen(
        [sys.executable, str(ROOT / SCRIPT)],
        # Nothing else of this shell's; in our own encoding, so that what it prints can be printed.
        env={
            **variables(space),
            "PYTHONPATH": _SOURCES,
            "PYTHONIOENCODING": encoding,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding=encoding,
    ) as script:
        try:
            first = script.stdout.readline() if script.stdout else ""
            approved = [
                _approved_by_bot(space, petition.name) for petition in space.petitions.all()
            ]
            rest, errors = script.communicate(timeout=_PATIENCE)
        finally:
            script.kill()
    if approved == [False]:
        rest += f"(The webhook left it to humans: {NORA} approved it by hand.)\n"
    if script.returncode:
        rest += errors.strip().rpartition("\n")[2]
    return ScriptRun(
        safe_lines((first + rest).rstrip()),
        approved=approved == [True],
        expected=script.returncode == 0 and approved == [by_webhook],
    )


def _approved_by_bot(space: Space, name: str) -> bool:
    """Wait for the webhook's answer, and where it made no claim, approve by hand."""
    petition = space.petitions.wait_for_webhooks(name)
    if petition.phase == "open":
        claim = {"event": APPROVE, "reason": "Nobody's duty answers for this."}
        space.petitions.review(Owner(NORA, admin=True), name, claim)
    return any(claim.event["actor"]["kind"] == BOT_KIND for claim in petition.claims)
