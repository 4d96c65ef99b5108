"""Tasks in the hands of the poller: claimed and saved. All but the reads run inside `Store.write`."""

import sqlite3
from collections.abc import Iterable

from worker.core.task import Task, edges
from worker.store import history
from worker.store.db import Store

_COLUMNS = """
    seq, id, state, recorded_at, life_from, :paused_total - paused_base AS paused, outcome, name, started_at, due_at,
    why, polls, failures, not_found_since, last_error, last_poll_at, correlation_id, trace_id
"""


def claim(
    store: Store,
    *,
    due_by: int,
    leased_until: int,
    limit: int,
    not_seqs: Iterable[int] = (),
    calm: bool = False,
    only: frozenset[int] | None = None,
) -> list[tuple[int, str]]:
    """Take up to ``limit`` tasks (seq, id) that are due, the longest due first, and push their due time ahead.

    The lease is the due time itself: if this process dies, the rows fall due again and nobody has to rescue them.
    ``only``: none but these rows.
    ``calm``: tasks without a failure first (for probes: a task that is itself the trouble proves nothing).
    """
    among = "" if only is None else f"AND seq IN ({_listed(only)})"
    order = "failures > 0, due_at" if calm else "due_at"
    rows = store.read(
        f"""
        UPDATE tasks SET due_at = :leased_until, why = 'lease' WHERE seq IN (
            SELECT seq FROM tasks WHERE state = 'pending' AND due_at <= :due_by AND seq NOT IN ({_listed(not_seqs)})
            {among}
            ORDER BY {order} LIMIT :limit
        ) RETURNING seq, id
        """,  # noqa: S608 - integers, and one of two literals
        {"due_by": due_by, "leased_until": leased_until, "limit": limit},
    )
    return [(row["seq"], row["id"]) for row in rows]


def shift(store: Store, by: int) -> None:
    """The clock jumped by ``by`` ms: that is no part of any task's life, and set back, due times follow it."""
    store.execute(
        "UPDATE tasks SET paused_base = paused_base - :by, due_at = due_at + :back WHERE state = 'pending'",
        {"by": by, "back": min(by, 0)},
    )


def draw_in(store: Store, now: int, latest: int) -> None:
    """Make due what is due later than any schedule could have said: the clock was set back while nobody looked."""
    store.execute(
        "UPDATE tasks SET due_at = :now WHERE state = 'pending' AND due_at > :latest", {"now": now, "latest": latest}
    )


def pending_among(store: Store, seqs: frozenset[int]) -> frozenset[int]:
    """Those of these rows that are pending."""
    rows = store.read(f"SELECT seq FROM tasks WHERE state = 'pending' AND seq IN ({_listed(seqs)})")  # noqa: S608
    return frozenset(row["seq"] for row in rows)


def failing(store: Store) -> list[tuple[str, int]]:
    """Pending tasks whose last look was unusable, as (code, tasks)."""
    rows = store.read(
        "SELECT last_error, count(*) AS n FROM tasks"
        " WHERE state = 'pending' AND last_error IS NOT NULL GROUP BY last_error"
    )
    return [(row["last_error"], row["n"]) for row in rows]


def next_due(store: Store, not_seqs: Iterable[int] = (), only: frozenset[int] | None = None) -> int | None:
    """When the next look at any task is due, ms; those of ``not_seqs`` apart, and of ``only`` alone where given."""
    among = "" if only is None else f"AND seq IN ({_listed(only)})"
    row = store.one(
        f"SELECT min(due_at) AS due_at FROM tasks WHERE state = 'pending' AND seq NOT IN ({_listed(not_seqs)}) {among}"  # noqa: S608
    )
    return None if row is None else row["due_at"]


def _listed(seqs: Iterable[int]) -> str:
    return ",".join(str(int(seq)) for seq in seqs)


def get(store: Store, seq: int, paused_total: int) -> Task | None:
    """The task as it stands in the database now."""
    row = store.one(f"SELECT {_COLUMNS} FROM tasks WHERE seq = :seq", {"seq": seq, "paused_total": paused_total})  # noqa: S608
    return None if row is None else _task(row)


def save(store: Store, old: Task, new: Task, now: int, concluded_by: str | None = None) -> bool:
    """Write what a look changed, and the edges of it into the history.

    False when somebody else concluded the task first: then nothing is written.
    """
    won = store.execute(
        """
        UPDATE tasks SET
            state = :state, outcome = :outcome, name = :name, started_at = :started_at, due_at = :due_at, why = :why,
            polls = :polls, failures = :failures, not_found_since = :not_found_since, last_error = :last_error,
            last_poll_at = :last_poll_at, correlation_id = :correlation_id, trace_id = :trace_id,
            concluded_at = CASE WHEN :state = 'concluded' THEN :now ELSE concluded_at END,
            concluded_by = CASE WHEN :state = 'concluded' THEN :concluded_by ELSE concluded_by END,
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
            "now": now,
            "concluded_by": concluded_by,
        },
    )
    if won:
        for event, detail in edges(old, new):
            history.add(store, new.seq, now, event, detail)
    return bool(won)


def _task(row: sqlite3.Row) -> Task:
    return Task(**{key: row[key] for key in row.keys()})  # noqa: SIM118 - iterating a Row yields its values
