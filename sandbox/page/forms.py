"""What the page's forms do: the same as a call to the space's API, or a person at a provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from handler import emails
from handler.callers.indent import APPROVE, DURATION
from policy.duration_hints import nearest, typed_duration
from sandbox.demo_data import REVIEWERS
from sandbox.page.duty_board import DutyBoard, SwitchError
from sandbox.space import Space
from sandbox.space.petition import DENY, REVOKE, Petition
from sandbox.space.tokens import Owner

_EVENTS = {"approve": APPROVE, "deny": DENY, "revoke": REVOKE}
_MAX_ADDRESS_LENGTH = 254


class FieldError(Exception):
    """What was typed isn't valid; the message says what would be.

    Attributes:
        field: the name of the form's field.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class RequestForm:
    """A request as it was typed; resources are `KIND:ID`, None before anybody has chosen."""

    who: str = ""
    resources: tuple[str, ...] | None = None
    reason: str = ""
    duration: str = ""

    @property
    def next(self) -> RequestForm:
        """The form for the next request: for the same person and resources."""
        return RequestForm(self.who, self.resources)

    @classmethod
    def read(cls, form: MultiDict[str, str]) -> RequestForm:
        """Read what a browser sent."""
        return cls(
            form.get("who", ""),
            tuple(form.getlist("resource")),
            form.get("reason", ""),
            form.get("duration", ""),
        )


def create_petition(space: Space, form: RequestForm, *, anybody: bool) -> Petition:
    """Request as somebody of the space, or as `anybody` where people are not known beforehand.

    Raises:
        FieldError, ApiError: the form has a mistake, or the space refuses it.
    """
    email = form.who.strip()
    if anybody:
        if "@" not in email or len(email) > _MAX_ADDRESS_LENGTH:
            raise FieldError("who", "Enter the e-mail address that the provider knows you by.")
        space.add_person(email)
    elif not space.resources.find_person(email):
        raise FieldError("who", "Choose a person from the list.")
    if not form.resources:
        raise FieldError("resource", "Choose at least one resource.")
    resources = [value.partition(":") for value in form.resources]
    body: dict[str, Any] = {
        "reason": form.reason.strip(),
        "resources": [{"kind": kind, "id": id_} for kind, _, id_ in resources],
    }
    if duration := form.duration.strip():
        body["defaultDuration"] = _read_duration("duration", duration)
    return space.petitions.create(Owner(email), body)


def reviewer_of(petition: Petition) -> Owner:
    """The first administrator who did not make the request."""
    petitioners = [person["email"] for person in petition.petitioners]
    others = (
        reviewer
        for reviewer in REVIEWERS
        if not any(emails.same(reviewer, email) for email in petitioners)
    )
    return Owner(next(others, REVIEWERS[0]), admin=True)


def review(space: Space, name: str, form: Mapping[str, str]) -> None:
    """Approve, deny or revoke, as an administrator.

    Raises:
        FieldError, ApiError: the form has a mistake, or the space refuses it.
    """
    action = form.get("decision", "")
    labels: dict[str, str] = {}
    if action == "approve" and (length := form.get("length", "").strip()):
        labels[DURATION] = _read_duration("length", length)
    body = {"event": _EVENTS.get(action, action), "reason": form.get("reason", "").strip()}
    reviewer = reviewer_of(space.petitions.get(name))
    space.petitions.review(reviewer, name, {**body, "meta": {"labels": labels}})


def switch_duty(boards: Sequence[DutyBoard], form: Mapping[str, str]) -> None:
    """Put somebody on duty (`on`) or take them off (`off`).

    Raises:
        SwitchError: there is no such switch, or it has no effect.
    """
    action = "on" if "on" in form else "off"
    for board in boards:
        if board.provider == form.get("provider", ""):
            board.switch(form.get("slot", ""), form.get(action, ""), on=action == "on")
            return
    raise SwitchError(
        "The sandbox does not run this provider, so its duties can't be changed here."
    )


def _read_duration(field: str, text: str) -> str:
    """Check a duration; one that only lacks a detail (`1h30`) is completed."""
    try:
        typed_duration(text)
    except ValueError as error:
        if completed := nearest(text):
            return completed
        end = "" if str(error).endswith("?") else "."
        raise FieldError(field, f"“{text}” {error}{end}") from None
    return text
