"""What the page's forms do: each goes the way that a call to the API, or a person, would go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from handler import emails
from handler.callers.indent import APPROVE, DURATION
from handler.duration_hints import typed_duration
from sandbox.demo_data import REVIEWERS
from sandbox.page.rosters import Roster, RosterError
from sandbox.space import Space
from sandbox.space.petition import DENY, REVOKE, Petition
from sandbox.space.tokens import Owner

UNTIL_REVOKED = "indefinite"
_EVENTS = {"approve": APPROVE, "deny": DENY, "revoke": REVOKE}
_LONGEST_ADDRESS = 254


class FieldError(Exception):
    """What was typed cannot be; the message says what would be right.

    Attributes:
        field: the name of the form's field.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Typed:
    """A request as it was typed; resources are `KIND:ID`, None before anybody has chosen."""

    who: str = ""
    resources: tuple[str, ...] | None = None
    reason: str = ""
    duration: str = ""

    @classmethod
    def of(cls, form: MultiDict[str, str]) -> Typed:
        """Read the form."""
        return cls(
            form.get("who", ""),
            tuple(form.getlist("resource")),
            form.get("reason", ""),
            form.get("duration", ""),
        )


def create(space: Space, typed: Typed, *, anybody: bool) -> Petition:
    """Request as somebody: of the space, or `anybody` where its people are not known beforehand.

    Raises:
        FieldError, ApiError: it cannot be.
    """
    email = typed.who.strip()
    if anybody:
        if "@" not in email or len(email) > _LONGEST_ADDRESS:
            raise FieldError("who", "Give the e-mail address that the provider knows you by.")
        space.add_person(email)
    body: dict[str, Any] = {
        "reason": typed.reason.strip(),
        "resources": [_resource(each) for each in typed.resources or ()],
    }
    if asked := typed.duration.strip():
        body["defaultDuration"] = _duration("duration", asked)
    return space.desk.create(Owner(email), body)


def reviewer_of(petition: Petition) -> Owner:
    """Choose the administrator whose own petition it is not."""
    own = [person["email"] for person in petition.petitioners]
    others = (each for each in REVIEWERS if not any(emails.same(each, one) for one in own))
    return Owner(next(others, REVIEWERS[0]), admin=True)


def review(space: Space, name: str, form: Mapping[str, str]) -> None:
    """Approve, deny or revoke, as an administrator.

    Raises:
        FieldError, ApiError: it cannot be.
    """
    verb = form.get("verb", "")
    labels: dict[str, str] = {}
    if verb == "approve" and (length := form.get("length", "").strip()):
        labels[DURATION] = _duration("length", length)
    body = {"event": _EVENTS.get(verb, verb), "reason": form.get("reason", "").strip()}
    reviewer = reviewer_of(space.desk.get(name))
    space.desk.review(reviewer, name, {**body, "meta": {"labels": labels}})


def turn(rosters: Sequence[Roster], provider: str, post: str, email: str, *, on: bool) -> None:
    """Put somebody on duty or take him off.

    Raises:
        RosterError: there is no such switch.
    """
    for each in rosters:
        if each.provider == provider:
            each.turn(post, email, on=on)
            return
    raise RosterError("That provider is not played here: its duties cannot be switched.")


def _resource(value: str) -> dict[str, str]:
    kind, _, id_ = value.partition(":")
    return {"kind": kind, "id": id_}


def _duration(field: str, text: str) -> str:
    try:
        typed_duration(text)
    except ValueError as error:
        end = "" if str(error).endswith("?") else "."
        raise FieldError(field, f"“{text}” {error}{end}") from None
    return text
