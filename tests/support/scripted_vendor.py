"""A vendor that says over real HTTP what a test lays down."""

import json
import ssl
import threading
from collections.abc import Callable

from tests.support.loopback import Asked, Loopback, Peer, answer
from worker.gateways.http.api import Api, ApiSettings
from worker.gateways.http.token import Tokens, TokenSettings

PREFIX = "/rcm/eligibility/v1"


class ScriptedVendor:
    """Token endpoint and API on one port; ``say`` makes the API's answers."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.say: Callable[[Asked, Peer], bytes | None] = lambda asked, peer: task("x")
        self.say_token: Callable[[Asked, Peer], bytes | None] = lambda asked, peer: answer(
            200, json.dumps({"access_token": f"token-{self.tokens}"}).encode()
        )
        self.server = Loopback(
            lambda asked, peer: (self.say_token if asked.target == "/token" else self.say)(asked, peer), tls=tls
        )

    @property
    def tokens(self) -> int:
        return self.server.count("/token")

    @property
    def polls(self) -> list[Asked]:
        return [asked for asked in self.server.asked if asked.target != "/token"]

    def keys(self, **more: str) -> dict[str, str]:
        """The keys that lead here, as :class:`tests.support.cdpoll_process.House` takes them."""
        url = self.server.url
        return {"api_base_url": url + PREFIX, "api_token_url": url + "/token"} | more

    def api(self, tenant_id: str | None = None, base_url: str | None = None) -> Api:
        secrets = TokenSettings(self.server.url + "/token", lambda: "me", lambda: "secret")
        settings = ApiSettings(base_url or self.server.url + PREFIX, tenant_id)
        return Api(settings, Tokens(secrets, threading.Event()))


def task(task_id: str, status: str = "pending", *headers: str, **more: str) -> bytes:
    return answer(200, json.dumps({"id": task_id, "status": status} | more).encode(), *headers)


def found(asked: Asked, peer: Peer) -> bytes:
    """The plain answer to a poll: this task is finished."""
    return task(asked.id, "success")


def waits(asked: Asked, peer: Peer) -> bytes:
    """The plain answer to a poll: this task is pending."""
    return task(asked.id, "pending")
