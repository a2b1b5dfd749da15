"""The page's server and routes. Every form is answered with a redirect, so a reload sends nothing.

The redirect leads to what the form did, or to the page with the problem in it.

The server (`sandbox.local_server`) lets through only calls to its own Host, from no other site,
with this run's key in the path. Each form also carries a token, in case its address leaks.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Self

from flask import Flask, Response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException

from handler.settings import POLICY, Settings
from sandbox.function_log import FunctionLog
from sandbox.local_server import SecretPath
from sandbox.page import forms
from sandbox.page.duty_board import DutyBoard, SwitchError, boards_of
from sandbox.page.presenter import Presenter, Problem
from sandbox.receivers import ReceivedNotice
from sandbox.space import Space
from sandbox.space.api import ApiError, Code
from sandbox.stack import Sandbox
from sandbox.wsgi import WsgiServer

CSRF_FIELD = "csrf"
MAX_FORM_BYTES = 32 * 1024
MAX_PROBLEMS = 50
_PROBLEM = "problem"
_CONTENT_SECURITY_POLICY = {
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
    "Content-Security-Policy": "; ".join(
        f"{name} {value}" for name, value in _CONTENT_SECURITY_POLICY.items()
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_REVIEW_PROBLEMS = {
    Code.NOT_FOUND: "This request does not exist any more.",
    Code.FAILED_PRECONDITION: "Nothing was changed: the request is no longer in that state.",
    Code.INVALID_ARGUMENT: "The page does not offer this action.",
}
_SENTENCES = {
    404: "There is no such page.",
    405: "This address doesn't accept that kind of call.",
    413: "That is too long. A form can hold 32 kB.",
    500: "The page failed. The terminal that runs `make up` shows the error.",
}


class Page:
    """The page of a space, served on loopback from `with` to the end of it.

    Args:
        space: whose requests are shown, and where new ones go.
        boards: the duties at the providers' doubles; empty where the real providers are asked.
        log: the function's log, which has the reasons.
        settings: the function's settings.
        policy_file: the name of the policy file that they are read from, if there is one.
        notices: those that were received.

    Attributes:
        url: where a browser opens it; the path begins with a key of this run.
    """

    def __init__(
        self,
        space: Space,
        boards: Sequence[DutyBoard],
        log: FunctionLog,
        settings: Settings,
        policy_file: str = "",
        notices: Collection[ReceivedNotice] = (),
    ) -> None:
        presenter = Presenter(space, boards, log, settings, policy_file, notices)
        routes = _Routes(space, boards, presenter)
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
    policy_file = sandbox.deployment.function.config.environment.get(POLICY, "")
    boards = list(boards_of(sandbox.doubles))
    notices = sandbox.receivers.notices
    return Page(space, boards, sandbox.log, sandbox.settings, policy_file, notices)


class _Routes:
    def __init__(self, space: Space, boards: Sequence[DutyBoard], presenter: Presenter) -> None:
        self._space = space
        self._boards = boards
        self._presenter = presenter
        self._csrf_token = secrets.token_urlsafe(32)  # new for each run, and in no cookie
        self._form = forms.RequestForm()
        self._problems: OrderedDict[str, tuple[Problem, forms.RequestForm | None]] = OrderedDict()

    def check_token(self) -> ResponseReturnValue | None:
        """Refuse a form without the page's token."""
        if request.method == "POST":
            token = request.form.get(CSRF_FIELD, "")
            if not hmac.compare_digest(token.encode(), self._csrf_token.encode()):
                sentence = (
                    "This form belongs to an earlier run of the sandbox. Open the page again."
                )
                return _refuse(sentence, HTTPStatus.FORBIDDEN)
        return None

    def home(self) -> ResponseReturnValue:
        """Show everything as it is now, and the problem that the address names."""
        problem, form = self._problems.get(request.args.get(_PROBLEM, ""), (None, None))
        html = render_template(
            "page.html",
            view=self._presenter.view(problem),
            form=form or self._form,
            csrf_token=self._csrf_token,
            csrf_field=CSRF_FIELD,
        )
        # An old log may hold half a surrogate pair: it becomes a question mark.
        return html.encode(errors="replace").decode()

    def create(self) -> ResponseReturnValue:
        """Request access; a problem is shown beside what was typed."""
        form = forms.RequestForm.read(request.form)
        try:
            petition = forms.create_petition(self._space, form, anybody=not self._boards)
        except forms.FieldError as error:
            return self._redirect_to_problem(Problem("request", str(error), error.field), form)
        except ApiError as error:
            return self._redirect_to_problem(Problem("request", error.message), form)
        self._form = form.next
        return _redirect_to(f"petition-{petition.name}")

    def review(self, name: str) -> ResponseReturnValue:
        """Approve, deny or revoke."""
        place = f"petition-{name}"
        try:
            forms.review(self._space, name, request.form)
        except forms.FieldError as error:
            return self._redirect_to_problem(Problem(place, str(error), error.field))
        except ApiError as error:
            sentence = _REVIEW_PROBLEMS.get(error.code, error.message)
            return self._redirect_to_problem(Problem(place, sentence))
        return _redirect_to(place)

    def switch_duty(self) -> ResponseReturnValue:
        """Put somebody on duty, or take them off."""
        place = f"slot-{request.form.get('slot', '')}"
        try:
            forms.switch_duty(self._boards, request.form)
        except SwitchError as error:
            return self._redirect_to_problem(Problem(place, str(error)))
        return _redirect_to(place)

    def _redirect_to_problem(
        self, problem: Problem, form: forms.RequestForm | None = None
    ) -> ResponseReturnValue:
        """Redirect to the page with a problem, which the server remembers for a while."""
        id_ = secrets.token_urlsafe(8)
        self._problems[id_] = problem, form
        while len(self._problems) > MAX_PROBLEMS:
            self._problems.popitem(last=False)
        # Without a fragment, which would take the focus from the field.
        return _redirect(f"/?{_PROBLEM}={id_}")


def _make_app(routes: _Routes) -> Flask:
    app = Flask(__name__)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    app.before_request(routes.check_token)
    app.after_request(_set_headers)
    app.add_url_rule("/", view_func=routes.home)
    app.add_url_rule("/requests", view_func=routes.create, methods=["POST"])
    app.add_url_rule("/requests/<name>", view_func=routes.review, methods=["POST"])
    app.add_url_rule("/duties", view_func=routes.switch_duty, methods=["POST"])
    app.register_error_handler(HTTPException, _answer_error)
    return app


def _set_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response


def _answer_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    # After a refusal the browser shows a form's own address; opening that is a GET.
    if status == HTTPStatus.METHOD_NOT_ALLOWED and request.method == "GET":
        return _redirect_to("main")
    return _refuse(_SENTENCES.get(status, f"{HTTPStatus(status).phrase}."), status)


def _refuse(sentence: str, status: int) -> ResponseReturnValue:
    return render_template("refusal.html", sentence=sentence), status


def _redirect_to(place: str) -> ResponseReturnValue:
    return _redirect(f"/#{place}")


def _redirect(path: str) -> ResponseReturnValue:
    return redirect(f"{request.script_root}{path}", HTTPStatus.SEE_OTHER)
