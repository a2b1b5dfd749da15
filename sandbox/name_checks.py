"""What a stack's settings name, held against the sandbox's organisation, as preflight does."""

from __future__ import annotations

from cli.context import process
from cli.preflight import checked
from cli.preflight_checks import PROBLEM
from handler.providers.registry import BY_ID
from policy.lint import kinds_without_end, unnamed_kinds
from sandbox.stack import Sandbox

_WITHOUT_PROXY = process()._replace(environment={})
MADE_UP = (
    "the sandbox's organisation is made up; `oncall preflight` checks names at the real providers"
)


def doubts_about_names(sandbox: Sandbox) -> list[str]:
    """Say which names are at no provider's double, and which kinds of duty open nothing.

    The real providers are not asked: `oncall preflight` does that.
    """
    settings = sandbox.settings
    on = [BY_ID[each].name for each in settings.providers]
    found = checked(settings, _WITHOUT_PROXY) if sandbox.doubles else []
    problems = [each.text for each in found if each.level == PROBLEM]
    return [
        *problems,
        *([MADE_UP] if problems else []),
        *unnamed_kinds(settings.policy, on),
        *kinds_without_end(settings.policy, on),
    ]
