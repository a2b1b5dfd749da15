"""What a form has to bring, and what each answer tells the browser.

That a call comes from the page itself, by its own address and with this run's key in the path, its
server has checked (`sandbox.local_server`). The token in each form holds even if an address leaks.
"""

from __future__ import annotations

import hmac
import secrets

from flask import Flask, Response, request

CSRF_FIELD = "csrf"
MOST_BYTES = 32 * 1024
_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class RefusedError(Exception):
    """A call that is not answered; the message is the sentence that its sender reads."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Guard:
    """Checks each call before anything else, and marks each answer.

    Attributes:
        token: what each form has to bring; new for each run, and in no cookie.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)

    def watch(self, app: Flask) -> None:
        """Have it check every call of an app."""
        app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
        app.before_request(self._check)
        app.after_request(_mark)

    def _check(self) -> None:
        if request.method == "POST":
            given = request.form.get(CSRF_FIELD, "")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                raise RefusedError(
                    403, "This form is not of the page that runs now: open the page anew."
                )


def _mark(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
