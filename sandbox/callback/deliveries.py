"""The deliveries of the simulated vendor: which there are, when each is due, and what became of it.

A delivery is accepted when it is answered with exactly 204. Else it is tried again every five minutes of the vendor's
time, five times; then it is given up. A replay is a delivery of its own.
"""

import heapq
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sandbox.callback.target import Target
from sandbox.tasks import Task
from worker.core.instant import FAR, duration

MOST_RETRIES = 5
RETRY_MS = duration("5m")
# A delivery waits for its moment or is being sent; then one of the other words is its end.
STATES = ("waiting", "sending", "accepted", "given_up", "lost", "barred")
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Message:
    """What one delivery sends each time. ``pad`` bytes of blank space follow the body; with ``pause_ms`` the body goes
    out in pieces that far apart."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    pad: int = 0
    pause_ms: int = 0


@dataclass(slots=True)
class Delivery:
    """One callback about one task.

    ``why`` is ``pending`` or ``ended``, ``replay``, or the fault that made this delivery. ``tries`` has the instant of
    each try (ms UTC) with what came of it: the status that was heard, or words. ``marks`` are the faults that change
    what is sent, with their arguments, ``None`` until they are drawn.
    """

    number: int
    task: Task
    why: str
    url: str
    due: int
    state: str = "waiting"
    tries: list[tuple[int, str]] = field(default_factory=list)
    marks: Mapping[str, str] | None = None
    message: Message | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it tells of the task as it was at its begin."""
        return self.why in ("pending", "callback_late_pending")


class Deliveries:
    """See the module. ``news`` is set when something is queued. The caller holds the vendor's lock."""

    def __init__(self, target: Target | None, speed: float) -> None:
        self.target = target
        self.news = threading.Event()
        self.all: list[Delivery] = []
        self._retry_ms = max(1, round(RETRY_MS / speed))
        self._queue: list[tuple[int, int]] = []
        self._telling_pending: dict[str, list[Delivery]] = {}  # with what waits for it

    def expect(self, task: Task) -> None:
        """A task has begun: plan its callbacks."""
        if self.target is None:
            return
        if self.target.generation == "older" and task.status_at(task.start) == "pending":
            self.add(task, "pending", task.start)
        if task.end is not None:
            self.add(task, "ended", task.end)

    def add(self, task: Task, why: str, due: int) -> None:
        """Plan one delivery."""
        if self.target is None:
            return
        url = task.callback_url or self.target.url
        made = Delivery(len(self.all), task, why, url, due)
        self.all.append(made)
        if self.target.allows(url):
            self.postpone(made, due)
        else:
            made.state = "barred"

    def postpone(self, delivery: Delivery, due: int) -> None:
        """It is due then, and waits until then."""
        delivery.due, delivery.state = due, "waiting"
        heapq.heappush(self._queue, (due, delivery.number))
        self.news.set()

    def next_due(self) -> int:
        """When the next one is due; FAR if none waits."""
        return self._queue[0][0] if self._queue else FAR

    def take(self, now: int) -> Delivery | None:
        """The next one that is due, which is being sent from now on. What a task ended with waits while its pending
        callback is on its way."""
        while self._queue and self._queue[0][0] <= now:
            delivery = self.all[heapq.heappop(self._queue)[1]]
            if delivery.why == "ended" and delivery.task.id in self._telling_pending:
                self._telling_pending[delivery.task.id].append(delivery)
                continue
            delivery.state = "sending"
            if delivery.why == "pending":
                self._telling_pending[delivery.task.id] = []
            if self.next_due() <= now:
                # a thread that has seen the queue empty a moment ago waits for this
                self.news.set()
            return delivery
        return None

    def settle(self, delivery: Delivery, outcome: str, now: int) -> None:
        """A try has ended: ``outcome`` is the status that was heard, or words for what went wrong. One that ended
        because the sandbox stops does not count."""
        if delivery.why == "pending":
            for held in self._telling_pending.pop(delivery.task.id, []):
                self.postpone(held, held.due)
        if outcome == STOPPED:
            self.postpone(delivery, delivery.due)
            return
        delivery.tries.append((now, outcome))
        if outcome == "204":
            delivery.state, delivery.message = "accepted", None
        elif len(delivery.tries) > MOST_RETRIES:
            delivery.state, delivery.message = "given_up", None
        else:
            self.postpone(delivery, now + self._retry_ms)

    def counts(self) -> dict[str, int]:
        """How many are in each state."""
        found = Counter(one.state for one in self.all)
        return {state: found[state] for state in STATES}

    def copies(self) -> list[Delivery]:
        """All of them, as they are now."""
        return [replace(one, tries=list(one.tries)) for one in self.all]

    def replay(self, tasks: Iterable[Task], now: int) -> int:
        """Deliver concluded tasks anew; how many there were."""
        count = 0
        for task in tasks:
            if task.status_at(now) != "pending":
                self.add(task, "replay", now)
                count += 1
        return count
