"""How a petition ended, read from its phase and history, and what can be done. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from indentapi import IndentError, Petition, phase
from indentapi.settings import Settings

_PUBLIC = Settings(space="", token="", base_url="")


class ApprovalError(IndentError):
    """The request was not granted.

    Attributes:
        petition: as it was last seen; `petition["name"]` is what `approval.resume` takes.
        url: where people see it.
    """

    def __init__(self, petition: Petition, url: str = "") -> None:
        self.petition: Petition = petition
        self.url: str = url or url_of(petition)
        super().__init__(f"{reference(petition)} {self._said()}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.petition, self.url)

    def _said(self) -> str:
        return f"was not granted: {self.url}"


class ApprovalDenied(ApprovalError):  # noqa: N818 - the name that the guide gives it
    """It was denied, withdrawn or closed without ever being granted.

    Attributes:
        by: who denied or withdrew it, `""` when its history does not say.
        why: in their words, `""` when they gave no reason.
    """

    def __init__(self, petition: Petition, url: str = "") -> None:
        event = _last(petition, "access/deny")
        self.by: str = _who(event.get("actor"))
        self.why: str = _line(event.get("reason"))
        super().__init__(petition, url)

    def _said(self) -> str:
        if not _last(self.petition, "access/deny"):
            ended = "deleted" if phase(self.petition) == "deleted" else "closed"
            return f"was {ended} without a decision: {self.url}"
        emails = {_line(one.get("email")) for one in self.petition.get("petitioners", [])} - {""}
        actor = _last(self.petition, "access/deny").get("actor") or {}
        own = isinstance(actor, Mapping) and actor.get("email") in emails
        return f"was {'withdrawn' if own else 'denied'}{_by_and_why(self.by, self.why)}: {self.url}"


class ApprovalRevoked(ApprovalError):  # noqa: N818 - the same
    """It was granted, and that is over: revoked or expired.

    Attributes:
        by: who revoked it, `""` when its history does not say.
        why: in their words, `""` when they gave no reason.
    """

    def __init__(self, petition: Petition, url: str = "") -> None:
        event = _last(petition, "access/revoke")
        self.by: str = _who(event.get("actor"))
        self.why: str = _line(event.get("reason"))
        super().__init__(petition, url)

    def _said(self) -> str:
        return f"was granted, and then revoked{_by_and_why(self.by, self.why)}: {self.url}"


class ApprovalTimeout(ApprovalError, TimeoutError):  # noqa: N818 - the same
    """It is still undecided, and stays open: `approval.resume(name)` goes on waiting.

    Attributes:
        waited: for how many seconds.
    """

    def __init__(self, petition: Petition, url: str = "", waited: float = 0.0) -> None:
        self.waited: float = waited
        super().__init__(petition, url)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.petition, self.url, self.waited)

    def _said(self) -> str:
        return (
            f"is still waiting for a decision after {self.waited:g} s. "
            "To wait longer, pass timeout=SECONDS, or None for as long as it takes. "
            f"{how_to_go_on(self.petition, self.url)}"
        )


def how_to_go_on(petition: Petition, url: str) -> str:
    """What can be done about a petition that nobody waits for any more."""
    name = petition["name"]
    return (
        f"To go on waiting for this request, call approval_sync.resume({name!r}) or "
        f"`await approval.resume({name!r})`; to withdraw it, IndentAPI().petition.deny({name!r}). "
        f"It stays open: {url}"
    )


def decided(petition: Petition) -> type[ApprovalDenied | ApprovalRevoked] | bool:
    """True when it is granted, False while it is undecided, else the exception that it is.

    `closed` follows every end, so its history decides: what was once granted has been revoked.
    """
    now = phase(petition)
    if now in {"draft", "open"}:
        return False
    if now == "granted":
        return True
    if now == "revoked" or _last(petition, "access/grant") or _last(petition, "access/revoke"):
        return ApprovalRevoked
    return ApprovalDenied


def reference(petition: Petition) -> str:
    """The short form: `#space/name`."""
    return f"#{petition['spaceName']}/{petition['name']}"


def url_of(petition: Petition) -> str:
    """Where people see the petition on the public site."""
    return _PUBLIC.page_of(petition["spaceName"], petition["name"])


def _last(petition: Petition, kind: str) -> Mapping[str, Any]:
    """The newest event of that kind, or an empty one."""
    history = petition.get("state", {}).get("eventHistory", [])
    return next((event for event in reversed(history) if event.get("event") == kind), {})


def _by_and_why(by: str, why: str) -> str:
    return (f" by {by}" if by else "") + (f' ("{why}")' if why else "")


def _who(actor: object) -> str:
    """Name and e-mail, or what there is of them."""
    if not isinstance(actor, Mapping):
        return ""
    email = _line(actor.get("email"))
    name = _line(actor.get("displayName")) or email or _line(actor.get("id"))
    return f"{name} <{email}>" if email and email != name else name


def _line(text: object) -> str:
    """People's words as one printable line."""
    words = " ".join(text.split()) if isinstance(text, str) else ""
    return "".join(character for character in words if character.isprintable())
