"""The JSON of the API, as typed dictionaries: plain dicts at run time.

Names are the API's own. Any field may be absent, for the API leaves out empty ones; what is marked
as required here is always there. Instants are RFC 3339 texts.
"""

from __future__ import annotations

from typing import Any, Literal, Required, TypedDict

Phase = Literal["draft", "open", "granted", "revoked", "closed", "deleted"]


class Resource(TypedDict, total=False):
    """Something that can be requested, or somebody; `id` is unique together with `kind`."""

    kind: str
    id: str
    email: str
    displayName: str
    altIds: list[str]
    labels: dict[str, str]


class Meta(TypedDict, total=False):
    """What the API keeps about most of its objects."""

    name: str
    space: str
    displayName: str
    labels: dict[str, str]
    createTime: str
    updateTime: str
    deleteTime: str
    expireTime: str
    startTime: str
    endTime: str


class Event(TypedDict, total=False):
    """Something that happened, such as `access/approve`. A claim is an event."""

    event: Required[str]
    id: str
    externalId: str
    sessionId: str
    reason: str
    timestamp: str
    actor: Resource
    resources: list[Resource]
    meta: Meta


class PetitionStatus(TypedDict, total=False):
    """Where a petition stands.

    `closed` alone does not mean denied: it is also what follows `revoked`. The state's
    see `eventHistory` for which.
    """

    phase: Phase


class PetitionState(TypedDict, total=False):
    """The status, and every event that led to it."""

    status: PetitionStatus
    eventHistory: list[Event]
    messages: list[dict[str, str]]


class DurationParts(TypedDict, total=False):
    """A duration as some versions of the API write it; `seconds` may be a text."""

    seconds: int | str
    nanos: int


class Petition(TypedDict, total=False):
    """A request for access."""

    name: Required[str]
    spaceName: Required[str]
    reason: str
    petitioners: list[Resource]
    resources: list[Resource]
    defaultDuration: str | DurationParts
    meta: Meta
    state: PetitionState
    block: dict[str, Any]


class Space(TypedDict, total=False):
    """An account: the home of resources, petitions and webhooks."""

    name: Required[str]
    parent: str
    displayName: str


class Block(TypedDict, total=False):
    """A piece of a space's configuration; its content depends on its kind."""

    name: Required[str]
    spaceName: str
    displayName: str
    labels: dict[str, str]
    on: list[dict[str, Any]]
    props: dict[str, Any]
    exec: dict[str, Any]
    spec: dict[str, dict[str, Any]]
    state: dict[str, Any]
    ui: dict[str, Any]


class WebhookHeader(TypedDict, total=False):
    """The value of a header of a webhook call, or the credential that contains it."""

    credential: str
    value: str


class Webhook(TypedDict, total=False):
    """Where the space sends its calls. The `secret` signs them; the API may leave it out."""

    name: str
    spaceName: str
    displayName: str
    labels: dict[str, str]
    url: str
    method: str
    headers: dict[str, WebhookHeader]
    secret: str
    dryRun: bool


class WebhookPolicy(TypedDict, total=False):
    """When a decision webhook is consulted; without a condition, always."""

    meta: Meta
    base: dict[str, Any]
    webhooks: list[dict[str, str]]


class PullUpdateResult(TypedDict, total=False):
    """What the webhooks returned; a `status` with a code other than 0 is a failure."""

    resources: list[Resource]
    status: dict[str, Any]
