"""The Flask app: what it answers, to whom, and with which headers. It has no writing action."""

import re
from collections.abc import Callable
from ipaddress import ip_address

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from worker.core.errors import place_of
from worker.rounds.log_lines import Log
from worker.web.look import Look
from worker.web.metrics import exposition
from worker.web.readiness import hindrances

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_app(look: Callable[[], Look], hosts: tuple[str, ...], log: Log) -> Flask:
    """``hosts``: further names under which a request may ask, beside those of this machine."""
    app = Flask(__name__, static_folder=None)

    @app.before_request
    def refuse_other_names() -> Response | None:
        # A page of another site can make a browser ask here under its own name (DNS rebinding), and read the answer.
        if not _is_meant(request.environ.get("HTTP_HOST", ""), hosts):
            return _text("this name is not served here; [local] hosts lists those that are, beside localhost\n", 421)
        return None

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return _text(f"{error.name}\n", error.code or 500)
        # By class and place only: the text of an unforeseen error may quote data.
        log.error("a fault in cdpoll itself", place=f"{type(error).__name__} at {place_of(error)}")
        return _text("a fault in cdpoll itself; the log has a line of it\n", 500)

    def healthz() -> Response:
        return _text("ok\n")

    def readyz() -> Response:
        found = hindrances(look())
        return _text("".join(f"{one}\n" for one in found), 503) if found else _text("ready\n")

    def metrics() -> Response:
        body, content_type = exposition(look(), request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    for view in (healthz, readyz, metrics):
        app.add_url_rule(f"/{view.__name__}", view_func=view, methods=["GET"], provide_automatic_options=False)
    return app


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")


def _is_meant(host: str, hosts: tuple[str, ...]) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].lower().strip("[]").removesuffix(".")
    if name == "localhost" or name in hosts:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
