"""The page's routes: what is shown, and what each form does. What succeeds is a redirect."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from flask import Flask, redirect, render_template, request
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from handler.settings import Settings
from sandbox.logbook import Logbook
from sandbox.page import forms
from sandbox.page.duty_board import Roster, RosterError
from sandbox.page.guard import CSRF_FIELD, Guard, RefusedError
from sandbox.page.presenter import Problem, Viewer
from sandbox.space import Space
from sandbox.space.errors import ApiError

Answer = Response | tuple[str, int]
_NOTHING_TYPED = forms.Typed()
_SENTENCES = {
    404: "There is no such page.",
    405: "That is no way to call this address.",
    413: "That is too long: a form may hold 32 kB.",
    500: "The page failed; the terminal that runs `make up` shows where.",
}


def make_app(
    space: Space, rosters: Sequence[Roster], log: Logbook, settings: Settings, guard: Guard
) -> Flask:
    """Make the page of a space; without rosters it has no switches."""
    app = Flask(__name__)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    guard.watch(app)
    routes = _Routes(space, rosters, Viewer(space, rosters, log, settings), guard.token)
    app.add_url_rule("/", view_func=routes.home)
    app.add_url_rule("/requests", view_func=routes.ask, methods=["POST"])
    app.add_url_rule("/petitions/<name>", view_func=routes.review, methods=["POST"])
    app.add_url_rule("/duties", view_func=routes.turn, methods=["POST"])
    app.register_error_handler(RefusedError, _refused)
    app.register_error_handler(HTTPException, _failed)
    return app


class _Routes:
    def __init__(self, space: Space, rosters: Sequence[Roster], viewer: Viewer, csrf: str) -> None:
        self._space = space
        self._rosters = rosters
        self._viewer = viewer
        self._csrf = csrf

    def home(self) -> Answer:
        """Everything, as it is now."""
        return self._page()

    def ask(self) -> Answer:
        """Request access; what cannot be is told beside what was typed."""
        typed = forms.Typed.of(request.form)
        try:
            petition = forms.create(self._space, typed, anybody=not self._rosters)
        except forms.FieldError as error:
            return self._page(Problem("request", str(error), error.field), typed)
        except ApiError as error:
            return self._page(Problem("request", error.message, status=error.http), typed)
        return _back(f"petition-{petition.name}")

    def review(self, name: str) -> Answer:
        """Approve, deny or revoke."""
        place = f"petition-{name}"
        try:
            forms.review(self._space, name, request.form)
        except forms.FieldError as error:
            return self._page(Problem(place, str(error), error.field))
        except ApiError as error:
            return self._page(Problem(place, error.message, status=error.http))
        return _back(place)

    def turn(self) -> Answer:
        """Put somebody on duty, or take him off."""
        form, verb = request.form, "on" if "on" in request.form else "off"
        post, email = form.get("post", ""), form.get(verb, "")
        place = f"post-{post}"
        try:
            forms.turn(self._rosters, form.get("provider", ""), post, email, on=verb == "on")
        except RosterError as error:
            return self._page(Problem(place, str(error), status=HTTPStatus.CONFLICT))
        return _back(place)

    def _page(self, problem: Problem | None = None, typed: forms.Typed = _NOTHING_TYPED) -> Answer:
        html = render_template(
            "page.html",
            view=self._viewer.view(problem),
            typed=typed,
            csrf=self._csrf,
            csrf_field=CSRF_FIELD,
        )
        # Half a surrogate pair, which a log of old may hold, is shown as a question mark.
        shown = html.encode(errors="replace").decode()
        return shown, problem.status if problem else HTTPStatus.OK


def _refused(error: RefusedError) -> Answer:
    return _told(str(error), error.status)


def _failed(error: HTTPException) -> Answer:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    # Somebody loads the address of a form anew, which is what the browser shows after a problem.
    if status == HTTPStatus.METHOD_NOT_ALLOWED and request.method == "GET":
        return _back("main")
    return _told(_SENTENCES.get(status, f"{HTTPStatus(status).phrase}."), status)


def _told(sentence: str, status: int) -> Answer:
    return render_template("refusal.html", sentence=sentence), status


def _back(place: str) -> Response:
    return redirect(f"{request.script_root}/#{place}", HTTPStatus.SEE_OTHER)
