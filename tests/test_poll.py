"""The poll round in simulated time: a real store and real threads, and a script in the vendor's place."""

import json
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cdpoll_process import DEADLINE
from worker.core.document import fingerprint, read_paths
from worker.core.errors import TryLater
from worker.core.intake import Recording
from worker.core.judge import MISSES, NO_TASK
from worker.core.limit import Limit
from worker.core.reply import (
    Concluded,
    Garbled,
    Pending,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
)
from worker.core.schedule import Schedule
from worker.gateways.pool import Job, Pool
from worker.gateways.wire import Wire, tls_context
from worker.rounds.poll import FAR, PollRound, Terms
from worker.store import lanes, look, results, tasks
from worker.store.db import Store
from worker.store.recording import record as record_ids

NOW = 1_800_000_000_000
SCHEDULE = Schedule()
TIMEOUT = 30_000
HOUR = 3_600_000
TLS = tls_context(None)

Script = Callable[[Job, int], Reply]


class NoLog:
    """Takes what the round has to say."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def debug(self, event: str, **fields: object) -> None:
        self.lines.append((event, fields))

    info = warning = error = debug


class World:
    """The round, its vendor and the time. A job takes ``takes(job)`` simulated ms; longer than its deadline, never."""

    def __init__(
        self,
        path: Path,
        script: Script,
        *,
        limit: Limit,
        size: int = 4,
        takes: Callable[[Job], int] | None = None,
        timeout: float = 30.0,
    ) -> None:
        self.path = path
        self.now = NOW
        self.script = script
        self.takes = takes or (lambda job: 100)
        self.asked: list[Job] = []
        self.passes = 0
        self.before_sending: Callable[[Job], None] = lambda job: None
        self.looks: dict[int, int] = {}
        self._changed = threading.Condition()
        self._flying: dict[int, tuple[int, threading.Event]] = {}
        self._woken = 0
        self.store = Store(path, timeout=timeout)
        self.pool = Pool(size, lambda: Wire(TLS, TIMEOUT), self._ask, self._wake, ahead=0)
        self.log = NoLog()
        self.round = PollRound(self.store, self.pool, Terms(SCHEDULE, limit, TIMEOUT), self.log, self.now)

    def close(self) -> None:
        for _, landed in self._flying.values():
            landed.set()
        self.pool.close()
        self.store.close()

    def _ask(self, wire: Wire, job: Job) -> Reply:
        self.before_sending(job)
        wire.sent += 1
        landed = threading.Event()
        with self._changed:
            self.asked.append(job)
            n = self.looks[job.seq] = self.looks.get(job.seq, 0) + 1
            self._flying[job.seq] = (job.asked_at + min(self.takes(job), TIMEOUT), landed)
            self._changed.notify_all()
        assert landed.wait(DEADLINE)
        return Unreachable("timeout") if self.takes(job) >= TIMEOUT else self.script(job, n)

    def _wake(self) -> None:
        with self._changed:
            self._woken += 1
            self._changed.notify_all()

    def record(self, *ids: str) -> None:
        with Store(self.path) as other:
            recordings = [Recording(task_id, "id") for task_id in ids]
            record_ids(other, recordings, (), origin="", now=self.now, schedule=SCHEDULE)

    def run(self, **how: Any) -> int:
        """One pass at the present moment, and everything it sent is on its way when this returns."""
        self.passes += 1
        next_at = self.round.run(self.now, self.now, **how)
        with self._changed:
            assert self._changed.wait_for(lambda: set(self._flying) == set(self.pool.out), DEADLINE)
        return next_at

    def land(self) -> int:
        """Let every answer arrive whose time has come; how many did."""
        with self._changed:
            due = [seq for seq, (at, _) in self._flying.items() if at <= self.now]
            woken = self._woken + len(due)
            for seq in due:
                self._flying.pop(seq)[1].set()
            assert self._changed.wait_for(lambda: self._woken == woken, DEADLINE)
        return len(due)

    def until(self, end: int) -> None:
        """Live until ``end``: pass, wait for what the pass asked for or for an answer, and so on."""
        idle = 0
        while self.now < end:
            sent = len(self.asked)
            landed = self.land()
            next_at = self.run()
            done = landed + len(self.asked) - sent
            idle = 0 if done else idle + 1
            if not done:
                assert next_at > self.now, "nothing could be done, and yet the round wants to be called at once"
            assert idle < 2 or self._flying or next_at > self.now
            arrivals = [at for at, _ in self._flying.values()]
            if next_at > self.now or arrivals:
                self.now = min(end, max(self.now, min([next_at, self.now + 60_000, *arrivals])))

    def task(self, task_id: str) -> dict[str, Any]:
        with closing(sqlite3.connect(self.path, timeout=30)) as conn:
            conn.row_factory = sqlite3.Row
            return dict(conn.execute("SELECT * FROM tasks WHERE id = ?", [task_id]).fetchone())

    def count(self, sql: str) -> int:
        with closing(sqlite3.connect(self.path, timeout=30)) as conn:
            return int(conn.execute(sql).fetchone()[0])


Make = Callable[..., World]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    made: list[World] = []

    def make(script: Script, *, limit: Limit | None = None, **how: Any) -> World:
        made.append(World(tmp_path / "cdpoll.db", script, limit=limit or Limit(1000, 1000), **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


def concluded(task_id: str, status: Any = "success") -> Concluded:
    document = {"id": task_id, "status": status, "discoveryPaths": {"successful": [{"name": "Medicare"}]}}
    return Concluded(status, json.dumps(document).encode(), fingerprint(document), read_paths(document))


def concludes(job: Job, n: int) -> Reply:
    return concluded(job.task_id)


def within(limit: Limit, instants: list[int]) -> bool:
    """Whether a bucket of ``burst``, filled at ``rate``, never runs dry."""
    level, last = float(limit.burst), instants[0]
    for at in instants:
        level = min(limit.burst, level + (at - last) * limit.rate / 1000) - 1
        last = at
        if level < -0.01:
            return False
    return True


# --- claiming and saving


def test_what_is_due_is_asked_saved_once_and_never_asked_again(world: Make) -> None:
    w = world(concludes)
    w.record("a", "b", "c")
    w.until(NOW + HOUR)
    assert sorted(job.task_id for job in w.asked) == ["a", "b", "c"]
    assert w.count("SELECT count(*) FROM results") == 3
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded' AND outcome = 'success'") == 3
    assert not w.round.busy
    assert w.run() == FAR


def test_the_lease_is_on_the_disk_before_the_request_is_sent(world: Make) -> None:
    seen: list[tuple[int, int]] = []
    w = world(concludes)

    def peek(job: Job) -> None:
        seen.append((w.task(job.task_id)["due_at"], job.asked_at + w.round.terms.lease))

    w.before_sending = peek
    w.record(*(f"t{n}" for n in range(9)))
    w.until(NOW + 60_000)
    assert len(seen) == 9
    assert all(due == lease for due, lease in seen)


def test_a_task_in_the_air_is_not_asked_for_again_however_long_it_takes(world: Make) -> None:
    w = world(concludes, takes=lambda job: 25_000)
    w.record("a")
    w.until(NOW + 25_000)
    assert len(w.asked) == 1
    assert w.round.busy
    w.until(NOW + HOUR)
    assert len(w.asked) == 1


def test_after_a_crash_the_row_falls_due_again(world: Make, tmp_path: Path) -> None:
    first = world(concludes)
    first.record("a")
    first.now += 15_000
    first.run()
    assert len(first.asked) == 1  # and then its process dies: the answer is never saved
    second = world(concludes)
    second.now = first.now
    second.until(second.now + second.round.terms.lease - 1)
    assert second.asked == []
    second.until(second.now + 1_000)
    assert [job.task_id for job in second.asked] == ["a"]
    assert second.task("a")["state"] == "concluded"


def test_no_more_in_the_air_than_there_are_threads(world: Make) -> None:
    most = 0
    w = world(concludes, size=3, takes=lambda job: 1000)

    def count(job: Job) -> None:
        nonlocal most
        most = max(most, len(w.pool.out))

    w.before_sending = count
    w.record(*(f"t{n}" for n in range(20)))
    w.until(NOW + 60_000)
    assert most == 3
    assert len(w.asked) == 20


def test_tasks_recorded_meanwhile_are_found(world: Make) -> None:
    w = world(concludes)
    w.record("early")
    w.until(NOW + 60_000)
    assert w.run() == FAR
    w.record("late")
    assert NOW < w.run() < w.now + 12_000
    w.until(NOW + 120_000)
    assert w.task("late")["state"] == "concluded"


def test_one_pass_leaves_what_fell_due_later_and_does_not_spin_for_it(world: Make) -> None:
    w = world(concludes, takes=lambda job: 20_000)
    w.record("early")
    w.now += 2_000
    w.record("late")
    w.now += 9_900
    cutoff = w.now
    w.run(due_by=cutoff)
    assert [job.task_id for job in w.asked] == ["early"]
    w.now += 5_000
    assert w.run(due_by=cutoff) > w.now
    assert [job.task_id for job in w.asked] == ["early"]


def test_a_pass_over_some_tasks_leaves_the_others_and_does_not_spin_for_them(world: Make) -> None:
    w = world(concludes, takes=lambda job: 20_000)
    w.record("wanted", "other", "another")
    w.now += 15_000
    w.round.only = frozenset({1})
    w.run(due_by=w.now)
    for _ in range(3):
        w.now += 1_000
        before = w.store.conn.total_changes
        assert w.run(due_by=w.now) > w.now
        assert w.store.conn.total_changes == before
    assert [job.task_id for job in w.asked] == ["wanted"]
    assert not w.round.only


def test_on_the_way_out_nothing_new_is_asked_and_what_comes_is_saved(world: Make) -> None:
    w = world(concludes, takes=lambda job: 1000)
    w.record("a", "b", "c", "d", "e")
    w.now += 15_000
    w.run()
    assert len(w.asked) == 4
    w.now += 1000
    w.land()
    w.run(claim=False)
    assert len(w.asked) == 4
    assert not w.round.busy
    assert w.count("SELECT count(*) FROM results") == 4


# --- when the database cannot be written


@contextmanager
def locked(path: Path, how: str) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as other:
        other.execute(f"BEGIN {how}")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_what_was_heard_is_kept_while_the_database_cannot_be_written(world: Make, how: str) -> None:
    w = world(concludes, timeout=0)
    w.record("a", "b")
    w.now += 15_000
    w.run()
    w.record("c")
    w.now += 15_000
    w.land()
    for _ in range(3):
        with locked(w.path, how), pytest.raises(TryLater):
            w.round.run(w.now, w.now)
        assert w.round.busy
        assert len(w.asked) == 2
    assert w.count("SELECT count(*) FROM results") == 0
    w.run()
    assert w.count("SELECT count(*) FROM results") == 2
    assert w.round.usable == 2
    assert w.task("a")["polls"] == 1
    assert [job.task_id for job in w.asked[2:]] == ["c"]


def test_what_was_heard_long_ago_is_saved_before_its_row_is_asked_for_again(world: Make) -> None:
    w = world(concludes, timeout=0)
    w.record("a")
    w.now += 15_000
    w.run()
    w.land()
    w.now += HOUR  # the lease is long over
    w.land()
    with locked(w.path, "IMMEDIATE"), pytest.raises(TryLater):
        w.round.run(w.now, w.now)
    w.until(w.now + HOUR)
    assert len(w.asked) == 1
    assert w.count("SELECT count(*) FROM results") == 1


# --- answers about us


def test_429_holds_everybody_back_and_nobody_is_to_blame(world: Make) -> None:
    def script(job: Job, n: int) -> Reply:
        return RateLimited("http_429", 120_000) if job.seq == 1 and n == 1 else concluded(job.task_id)

    w = world(script, size=1)
    w.record(*(f"t{n}" for n in range(6)))
    w.until(NOW + HOUR)
    times = [job.asked_at for job in w.asked]
    first = next(i for i, job in enumerate(w.asked) if job.seq == 1)
    assert times[first + 1] - times[first] >= 120_000
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 6
    assert w.count("SELECT max(failures) FROM tasks") == 0
    lane = lanes.get(w.store)
    assert not lane.paused
    assert 120_000 <= lane.paused_total < 130_000
    assert [event for event, _ in w.log.lines if event.startswith("api")] == ["api paused", "api answers again"]


def test_a_pause_probes_one_at_a_time_and_ever_more_slowly(world: Make) -> None:
    open_again = NOW + 6 * HOUR

    def script(job: Job, n: int) -> Reply:
        return RateLimited("http_429") if job.asked_at < open_again else concluded(job.task_id)

    w = world(script)
    w.record(*(f"t{n}" for n in range(20)))
    w.until(NOW + 7 * HOUR)
    probes = [job.asked_at for job in w.asked if job.asked_at < open_again][4:]
    gaps = [b - a for a, b in pairwise(probes)]
    assert min(gaps) >= SCHEDULE.cadence.first
    assert gaps == sorted(gaps)
    assert max(gaps) <= SCHEDULE.cadence.ceiling
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded' AND failures = 0") == 20


def test_while_a_probe_is_in_the_air_no_other_is_sent(world: Make) -> None:
    w = world(lambda job, n: RateLimited("http_429", 60_000) if n == 1 else Pending())
    w.record("a", "b", "c")
    w.now += 15_000
    w.run()
    w.now += 100
    w.land()
    w.run()
    assert lanes.get(w.store).paused
    w.now += 60_000
    w.run()
    assert len(w.asked) == 4
    for _ in range(3):
        w.now += 1
        assert w.run() > w.now
    assert len(w.asked) == 4


def test_a_probe_that_outlives_its_deadline_does_not_keep_the_next_from_being_sent(world: Make) -> None:
    """Cutting a socket does not end a look that waits for a name server: the pause must not last as long as that."""
    w = world(lambda job, n: RateLimited("http_429", 60_000) if n == 1 else Pending())
    w.record("a", "b", "c")
    w.now += 15_000
    w.run()
    w.now += 100
    w.land()
    w.run()
    w.now += 60_000
    w.run()
    probe = w.asked[3]
    for late in (0, 999):
        w.now = probe.deadline + late
        w.run()
        assert len(w.asked) == 4
    w.now = probe.deadline + 1000
    w.run()
    assert [job.seq == probe.seq for job in w.asked[4:]] == [False]


def test_a_task_that_alone_is_refused_is_to_blame_itself(world: Make) -> None:
    w = world(lambda job, n: Refused("http_403") if job.seq == 1 else Pending())
    w.record("bad", "good")
    w.until(NOW + 30_000)
    assert (w.task("bad")["last_error"], w.task("bad")["failures"] > 0) == ("http_403", True)
    assert (w.task("good")["last_error"], w.task("good")["failures"]) == (None, 0)
    assert not lanes.get(w.store).paused


def test_when_all_are_refused_everything_pauses_and_no_task_is_to_blame(world: Make) -> None:
    w = world(lambda job, n: Refused("http_403"))
    w.record(*(f"t{n}" for n in range(5)))
    w.until(NOW + 3 * HOUR)
    lane = lanes.get(w.store)
    assert (lane.reason, lane.code) == ("credentials", "http_403")
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'pending' AND failures = 0") == 5
    assert len(w.asked) < 30
    w.script = concludes
    w.until(w.now + HOUR)
    assert not lanes.get(w.store).paused
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 5


def test_where_there_is_no_other_task_the_health_check_decides(world: Make) -> None:
    w = world(lambda job, n: Pending() if job.seq == NO_TASK else Refused("http_403"))
    w.record("only")
    w.until(NOW + 30_000)
    assert NO_TASK in {job.seq for job in w.asked}
    assert w.task("only")["last_error"] == "http_403"
    assert not lanes.get(w.store).paused
    w.script = lambda job, n: Refused("http_403")
    w.until(w.now + HOUR)
    assert lanes.get(w.store).reason == "credentials"


def test_an_outage_pauses_after_some_tasks_and_ends_by_itself(world: Make) -> None:
    back = NOW + 2 * HOUR

    def script(job: Job, n: int) -> Reply:
        return Unreachable("connect") if job.asked_at < back else concluded(job.task_id)

    w = world(script)
    w.record(*(f"t{n}" for n in range(40)))
    w.until(NOW + 4 * HOUR)
    assert sum(job.asked_at < back for job in w.asked) < MISSES + 4 + 40
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 40


# --- how often


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


def test_a_reply_that_breaks_our_own_code_holds_up_nobody(world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = results.add

    def breaks(store: Store, task: int, *rest: Any) -> Any:
        known = tasks.get(store, task, 0)
        if known is not None and known.id == "bad":
            raise ZeroDivisionError("a name that nobody may see")
        return keep(store, task, *rest)

    monkeypatch.setattr("worker.rounds.saving.results.add", breaks)
    w = world(concludes)
    w.record("good-1", "bad", "good-2")
    w.until(NOW + 15_000)
    assert [w.task(task_id)["state"] for task_id in ("good-1", "bad", "good-2")] == [
        "concluded",
        "pending",
        "concluded",
    ]
    said = [fields for event, fields in w.log.lines if event.startswith("a fault in cdpoll itself")]
    assert [fields["task"] for fields in said] == ["bad"]
    assert "nobody may see" not in str(w.log.lines)
