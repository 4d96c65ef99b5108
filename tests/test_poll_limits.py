"""How often the poll round asks: never above the limit, and never spinning."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.poll_world import HOUR, NOW, TIMEOUT, Make, World, concluded, concludes, within, worlds
from worker.core.limit import Limit
from worker.core.reply import (
    Garbled,
    Pending,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
)
from worker.gateways.pool import Job
from worker.gateways.wire import Wire
from worker.store import look


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    with worlds(tmp_path / "cdpoll.db") as make:
        yield make


@pytest.mark.parametrize("limit", [Limit(1, 5), Limit(0.5, 1), Limit(4, 2), Limit(2, 20)], ids=str)
def test_the_limit_is_never_exceeded_over_hours(world: Make, limit: Limit) -> None:
    w = world(lambda job, n: Pending() if n < 7 else concluded(job.task_id), limit=limit)
    w.record(*(f"t{n}" for n in range(15)))
    w.until(NOW + 2 * HOUR)
    times = [job.asked_at for job in w.asked]
    assert times == sorted(times)
    assert within(limit, times)
    assert not within(Limit(limit.rate / 4, 1), times)  # it is a limit that was felt
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 15


def test_requests_that_no_slot_was_granted_for_are_paid_for(world: Make) -> None:
    """Every look needs a token and a second try: three requests each."""
    w = world(lambda job, n: Pending(), limit=Limit(1, 3))

    ask = w.pool._ask

    def greedy(wire: Wire, job: Job) -> Reply:
        wire.sent += 2
        return ask(wire, job)

    w.pool._ask = greedy
    w.record(*(f"t{n}" for n in range(30)))
    w.until(NOW + 300_000)
    assert len(w.asked) <= 300 / 3 + 3


def test_a_request_that_outlives_its_deadline_does_not_make_the_loop_spin(world: Make) -> None:
    """Cutting a socket does not end a look that waits for a name server, say."""
    w = world(concludes)
    w.record("a")
    w.now += 15_000
    w.run()
    asked_at = w.asked[0].asked_at
    assert w.round.run(asked_at + 1, asked_at + 1) == asked_at + TIMEOUT
    for late in (0, 1, 500, 5_000, w.round.terms.lease, HOUR):
        assert w.round.run(asked_at + TIMEOUT + late, asked_at + TIMEOUT + late) > asked_at + TIMEOUT + late
    assert w.round.busy
    assert len(w.asked) == 1  # although its lease is over


def test_a_clock_set_back_does_not_silence_the_round(world: Make) -> None:
    w = world(lambda job, n: Pending(), limit=Limit(1, 2))
    w.record("a")
    w.until(NOW + 60_000)
    w.now -= HOUR
    w.record("b")
    before = len(w.asked)
    w.until(w.now + 60_000)
    assert "b" in {job.task_id for job in w.asked[before:]}


REPLIES: list[Callable[[str], Reply]] = [
    lambda i: Pending(),
    lambda i: Pending(),
    lambda i: Unknown(),
    lambda i: Rejected("http_422"),
    lambda i: Garbled("html"),
    lambda i: Garbled("unknown_status"),
    lambda i: Unreachable("timeout"),
    lambda i: Unreachable("token_connect", "token"),
    lambda i: RateLimited("http_429"),
    lambda i: RateLimited("http_429", 0),
    lambda i: RateLimited("http_503", 90_000),
    lambda i: Refused("http_403"),
    lambda i: Refused("token_http_401", "token"),
    concluded,
]


@settings(derandomize=True, max_examples=20, deadline=None)
@given(
    script=st.lists(st.sampled_from(range(len(REPLIES))), min_size=1, max_size=30),
    spans=st.lists(st.sampled_from([0, 1, 80, 4_000, 29_999, TIMEOUT]), min_size=1, max_size=5),
    count=st.integers(1, 5),
    size=st.integers(1, 4),
    limit=st.sampled_from([Limit(1, 5), Limit(0.2, 1), Limit(500, 50)]),
)
def test_whatever_comes_the_round_never_spins_and_loses_nothing(
    script: list[int], spans: list[int], count: int, size: int, limit: Limit
) -> None:
    def reply(job: Job, n: int) -> Reply:
        # In the end the vendor concludes everything.
        at = job.seq * 7 + n
        return REPLIES[script[at % len(script)]](job.task_id) if n <= 8 else concluded(job.task_id)

    with tempfile.TemporaryDirectory() as folder:
        w = World(
            Path(folder, "cdpoll.db"), reply, limit=limit, size=size, takes=lambda job: spans[job.seq % len(spans)]
        )
        try:
            w.record(*(f"t{n}" for n in range(count)))
            w.until(NOW + 12 * HOUR)
            # A pass a minute at the most, and some for each request: it left, it came, a slot was waited for.
            assert w.passes <= 12 * 60 + 1 + 6 * len(w.asked)
            assert within(limit, [job.asked_at for job in w.asked])
            doing = look.counts(w.store)
            assert sum(doing.values()) == count
            assert w.count("SELECT count(*) FROM (SELECT task FROM results GROUP BY task HAVING count(*) > 1)") == 0
            assert w.count("SELECT count(*) FROM results") == doing.get(("concluded", "success"), 0)
        finally:
            w.close()
