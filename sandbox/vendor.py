"""The simulated vendor: which operation a request asks for, whether it may, and what the answer carries.

It reads no clock and touches no socket: every call is told the time. One lock guards all state.
"""

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import unquote

from sandbox import lists, submit
from sandbox.callback import admin
from sandbox.callback.composing import prepare
from sandbox.callback.deliveries import Delivery, Message
from sandbox.callback.target import Target
from sandbox.ledger import Ledger
from sandbox.mischief import Mischief
from sandbox.odd_lists import odd_rows, odd_window
from sandbox.requests import Invalid
from sandbox.steering import UnknownWord
from sandbox.timetable import new_id
from sandbox.tokens import Tokens, unauthorized
from sandbox.wire import JSON, PREFIX, TOKEN_PATHS, Reply, Request, json_reply, problem

MOST_LOGGED_REQUESTS = 10_000


class Vendor:
    """See the module. ``requests`` counts by operation and status (0: the connection was reset)."""

    def __init__(
        self,
        ledger: Ledger,
        tokens: Tokens,
        mischief: Mischief,
        *,
        tenant_id: str,
        subtenants: Iterable[str] = (),
    ) -> None:
        self.tokens = tokens
        self.mischief = mischief
        self.requests: Counter[tuple[str, int]] = Counter()
        self.log: deque[tuple[str, str, int]] = deque(maxlen=MOST_LOGGED_REQUESTS)
        self.ledger = ledger
        self.origin = ""
        self._tenant_id, self._subtenants = tenant_id, frozenset(subtenants)
        self.lock = threading.Lock()
        self._traces = random.Random(f"{ledger.seed}|traces")

    def answer(self, request: Request, now: int) -> Reply:
        """What the vendor says to a request that arrives at ``now``."""
        if request.path.startswith(admin.PREFIX):
            with self.lock:
                return admin.answer(request, self.ledger, now)
        with self.lock:
            self.mischief.heard(now)
            operation, act = self._route(request, now)
            reply = self.mischief.instead(request, operation, now, self.ledger, self.tokens)
            reply = reply or (act() if operation == "token" else self._checked(request, operation, act, now))
            if operation != "token":
                reply = self._stamped(request, reply, operation)
            reply = self.mischief.worsen(request, replace(reply, operation=operation), now, self.ledger, self.origin)
            self._note(request, reply)
            return reply

    def check(self, body: bytes, now: int) -> Reply:
        """A real-time check that the sandbox makes by itself. No fault strikes it but those in ids and Link headers,
        and it starts no time window: the faults are for the one who rehearses."""
        request = Request("POST", PREFIX, "", {}, body)
        with self.lock:
            reply = self._stamped(request, submit.real_time(request, self.ledger, self.mischief, now), "real_time")
            return self.mischief.name_tasks(request, reply, now, self.origin) if reply.header("link") else reply

    def next_callback(self, now: int) -> tuple[Target, Delivery, Message] | None:
        """The next delivery that is due, with what it sends; it is under way until :meth:`callback_ended`."""
        with self.lock:
            deliveries = self.ledger.deliveries
            while deliveries.target is not None and (found := deliveries.take(now)) is not None:
                message = prepare(found, self.ledger, self.mischief, self._tenant_id, now)
                if message is not None:
                    return deliveries.target, found, message
            return None

    def callback_ended(self, delivery: Delivery, outcome: str, now: int) -> None:
        """A try has ended: with the status that was heard, or in words."""
        with self.lock:
            self.ledger.deliveries.settle(delivery, outcome, now)

    def _note(self, request: Request, reply: Reply) -> None:
        status = 0 if reply.manner.how == "reset" else reply.status
        self.requests[reply.operation, status] += 1
        self.log.append((request.method, request.path, status))

    def _route(self, request: Request, now: int) -> tuple[str, Callable[[], Reply]]:
        """The operation's name, and the call that answers it."""
        path = request.path
        if path.rstrip("/") in TOKEN_PATHS:
            rows = {"POST": ("token", lambda: self.tokens.answer(request, now, self.mischief.token_life(request, now)))}
        elif path == PREFIX or path.startswith(PREFIX + "/"):
            rows = self._operations(request, path[len(PREFIX) :].rstrip("/"), now)
        else:
            rows = {}
        if not rows:
            return "other", lambda: problem(404, "Not Found - there is no such resource")
        if request.method not in rows:
            allow = ("Allow", ", ".join(rows))
            return "other", lambda: json_reply(405, ["Method Not Allowed"], allow)
        return rows[request.method]

    def _operations(self, request: Request, rest: str, now: int) -> dict[str, tuple[str, Callable[[], Reply]]]:
        """What can be done at a path under the prefix, by method."""
        parts = (self.ledger, self.mischief)
        match rest.split("/")[1:]:
            case []:
                return {"POST": ("real_time", lambda: submit.real_time(request, *parts, now))}
            case ["real-time", "x12"]:
                return {"POST": ("real_time_x12", lambda: submit.real_time_x12(request, *parts, now))}
            case ["coverage-discovery"]:
                return {
                    "GET": ("discovery_list", lambda: self._task_list(request, now)),
                    "POST": ("discovery", lambda: submit.discovery(request, *parts, now)),
                }
            case ["coverage-discovery", "x12"]:
                return {"POST": ("discovery_x12", lambda: submit.discovery_x12(request, *parts, now))}
            case ["coverage-discovery", name]:
                return {"GET": ("discovery_get", lambda: self._task(unquote(name), now))}
            case ["transactions"]:
                return {"GET": ("transaction_list", lambda: self._transaction_list(request, now))}
            case ["transactions", name]:
                return {"GET": ("transaction_get", lambda: self._transaction(unquote(name), now))}
            case ["healthcheck"]:
                return {"GET": ("healthcheck", lambda: json_reply(200, {"status": "ok"}))}
        return {}

    def _checked(self, request: Request, operation: str, act: Callable[[], Reply], now: int) -> Reply:
        """The reply, once token and sub-tenant are in order."""
        refused = self.tokens.refusal(request, now)
        if refused and operation != "other":
            return unauthorized(*refused, self._traces)
        if not self.tokens.may(request, operation):
            return problem(403, "Forbidden - the token's scopes do not allow this")
        subtenant = request.headers.get("x-optum-subtenant-id")
        if request.method == "POST" and subtenant and self._subtenants and subtenant not in self._subtenants:
            return problem(403, "Forbidden - the sub-tenant is not one of this tenant's")
        try:
            return act()
        except Invalid as why:
            return problem(400, *why.lines)
        except UnknownWord as why:
            return problem(400, f"Failed Precondition - {why}")

    def _stamped(self, request: Request, reply: Reply, operation: str) -> Reply:
        """The reply with the headers that the vendor's document declares for it."""
        more: list[tuple[str, str]] = []
        subtenant = request.headers.get("x-optum-subtenant-id")
        if subtenant and (request.method == "POST" or reply.status >= 400):
            more.append(("x-optum-subtenant-id", subtenant))
        if reply.status != 401:
            more.append(("x-optum-tenant-id", self._tenant_id))
            if correlation := request.headers.get("x-optum-correlation-id"):
                more.append(("x-optum-correlation-id", correlation))
        if reply.header("x-optum-trace-id") is None:
            more.append(("x-optum-trace-id", new_id(self._traces)))
        return replace(reply, headers=(*reply.headers, *more), operation=operation)

    def _task(self, name: str, now: int) -> Reply:
        task = self.ledger.tasks.get(name)
        if task is None:
            return problem(404, "Not Found - there is no such discovery task")
        return Reply(200, JSON, self.ledger.task_bytes(task, now))

    def _task_list(self, request: Request, now: int) -> Reply:
        faults = self.mischief.of_list(request, now)
        window = odd_window(lists.task_window(request.query), faults)
        rows, link = window.page(window.tasks(self.ledger.tasks.values(), now))
        said = odd_rows(rows, lambda task: self.ledger.task_bytes(task, now), faults) if faults else None
        bodies = [self.ledger.task_bytes(task, now) for task in rows] if said is None else said
        return Reply(200, (*JSON, *link), b"[" + b",".join(bodies) + b"]")

    def _transaction(self, name: str, now: int) -> Reply:
        found = self.ledger.transactions.get(name)
        if found is None or found.at > now:
            return problem(404, "Not Found - there is no such transaction")
        return json_reply(200, found.body())

    def _transaction_list(self, request: Request, now: int) -> Reply:
        window = lists.transaction_window(request.query)
        every = window.transactions(self.ledger.transactions.values(), now)
        rows, link = window.page(every)
        total = [("x-total-count", str(len(every)))] if window.count else []
        return json_reply(200, [row.body() for row in rows], *link, *total)
