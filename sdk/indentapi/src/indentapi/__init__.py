"""A typed client of Indent's REST API: resources, petitions and claims."""

from __future__ import annotations

from indentapi.api_types import (
    Block,
    Event,
    Meta,
    Petition,
    Phase,
    Resource,
    Space,
    Webhook,
    WebhookPolicy,
)
from indentapi.client import IndentAPI
from indentapi.durations import Duration
from indentapi.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    IndentConnectionError,
    IndentError,
    IndentTimeoutError,
    NotFoundError,
    PermissionDeniedError,
    PetitionTimeoutError,
    RateLimitError,
    ServerError,
    UnexpectedAnswerError,
    UnprocessableError,
)
from indentapi.petitions import intervals, phase
from indentapi.transport import Clock
from indentapi.version import __version__

__all__ = [
    "AuthenticationError",
    "BadRequestError",
    "Block",
    "Clock",
    "ConfigurationError",
    "ConflictError",
    "Duration",
    "Event",
    "IndentAPI",
    "IndentConnectionError",
    "IndentError",
    "IndentTimeoutError",
    "Meta",
    "NotFoundError",
    "PermissionDeniedError",
    "Petition",
    "PetitionTimeoutError",
    "Phase",
    "RateLimitError",
    "Resource",
    "ServerError",
    "Space",
    "UnexpectedAnswerError",
    "UnprocessableError",
    "Webhook",
    "WebhookPolicy",
    "__version__",
    "intervals",
    "phase",
]
