"""`approval_sync({...})`, `await approval({...})`: a script goes on when its request is granted."""

from __future__ import annotations

from indentapi import Petition, Resource

from approvals.approval import Approval, AsyncClock, SyncApproval, approval, approval_sync
from approvals.decorator import requires_approval
from approvals.errors import (
    ApprovalDenied,
    ApprovalError,
    ApprovalRevoked,
    ApprovalTimeout,
)
from approvals.pending import ApprovalNotAwaited
from approvals.progress import Progress
from approvals.request import Request
from approvals.version import __version__

__all__ = [
    "Approval",
    "ApprovalDenied",
    "ApprovalError",
    "ApprovalNotAwaited",
    "ApprovalRevoked",
    "ApprovalTimeout",
    "AsyncClock",
    "Petition",
    "Progress",
    "Request",
    "Resource",
    "SyncApproval",
    "__version__",
    "approval",
    "approval_sync",
    "requires_approval",
]
