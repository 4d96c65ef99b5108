"""How often the poll round asks: never above the limit, and never spinning."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.database import MACHINE
from tests.support.engine import POSTGRESQL
from tests.support.examples import examples
from tests.support.poll_world import (
    HOUR,
    NOW,
    SCHEDULE,
    TIMEOUT,
    Make,
    Setup,
    World,
    concluded,
    concludes,
    within,
    worlds,
)
from worker.core.pacing.limiter import DAY_MS, FULL_PACE_PPM, RateLimit
from worker.core.vendor.reply import (
    Garbled,
    Heard,
    Pending,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
)
from worker.gateways.http.client import HttpClient
from worker.gateways.http.pool import Job
from worker.store.state import api
from worker.store.tasks import tallies
from worker.store.views import status as view
from worker.store.views.problems import StatusRules

LIMITS = [RateLimit(1, 5), RateLimit(0.5, 1), RateLimit(4, 2), RateLimit(2, 20)]
REFUSALS: dict[str, Reply] = {"429": RateLimited("http_429", 5_000), "503": Unreachable("http_503")}
if POSTGRESQL:  # how fast it may ask is no matter of the engine, and an hour of the clock takes five times as long
    LIMITS = LIMITS[:2]
    del REFUSALS["503"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    with worlds(tmp_path / "cdpoll.db") as make:
        yield make


@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_the_limit_is_never_exceeded_over_hours(world: Make, limit: RateLimit) -> None:
    w = world(lambda job, n: Pending() if n < 7 else concluded(job.task_id), limit=limit)
    w.record(*(f"t{n}" for n in range(15)))
    w.until(NOW + 2 * HOUR)
    times = [job.asked_at for job in w.asked]
    assert times == sorted(times)
    assert within(limit, times)
    assert not within(RateLimit(limit.rate / 4, 1), times)  # it is a limit that was felt
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 15


def test_requests_that_no_slot_was_granted_for_are_paid_for(world: Make) -> None:
    """Every poll needs a token and a second try: three requests each."""
    w = world(lambda job, n: Pending(), limit=RateLimit(1, 3))

    ask = w.pool._ask

    def greedy(client: HttpClient, job: Job) -> Heard:
        client.sent += 2
        return ask(client, job)

    w.pool._ask = greedy
    w.record(*(f"t{n}" for n in range(30)))
    w.until(NOW + 300_000)
    assert len(w.asked) <= 300 / 3 + 3


def test_a_request_that_outlives_its_deadline_does_not_make_the_loop_spin(world: Make) -> None:
    """Cutting a socket does not end a poll that waits for a name server, say."""
    w = world(concludes)
    w.record("a")
    w.now += 15_000
    w.run()
    asked_at = w.asked[0].asked_at
    assert w.round.run(asked_at + 1, asked_at + 1) == asked_at + TIMEOUT
    for late in (0, 1, 500, 5_000, w.round.rules.lease_ms, HOUR):
        assert w.round.run(asked_at + TIMEOUT + late, asked_at + TIMEOUT + late) > asked_at + TIMEOUT + late
    assert w.round.busy
    assert len(w.asked) == 1  # although its lease is over


def test_a_clock_set_back_does_not_silence_the_round(world: Make) -> None:
    w = world(lambda job, n: Pending(), limit=RateLimit(1, 2))
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


@examples(20)
@given(
    script=st.lists(st.sampled_from(range(len(REPLIES))), min_size=1, max_size=30),
    spans=st.lists(st.sampled_from([0, 1, 80, 4_000, 29_999, TIMEOUT]), min_size=1, max_size=5),
    count=st.integers(1, 5),
    size=st.integers(1, 4),
    limit=st.sampled_from([RateLimit(1, 5), RateLimit(0.2, 1), RateLimit(500, 50)]),
)
def test_whatever_comes_the_round_never_spins_and_loses_nothing(
    script: list[int], spans: list[int], count: int, size: int, limit: RateLimit
) -> None:
    def reply(job: Job, n: int) -> Reply:
        # In the end the vendor concludes everything.
        at = job.seq * 7 + n
        return REPLIES[script[at % len(script)]](job.task_id) if n <= 8 else concluded(job.task_id)

    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(limit, size, takes=lambda job: spans[job.seq % len(spans)])
        w = World(Path(folder, "cdpoll.db"), reply, setup)
        try:
            w.record(*(f"t{n}" for n in range(count)))
            # For 12 hours at the most, and for one hour in which nothing is pending.
            while w.now < NOW + 11 * HOUR and tallies.by_state(w.store)["pending"]:
                w.until(w.now + HOUR)
            w.until(w.now + HOUR)
            # A pass a minute at the most, and some for each request: it left, it came, a slot was waited for.
            assert w.passes <= (w.now - NOW) // 60_000 + 1 + 6 * len(w.asked)
            assert within(limit, [job.asked_at for job in w.asked])
            assert sum(tallies.by_state(w.store).values()) == count
            twice = "SELECT task FROM results GROUP BY task HAVING count(*) > 1"
            assert w.count(f"SELECT count(*) FROM ({twice}) AS twice") == 0
            assert w.count("SELECT count(*) FROM results") == tallies.by_outcome(w.store)["success"]
        finally:
            w.close()


# --- the same limit for several processes, and after a restart


def together(processes: list[World], end: int) -> None:
    """Let several processes live on one database, at one time."""
    now = processes[0].now
    while now < end:
        wanted = [now + 60_000]
        for w in processes:
            w.now = now
            w.land()
            wanted += [w.run(), *(at for at, _ in w._flying.values())]
        now = min(end, max(now + 1, min(wanted)))
        processes = processes[::-1]  # neither is always the first to find a slot


def test_two_processes_on_one_database_keep_the_limit_together(world: Make) -> None:
    limit = RateLimit(2, 5)
    both = [world(lambda job, n: Pending(), limit=limit) for _ in range(2)]
    both[0].record(*(f"t{n}" for n in range(100)))
    together(both, NOW + 100_000)
    sent = sorted(job.asked_at for w in both for job in w.asked)
    assert min(len(w.asked) for w in both) > 40, "both were at work"
    assert within(limit, sent)
    assert len(sent) >= 0.98 * limit.rate * 90
    assert sum(w.passes for w in both) < 8 * len(sent)


def test_what_another_process_has_used_or_paused_is_waited_for_without_spinning(world: Make) -> None:
    limit = RateLimit(0.1, 2)
    one, other = (world(lambda job, n: Pending(), limit=limit) for _ in range(2))
    one.record("a", "b", "c", "d")
    one.now = other.now = NOW + 12_000
    other.run()
    assert len(other.asked) == 2
    assert one.run() == one.now + 10_000
    other.script = lambda job, n: RateLimited("http_429", 600_000)
    one.now = other.now = NOW + 12_100
    other.land()
    other.run()
    assert api.get(one.store).breaker.paused
    one.now += 60_000
    assert one.run() == api.get(one.store).breaker.resumes_at
    assert one.asked == []


def test_a_restart_gives_no_second_burst(world: Make) -> None:
    limit = RateLimit(0.1, 5)
    first = world(lambda job, n: Pending(), limit=limit)
    first.record(*(f"t{n}" for n in range(40)))
    first.until(NOW + 20_000)
    second = world(lambda job, n: Pending(), limit=limit)
    second.now = first.now
    second.until(NOW + 120_000)
    assert len(first.asked) >= 5
    assert within(limit, [job.asked_at for job in (*first.asked, *second.asked)])


@pytest.mark.parametrize("reply", REFUSALS.values(), ids=REFUSALS)
def test_the_pace_that_the_vendor_bears_is_remembered_over_a_restart(world: Make, reply: Reply) -> None:
    limit = RateLimit(4, 8)
    first = world(lambda job, n: reply if job.seq == 1 and n == 1 else Pending(), limit=limit)
    first.record(*(f"t{n}" for n in range(60)))
    first.until(NOW + 25_000)
    assert api.get(first.store).limiter.pace < FULL_PACE_PPM * 0.6
    second = world(lambda job, n: Pending(), limit=limit)
    second.now = first.now
    second.until(second.now + 30_000)
    sent = [job.asked_at for job in second.asked]
    assert within(RateLimit(2.3, 4), sent)
    assert not within(RateLimit(1.5, 4), sent)
    second.until(second.now + HOUR)
    assert api.get(second.store).limiter.pace == FULL_PACE_PPM, "it came back"


def test_a_refused_probe_does_not_slow_any_further(world: Make) -> None:
    w = world(lambda job, n: RateLimited("http_429"), limit=RateLimit(4, 8), size=1)
    w.record("a", "b")
    w.until(NOW + HOUR)
    assert len(w.asked) > 5
    assert api.get(w.store).limiter.pace == FULL_PACE_PPM // 2


def test_the_budget_of_a_day_holds_over_a_restart_and_ends_at_midnight(world: Make) -> None:
    limit = RateLimit(100, 100, daily=30)
    midnight = (NOW // DAY_MS + 1) * DAY_MS
    first = world(lambda job, n: Pending(), limit=limit, now=midnight - 2 * HOUR)
    first.record(*(f"t{n}" for n in range(20)))
    first.until(first.now + 12_000)
    assert 0 < len(first.asked) < 30
    second = world(lambda job, n: Pending(), limit=limit, now=first.now)
    second.until(midnight - 1)
    asked = len(first.asked) + len(second.asked)
    assert asked == 30
    rules = StatusRules(SCHEDULE, limit)
    assert "budget_spent" in [p["code"] for p in view.status(second.store, midnight - 1, rules, MACHINE)["problems"]]
    assert view.status(second.store, midnight - 1, rules, MACHINE)["polling"]["requests_today"] == 30
    assert second.run() == midnight
    said = view.status(second.store, midnight, rules, MACHINE)
    assert "budget_spent" not in [p["code"] for p in said["problems"]]
    assert (said["polling"]["requests_today"], said["polling"]["daily_budget"]) == (0, 30)
    second.until(midnight + 60_000)
    assert 40 <= len(first.asked) + len(second.asked) <= 60


def test_tokens_and_repeats_count_against_the_budget(world: Make) -> None:
    w = world(lambda job, n: Pending(), limit=RateLimit(100, 100, daily=30), now=(NOW // DAY_MS) * DAY_MS)
    ask = w.pool._ask

    def greedy(client: HttpClient, job: Job) -> Heard:
        client.sent += 2
        return ask(client, job)

    w.pool._ask = greedy
    w.record(*(f"t{n}" for n in range(30)))
    w.until(w.now + HOUR)
    assert 10 <= len(w.asked) <= 10 + 4  # those under way when the budget ended
    assert api.get(w.store).limiter.spent == 3 * len(w.asked)
