"""The Flask app of `cdpoll serve local`: what it answers, and with which headers. One address takes ids; the others
write nothing."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from worker.config import Config
from worker.core.errors import CdpollError, place_of
from worker.rounds.log_lines import Log
from worker.web.access import Access
from worker.web.intake.openapi import DOCUMENT
from worker.web.intake.tasks import MAX_BODY_BYTES, TasksEndpoint
from worker.web.look import Look, look
from worker.web.metrics import exposition
from worker.web.page import head, spoken, status_page, task_page
from worker.web.readiness import hindrances
from worker.web.refusal import refused

Answer = TypeVar("Answer")

STYLE = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_app(config: Config, now: Callable[[], int], log: Log, access: Access, tasks: TasksEndpoint) -> Flask:
    """``now`` reads the clock (ms). ``tasks`` is where ids are handed in."""
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # no answer is a redirect
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals |= {"style": STYLE, "spoken": spoken}

    def seen_by(view: Callable[[Look], Answer]) -> Answer:
        try:
            return view(look(config, now()))
        except Exception as error:
            # A daemon of another release may have written the summary: during an upgrade, say.
            place = f"{type(error).__name__} at {place_of(error)}"
            log.warning("the daemon's summary cannot be used; the database is read in its place", place=place)
            return view(look(config, now(), by_summary=False))

    _guard(app, access, log)

    def healthz() -> Response:
        return _text("ok\n")

    def readyz() -> Response:
        found = seen_by(hindrances)
        return _text("".join(f"{one}\n" for one in found), 503) if found else _text("ready\n")

    def metrics() -> Response:
        body, content_type = seen_by(lambda look: exposition(look, request.headers.get("Accept", "")))
        return Response(body, content_type=content_type)

    def openapi() -> Response:
        return Response(DOCUMENT.read_bytes(), content_type="application/json")

    def status() -> str:
        return seen_by(lambda look: render_template("status.html", **status_page(config, look)))

    def task(task_id: str) -> str | tuple[str, int]:
        at = now()
        try:
            page = task_page(config, task_id, at)
        except CdpollError as error:
            return render_template(
                "missing.html", **head(at), said=f"The database cannot be read: {error.message}"
            ), 503
        if page is None:
            return render_template("missing.html", **head(at), said="No task of this id is recorded here."), 404
        return render_template("task.html", **page)

    app.add_url_rule("/", view_func=status, methods=["GET"], provide_automatic_options=False)
    app.add_url_rule("/tasks/<path:task_id>", view_func=task, methods=["GET"], provide_automatic_options=False)
    for view in (healthz, readyz, metrics):
        app.add_url_rule(f"/{view.__name__}", view_func=view, methods=["GET"], provide_automatic_options=False)
    app.add_url_rule("/v1/tasks", "post_tasks", tasks.post, methods=["POST"], provide_automatic_options=False)
    app.add_url_rule("/v1/openapi.json", view_func=openapi, methods=["GET"], provide_automatic_options=False)
    return app


_SAID = {
    404: "nothing is at this address; ids go by POST to /v1/tasks",
    405: "this address takes another method; ids go by POST to /v1/tasks",
    413: f"a body may have {MAX_BODY_BYTES // (1024 * 1024)} MiB; hand in fewer tasks at a time",
}


def _guard(app: Flask, access: Access, log: Log) -> None:
    """Refuse who may not ask, set the headers, and tell a fault without quoting it."""
    app.before_request(access.refusal)

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            allow = error.valid_methods if isinstance(error, MethodNotAllowed) else None
            word = (error.name or "refused").lower().replace(" ", "_")
            said = _SAID.get(error.code or 500, error.name)
            return refused(error.code or 500, word, said, {"Allow": ", ".join(allow)} if allow else None)
        # By class and place only: the text of an unforeseen error may quote data.
        log.error("a fault in cdpoll itself", place=f"{type(error).__name__} at {place_of(error)}")
        return refused(500, "fault", "a fault in cdpoll itself; the log has a line of it")


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")
