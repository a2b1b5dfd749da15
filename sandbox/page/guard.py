"""Who may call the page: a browser on this machine that was given the page, and nobody else.

Any site that is open in the same browser can send requests to loopback, and a name that it owns
can point there. Hence the exact Host, the token in each form, and the checks of where it is from.
"""

from __future__ import annotations

import hmac
import secrets

from flask import Flask, Request, Response, request

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
        _check_host(request)
        if request.method == "POST":
            _check_origin(request)
            given = request.form.get(CSRF_FIELD, "")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                raise RefusedError(
                    403, "This form is not of the page that runs now: open the page anew."
                )


def _check_host(call: Request) -> None:
    # The port it listens on, not one that the caller tells.
    port = call.environ["SERVER_PORT"]
    allowed = (f"127.0.0.1:{port}", f"localhost:{port}")
    if call.headers.get("Host") not in allowed:
        raise RefusedError(400, f"This page answers at http://{allowed[0]}/ only.")


def _check_origin(call: Request) -> None:
    """Without a referrer, a form's own Origin is `null`: then where it is from says another header.

    Both are of the browser's making, and no page can set them.
    """
    origin = call.headers.get("Origin", "null")
    site = call.headers.get("Sec-Fetch-Site", "same-origin")
    if origin not in {"null", f"http://{call.headers['Host']}"} or site != "same-origin":
        raise RefusedError(403, "This form was sent from another site: use the page itself.")


def _mark(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
