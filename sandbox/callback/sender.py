"""Sends the sandbox's deliveries when they are due, from a few threads of its own."""

import threading

from sandbox.callback.caller import Caller
from sandbox.server import Sandbox

THREADS = 8
DEADLINE_MS = 30_000
# The clock may be set while a thread waits for an instant.
_LONGEST_WAIT_MS = 60_000
_ASK_AGAIN_MS = 500


class Sender:
    """Delivers from ``start`` to ``stop``; or, without them, whenever ``step`` is called.

    At most ``threads`` deliveries are under way. ``deadline_ms`` is real time: how long an answer is waited for.
    """

    def __init__(self, sandbox: Sandbox, *, threads: int = THREADS, deadline_ms: int = DEADLINE_MS) -> None:
        self._sandbox, self._count = sandbox, threads
        self.caller = Caller(sandbox.clock, deadline_ms)
        self._stopping = threading.Event()
        self._asking, self._reached = threading.Lock(), False
        self._threads: list[threading.Thread] = []

    def start(self, *, awaits: bool = False) -> None:
        """With ``awaits`` nothing is sent before a connection to the callback URL can be made, so that there is time to
        start the receiver."""
        self._stopping.clear()
        self.caller.start()
        work = self._await if awaits else self._work
        self._threads = [threading.Thread(target=work, name="callback", daemon=True) for _ in range(self._count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End what is under way, and wait for the threads."""
        self._stopping.set()
        self.caller.stop()
        self._sandbox.vendor.ledger.deliveries.news.set()
        for thread in self._threads:
            thread.join(5)
        self._threads = []

    def step(self) -> int:
        """Try everything that is due now, one after the other; how many tries there were."""
        count = 0
        while self._try():
            count += 1
        return count

    def _try(self) -> bool:
        vendor, clock = self._sandbox.vendor, self._sandbox.clock
        found = vendor.next_callback(clock.now())
        if found is None:
            return False
        outcome = self.caller.call(*found)
        vendor.callback_ended(found[1], outcome, clock.now())
        return True

    def _await(self) -> None:
        with self._asking:
            while not (self._reached or self._stopping.is_set()):
                target = self._sandbox.vendor.ledger.deliveries.target
                self._reached = target is not None and self.caller.reaches(target)
                if not self._reached:
                    self._sandbox.clock.wait(self._stopping, _ASK_AGAIN_MS)
        self._work()

    def _work(self) -> None:
        deliveries = self._sandbox.vendor.ledger.deliveries
        while not self._stopping.is_set():
            deliveries.news.clear()
            if self._try():
                continue
            with self._sandbox.vendor.lock:
                due = deliveries.next_due()
            wait = min(due - self._sandbox.clock.now(), _LONGEST_WAIT_MS)
            self._sandbox.clock.wait(deliveries.news, wait)
