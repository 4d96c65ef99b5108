"""Whether the vendor's callbacks arrive: one row, which the process that takes them and the daemon both write.

The first says what it heard, in the transaction of each callback. The daemon says since when callbacks are configured,
and that they have ceased to come (worker/core/callback_lane.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

from worker.core.callback_lane import CallbackLane
from worker.core.task import DueReason
from worker.store.db.store import Store


def get(store: Store) -> CallbackLane:
    """The row as it stands in the database."""
    row = store.one("SELECT on_since, last_at, last_fresh_at, down_since FROM callback_lane WHERE id = 1")
    return CallbackLane() if row is None else CallbackLane(**{name: row[name] for name in CallbackLane._fields})


def put(store: Store, lane: CallbackLane) -> None:
    """Write what the daemon says, inside a transaction that has read the row."""
    store.execute(
        "UPDATE callback_lane SET on_since = :on_since, down_since = :down_since WHERE id = 1",
        {"on_since": lane.on_since, "down_since": lane.down_since},
    )


def heard(store: Store, *, fresh: bool, now: int) -> None:
    """A callback has come, inside the transaction that keeps it. A fresh one shows that callbacks arrive."""
    store.execute(
        """
        UPDATE callback_lane SET
            last_at = CASE WHEN last_at > :now THEN last_at ELSE :now END,
            last_fresh_at = CASE WHEN :fresh = 0 OR last_fresh_at > :now THEN last_fresh_at ELSE :now END,
            down_since = CASE WHEN :fresh = 0 THEN down_since END
        WHERE id = 1
        """,
        {"now": now, "fresh": int(fresh)},
    )


def await_callbacks(store: Store, seqs: Sequence[int]) -> None:
    """Polls have concluded these rows, inside the transaction that does. Their callbacks should come too, of those that
    were recorded since callbacks are configured."""
    from worker.store.tasks.polling import portions  # only here: `cdpoll record` would pay for it

    for marks, params in portions(seqs):
        store.execute(
            f"""
            UPDATE tasks SET awaited_from = coalesce((
                SELECT CASE WHEN ended_at < received_at THEN ended_at ELSE received_at END FROM results
                WHERE results.task = tasks.seq AND source = 'poll' AND revision = 1
            ), concluded_at)
            WHERE seq IN ({marks}) AND callback_at IS NULL
                AND recorded_at >= (SELECT on_since FROM callback_lane WHERE id = 1)
            """,  # noqa: S608 - names of parameters
            params,
        )


def missing(store: Store, lane: CallbackLane, grace_ms: int, now: int, most: int) -> int:
    """How many tasks ended more than ``grace_ms`` ago, and after callbacks were last known to arrive, and had none; at
    most ``most``. Read from an index of such tasks."""
    if lane.heard_at is None:
        return 0
    rows = store.read(
        """
        SELECT seq FROM tasks
        WHERE awaited_from IS NOT NULL AND callback_at IS NULL AND awaited_from > :after AND awaited_from <= :before
        LIMIT :most
        """,
        {"after": lane.heard_at, "before": now - grace_ms, "most": most},
    )
    return len(rows)


def waiting(store: Store) -> int:
    """How many tasks wait for their callbacks before they are polled. Only pending ones have a due_at; by their state,
    SQLite would take the index of all pending tasks."""
    (row,) = store.read("SELECT count(*) AS n FROM tasks WHERE reason = 'callback' AND due_at IS NOT NULL")
    return int(row["n"])


def any_waiting(store: Store) -> bool:
    """Whether any does."""
    return store.one("SELECT seq FROM tasks WHERE reason = 'callback' AND due_at IS NOT NULL LIMIT 1") is not None


def bring_forward(store: Store, first_wait_ms: int, most: int) -> int:
    """Have up to ``most`` tasks that wait for callbacks polled when they would be without, inside a transaction; how
    many there were."""
    return store.execute(
        """
        UPDATE tasks SET reason = :reason,
            due_at = CASE WHEN life_from + :wait < due_at THEN life_from + :wait ELSE due_at END
        WHERE seq IN (
            SELECT seq FROM tasks WHERE reason = 'callback' AND due_at IS NOT NULL ORDER BY due_at LIMIT :most
        )
        """,
        {"wait": first_wait_ms, "most": most, "reason": DueReason.NO_CALLBACK},
    )


def shift(store: Store, by: int) -> None:
    """The clock was set back by ``-by`` ms; inside a transaction."""
    store.execute(
        """
        UPDATE callback_lane SET on_since = on_since + :by, last_at = last_at + :by,
            last_fresh_at = last_fresh_at + :by, down_since = down_since + :by
        """,
        {"by": by},
    )


class Told(NamedTuple):
    """What a callback told that concluded a task: its row, when it came, and the end that it says; ms."""

    task: int
    at: int
    ended_at: int | None


_UNTOLD = (
    "source = 'callback' AND revision = 1 AND seq > (SELECT learned FROM callback_lane WHERE id = 1)"  # by an index
)


def any_untold(store: Store) -> bool:
    """Whether callbacks have concluded tasks that :func:`take_told` has not given yet."""
    return store.one(f"SELECT seq FROM results WHERE {_UNTOLD} LIMIT 1") is not None  # noqa: S608 - a constant


def take_told(store: Store, most: int) -> list[Told]:
    """What callbacks have told since the last call, in the order of the results, inside a transaction."""
    rows = store.read(
        f"SELECT seq, task, received_at, ended_at FROM results WHERE {_UNTOLD} ORDER BY seq LIMIT :most",  # noqa: S608
        {"most": most},
    )
    if rows:
        store.execute("UPDATE callback_lane SET learned = :seq WHERE id = 1", {"seq": rows[-1]["seq"]})
    return [Told(row["task"], row["received_at"], row["ended_at"]) for row in rows]
