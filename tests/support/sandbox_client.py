"""What the sandbox's tests share: a client that holds every reply against the schema."""

from types import TracebackType
from typing import Any, Self

import httpx

from sandbox import examples
from sandbox.server import Sandbox
from tests.support.frozen_clock import FrozenClock
from tests.support.vendor_schema import check_reply

START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


class Rig:
    """A running sandbox, its clock and a client with a token. ``check`` off where a reply is meant to be wrong."""

    def __init__(self, faults: str = "", *, check: bool = True, **options: Any) -> None:
        self.clock = FrozenClock(START)
        self.sandbox = Sandbox(self.clock, faults=faults, **options)
        self.check = check
        self.token = ""

    def __enter__(self) -> Self:
        self.sandbox.start()
        self.http = httpx.Client(trust_env=False, verify=False, timeout=10, headers={"accept-encoding": "identity"})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self.sandbox.stop()

    def ask_token(self) -> httpx.Response:
        reply = self.http.post(self.sandbox.token_url, json=self.sandbox.credentials())
        if reply.status_code == 200:
            self.token = reply.json()["access_token"]
        return reply

    def call(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """One request under the prefix, with the token; a header's name is written with underscores."""
        if not self.token:
            self.ask_token()
        sent = {"authorization": f"Bearer {self.token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        reply = self.http.request(method, self.sandbox.base_url + path, json=body, headers=sent)
        if self.check:
            check_reply(method, path, sent, reply, self.sandbox.account.tenant_id)
        return reply

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.call("GET", path, **headers)

    def task(self, words: str = "", n: int = 1) -> str:
        """Begin one task by a real-time check; its id."""
        before = len(self.sandbox.tasks)
        self.call("POST", "", examples.real_time_request(n, 1, words))
        return self.sandbox.tasks[before].id

    def body(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/coverage-discovery/{task_id}").json()
        return found
