"""The tasks that a poll pass reads and writes. All but the reads run inside `Store.write`.

While other threads work, each statement costs a thread switch or more. So a pass changes many tasks with one statement.
Lists are padded to a few lengths, so that SQLite does not compile a statement for every length.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeVar

from worker.core.instant import FAR
from worker.core.lifecycle import edges
from worker.core.task import PollPlan, Task
from worker.core.verification import is_verifying
from worker.store.db.store import Store
from worker.store.tasks import failed_polls, history

# In the order of Task's fields, so that a row is one by its places: a pass reads up to 128.
_COLUMNS = ", ".join(":paused_total - paused_base AS paused" if name == "paused" else name for name in Task._fields)

Row = TypeVar("Row")

_LENGTHS_ROWS = (1, 4, 16, 64)
MOST_ROWS = _LENGTHS_ROWS[-1]  # of one statement

# When a task was polled last, or recorded, or given a fresh start.
_LAST_SEEN = "CASE WHEN last_poll_at > life_from THEN last_poll_at ELSE life_from END"

# A jump of the clock by more than this is no machine that slept.
FAR_JUMP_MS = 3_600_000


def by_seq(store: Store, seqs: Iterable[int], paused_total: int) -> dict[int, Task]:
    """These rows as they stand now. ``paused_total``: how long the API was ever paused, ms."""
    found: dict[int, Task] = {}
    for marks, params in portions(list(seqs)):
        rows = store.read(
            f"SELECT {_COLUMNS} FROM tasks WHERE seq IN ({marks})",  # noqa: S608 - names of parameters
            {**params, "paused_total": paused_total},
        )
        found.update((row["seq"], Task._make(row)) for row in rows)
    return found


def due(store: Store, paused_total: int, now: int, limit: int, due_by: int, after: int = -FAR) -> list[Task]:
    """Up to ``limit`` tasks that may be claimed, those due longest: due ``after`` some instant, and by ``due_by``."""
    return _due("due_at > :after", store, paused_total, now, {"limit": limit, "due_by": due_by, "after": after})


def due_without_failure(store: Store, paused_total: int, now: int, limit: int, due_by: int) -> list[Task]:
    """Like :func:`due`, but only tasks whose last poll was usable."""
    return _due("failures = 0", store, paused_total, now, {"limit": limit, "due_by": due_by})


def newest(store: Store, paused_total: int, now: int, limit: int) -> list[Task]:
    """Up to ``limit`` tasks whose last poll was usable, or that were not polled, the newest first."""
    rows = store.read(
        f"""
        SELECT {_COLUMNS} FROM tasks
        WHERE state = 'pending' AND failures = 0 AND (leased_until IS NULL OR leased_until <= :now)
        ORDER BY seq DESC LIMIT :limit
        """,  # noqa: S608 - constants
        {"paused_total": paused_total, "now": now, "limit": limit},
    )
    return [Task._make(row) for row in rows]


def _due(condition: str, store: Store, paused_total: int, now: int, params: dict[str, int]) -> list[Task]:
    rows = store.read(
        f"""
        SELECT {_COLUMNS} FROM tasks
        WHERE state = 'pending' AND due_at <= :due_by AND (leased_until IS NULL OR leased_until <= :now)
            AND {condition}
        ORDER BY due_at LIMIT :limit
        """,  # noqa: S608 - constants
        {"paused_total": paused_total, "now": now, **params},
    )
    return [Task._make(row) for row in rows]


def next_due(
    store: Store, but: Collection[int] = (), only: frozenset[int] | None = None, *, with_failures: bool = True
) -> int | None:
    """When any task, or any of ``only``, can next be claimed, ms; the rows in ``but`` apart.

    A leased one can when its lease has run out. Without ``with_failures``: none whose last poll failed.
    """
    if only is not None:
        rows = by_seq(store, sorted(only.difference(but)), 0).values()
        times = [
            max(row.due_at, row.leased_until or 0) for row in rows if row.due_at and (with_failures or not row.failures)
        ]
        return min(times, default=None)
    free = store.read(
        "SELECT seq, due_at AS claimable_at FROM tasks WHERE state = 'pending' AND leased_until IS NULL"
        " AND failures <= :most_failures ORDER BY due_at LIMIT :limit",
        {"limit": len(but) + 1, "most_failures": FAR if with_failures else 0},
    )
    leased = store.read(
        "SELECT seq, CASE WHEN leased_until > due_at THEN leased_until ELSE due_at END AS claimable_at"
        " FROM tasks WHERE leased_until IS NOT NULL AND failures <= :most_failures",
        {"most_failures": FAR if with_failures else 0},
    )
    return min((row["claimable_at"] for row in (*free, *leased) if row["seq"] not in but), default=None)


def lease(store: Store, seqs: Sequence[int], until: int) -> None:
    """Claim rows, in the transaction that found them. If this process dies, the leases run out by themselves."""
    for marks, params in portions(seqs):
        store.execute(
            f"UPDATE tasks SET leased_until = :until WHERE seq IN ({marks})",  # noqa: S608 - names of parameters
            {**params, "until": until},
        )


def release(store: Store, seqs: Sequence[int]) -> None:
    """End the leases of rows that were not polled: they are due as they were."""
    for marks, params in portions(seqs):
        store.execute(f"UPDATE tasks SET leased_until = NULL WHERE seq IN ({marks})", params)  # noqa: S608


def replan(store: Store, plans: Sequence[tuple[Task, PollPlan]], now: int) -> None:
    """Put off polls that fell due, in the transaction that found them due."""
    for start in range(0, len(plans), MOST_ROWS):
        rows = [
            (task.seq, now + plan.wait_ms, plan.reason, plan.delay_per_request_ms)
            for task, plan in plans[start : start + MOST_ROWS]
        ]
        store.execute(
            f"""
            UPDATE tasks SET due_at = plan.column2, reason = plan.column3,
                delay_per_request_ms = CAST(plan.column4 AS BIGINT)
            FROM (VALUES {_values(part := _padded(rows))}) AS plan WHERE tasks.seq = plan.column1
            """,  # noqa: S608 - question marks
            [value for row in part for value in row],
        )


def save_pending(store: Store, saves: Sequence[tuple[Task, Task]]) -> None:
    """Save polls that showed tasks as pending, all at once: (before, after), without a failure before or after."""
    for start in range(0, len(saves), MOST_ROWS):
        rows = [
            (new.seq, new.due_at, new.reason, new.polls, new.last_poll_at, new.task_class, new.delay_per_request_ms,
             new.name, new.started_at, new.correlation_id, new.trace_id, new.last_status, new.last_trace_id,
             new.polls_outlived)
            for _, new in saves[start : start + MOST_ROWS]
        ]  # fmt: skip
        part = _padded(rows)
        store.execute(
            f"""
            UPDATE tasks SET leased_until = NULL, due_at = seen.column2, reason = seen.column3, polls = seen.column4,
                last_poll_at = seen.column5, pending_at = seen.column5, task_class = seen.column6,
                delay_per_request_ms = CAST(seen.column7 AS BIGINT), name = seen.column8,
                started_at = CAST(seen.column9 AS BIGINT), correlation_id = seen.column10, trace_id = seen.column11,
                last_status = CAST(seen.column12 AS BIGINT), last_trace_id = seen.column13,
                polls_outlived = seen.column14
            FROM (VALUES {_values(part)}) AS seen WHERE tasks.seq = seen.column1
            """,  # noqa: S608 - question marks
            [value for row in part for value in row],
        )
    events = [(new.seq, new.last_poll_at, event, detail) for old, new in saves for event, detail in edges(old, new)]
    history.add_all(store, events)


def save(store: Store, old: Task, new: Task, now: int) -> bool:
    """Write what a poll changed, and the edges of it into the history; a conclusion is written by
    :func:`worker.store.conclude.conclude` alone.

    False when the task is concluded already: then nothing is written.
    """
    won = store.execute(
        """
        UPDATE tasks SET
            state = :state, outcome = :outcome, name = :name, started_at = :started_at, due_at = :due_at,
            leased_until = :leased_until, reason = :reason, polls = :polls, failures = :failures,
            not_found_since = :not_found_since, last_error = :last_error, last_poll_at = :last_poll_at,
            last_status = :last_status, last_trace_id = :last_trace_id, correlation_id = :correlation_id,
            trace_id = :trace_id, task_class = :task_class, pending_at = :pending_at,
            delay_per_request_ms = :delay_per_request_ms, polls_outlived = :polls_outlived,
            abandoned_at = CASE WHEN :state = 'abandoned' THEN coalesce(abandoned_at, :now) ELSE NULL END
        WHERE seq = :seq AND state <> 'concluded'
        """,
        {**new._asdict(), "now": now},
    )
    if won:
        for event, detail in edges(old, new):
            history.add(store, new.seq, now, event, detail)
        if new.last_error is not None and new.last_poll_at is not None and new.polls > old.polls:
            failed_polls.add(store, new)
    return bool(won)


def shift(store: Store, by: int) -> None:
    """The clock jumped by ``by`` ms: keep the life of every task, and shift due times where the clock was set back.

    After more than an hour the age cannot be told from ``recorded_at`` any more: it goes by ``life_from`` from now on.
    """
    far = by if abs(by) > FAR_JUMP_MS else 0
    store.execute(
        """
        UPDATE tasks SET life_from = life_from + CAST(:far AS BIGINT),
            paused_base = paused_base - CAST(:near AS BIGINT),
            due_at = due_at + CAST(:back AS BIGINT), pending_at = pending_at + CAST(:back AS BIGINT),
            last_poll_at = last_poll_at + CAST(:seen AS BIGINT), leased_until = leased_until + CAST(:back AS BIGINT)
        WHERE state = 'pending'
        """,
        {"far": far, "near": by - far, "back": min(by, 0), "seen": far or min(by, 0)},
    )


def newest_seq(store: Store) -> int:
    """The row recorded last; 0: there is none."""
    row = store.one("SELECT seq FROM tasks ORDER BY seq DESC LIMIT 1")
    return 0 if row is None else int(row["seq"])


class Strange(NamedTuple):
    """Tasks last seen before ``earliest`` or after ``latest`` (ms); with ``after_seq`` those recorded after that row.

    A wrong clock has recorded or polled them, or no daemon ran since. By an age of years a new task would be polled
    every few hours, and given up soon; and by one below zero as often as a new one, until the clock has come so far.
    """

    earliest: int
    latest: int
    after_seq: int | None = None

    @property
    def seen(self) -> str:
        return _LAST_SEEN if self.after_seq is None else "life_from"

    @property
    def condition(self) -> str:
        return f"state = 'pending' AND seq > :after_seq AND ({self.seen} < :earliest OR {self.seen} > :latest)"

    @property
    def params(self) -> dict[str, int]:
        return {"earliest": self.earliest, "latest": self.latest, "after_seq": self.after_seq or 0}


def begin_strange(store: Store, strange: Strange, now: int) -> None:
    """Let the lives of these tasks go on from ``now``. Not inside a transaction: most often there are none."""
    if store.one(f"SELECT seq FROM tasks WHERE {strange.condition} LIMIT 1", strange.params) is None:  # noqa: S608
        return
    with store.write():
        store.execute(
            f"""
            UPDATE tasks SET life_from = life_from + CAST(:now AS BIGINT) - {strange.seen},
                pending_at = pending_at + CAST(:now AS BIGINT) - {strange.seen},
                last_poll_at = CASE WHEN last_poll_at IS NULL THEN NULL ELSE CAST(:now AS BIGINT) END,
                due_at = CASE WHEN {strange.seen} > :latest THEN CAST(:now AS BIGINT) ELSE due_at END
            WHERE {strange.condition}
            """,  # noqa: S608 - constants
            {"now": now, **strange.params},
        )


def draw_in(store: Store, now: int, latest: int) -> None:
    """Draw in due times that no schedule could have given: the clock was set back while no daemon ran."""
    store.execute(
        "UPDATE tasks SET due_at = :now WHERE state = 'pending' AND due_at > :latest", {"now": now, "latest": latest}
    )
    store.execute("UPDATE tasks SET leased_until = NULL WHERE leased_until > :latest", {"latest": latest})


def waiting_among(store: Store, seqs: frozenset[int]) -> frozenset[int]:
    """Those of these rows that are pending, or concluded and to be confirmed."""
    return frozenset(
        seq for seq, task in by_seq(store, seqs, 0).items() if task.state == "pending" or is_verifying(task)
    )


def portions(seqs: Sequence[int]) -> Iterable[tuple[str, dict[str, int]]]:
    """Parameters for `IN (…)`, of a few lengths: their names, and the rows by name. No rows, no portion."""
    for start in range(0, len(seqs), MOST_ROWS):
        part = _padded(seqs[start : start + MOST_ROWS])
        yield ",".join(f":seq_{n}" for n in range(len(part))), {f"seq_{n}": seq for n, seq in enumerate(part)}


def _values(rows: Sequence[tuple[object, ...]]) -> str:
    """A list of rows. A column that may be NULL in all of them has no type: where it is a number, it is to be cast."""
    one = f"({','.join('?' * len(rows[0]))})"
    return ",".join([one] * len(rows))


def _padded(rows: Sequence[Row]) -> list[Row]:
    """To one of a few lengths, by repeating the last one: that does the same to the same row again."""
    length = next(length for length in _LENGTHS_ROWS if length >= len(rows))
    return [*rows, *[rows[-1]] * (length - len(rows))]
