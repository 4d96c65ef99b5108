"""Threads that ask the vendor. Each has a client of its own; they decide nothing and read no clock.

The caller's thread hands out jobs, collects their replies, and cuts the requests that are past their deadline. A slow
answer does not hold up the others: there is no batch to wait for.

While the caller commits, threads that are done would wait for it. So where answers come fast, some jobs are handed out
*ahead*: twice as many as were finished since the last visit, and never more than four for each thread. Where answers
are slow, that is few, so a job never lies there for longer than about two rounds of the caller's.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from worker.core.vendor.reply import Heard, Reply, Unreachable
from worker.gateways.http.client import HttpClient


class Job(NamedTuple):
    """One request. ``seq`` is the task's row (or NO_TASK); instants in ms, ``deadline`` on the monotonic clock."""

    seq: int
    task_id: str
    asked_at: int
    deadline: int


class Done(NamedTuple):
    """What came of a job; ``requests`` counts those really sent (a token or a repeat beside the poll itself).

    ``status`` and ``trace_id`` are those of the API's last HTTP answer, also where the reply is a failure; ``None``
    where none came.
    """

    job: Job
    reply: Reply
    requests: int
    status: int | None = None
    trace_id: str | None = None


class Pool:
    """``size`` threads that run ``ask(client, job)``.

    ``wake`` is called when the caller is wanted: whenever one has finished, or, with jobs handed out ahead, when half
    of those have been begun.
    """

    def __init__(
        self,
        size: int,
        make_client: Callable[[], HttpClient],
        ask: Callable[[HttpClient, Job], Heard],
        wake: Callable[[], None],
        *,
        ahead: int | None = None,
        monotonic: Callable[[], int] = lambda: 0,
    ) -> None:
        """``ahead``: the most jobs to hand out ahead; four for each thread unless given. ``monotonic`` tells ms on the
        clock of deadlines: nothing is sent after one."""
        self._ask = ask
        self._monotonic = monotonic
        self._make_client = make_client
        self._wake = wake
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: dict[Job, HttpClient] = {}
        self._out: set[Job] = set()  # handed out and not collected: the caller's thread only
        self._ahead = 0  # jobs that may be handed out beyond one for each thread
        self._most_ahead = 4 * size if ahead is None else ahead
        self.size = size
        self._threads = [threading.Thread(target=self._work, name=f"poll-{n}", daemon=True) for n in range(size)]
        for thread in self._threads:
            thread.start()

    @property
    def free(self) -> int:
        """How many more jobs would start at once, or soon."""
        return self.size + self._ahead - len(self._out)

    @property
    def waiting(self) -> bool:
        """Whether jobs are handed out that no thread has begun."""
        return not self._jobs.empty()

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

    def withdraw(self, before: int) -> list[Job]:
        """Take back what no thread has begun and was handed out before ``before`` (the jobs' ``asked_at``)."""
        taken: list[Job] = []
        kept: list[Job] = []
        with contextlib.suppress(queue.Empty):
            while (job := self._jobs.get_nowait()) is not None:
                (taken if job.asked_at < before else kept).append(job)
        for job in kept:
            self._jobs.put(job)
        self._out.difference_update(taken)
        return taken

    def collect(self, quick: int = 0) -> list[Done]:
        """Everything finished since the last call. What was handed out before ``quick`` (``asked_at``) came slowly."""
        done = []
        with contextlib.suppress(queue.Empty):
            while True:
                done.append(self._done.get_nowait())
        self._out.difference_update(d.job for d in done)
        self._ahead = min(self._most_ahead, 2 * sum(d.job.asked_at >= quick for d in done))
        return done

    def cut_overdue(self, monotonic: int) -> None:
        """End every request past its deadline; it is collected as Unreachable."""
        with self._lock:
            for job, client in self._running.items():
                if job.deadline <= monotonic:
                    client.cut()

    def close(self) -> None:
        """Let the threads end. Does not wait for a request under way."""
        for _ in self._threads:
            self._jobs.put(None)

    def _is_over(self, job: Job) -> bool:
        return job.deadline < self._monotonic()

    def _work(self) -> None:
        client = self._make_client()
        try:
            while (job := self._jobs.get()) is not None:
                sent = client.sent
                client.begin(partial(self._is_over, job))
                with self._lock:
                    self._running[job] = client
                try:
                    heard = self._ask(client, job)
                except Exception as error:
                    # Any error: the thread must live on. The class name tells of the fault, and holds no data.
                    heard = Heard(Unreachable(f"internal_{type(error).__name__}"))
                finally:
                    with self._lock:
                        del self._running[job]
                self._done.put(Done(job, heard.reply, client.sent - sent, heard.status, heard.trace_id))
                if self._jobs.qsize() <= self._ahead // 2:
                    self._wake()
        finally:
            client.close()
