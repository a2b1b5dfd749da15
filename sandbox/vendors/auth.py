"""What a key opens: nothing if it is the wrong one, and only what it has a right to."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping

from sandbox.vendors.exchange import Request


def refusal(
    request: Request, authorization: str, needed: Mapping[str, str], held: Collection[str]
) -> int | None:
    """The status that refuses a call: 401 for a wrong key, 403 for one without the right.

    `needed` is the right for each beginning of a path, `held` what the key has.
    """
    if not is_authorized(request, authorization):
        return 401
    for beginning, right in needed.items():
        if request.path.startswith(beginning) and right not in held:
            return 403
    return None


def is_authorized(request: Request, authorization: str) -> bool:
    """Tell whether a call brings this header, in a time that tells nothing of it."""
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode(), authorization.encode())
