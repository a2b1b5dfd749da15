"""The demo: a cast's requests, the answers, and whether all came out as they should."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from auditlog.explain import duration_in_words, why
from cli.webhook_client import WebhookAnswer, send
from handler.durations import parse_duration
from handler.settings import Settings
from sandbox.demo_data import SCENES, Scene, put_all_on_stage
from sandbox.stack import Sandbox

NOT_REACHED = "the call did not reach the function"
NOT_EXPECTED = "  <- NOT AS EXPECTED"
APPROVED, LEFT_TO_HUMANS, REFUSED = "approved", "left to humans", "refused"
_LONGEST_PLAY = timedelta(minutes=2)
HEADINGS = ("who", "is", "answer", "for", "why")


@dataclass(frozen=True)
class Played:
    """A scene with what came of it."""

    scene: Scene
    answer: WebhookAnswer
    why: str
    expected: bool

    @property
    def verdict(self) -> str:
        """What the webhook did with the request."""
        if self.answer.http != HTTPStatus.OK:
            return REFUSED
        return APPROVED if self.answer.claims else LEFT_TO_HUMANS

    @property
    def row(self) -> tuple[str, ...]:
        """What the table shows."""
        verdict, duration = self.verdict, "-"
        if verdict == REFUSED:
            verdict = f"{REFUSED} ({self.answer.http})"
        elif verdict == APPROVED:
            duration = duration_in_words(
                self.answer.claims[0]["meta"]["labels"]["indent.com/time/duration"]
            )
        mark = "" if self.expected else NOT_EXPECTED
        name = self.scene.email.partition("@")[0]
        return name, self.scene.who, verdict, duration, self.why + mark


def play(sandbox: Sandbox) -> list[Played]:
    """Put the cast on stage and send its requests, one after the other."""
    if not sandbox.doubles:
        raise ValueError("the cast plays on the double only")
    put_all_on_stage(sandbox.doubles)
    return [_play(sandbox, scene) for scene in SCENES if scene.provider in sandbox.doubles]


def _play(sandbox: Sandbox, scene: Scene) -> Played:
    settings = sandbox.settings
    secret = secrets.token_urlsafe(30) if scene.forged else sandbox.webhook_secret
    logged = sandbox.log.count
    answer = send(
        sandbox.url,
        secret,
        {"events": [scene.event(settings.policy)]},
        signed_at=datetime.now(UTC) - scene.signed_ago,
    )
    # Of a call that never reached the function there is no line to wait for.
    reached = answer.http in {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED}
    line = (sandbox.log.wait_for(_says_why, since=logged) if reached else None) or {}
    expected = as_expected(scene, answer, settings, is_shut=sandbox.is_shut)
    return Played(scene, answer, why(line) or NOT_REACHED, expected)


def _says_why(record: dict[str, Any]) -> bool:
    return record.get("message") in {"decision", "refused", "failed"}


def as_expected(
    scene: Scene, answer: WebhookAnswer, settings: Settings, *, is_shut: bool = False
) -> bool:
    """Tell whether the webhook answered a scene as a function with these settings has to.

    One that is shut is not even asked: its URL answers 429, whatever the call is.
    """
    if is_shut:
        return answer.http == HTTPStatus.TOO_MANY_REQUESTS and not answer.claims
    if answer.http != scene.http:
        return False
    decision = scene.decision(settings.policy, datetime.now(UTC))
    if scene.http != HTTPStatus.OK or settings.dry_run or not decision.approved:
        return not answer.claims
    granted = [
        parse_duration(each["meta"]["labels"]["indent.com/time/duration"]) for each in answer.claims
    ]
    # Where access ends with the shift, that began when the cast came on stage, and not now.
    ends_with_shift = any(each.shift_end for each in settings.policy.rules)
    least = decision.duration - (_LONGEST_PLAY if ends_with_shift else timedelta(0))
    return len(granted) == 1 and least <= (granted[0] or timedelta(0)) <= decision.duration


def summary(outcomes: Sequence[tuple[str, bool]]) -> str:
    """Sum up verdicts, each with whether it is as expected: what happened, then whether to worry.

    That all is as the settings say is no comfort where they let nobody in.
    """
    expected = sum(is_expected for _, is_expected in outcomes)
    counted = Counter(verdict for verdict, _ in outcomes)
    counts = ", ".join(
        f"{counted[each]} {each}"
        for each in (APPROVED, LEFT_TO_HUMANS, REFUSED)
        if counted[each] or each == APPROVED
    )
    said = f"{expected} of {len(outcomes)} came out as the stack's settings say: {counts}."
    return said if counted[APPROVED] else f"{said}\nNobody was approved."
