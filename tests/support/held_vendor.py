"""A vendor that answers no question about a discovery, or no submission, until the test lets it: no test waits for a
slow answer's end."""

import threading
from types import TracebackType
from typing import Self

from sandbox.server import Sandbox
from sandbox.wire import PREFIX, Reply, Request
from tests.support.cdpoll_process import DEADLINE


class HeldVendor:
    """Inside the ``with`` block the vendor's answers about discoveries are held until :meth:`let_go`; with ``method``
    POST those to submissions, which it has carried out."""

    def __init__(self, sandbox: Sandbox, method: str = "GET") -> None:
        self._sandbox = sandbox
        self._method = method
        self._answer = sandbox.vendor.answer
        self._go = threading.Event()
        self._asked = threading.Semaphore(0)

    def __enter__(self) -> Self:
        self._sandbox.vendor.answer = self._held  # type: ignore[method-assign]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        self._sandbox.vendor.answer = self._answer  # type: ignore[method-assign]

    def wait_for(self, requests: int) -> None:
        """Wait until this number of requests has come."""
        for _ in range(requests):
            assert self._asked.acquire(timeout=DEADLINE), "the request never came"

    def let_go(self) -> None:
        self._go.set()

    def _held(self, request: Request, now: int) -> Reply:
        reply = self._answer(request, now)
        if request.method == self._method and request.path.startswith(PREFIX):
            self._asked.release()
            self._go.wait()
        return reply
