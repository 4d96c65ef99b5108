"""The endpoints of the callbacks behind a front that a test bends: the real app, over real connections."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.callback.address import target_of
from cli.callback.caller import Credentials
from cli.callback.rehearsing import Rehearsal
from cli.doctor.finding import Finding
from tests.support.callback_world import SECRET, CallbackWorld
from tests.support.loopback import Asked, Loopback, Peer, answer
from worker.clock import Clock
from worker.config.callback_keys import CALLBACK_PATH, TOKEN_PATH
from worker.gateways.http.client import tls_context

PAIR = Credentials("vendor", SECRET)

# Short, for who hangs here hangs on purpose.
BRIEF_S = 0.3


class Front:
    """``bend`` gets each request, and may answer in place of the app, or change what the app says."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.world = CallbackWorld(folder, extra)
        self.bend: Callable[[Asked, Front], bytes | None] = lambda asked, front: front.pass_on(asked)
        self.server = Loopback(self._answer)

    @property
    def url(self) -> str:
        return self.server.url

    def pass_on(self, asked: Asked, *without: str, other: dict[str, str] | None = None) -> bytes:
        """What the app says, ``without`` some headers, and with others."""
        self.world.now = Clock().now()
        said = self.world.client.open(
            asked.target, method=asked.method, headers=list(asked.headers), data=asked.body or None
        )
        headers = {name.lower(): value for name, value in said.headers.items()} | (other or {})
        kept = (f"{name}: {value}" for name, value in headers.items() if name not in (*without, "content-length"))
        return answer(said.status_code, said.get_data(), *kept)

    def findings(self, scope: str | None = None, secret: str = SECRET) -> list[Finding]:
        target = target_of(self.url, None, None)._replace(scope=scope)
        rehearsal = Rehearsal(target, PAIR._replace(secret=secret), tls_context(None), Clock(), 5.0)
        try:
            return list(rehearsal.whole(BRIEF_S))
        finally:
            rehearsal.close()

    def _answer(self, asked: Asked, _: Peer) -> bytes | None:
        return self.bend(asked, self)


@contextmanager
def front(folder: Path, extra: str = "") -> Iterator[Front]:
    made = Front(folder, extra)
    with made.server:
        yield made
    made.world.clerk.close()


def is_token(asked: Asked) -> bool:
    return asked.target == TOKEN_PATH


def is_delivery(asked: Asked) -> bool:
    return asked.target == CALLBACK_PATH
