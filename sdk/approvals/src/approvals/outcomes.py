"""How a petition ended, read from its phase and history. No I/O."""

from __future__ import annotations

from urllib.parse import quote

from indentapi import IndentError, Petition, phase


class ApprovalError(IndentError):
    """The request was not granted.

    Attributes:
        petition: as it was last seen; `petition["name"]` is what `approval.resume` takes.
        url: where people see it.
    """

    said = "not granted"

    def __init__(self, petition: Petition) -> None:
        self.petition = petition
        self.url = url_of(petition)
        super().__init__(f"{reference(petition)} {self.said}: {self.url}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.petition,)


class ApprovalDenied(ApprovalError):  # noqa: N818 - the name that the guide gives it
    """It was denied, taken back or closed without ever being granted."""

    said = "was denied"


class ApprovalRevoked(ApprovalError):  # noqa: N818 - the same
    """It was granted, and that is over: revoked or expired."""

    said = "was granted, and is not any more"


class ApprovalTimeout(ApprovalError, TimeoutError):  # noqa: N818 - the same
    """It is still undecided. It stays open: `await approval.resume(name)` goes on waiting."""

    said = "is still waiting for a decision"


def decided(petition: Petition) -> type[ApprovalError] | bool:
    """True when it is granted, False while it is undecided, else the exception that it is.

    `closed` follows every end, so its history decides: what was once granted has been revoked.
    """
    now = phase(petition)
    if now in {"draft", "open"}:
        return False
    if now == "granted":
        return True
    events = {event.get("event") for event in petition.get("state", {}).get("eventHistory", [])}
    if now == "revoked" or events & {"access/grant", "access/revoke"}:
        return ApprovalRevoked
    return ApprovalDenied


def reference(petition: Petition) -> str:
    """The short form: `#space/name`."""
    return f"#{petition['spaceName']}/{petition['name']}"


def url_of(petition: Petition) -> str:
    """Where people see the petition."""
    names = (petition["spaceName"], petition["name"])
    return "https://indent.com/access/" + "/".join(quote(name, safe="") for name in names)
