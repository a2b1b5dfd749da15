"""The demo's request from code: it runs the example script in a process of its own."""

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
from sandbox.demo_data import JANE, NORA
from sandbox.demo_requests import DEMO_REQUESTS
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
    """What the script printed, and who approved its request.

    Attributes:
        output: what it printed.
        approved: whether the webhook approved the request, and not a human.
        expected: whether that matches the settings, and the script finished.
    """

    output: str
    approved: bool
    expected: bool


def must_approve_script(settings: Settings, *, is_shut: bool = False) -> bool:
    """Whether a webhook with these settings should approve the script's request."""
    request = Request(Resource(kind="user", id=JANE, email=JANE), (_ACTION,))
    decision = decide(
        request, ProviderSnapshot(DEMO_REQUESTS[0].duties), settings.policy, datetime.now(UTC)
    )
    return decision.approved and not (is_shut or settings.dry_run)


def run_script(space: Space, *, by_webhook: bool) -> ScriptRun:
    """Run the script as Jane. If the webhook leaves its request to humans, Nora approves it.

    `by_webhook` says whether the webhook should approve it.
    """
    encoding = sys.stdout.encoding or "utf-8"
    with subprocess.Popen(
        [sys.executable, str(ROOT / SCRIPT)],
        # Only these variables; in our encoding, so that we can print its output.
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
        rest += f"(The webhook left it to humans. {NORA} approved it.)\n"
    if script.returncode:
        rest += errors.strip().rpartition("\n")[2]
    return ScriptRun(
        safe_lines((first + rest).rstrip()),
        approved=approved == [True],
        expected=script.returncode == 0 and approved == [by_webhook],
    )


def _approved_by_bot(space: Space, name: str) -> bool:
    """Wait for the webhook's answer; without a claim, approve as Nora. Say if the bot approved."""
    petition = space.petitions.wait_for_webhooks(name)
    if petition.phase == "open":
        claim = {"event": APPROVE, "reason": "I know about this."}
        space.petitions.review(Owner(NORA, admin=True), name, claim)
    return any(claim.event["actor"]["kind"] == BOT_KIND for claim in petition.claims)
