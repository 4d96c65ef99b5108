"""Tasks in the hands of the poller: claimed and saved. All but the reads run inside `Store.write`.

A statement costs a thread switch or more while other threads are at work, whatever it does. So what a pass does to many
tasks is one statement for all of them; lists are padded to a few lengths, so that SQLite need not compile each anew.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from worker.core.pacing.claim_order import AMONG, MOST_PATIENCE, PATIENCE
from worker.core.task import Look, Task, edges
from worker.store.db.store import Store
from worker.store.tasks import history

_COLUMNS = """
    seq, id, state, recorded_at, life_from, :paused_total - paused_base AS paused, outcome, name, started_at, due_at,
    reason AS why, polls, failures, not_found_since, last_error, last_poll_at, correlation_id, trace_id,
    task_class AS kind, pending_at AS seen_at, delay_per_request_ms AS price
"""

# A row that no lease holds any more.
_FREE = "(leased_until IS NULL OR leased_until <= :due_by)"

# As `deadline` in worker/core/pacing/claim_order.py.
_DEADLINE = f"due_at + max(0, min({PATIENCE} * (due_at - coalesce(seen_at, recorded_at)), {MOST_PATIENCE}))"

Row = TypeVar("Row")

_LENGTHS = (1, 4, 16, 64)
MOST = _LENGTHS[-1]


def due(
    store: Store,
    paused_total: int,
    *,
    due_by: int,
    limit: int,
    late: int = 0,
    fresh: bool = False,
    not_seqs: Iterable[int] = (),
    calm: bool = False,
    only: frozenset[int] | None = None,
) -> list[Task]:
    """Up to ``limit`` tasks that are due: first those due by ``late``, the longest due before the others; then those
    that fell due since, by their deadlines (worker/core/pacing/claim_order.py). ``fresh``: only the latter.

    ``only``: none but these rows.
    ``calm``: tasks without a failure first (for probes: a task that is itself the trouble proves nothing).
    """
    among = "" if only is None else f"AND seq IN ({_listed(only)})"
    but = f"AND seq NOT IN ({listed})" if (listed := _listed(not_seqs)) else ""
    first = "failures > 0, due_at" if calm else "due_at"
    then = first if calm else f"CASE WHEN due_at <= :late THEN due_at ELSE {_DEADLINE} END, due_at"
    rows = store.read(
        f"""
        SELECT * FROM (
            SELECT {_COLUMNS} FROM tasks
            WHERE state = 'pending' AND due_at <= :due_by AND {_FREE} {"AND due_at > :late" if fresh else ""}
                {but} {among}
            ORDER BY {first} LIMIT :among
        ) ORDER BY {then} LIMIT :limit
        """,  # noqa: S608
        {"due_by": due_by, "limit": limit, "among": max(limit, AMONG), "late": late, "paused_total": paused_total},
    )
    return [Task._make(row) for row in rows]


def lease(store: Store, seqs: Sequence[int], until: int) -> None:
    """Claim rows that are due, in the transaction that found them. If this process dies, the lease runs out."""
    for start in range(0, len(seqs), MOST):
        part = padded(seqs[start : start + MOST])
        marks = ",".join("?" * len(part))
        store.execute(f"UPDATE tasks SET leased_until = ? WHERE seq IN ({marks})", (until, *part))  # noqa: S608


def release(store: Store, claimed: Iterable[tuple[Task, int]]) -> None:
    """End the leases of claimed tasks that were not asked about. Each with the end of its lease, for another process
    may have claimed it since: a later one is not ours."""
    for task, leased_until in claimed:
        store.execute(
            "UPDATE tasks SET leased_until = NULL WHERE seq = :seq AND leased_until <= :leased_until",
            {"seq": task.seq, "leased_until": leased_until},
        )


def plan_anew(store: Store, plans: Sequence[tuple[Task, Look]], now: int) -> None:
    """Put off looks that fell due, in the transaction that found them due."""
    for start in range(0, len(plans), MOST):
        rows = [(task.seq, now + look.wait, look.why, look.price) for task, look in plans[start : start + MOST]]
        store.execute(
            f"""
            UPDATE tasks SET due_at = plan.column2, reason = plan.column3, delay_per_request_ms = plan.column4
            FROM (VALUES {values(part := padded(rows))}) AS plan WHERE tasks.seq = plan.column1
            """,  # noqa: S608 - question marks
            [value for row in part for value in row],
        )


def still_pending(store: Store, looks: Sequence[tuple[Task, Task]], leased_until: Sequence[int]) -> list[int]:
    """Save looks that showed tasks as pending, all at once: (as claimed, as it is now), without a failure before.

    ``leased_until``: the end of the lease that each was claimed with; a row that no longer has it was changed by
    another process meanwhile. The places in ``looks`` of such rows are returned; nothing of theirs is written.
    """
    missed: list[int] = []
    for start in range(0, len(looks), MOST):
        rows = [
            (new.seq, until, new.due_at, new.why, new.polls, new.last_poll_at, new.kind, new.price, new.name,
             new.started_at, new.correlation_id, new.trace_id)
            for (_, new), until in zip(looks[start : start + MOST], leased_until[start : start + MOST], strict=True)
        ]  # fmt: skip
        part = padded(rows)
        saved = store.read(
            f"""
            UPDATE tasks SET leased_until = NULL, due_at = seen.column3, reason = seen.column4, polls = seen.column5,
                last_poll_at = seen.column6, pending_at = seen.column6, task_class = seen.column7,
                delay_per_request_ms = seen.column8,
                name = coalesce(seen.column9, name), started_at = coalesce(seen.column10, started_at),
                correlation_id = coalesce(correlation_id, seen.column11), trace_id = coalesce(trace_id, seen.column12)
            FROM (VALUES {values(part)}) AS seen
            WHERE tasks.seq = seen.column1 AND tasks.leased_until = seen.column2
            RETURNING seq
            """,  # noqa: S608 - question marks
            [value for row in part for value in row],
        )
        there = {row["seq"] for row in saved}
        if len(there) < len(rows):
            missed += [start + n for n, row in enumerate(rows) if row[0] not in there]
    events = [
        (new.seq, new.last_poll_at, event, detail)
        for n, (old, new) in enumerate(looks)
        if n not in missed
        for event, detail in edges(old, new)
    ]
    history.add_all(store, events)
    return missed


def values(rows: Sequence[tuple[object, ...]]) -> str:
    one = f"({','.join('?' * len(rows[0]))})"
    return ",".join([one] * len(rows))


def padded(rows: Sequence[Row]) -> list[Row]:
    """To one of a few lengths, by repeating the last one: that does the same to the same row again."""
    length = next(length for length in _LENGTHS if length >= len(rows))
    return [*rows, *[rows[-1]] * (length - len(rows))]


def shift(store: Store, by: int) -> None:
    """The clock jumped by ``by`` ms: that is no part of any task's life, and set back, due times follow it."""
    store.execute(
        "UPDATE tasks SET paused_base = paused_base - :by, due_at = due_at + :back,"
        " leased_until = leased_until + :back, pending_at = pending_at + :back WHERE state = 'pending'",
        {"by": by, "back": min(by, 0)},
    )


def draw_in(store: Store, now: int, latest: int) -> None:
    """Make due what is due later than any schedule could have said: the clock was set back while nobody looked."""
    times = {"now": now, "latest": latest}
    store.execute("UPDATE tasks SET due_at = :now WHERE state = 'pending' AND due_at > :latest", times)
    store.execute("UPDATE tasks SET leased_until = NULL WHERE leased_until > :latest", times)


def pending_among(store: Store, seqs: frozenset[int]) -> frozenset[int]:
    """Those of these rows that are pending."""
    rows = store.read(f"SELECT seq FROM tasks WHERE state = 'pending' AND seq IN ({_listed(seqs)})")  # noqa: S608
    return frozenset(row["seq"] for row in rows)


def backlog(store: Store, now: int) -> int:
    """How many looks are due and not made; read from indexes alone, and from the few rows that are leased."""
    row = store.one(
        """
        SELECT
            (SELECT count(*) FROM tasks WHERE state = 'pending' AND due_at <= :now)
            - (SELECT count(*) FROM tasks WHERE leased_until > :now AND due_at <= :now) AS n
        """,
        {"now": now},
    )
    assert row is not None
    return int(row["n"])


def failing(store: Store) -> list[tuple[str, int]]:
    """Pending tasks whose last look was unusable, as (code, tasks)."""
    rows = store.read(
        "SELECT last_error, count(*) AS n FROM tasks"
        " WHERE state = 'pending' AND last_error IS NOT NULL GROUP BY last_error"
    )
    return [(row["last_error"], row["n"]) for row in rows]


def next_due(store: Store, not_seqs: Iterable[int] = (), only: frozenset[int] | None = None) -> int | None:
    """When the next look at any task is due, ms; those of ``not_seqs`` apart, and of ``only`` alone where given.

    A leased task is due when its lease runs out.
    """
    among = "" if only is None else f"AND seq IN ({_listed(only)})"
    but = f"AND seq NOT IN ({listed})" if (listed := _listed(not_seqs)) else ""
    rows = store.read(
        f"""
        SELECT min(due_at) AS at FROM tasks WHERE state = 'pending' AND leased_until IS NULL {but} {among}
        UNION ALL SELECT min(CASE WHEN due_at > leased_until THEN due_at ELSE leased_until END) FROM tasks
        WHERE leased_until IS NOT NULL {but} {among}
        """  # noqa: S608
    )
    return min((row["at"] for row in rows if row["at"] is not None), default=None)


def _listed(seqs: Iterable[int]) -> str:
    return ",".join(str(int(seq)) for seq in seqs)


def get(store: Store, seq: int, paused_total: int) -> Task | None:
    """The task as it stands in the database now."""
    row = store.one(f"SELECT {_COLUMNS} FROM tasks WHERE seq = :seq", {"seq": seq, "paused_total": paused_total})  # noqa: S608
    return None if row is None else Task._make(row)


def save(store: Store, old: Task, new: Task, now: int) -> bool:
    """Write what a look changed, and the edges of it into the history; a conclusion is written by
    :func:`worker.store.conclude.conclude` alone.

    False when somebody else concluded the task first: then nothing is written.
    """
    won = store.execute(
        """
        UPDATE tasks SET
            state = :state, outcome = :outcome, name = :name, started_at = :started_at, due_at = :due_at,
            leased_until = NULL, reason = :why,
            polls = :polls, failures = :failures, not_found_since = :not_found_since, last_error = :last_error,
            last_poll_at = :last_poll_at, correlation_id = :correlation_id, trace_id = :trace_id, task_class = :kind,
            pending_at = :seen_at, delay_per_request_ms = :price,
            abandoned_at = CASE WHEN :state = 'abandoned' THEN coalesce(abandoned_at, :now) ELSE NULL END
        WHERE seq = :seq AND state <> 'concluded'
        """,
        {
            "seq": new.seq,
            "state": new.state,
            "outcome": new.outcome,
            "name": new.name,
            "started_at": new.started_at,
            "due_at": new.due_at,
            "why": new.why,
            "polls": new.polls,
            "failures": new.failures,
            "not_found_since": new.not_found_since,
            "last_error": new.last_error,
            "last_poll_at": new.last_poll_at,
            "correlation_id": new.correlation_id,
            "trace_id": new.trace_id,
            "kind": new.kind,
            "seen_at": new.seen_at,
            "price": new.price,
            "now": now,
        },
    )
    if won:
        for event, detail in edges(old, new):
            history.add(store, new.seq, now, event, detail)
    return bool(won)
