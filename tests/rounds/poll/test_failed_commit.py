"""A transaction of the poll pass that fails, at any of its statements, loses nothing and doubles nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import IO_ERROR
from tests.support.poll_world import NOW, Setup, World, concluded
from worker.core.errors import StorageFailed
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Garbled, Pending, RateLimited, Rejected, Reply
from worker.gateways.http.pool import Job

MINUTE = 60_000

TABLES = ("tasks", "results", "paths", "history", "outbox", "counters", "tallies", "bodies", "curves", "api")

# Their rows begin with a number that the database gives. A server gives none again that was rolled back.
NUMBERED = ("history", "bodies")


class FailingConnection:
    """A connection whose statement number ``fails_at`` fails, if any; they are counted from 1."""

    def __init__(self, conn: Any, fails_at: int | None) -> None:
        self._conn = conn
        self._fails_at = fails_at
        self.made: list[str] = []
        self.failed = False

    @property
    def committed(self) -> bool:
        return "COMMIT" in self.made

    def execute(self, sql: str, *params: Any, **how: Any) -> Any:
        self._count(sql)
        return self._conn.execute(sql, *params, **how)

    def executemany(self, sql: str, rows: Any) -> Any:
        self._count(sql)
        return self._conn.executemany(sql, rows)

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        with self._conn.cursor() as cursor:
            inside = FailingConnection(cursor, None)
            inside._count = self._count  # type: ignore[method-assign]
            yield inside

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    def _count(self, sql: str) -> None:
        if sql == "ROLLBACK":
            return
        if len(self.made) + 1 == self._fails_at and not self.failed:
            self.failed = True
            raise IO_ERROR
        self.made.append(sql)


@contextmanager
def failing(w: World, fails_at: int | None) -> Iterator[FailingConnection]:
    """Inside the block, one statement of the round's connection fails."""
    conn = w.store.conn
    instead = FailingConnection(conn, fails_at)
    w.store.conn = instead
    try:
        yield instead
    finally:
        w.store.conn = conn


def remembered(w: World) -> dict[str, object]:
    """All that a pass leaves behind: in the database, in memory, under way and in the log."""
    rows = {
        table: [tuple(row)[table in NUMBERED :] for row in w.store.read(f"SELECT * FROM {table} ORDER BY 1, 2")]
        for table in TABLES
    }
    return {
        **rows,
        "own": w.round.own,
        "shared": w.round.shared,
        "curves to be stored": w.round.planner.since(),
        "requests": sorted(w.asked),
        "under way": w.pool.out,
        "log": list(w.log.lines),
        "busy": w.round.busy,
    }


def many_things(job: Job, n: int) -> Reply:
    """Every way in which a pass writes: still pending, concluded, failed, failed with a body that is kept."""
    replies: list[Reply] = [
        Pending(Document("pending", started_at=NOW, pending=("rtCOB Discovery",))),
        concluded(job.task_id),
        Rejected("http_422"),
        Garbled("unknown_status", b'{"status": "archived"}'),
    ]
    return replies[(job.seq - 1) % 4]


def still_pending(job: Job, n: int) -> Reply:
    return Pending()


def too_fast(job: Job, n: int) -> Reply:
    return RateLimited("http_429", 5 * MINUTE)


def hears_many_things(path: Path) -> World:
    """Eight answers have come; more tasks are due, and so are the curves and the delay per request."""
    w = World(path, still_pending, Setup(size=8, delay_per_request_ms=20_000))
    w.record(*(f"t{n}" for n in range(28)))
    for w.script in (still_pending, many_things):
        w.now += MINUTE
        w.run()
        w.now += 100
        w.land()
    w.now += MINUTE
    return w


def hears_a_429(path: Path) -> World:
    """Four answers have come, so jobs were handed out ahead of the threads; the next four answers are refusals."""
    w = World(path, still_pending, Setup(ahead=None))
    w.record(*(f"t{n}" for n in range(20)))
    w.now += MINUTE
    for w.script in (still_pending, too_fast):
        w.run()
        w.now += 100
        w.land()
    assert w.pool.waiting
    return w


def lived(w: World, fails_at: int | None) -> tuple[dict[str, object], FailingConnection]:
    """One pass with a statement that fails, and one without; what is left behind."""
    own, asked, log = w.round.own, len(w.asked), len(w.log.lines)
    with failing(w, fails_at) as conn:
        if fails_at is None:
            w.run()
        else:
            with pytest.raises(StorageFailed):
                w.round.run(w.now, w.now)
    if fails_at is not None:
        if not conn.committed:
            assert (w.round.own, len(w.asked), len(w.log.lines)) == (own, asked, log), "as if it had not been"
        w.run()
    return remembered(w), conn


@pytest.mark.parametrize("situation", [hears_many_things, hears_a_429])
def test_whichever_statement_fails_the_next_pass_ends_as_if_none_had(
    situation: Callable[[Path], World], tmp_path: Path
) -> None:
    undisturbed = situation(tmp_path / "undisturbed.db")
    try:
        expected, whole = lived(undisturbed, None)
    finally:
        undisturbed.close()
    assert whole.made.count("COMMIT") == (1 if situation is hears_many_things else 2)
    for fails_at, sql in enumerate(whole.made, 1):
        w = situation(tmp_path / f"{fails_at}.db")
        try:
            found, conn = lived(w, fails_at)
        finally:
            w.close()
        assert conn.failed, sql
        assert found == expected, f"statement {fails_at} failed: {sql}"


def test_that_pass_writes_to_every_table(tmp_path: Path) -> None:
    w = hears_many_things(tmp_path / "cdpoll.db")
    try:
        before = remembered(w)
        found, _ = lived(w, None)
    finally:
        w.close()
    assert [name for name in found if found[name] == before[name]] == ["busy"]
    assert [event for event, _ in w.log.lines] == ["concluded"]


class Unheard(FailingConnection):
    """The first COMMIT is made, and the answer is lost on the way."""

    def execute(self, sql: str, *params: Any, **how: Any) -> Any:
        done = super().execute(sql, *params, **how)
        if sql == "COMMIT" and not self.failed:
            self.failed = True
            raise IO_ERROR
        return done


def test_what_was_committed_without_an_answer_is_saved_once(tmp_path: Path) -> None:
    """A connection to a server may be lost after the commit, and before its answer."""
    saved = {}
    for name in ("heard", "unheard"):
        w = World(tmp_path / f"{name}.db", many_things, Setup(size=8, delay_per_request_ms=20_000))
        w.record(*(f"t{n}" for n in range(8)))
        w.now += MINUTE
        w.run()
        w.now += 100
        w.land()
        conn, w.now = w.store.conn, w.now + 100
        if name == "unheard":
            w.store.conn = Unheard(conn, None)
            with pytest.raises(StorageFailed):
                w.round.run(w.now, w.now)
            w.store.conn = conn
            w.now += 1  # another reading of the clock
        w.run()
        rows = "SELECT seq, state, polls, failures, last_error, leased_until FROM tasks ORDER BY seq"
        tables = [rows, *(f"SELECT * FROM {table} ORDER BY 1" for table in ("bodies", "tallies", "counters"))]
        tables += ["SELECT task, revision FROM results", "SELECT last, result FROM outbox", "SELECT credit FROM api"]
        tables += ["SELECT event FROM history ORDER BY task, seq"]
        saved[name] = [[tuple(row) for row in w.store.read(sql)] for sql in tables]
        assert not w.round.busy
        w.close()
    assert saved["heard"] == saved["unheard"]
