"""Who may do what in a space. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handler import emails
from sandbox.space.api import permission_denied
from sandbox.space.petition import Petition
from sandbox.space.tokens import Owner


def check_may_request(owner: Owner, petitioners: Sequence[Mapping[str, Any]]) -> None:
    """Let everybody request for themselves, and administrators for others; else ApiError."""
    own = all(emails.same(owner.email, person["email"]) for person in petitioners)
    if not owner.admin and not own:
        raise permission_denied("Only an administrator may request for others.")


def check_may_change(owner: Owner, petition: Petition) -> None:
    """Let its petitioners and administrators change or delete a petition; else ApiError."""
    if not owner.admin and not is_petitioner(owner, petition):
        raise permission_denied("This is somebody else's petition.")


def check_may_administrate(owner: Owner) -> None:
    """Let administrators change the space's resources, webhooks and policies; else ApiError."""
    if not owner.admin:
        raise permission_denied("Only an administrator may change this.")


def is_petitioner(owner: Owner, petition: Petition) -> bool:
    """Whether the petition is for this person, alone or with others."""
    return any(emails.same(owner.email, person["email"]) for person in petition.petitioners)
