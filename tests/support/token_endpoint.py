"""A token endpoint on loopback, and what is asked of it."""

import json
import threading
from collections.abc import Callable

import pytest

from tests.support.loopback import Asked, Loopback, Peer, answer
from worker.core.vendor.reply import RateLimited, Refused, Unreachable
from worker.gateways.http.token import TokenFailed, TokenSettings

SECRET = 'p&ss "word"=%é'


class NeverStopped(threading.Event):
    """A stop event that never comes and costs no waiting; it counts the waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return False


class Endpoint:
    """A token endpoint: a new token each time, or the bytes that ``say`` returns for the request."""

    def __init__(self) -> None:
        self.say: Callable[[Asked, Peer], bytes | None] | None = None
        self.server = Loopback(self._answer)

    def _answer(self, asked: Asked, peer: Peer) -> bytes | None:
        return granted(f"token-{self.count}") if self.say is None else self.say(asked, peer)

    @property
    def count(self) -> int:
        return len(self.server.asked)


def granted(value: object = "token", **more: object) -> bytes:
    return answer(200, json.dumps({"access_token": value, "token_type": "bearer", "expires_in": 3600} | more).encode())


def asking(url: str, *, form: bool = False, scope: str | None = None) -> TokenSettings:
    return TokenSettings(url + "/apip/auth/v2/token", lambda: "me", lambda: SECRET, scope, form)


def failure(call: Callable[[], object]) -> Refused | Unreachable | RateLimited:
    with pytest.raises(TokenFailed) as caught:
        call()
    error: BaseException | None = caught.value
    while error is not None:
        for shown in (str(error), repr(error), repr(error.args)):
            assert SECRET not in shown
            assert "leaked" not in shown
        error = error.__cause__
    assert str(caught.value) == caught.value.reply.code
    return caught.value.reply
