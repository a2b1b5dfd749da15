"""The exceptions of an approval, and the outcome of a petition. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from indentapi import IndentError, Petition, phase
from indentapi.petitions import petition_url


class ApprovalError(IndentError):
    """The request was not granted.

    Attributes:
        petition: its last known state; pass `petition["name"]` to `approval.resume`.
        url: where people see it.
    """

    def __init__(self, petition: Petition, url: str = "") -> None:
        self.petition: Petition = petition
        self.url: str = url or petition_url(petition["spaceName"], petition["name"])
        super().__init__(f"{reference(petition)} {self._predicate()}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.petition, self.url)

    def _predicate(self) -> str:
        return f"was not granted: {self.url}"


class _DecisionError(ApprovalError):
    """Somebody decided against it, in an event of `_event_kind`."""

    _event_kind: ClassVar[str]

    def __init__(self, petition: Petition, url: str = "") -> None:
        self._event = _last_event(petition, self._event_kind)
        self.by: str = _actor_name(self._event.get("actor"))
        self.why: str = _one_line(self._event.get("reason"))
        super().__init__(petition, url)

    def _by_and_why(self) -> str:
        return (f" by {self.by}" if self.by else "") + (f' ("{self.why}")' if self.why else "")


class ApprovalDenied(_DecisionError):  # noqa: N818 - the name that the guide gives it
    """It was denied, withdrawn or closed without ever being granted.

    Attributes:
        by: who denied or withdrew it, `""` if its history does not have it.
        why: in their words, `""` when they gave no reason.
    """

    _event_kind = "access/deny"

    def _predicate(self) -> str:
        if not self._event:
            verb = "deleted" if phase(self.petition) == "deleted" else "closed"
            return f"was {verb} without a decision: {self.url}"
        emails = {_one_line(p.get("email")) for p in self.petition.get("petitioners", [])} - {""}
        actor = self._event.get("actor") or {}
        own = isinstance(actor, Mapping) and actor.get("email") in emails
        return f"was {'withdrawn' if own else 'denied'}{self._by_and_why()}: {self.url}"


class ApprovalRevoked(_DecisionError):  # noqa: N818 - the same
    """It was granted, and that is over: revoked or expired.

    Attributes:
        by: who revoked it, `""` if its history does not have it.
        why: in their words, `""` when they gave no reason.
    """

    _event_kind = "access/revoke"

    def _predicate(self) -> str:
        return f"was granted, and then revoked{self._by_and_why()}: {self.url}"


class ApprovalTimeout(ApprovalError, TimeoutError):  # noqa: N818 - the same
    """It is still undecided, and stays open: `approval.resume(name)` waits for it again.

    Attributes:
        waited: for how many seconds.
    """

    def __init__(self, petition: Petition, url: str = "", waited: float = 0.0) -> None:
        self.waited: float = waited
        super().__init__(petition, url)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.petition, self.url, self.waited)

    def _predicate(self) -> str:
        return (
            f"is undecided after {self.waited:g} s. {resume_hint(self.petition, self.url)} "
            "To wait longer next time, pass timeout=SECONDS, or timeout=None for no limit."
        )


def resume_hint(petition: Petition, url: str) -> str:
    """What to do about a petition that nobody waits for any more."""
    name = petition["name"]
    return (
        f"It stays open until somebody decides at {url}. To wait again, call "
        f"approval_sync.resume({name!r}), or `await approval.resume({name!r})`; "
        f"to withdraw it, IndentAPI().petition.deny({name!r})."
    )


def outcome(petition: Petition) -> Literal["undecided", "granted", "denied", "revoked"]:
    """Whether a petition is decided, and how.

    Every petition ends as `closed`, so the history decides: one that was ever granted has been
    revoked.
    """
    current = phase(petition)
    if current in {"draft", "open"}:
        return "undecided"
    if current == "granted":
        return "granted"
    granted = _last_event(petition, "access/grant") or _last_event(petition, "access/revoke")
    return "revoked" if current == "revoked" or granted else "denied"


def reference(petition: Petition) -> str:
    """The short form: `#space/name`."""
    return f"#{petition['spaceName']}/{petition['name']}"


def _last_event(petition: Petition, kind: str) -> Mapping[str, Any]:
    """The newest event of that kind, or an empty one."""
    history = petition.get("state", {}).get("eventHistory", [])
    return next((event for event in reversed(history) if event.get("event") == kind), {})


def _actor_name(actor: object) -> str:
    """Name and e-mail, or what there is of them."""
    if not isinstance(actor, Mapping):
        return ""
    email = _one_line(actor.get("email"))
    name = _one_line(actor.get("displayName")) or email or _one_line(actor.get("id"))
    return f"{name} <{email}>" if email and email != name else name


def _one_line(text: object) -> str:
    """A person's words as one printable line."""
    words = " ".join(text.split()) if isinstance(text, str) else ""
    return "".join(c for c in words if c.isprintable())
