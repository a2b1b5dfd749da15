"""The page's server and routes. A form that succeeds is answered with a redirect to what it did.

The server (`sandbox.local_server`) lets through only calls to its own Host, from no other site,
with this run's key in the path. Each form also carries a token, in case its address leaks.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Self

from flask import Flask, Response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException

from handler.settings import Settings
from sandbox.function_log import FunctionLog
from sandbox.local_server import SecretPath
from sandbox.page import forms
from sandbox.page.duty_board import DutyBoard, SwitchError, boards_of
from sandbox.page.presenter import Presenter, Problem
from sandbox.space import Space
from sandbox.space.api import ApiError
from sandbox.stack import Sandbox
from sandbox.wsgi import WsgiServer

CSRF_FIELD = "csrf"
MAX_FORM_BYTES = 32 * 1024
_EMPTY_FORM = forms.RequestForm()
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
_SENTENCES = {
    404: "There is no such page.",
    405: "That is no way to call this address.",
    413: "That is too long: a form may hold 32 kB.",
    500: "The page failed; the terminal that runs `make up` shows where.",
}


class Page:
    """The page of a space, served on loopback from `with` to the end of it.

    Args:
        space: whose petitions are shown, and where requests go.
        boards: the duties at the providers' doubles; none where the real providers are asked.
        log: where the function says why.
        settings: the function's settings.

    Attributes:
        url: where a browser opens it; the path begins with a key of this run.
    """

    def __init__(
        self, space: Space, boards: Sequence[DutyBoard], log: FunctionLog, settings: Settings
    ) -> None:
        routes = _Routes(space, boards, Presenter(space, boards, log, settings))
        key = SecretPath()
        self._server = WsgiServer(_make_app(routes), key, mount_path=key.prefix)
        self.url = f"{self._server.url}{key.prefix}/"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()


def page_of(sandbox: Sandbox, space: Space) -> Page:
    """Make the page of a running sandbox and its space."""
    return Page(space, list(boards_of(sandbox.doubles)), sandbox.log, sandbox.settings)


class _Routes:
    def __init__(self, space: Space, boards: Sequence[DutyBoard], presenter: Presenter) -> None:
        self._space = space
        self._boards = boards
        self._presenter = presenter
        self._csrf_token = secrets.token_urlsafe(32)  # new for each run, and in no cookie

    def check_token(self) -> ResponseReturnValue | None:
        """Refuse a form without the page's token."""
        if request.method == "POST":
            token = request.form.get(CSRF_FIELD, "")
            if not hmac.compare_digest(token.encode(), self._csrf_token.encode()):
                sentence = "This form is not of the page that runs now: open the page anew."
                return _refuse(sentence, HTTPStatus.FORBIDDEN)
        return None

    def home(self) -> ResponseReturnValue:
        """Show everything as it is now."""
        return self._page()

    def create(self) -> ResponseReturnValue:
        """Request access; a problem is shown beside what was typed."""
        form = forms.RequestForm.read(request.form)
        try:
            petition = forms.create_petition(self._space, form, anybody=not self._boards)
        except forms.FieldError as error:
            return self._page(Problem("request", str(error), error.field), form)
        except ApiError as error:
            return self._page(Problem("request", error.message, status=error.http_status), form)
        return _redirect_to(f"petition-{petition.name}")

    def review(self, name: str) -> ResponseReturnValue:
        """Approve, deny or revoke."""
        place = f"petition-{name}"
        try:
            forms.review(self._space, name, request.form)
        except forms.FieldError as error:
            return self._page(Problem(place, str(error), error.field))
        except ApiError as error:
            return self._page(Problem(place, error.message, status=error.http_status))
        return _redirect_to(place)

    def switch_duty(self) -> ResponseReturnValue:
        """Put somebody on duty, or take them off."""
        place = f"slot-{request.form.get('slot', '')}"
        try:
            forms.switch_duty(self._boards, request.form)
        except SwitchError as error:
            return self._page(Problem(place, str(error), status=HTTPStatus.CONFLICT))
        return _redirect_to(place)

    def _page(
        self, problem: Problem | None = None, form: forms.RequestForm = _EMPTY_FORM
    ) -> ResponseReturnValue:
        html = render_template(
            "page.html",
            view=self._presenter.view(problem),
            form=form,
            csrf_token=self._csrf_token,
            csrf_field=CSRF_FIELD,
        )
        # An old log may hold half a surrogate pair: it becomes a question mark.
        encodable = html.encode(errors="replace").decode()
        return encodable, problem.status if problem else HTTPStatus.OK


def _make_app(routes: _Routes) -> Flask:
    app = Flask(__name__)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    app.before_request(routes.check_token)
    app.after_request(_set_headers)
    app.add_url_rule("/", view_func=routes.home)
    app.add_url_rule("/requests", view_func=routes.create, methods=["POST"])
    app.add_url_rule("/petitions/<name>", view_func=routes.review, methods=["POST"])
    app.add_url_rule("/duties", view_func=routes.switch_duty, methods=["POST"])
    app.register_error_handler(HTTPException, _answer_error)
    return app


def _set_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response


def _answer_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    # After a problem the browser shows a form's own address; to reload it is a GET.
    if status == HTTPStatus.METHOD_NOT_ALLOWED and request.method == "GET":
        return _redirect_to("main")
    return _refuse(_SENTENCES.get(status, f"{HTTPStatus(status).phrase}."), status)


def _refuse(sentence: str, status: int) -> ResponseReturnValue:
    return render_template("refusal.html", sentence=sentence), status


def _redirect_to(place: str) -> ResponseReturnValue:
    return redirect(f"{request.script_root}/#{place}", HTTPStatus.SEE_OTHER)
