"""A customer's side of callbacks, as small as it can be: it issues tokens, and keeps what is delivered."""

import itertools
import json
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from sandbox.callback.target import CALLBACK_PATH, TOKEN_PATH, Target
from tests.support.callback_world import basic
from tests.support.loopback import Asked, Loopback, Peer, answer

CLIENT_ID, SECRET = "vendor", "a-secret"  # it opens this receiver alone


class Receiver:
    """It answers deliveries with ``statuses`` in turn and then with 204; a script in ``on_delivery`` or ``on_token``
    answers in its place."""

    def __init__(self, *statuses: int, expires_in: object = 3600, tls: ssl.SSLContext | None = None) -> None:
        self.server = Loopback(self._answer, tls=tls)
        self.statuses = list(statuses)
        self.expires_in = expires_in
        self.good: set[str] = set()
        self.delivered: list[Asked] = []
        self.on_delivery: Callable[[Asked, Peer], bytes | None] | None = None
        self.on_token: Callable[[Asked, Peer], bytes | None] | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def target(self, **more: Any) -> Target:
        url = self.server.url
        return Target(url + CALLBACK_PATH, url + TOKEN_PATH, CLIENT_ID, SECRET, **more)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was delivered, as JSON."""
        return [json.loads(one.body) for one in self.delivered]

    @property
    def tokens_asked(self) -> list[Asked]:
        return [one for one in self.server.asked if one.target == TOKEN_PATH]

    def _answer(self, asked: Asked, peer: Peer) -> bytes | None:
        if asked.target == TOKEN_PATH:
            return self._token(asked) if self.on_token is None else self.on_token(asked, peer)
        if (asked.header("authorization") or "").removeprefix("Bearer ") not in self.good:
            return answer(401, b"", 'www-authenticate: Bearer error="invalid_token"')
        self.delivered.append(asked)
        if self.on_delivery is not None:
            return self.on_delivery(asked, peer)
        return answer(self.statuses.pop(0) if self.statuses else 204)

    def _token(self, asked: Asked) -> bytes:
        if not _proves(asked):
            return answer(401, b'{"error": "invalid_client"}', "content-type: application/json")
        token = f"token-{next(self._numbers)}"
        self.good.add(token)
        said = {"access_token": token, "token_type": "Bearer"}
        more = {} if self.expires_in is None else {"expires_in": self.expires_in}
        return answer(200, json.dumps(said | more).encode(), "content-type: application/json")


def _proves(asked: Asked) -> bool:
    """Whether a token request is right, in either form."""
    if asked.header("content-type") == "application/json":
        fields = {"client_id": CLIENT_ID, "client_secret": SECRET, "grant_type": "client_credentials"}
        return bool(json.loads(asked.body) == fields and asked.header("authorization") is None)
    form = parse_qs(asked.body.decode())
    return asked.header("authorization") == basic(CLIENT_ID, SECRET) and form == {"grant_type": ["client_credentials"]}
