"""The space of a running sandbox: its people, what they can request, and the webhook it asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cli.webhook_client import DEFAULT_KIND
from sandbox.demo_data import (
    JANE,
    NORA,
    PEOPLE,
    RESOURCE,
    RESOURCES,
    REVIEWERS,
    labels_for,
)
from sandbox.space import Space
from sandbox.stack import Sandbox


@contextmanager
def open_space(sandbox: Sandbox) -> Iterator[Space]:
    """Open a space that asks the deployed webhook, until the context ends.

    The demo's people are in it; where real providers are asked, only the administrators are.
    """
    with Space() as space:
        for email in PEOPLE if sandbox.doubles else REVIEWERS:
            space.add_person(email, PEOPLE[email])
        labels = {RESOURCE: labels_for(sandbox.settings.policy)}
        for id_, name, own_labels in RESOURCES:
            space.add_resource(DEFAULT_KIND, id_, name, {**own_labels, **labels.get(id_, {})})
        webhook = space.add_webhook(sandbox.url, sandbox.webhook_secret, "On-call approvals")
        space.add_policy(webhook)
        yield space


def variables(space: Space) -> dict[str, str]:
    """Give what a client of the space needs: a token of Jane, and one of Nora, an administrator."""
    return {
        "INDENT_API_URL": space.url,
        "INDENT_SPACE": space.name,
        "INDENT_API_TOKEN": space.token_for(JANE),
        "INDENT_ADMIN_TOKEN": space.token_for(NORA, admin=True),
    }
