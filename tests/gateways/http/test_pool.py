"""The pool over real clients: slow requests hold up no others, no error ends a thread, late requests are cut once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.cdpoll_process import until
from tests.support.loopback import Asked, Loopback, Peer, answer
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Heard, Pending, Unreachable
from worker.gateways.http.client import HttpClient, HttpFailed, tls_context
from worker.gateways.http.pool import Done, Job, Pool

TLS = tls_context(None)
SOON, LATER = 1_000, 50_000


def named(name: str) -> Pending:
    return Pending(Document("pending", name=name))


class Yard:
    """A server, and pools that ask it; ``until`` collects until there are that many."""

    def __init__(self, stack: ExitStack) -> None:
        self.server = stack.enter_context(Loopback(self._answer))
        self.dripping = threading.Event()
        self.woken = threading.Event()
        self._stack = stack

    def _answer(self, asked: Asked, peer: Peer) -> bytes:
        if "slow" in asked.target:
            peer.send(b"HTTP/1.1 200 OK\r\n")
            self.dripping.set()
            peer.drip(b"x-a: b\r\n" * 10_000)
        return answer(200, b"{}")

    def pool(
        self,
        size: int,
        ask: Callable[[HttpClient, Job], Heard] | None = None,
        *,
        ahead: int | None = 0,
        wake: Callable[[], None] | None = None,
    ) -> Pool:
        pool = Pool(size, lambda: HttpClient(TLS, 20_000), ask or self.ask, wake or self.woken.set, ahead=ahead)
        self._stack.callback(self._end, pool)
        return pool

    def _end(self, pool: Pool) -> None:
        pool.close()
        pool.cut_overdue(10**15)
        for thread in pool._threads:
            thread.join(10)
            assert not thread.is_alive()

    def ask(self, client: HttpClient, job: Job) -> Heard:
        try:
            client.send("GET", f"{self.server.url}/{job.task_id}", {})
        except HttpFailed as failed:
            return Heard(Unreachable(failed.code))
        return Heard(named(job.task_id), 200, f"tr-{job.seq}")

    def until(self, pool: Pool, count: int) -> list[Done]:
        got: list[Done] = []
        while len(got) < count:
            assert self.woken.wait(10)
            self.woken.clear()
            got += pool.collect()
        return got


@pytest.fixture
def yard() -> Iterator[Yard]:
    with ExitStack() as stack:
        yield Yard(stack)


def job(seq: int, name: str = "quick", deadline: int = LATER) -> Job:
    return Job(seq, f"{name}-{seq}", 0, deadline)


def test_every_job_comes_back_with_what_became_of_it(yard: Yard) -> None:
    pool = yard.pool(3)
    jobs = [job(n) for n in range(3)]
    for each in jobs:
        pool.submit(each)
    assert (pool.free, pool.out) == (0, frozenset({0, 1, 2}))
    got = yard.until(pool, 3)
    assert set(got) == {Done(j, named(j.task_id), 1, 200, f"tr-{j.seq}") for j in jobs}
    assert (pool.free, pool.out, pool.next_deadline, pool.collect()) == (3, frozenset(), None, [])


def test_a_slow_answer_holds_up_no_other_and_is_cut_at_its_deadline(yard: Yard) -> None:
    pool = yard.pool(2)
    slow = job(1, "slow", SOON)
    pool.submit(slow)
    assert yard.dripping.wait(10)
    for n in range(2, 7):
        pool.submit(job(n))
        assert yard.until(pool, 1)[0].reply == named(f"quick-{n}")
    assert (pool.free, pool.next_deadline) == (1, SOON)
    pool.cut_overdue(SOON - 1)
    assert pool.out == {1}
    pool.cut_overdue(SOON)
    assert yard.until(pool, 1) == [Done(slow, Unreachable("timeout"), 1)]
    # Its thread and its client go on.
    for n in (7, 8):
        pool.submit(job(n))
    assert {done.reply for done in yard.until(pool, 2)} == {named("quick-7"), named("quick-8")}


def test_only_the_overdue_is_cut(yard: Yard) -> None:
    together = threading.Barrier(3)

    def ask(client: HttpClient, each: Job) -> Heard:
        together.wait(10)
        return yard.ask(client, each)

    pool = yard.pool(2, ask)
    early, late = job(1, "slow", SOON), job(2, "slow", LATER)
    pool.submit(early)
    pool.submit(late)
    together.wait(10)
    pool.cut_overdue(SOON)
    assert [done.job for done in yard.until(pool, 1)] == [early]
    assert (pool.out, pool.next_deadline) == (frozenset({2}), LATER)


def test_a_job_that_no_thread_has_taken_up_is_still_to_be_cut(yard: Yard) -> None:
    inside, go = threading.Event(), threading.Event()

    def ask(client: HttpClient, each: Job) -> Heard:
        inside.set()
        assert go.wait(10)
        return yard.ask(client, each)

    pool = yard.pool(1, ask)
    pool.submit(job(1, deadline=LATER))
    assert inside.wait(10)
    pool.submit(job(2, deadline=SOON))
    pool.cut_overdue(SOON)
    assert pool.next_deadline == SOON
    go.set()
    assert {done.reply for done in yard.until(pool, 2)} == {named("quick-1"), named("quick-2")}


def test_nothing_ends_a_thread(yard: Yard) -> None:
    def ask(client: HttpClient, each: Job) -> Heard:
        if each.seq == 1:
            raise ZeroDivisionError("patient Jane Roe")
        return yard.ask(client, each)

    pool = yard.pool(1, ask)
    pool.submit(job(1))
    assert yard.until(pool, 1)[0].reply == Unreachable("internal_ZeroDivisionError")
    pool.submit(job(2))
    assert yard.until(pool, 1)[0].reply == named("quick-2")


def test_requests_beside_the_poll_are_counted(yard: Yard) -> None:
    def ask(client: HttpClient, each: Job) -> Heard:
        for _ in range(each.seq):
            yard.ask(client, each)
        return Heard(Pending())

    pool = yard.pool(1, ask)
    for n in (1, 3, 2):
        pool.submit(job(n))
        assert yard.until(pool, 1)[0].requests == n


def test_each_thread_has_a_connection_of_its_own(yard: Yard) -> None:
    together = threading.Barrier(4)

    def ask(client: HttpClient, each: Job) -> Heard:
        together.wait(10)
        return yard.ask(client, each)

    pool = yard.pool(4, ask)
    for start in (0, 4):
        for n in range(4):
            pool.submit(job(start + n))
        yard.until(pool, 4)
    assert (len(yard.server.asked), yard.server.connections) == (8, 4)


def test_closing_waits_for_nobody_and_the_threads_end(yard: Yard) -> None:
    pool = yard.pool(2)
    pool.submit(job(1, "slow", SOON))
    assert yard.dripping.wait(10)
    pool.close()
    assert pool.out == {1}


# --- handed out ahead


class Gate:
    """Answers each job when the test lets it, and tells when one has been begun."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._began = threading.Semaphore(0)
        self._go = threading.Semaphore(0)

    def ask(self, client: HttpClient, each: Job) -> Heard:
        self.begun.append(each.seq)
        self._began.release()
        assert self._go.acquire(timeout=10)
        return Heard(named(each.task_id))

    def began(self, count: int = 1) -> None:
        for _ in range(count):
            assert self._began.acquire(timeout=10)

    def answer(self, count: int = 1) -> None:
        self._go.release(count)


def finish(pool: Pool, count: int) -> list[Done]:
    """Collect once, when that many are done."""
    until(lambda: pool._done.qsize() == count, f"{count} answers")
    return pool.collect()


def at_once(client: HttpClient, each: Job) -> Heard:
    return Heard(named(each.task_id))


def test_where_answers_come_fast_twice_as_many_as_were_finished_are_handed_out_ahead(yard: Yard) -> None:
    pool = yard.pool(3, at_once, ahead=None)
    assert pool.free == 3
    for n in range(2):
        pool.submit(job(n))
    finish(pool, 2)
    assert pool.free == 3 + 4
    for n in range(7):
        pool.submit(job(n))
    assert pool.free == 0
    finish(pool, 7)
    assert pool.free == 3 + 12


def test_never_more_than_four_for_each_thread_are_handed_out_ahead(yard: Yard) -> None:
    pool = yard.pool(2, at_once, ahead=None)
    for expected in (2 + 4, 2 + 8, 2 + 8, 2 + 8):
        count = pool.free
        for n in range(count):
            pool.submit(job(n))
        finish(pool, count)
        assert pool.free == expected


def test_where_answers_are_slow_few_or_none_are(yard: Yard) -> None:
    gate = Gate()
    pool = yard.pool(2, gate.ask, ahead=None)
    gate.answer(2)
    for n in (1, 2):
        pool.submit(job(n))
    finish(pool, 2)
    for n in range(3, 9):
        pool.submit(job(n))
    assert pool.free == 0
    gate.began(4)
    assert pool.collect() == []
    assert pool.free == 2 - 6, "four lie there, and no more are wanted until they are begun"
    gate.answer(1)
    finish(pool, 1)
    assert pool.free == 2 + 2 - 5
    gate.answer(5)
    finish(pool, 5)


def test_the_caller_is_woken_when_half_of_them_are_begun_and_when_there_are_none(yard: Yard) -> None:
    woken: list[int] = []
    gate = Gate()
    pool = yard.pool(1, gate.ask, ahead=None, wake=lambda: woken.append(len(gate.begun)))
    gate.answer(4)
    pool.submit(job(1))
    finish(pool, 1)
    for n in (2, 3, 4):
        pool.submit(job(n))
    finish(pool, 3)
    assert pool.free == 1 + 4
    gate.began(4)
    woken.clear()
    for n in range(5, 10):
        pool.submit(job(n))
    for _ in range(5):
        gate.began()
        gate.answer()
    finish(pool, 5)
    pool.submit(job(99))  # its beginning shows that the wake-up for the last one is over
    gate.began()
    gate.answer()
    # The 5th job of all was the first of these; the 7th left two of four that had not been begun.
    assert woken == [7, 8, 9]


def test_without_any_ahead_every_answer_wakes(yard: Yard) -> None:
    woken: list[int] = []
    pool = yard.pool(2, at_once, wake=lambda: woken.append(1))
    for n in range(6):
        pool.submit(job(n))
        finish(pool, 1)
        until(lambda: len(woken) == n + 1, "the wake-up")  # noqa: B023 - called before the next turn


def test_what_nobody_has_begun_can_be_taken_back_and_is_never_asked(yard: Yard) -> None:
    gate = Gate()
    pool = yard.pool(1, gate.ask, ahead=None)
    jobs = [job(n)._replace(asked_at=100 * n) for n in range(1, 7)]
    for each in jobs:
        pool.submit(each)
    gate.began()
    assert pool.waiting
    assert pool.withdraw(100) == []
    assert pool.withdraw(400) == jobs[1:3]
    assert pool.out == {1, 4, 5, 6}
    assert (pool.waiting, pool.next_deadline) == (True, LATER)
    assert pool.withdraw(10**15) == jobs[3:]
    assert (pool.out, pool.waiting) == (frozenset({1}), False)
    again = job(7)
    pool.submit(again)
    gate.answer(2)
    assert [done.job for done in finish(pool, 2)] == [jobs[0], again]
    assert gate.begun == [1, 7]
    assert pool.out == frozenset()


def test_what_is_kept_keeps_its_order(yard: Yard) -> None:
    gate = Gate()
    pool = yard.pool(1, gate.ask, ahead=None)
    for n, asked_at in enumerate((0, 500, 100, 600, 200, 700), 1):
        pool.submit(job(n)._replace(asked_at=asked_at))
    gate.began()
    assert [each.seq for each in pool.withdraw(500)] == [3, 5]
    gate.answer(4)
    finish(pool, 4)
    assert gate.begun == [1, 2, 4, 6]
