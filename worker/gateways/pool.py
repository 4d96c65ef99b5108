"""Threads that ask the vendor: each with a wire of its own, none with a decision or a clock.

The caller's thread hands out jobs, collects what came of them, and cuts whatever is past its deadline. A slow answer
holds up nobody: there is no batch to wait for.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from worker.core.reply import Reply, Unreachable
from worker.gateways.wire import Wire


@dataclass(frozen=True, slots=True)
class Job:
    """One request. ``seq`` is the task's row (or NO_TASK); instants in ms, ``deadline`` on the monotonic clock."""

    seq: int
    task_id: str
    asked_at: int
    deadline: int


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job; ``requests`` counts those really sent (a token or a repeat beside the look itself)."""

    job: Job
    reply: Reply
    requests: int


class Pool:
    """``size`` threads that run ``ask(wire, job)``; ``wake`` is called whenever one has finished."""

    def __init__(
        self,
        size: int,
        make_wire: Callable[[], Wire],
        ask: Callable[[Wire, Job], Reply],
        wake: Callable[[], None],
    ) -> None:
        self._ask = ask
        self._make_wire = make_wire
        self._wake = wake
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: dict[Job, Wire] = {}
        self._out: set[Job] = set()  # handed out and not collected: the caller's thread only
        self.size = size
        self._threads = [threading.Thread(target=self._work, name=f"look-{n}", daemon=True) for n in range(size)]
        for thread in self._threads:
            thread.start()

    @property
    def free(self) -> int:
        """How many more jobs would start at once."""
        return self.size - len(self._out)

    def in_time(self, monotonic: int) -> bool:
        """Whether anything is out that has not outlived its deadline by a second."""
        return any(monotonic < job.deadline + 1000 for job in self._out)

    @property
    def out(self) -> frozenset[int]:
        """The rows that are being asked about."""
        return frozenset(job.seq for job in self._out)

    @property
    def next_deadline(self) -> int | None:
        """On the monotonic clock, ms."""
        return min((job.deadline for job in self._out), default=None)

    def submit(self, job: Job) -> None:
        self._out.add(job)
        self._jobs.put(job)

    def collect(self) -> list[Done]:
        """Everything finished since the last call."""
        done = []
        with contextlib.suppress(queue.Empty):
            while True:
                done.append(self._done.get_nowait())
        self._out.difference_update(d.job for d in done)
        return done

    def cut_overdue(self, monotonic: int) -> None:
        """End every request past its deadline; it is collected as Unreachable."""
        with self._lock:
            for job, wire in self._running.items():
                if job.deadline <= monotonic:
                    wire.cut()

    def close(self) -> None:
        """Let the threads end. Does not wait for a request under way."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        wire = self._make_wire()
        try:
            while (job := self._jobs.get()) is not None:
                sent = wire.sent
                wire.begin()
                with self._lock:
                    self._running[job] = wire
                try:
                    reply = self._ask(wire, job)
                except Exception as error:
                    # Nothing may end this thread; the class name is enough to find the fault, and holds no data.
                    reply = Unreachable(f"internal_{type(error).__name__}")
                finally:
                    with self._lock:
                        del self._running[job]
                self._done.put(Done(job, reply, wire.sent - sent))
                self._wake()
        finally:
            wire.close()
