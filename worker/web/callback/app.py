"""The Flask app of `cdpoll serve callback`: the token endpoint, and the one to which the vendor delivers.

=======  ====================================================================================================
status   of a delivery
=======  ====================================================================================================
204      it is on the disk: the task is concluded, or knew it already; or it was put into quarantine
401      the token is missing, not known here, or has expired: the vendor asks for another one
403      the token has not the scope; or the request came from a network that is not let in
413 415  the body is larger than any real one, or not JSON by its own word
429      what failed came from where many attempts failed within a minute; valid tokens are never refused so
503      the database cannot be written now, or larger bodies wait; the vendor tries again in five minutes
=======  ====================================================================================================

The token is looked at before the body is read. No line of the log holds anything of a body, a secret or a token.
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from worker.config import CallbackSection, Config
from worker.config.callback import callback_rules_of
from worker.core.errors import CdpollError, place_of
from worker.core.vendor.callback import Delivery
from worker.rounds.callback.receive import quarantine, read, write
from worker.rounds.callback.telling import Telling
from worker.rounds.log_lines import Log
from worker.store.state import callback_tokens
from worker.store.state.callback_tokens import ClientCredentials
from worker.web.callback.grant import Denied, TokenRequest, decide, has_scope
from worker.web.callback.source import true_source
from worker.web.clerk import Clerk
from worker.web.room import Room
from worker.web.throttle import FAILURES, Throttle

# Real bodies have some ten paths with a 271 of a few KB each.
MAX_BODY_BYTES = 25 * 1024 * 1024
MAX_TOKEN_BODY_BYTES = 16 * 1024

RETRY_AFTER_S = 30

REALM = "cdpoll"

_JSON_KINDS = ("", "application/json", "text/json")


class CallbackApp:
    """What the endpoints need. ``now`` reads the clock (ms)."""

    def __init__(
        self, config: Config, listed: list[ClientCredentials], clerk: Clerk, now: Callable[[], int], log: Log
    ) -> None:
        self.section = config.require_callback()
        self.rules = callback_rules_of(config)
        self._listed = listed
        self._clerk, self._now, self._log = clerk, now, log
        self._throttle = Throttle()
        self._room = Room()
        self._telling = Telling(log)

    def source(self) -> str:
        """Where the request came from, as far as it can be believed."""
        peer, forwarded = request.environ.get("REMOTE_ADDR", ""), request.environ.get("HTTP_X_FORWARDED_FOR")
        return true_source(peer, forwarded, self.section.trusted_proxies or ())

    def refuse_others(self) -> Response | None:
        """403 for a request from a network that is not let in."""
        allow = self.section.allow
        if allow is None:
            return None
        try:
            address = ip_address(self.source())
        except ValueError:
            allowed = False  # a Unix socket, and no proxy said where it came from
        else:
            allowed = any(address in network for network in allow)
        return None if allowed else _text("requests from this address are not let in\n", 403)

    def token(self) -> Response:
        """The token endpoint."""
        asked = TokenRequest(_header("Authorization"), _kind(), _token_body())
        decided = decide(asked, self._listed, self.section.scope)
        if isinstance(decided, Denied):
            return self._denied(decided)
        now, lifetime_ms = self._now(), self.section.token_lifetime_ms
        pair, scope = decided.pair, decided.scope
        try:
            token = self._clerk.do(lambda store: callback_tokens.give(store, pair, scope, now, lifetime_ms))
        except CdpollError as error:
            self._telling.unable(error, now)
            busy = {"error": "temporarily_unavailable", "error_description": "the database cannot be written now"}
            return _json(busy, 503, {"Retry-After": str(RETRY_AFTER_S)})
        given: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": lifetime_ms // 1000}
        return _json(given | ({} if scope is None else {"scope": scope}), 200)

    def _denied(self, denied: Denied) -> Response:
        headers = {}
        if denied.error == "invalid_client":
            if (slowed := self._slowed("secret")) is not None:
                return slowed
            headers = {"WWW-Authenticate": f'Basic realm="{REALM}"'}
        return _json({"error": denied.error, "error_description": denied.says}, denied.status, headers)

    def _slowed(self, what: str) -> Response | None:
        """Count a failure; the answer for a source that has had too many of them."""
        now, source = self._now(), self.source()
        count, rest_ms = self._throttle.failed(source, now)
        if count == 1 or count == FAILURES + 1:
            self._telling.failed_attempt(what, source, slowed=count > 1)
        if count <= FAILURES:
            return None
        wait_s = str(max(1, -(-rest_ms // 1000)))
        busy = {"error": "too_many_requests", "error_description": "too many attempts have failed from this address"}
        return _json(busy, 429, {"Retry-After": wait_s})

    def callback(self) -> Response:
        """The callback endpoint."""
        now = self._now()
        try:
            refusal = self._refused(now)
            if refusal is not None:
                return refusal
            return self._taken(now)
        except CdpollError as error:
            self._telling.unable(error, now)
            return _text("it cannot be taken now; try again\n", 503, {"Retry-After": str(RETRY_AFTER_S)})

    def _refused(self, now: int) -> Response | None:
        scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return _challenge("", "a bearer token is needed\n")
        seen = self._clerk.do(lambda store: callback_tokens.look_up(store, token, self._listed, now))
        if seen.state != "good":
            slowed = self._slowed("token") if seen.state == "unknown" else None
            return slowed or _challenge('error="invalid_token"', "the token is not known here, or has expired\n")
        if not has_scope(seen.scope, self.section.scope):
            told = f'error="insufficient_scope", scope="{self.section.scope}"'
            return _challenge(told, "the token has not the scope that is needed\n", 403)
        kind = _kind()
        if kind not in _JSON_KINDS and not kind.endswith("+json"):
            return _text("the body must be JSON (application/json)\n", 415, {"Accept": "application/json"})
        if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            return _text("the body must not be packed (Content-Encoding)\n", 415, {"Accept-Encoding": "identity"})
        return None

    def _taken(self, now: int) -> Response:
        # One more, because werkzeug cuts off what comes in chunks and is longer, without a word.
        request.max_content_length = MAX_BODY_BYTES + 1
        with self._room.body(request.stream, MAX_BODY_BYTES) as body:
            return self._written(body, now)

    def _written(self, body: bytes, now: int) -> Response:
        delivery = Delivery(
            body, _header("X-Optum-Tenant-Id"), _header("X-Optum-Correlation-Id"), _header("X-Optum-Trace-Id")
        )
        try:
            incoming = read(delivery, self.rules)
            received = self._clerk.do(lambda store: write(store, incoming, self.rules, now))
        except CdpollError:
            raise
        except Exception as error:
            # It is authentic, and breaks our own code: kept whole, it can be read again by a later release.
            place = f"{type(error).__name__} at {place_of(error)}"
            self._log.error("a fault in cdpoll itself: a callback was put into quarantine", place=place)
            received = self._clerk.do(lambda store: quarantine(store, delivery, "internal", now))
        self._telling.received(received, now)
        done = Response(status=204)
        del done.headers["Content-Type"]
        return done


def make_callback_app(
    config: Config, clerk: Clerk, now: Callable[[], int], log: Log, listed: Sequence[ClientCredentials] = ()
) -> Flask:
    """The app for a configuration with ``[callback]``. ``listed``: the pairs that are let in, where they were read.

    Else they are read here. Raises BadConfiguration for a secret that cannot be read.
    """
    section = config.require_callback()
    endpoints = CallbackApp(config, [*listed] or credentials_of(section), clerk, now, log)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # no answer is a redirect

    def refuse_others() -> Response | None:
        return None if request.path == "/healthz" else endpoints.refuse_others()

    def protect(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    def fail(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            allow = error.valid_methods if isinstance(error, MethodNotAllowed) else None
            return _text(f"{error.name}\n", error.code or 500, {"Allow": ", ".join(allow)} if allow else None)
        # By class and place only: the text of an unforeseen error may quote data.
        log.error("a fault in cdpoll itself", place=f"{type(error).__name__} at {place_of(error)}")
        return _text("a fault in cdpoll itself; the log has a line of it\n", 500)

    app.before_request(refuse_others)
    app.after_request(protect)
    app.register_error_handler(Exception, fail)
    routes: Sequence[tuple[str, Callable[[], Response], str]] = (
        (section.token_path, endpoints.token, "POST"),
        (section.callback_path, endpoints.callback, "POST"),
        ("/healthz", lambda: _text("ok\n"), "GET"),
    )
    for path, view, method in routes:
        app.add_url_rule(path, path, view, methods=[method], provide_automatic_options=False)
    return app


def credentials_of(section: CallbackSection) -> list[ClientCredentials]:
    """The pairs that are let in: with the present secret, and with the former one while it is listed."""
    client_id = section.client_id.reveal()
    former = section.previous_secret.reveal_if_there()
    secrets = [section.client_secret.reveal(), *([] if former is None else [former])]
    return [ClientCredentials(client_id, secret) for secret in secrets]


def _token_body() -> bytes:
    request.max_content_length = MAX_TOKEN_BODY_BYTES + 1  # one more, as for a delivery
    body = request.get_data(cache=False)
    if len(body) > MAX_TOKEN_BODY_BYTES:
        raise RequestEntityTooLarge
    return body


def _header(name: str) -> str | None:
    return request.headers.get(name, "").strip() or None


def _kind() -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _json(value: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    response = jsonify(value)
    response.status_code = status
    response.headers.update({"Pragma": "no-cache", **(headers or {})})
    return response


def _text(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(text, status, headers, content_type="text/plain; charset=utf-8")


def _challenge(told: str, text: str, status: int = 401) -> Response:
    return _text(text, status, {"WWW-Authenticate": f'Bearer realm="{REALM}"{", " if told else ""}{told}'})
