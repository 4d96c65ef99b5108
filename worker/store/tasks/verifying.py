"""Concluded tasks that the vendor is asked about once more, to confirm what a callback said.

A row is claimed by moving ``verify_at`` on by the lease: if the process dies, it is due again by itself. Everything
but the reads runs inside a transaction.

Reads do not say that the state is concluded: SQLite would then take an index of all that are, and sort a million rows.
"""

from collections.abc import Collection, Iterable, Sequence

from worker.core.instant import FAR
from worker.core.task import DueReason, Task
from worker.core.vendor.document import Fingerprint
from worker.core.verification import CalledBack, edges_of, is_verifying
from worker.store.db.store import Store
from worker.store.tasks import failed_polls, history
from worker.store.tasks.polling import by_seq, portions

# Conditions in SQL, each with an index of few rows.
NOT_CONFIRMED = "verified IS NOT NULL AND verified <> 'confirmed' AND verified <> 'accepted' AND purged_at IS NULL"
FAILING = (
    "verify_at IS NOT NULL AND state <> 'pending' AND state <> 'abandoned' AND failures >= 3"
    " AND last_error <> 'not_found'"
)


def due(store: Store, paused_total: int, by: int, limit: int) -> list[Task]:
    """Up to ``limit`` of them that are due by then (ms), the longest first; ``due_at`` says when."""
    rows = store.read(
        """
        SELECT seq FROM tasks WHERE verify_at IS NOT NULL AND verify_at <= :by
            AND state <> 'pending' AND state <> 'abandoned'
        ORDER BY verify_at LIMIT :limit
        """,
        {"by": by, "limit": limit},
    )
    return as_due(by_seq(store, [row["seq"] for row in rows], paused_total).values())


def as_due(tasks: Iterable[Task]) -> list[Task]:
    """Those of the tasks that are to be asked about, as they are claimed: due at ``verify_at``."""
    return [task._replace(due_at=task.verify_at, reason=DueReason.VERIFY) for task in tasks if is_verifying(task)]


def next_due(
    store: Store, but: Collection[int] = (), only: frozenset[int] | None = None, *, with_failures: bool = True
) -> int | None:
    """When any of them, or any of ``only``, is due next, ms; the rows in ``but`` apart."""
    most_failures = FAR if with_failures else 0
    if only is not None:
        rows = as_due(by_seq(store, sorted(only.difference(but)), 0).values())
        return min((row.verify_at for row in rows if row.verify_at and row.failures <= most_failures), default=None)
    found = store.read(
        """
        SELECT seq, verify_at FROM tasks
        WHERE verify_at IS NOT NULL AND state <> 'pending' AND state <> 'abandoned' AND failures <= :most_failures
        ORDER BY verify_at LIMIT :limit
        """,
        {"limit": len(but) + 1, "most_failures": most_failures},
    )
    return min((row["verify_at"] for row in found if row["seq"] not in but), default=None)


def delivered(store: Store, seqs: Sequence[int]) -> dict[int, CalledBack]:
    """By row, what the newest callback has brought; where a poll had brought the same before, that."""
    found: dict[int, CalledBack] = {}
    for marks, params in portions(seqs):
        rows = store.read(
            f"""
            SELECT task, canonical_sha256, real_time_sha256, received_at FROM results
            WHERE task IN ({marks}) AND source <> 'batch' AND revision > 0
            ORDER BY CASE WHEN source = 'callback' THEN 1 ELSE 0 END, revision
            """,  # noqa: S608 - names of parameters
            params,
        )
        for row in rows:
            body = Fingerprint(row["canonical_sha256"], row["real_time_sha256"])
            found[row["task"]] = CalledBack(body, row["received_at"])
    return found


def claim(store: Store, seqs: Sequence[int], until: int) -> None:
    """Claim rows, in the transaction that found them."""
    for marks, params in portions(seqs):
        store.execute(
            f"UPDATE tasks SET verify_at = :until WHERE seq IN ({marks}) AND verify_at IS NOT NULL",  # noqa: S608
            {**params, "until": until},
        )


def release(store: Store, seqs: Sequence[int], now: int) -> None:
    """Rows that were claimed and not polled are due again."""
    claim(store, seqs, now)


def save(store: Store, old: Task, new: Task, now: int) -> None:
    """Write what a poll has told of a callback, and the edges of it into the history."""
    store.execute(
        """
        UPDATE tasks SET verify_at = :verify_at, verified = :verified, polls = :polls, failures = :failures,
            last_error = :last_error, last_poll_at = :last_poll_at, last_status = :last_status,
            last_trace_id = :last_trace_id
        WHERE seq = :seq AND state = 'concluded'
        """,
        {
            "seq": new.seq,
            "verify_at": new.verify_at,
            "verified": new.verified,
            "polls": new.polls,
            "failures": new.failures,
            "last_error": new.last_error,
            "last_poll_at": new.last_poll_at,
            "last_status": new.last_status,
            "last_trace_id": new.last_trace_id,
        },
    )
    for event, detail in edges_of(old, new):
        history.add(store, new.seq, now, event, detail)
    if new.last_error is not None and new.polls > old.polls:
        failed_polls.add(store, new)


def shift(store: Store, by: int) -> None:
    """The clock was set back by ``-by`` ms."""
    store.execute(
        "UPDATE tasks SET verify_at = verify_at + CAST(:by AS BIGINT) WHERE verify_at IS NOT NULL", {"by": by}
    )


def draw_in(store: Store, now: int, latest: int) -> None:
    """Draw in times that no schedule could have given: the clock was set back while no daemon ran."""
    store.execute(
        "UPDATE tasks SET verify_at = :now WHERE verify_at IS NOT NULL AND verify_at > :latest",
        {"now": now, "latest": latest},
    )


def not_confirmed(store: Store) -> int:
    """How many tasks the vendor does not confirm, and no person has accepted."""
    (row,) = store.read(f"SELECT count(*) AS n FROM tasks WHERE {NOT_CONFIRMED}")  # noqa: S608 - a constant
    return int(row["n"])


def failing(store: Store) -> int:
    """How many tasks are asked about, and three times in a row without a usable answer."""
    (row,) = store.read(f"SELECT count(*) AS n FROM tasks WHERE {FAILING}")  # noqa: S608 - a constant
    return int(row["n"])


def under_way(store: Store) -> int:
    """How many tasks are to be confirmed."""
    (row,) = store.read("SELECT count(*) AS n FROM tasks WHERE verify_at IS NOT NULL")
    return int(row["n"])


def accept(store: Store, who: str, now: int) -> list[str]:
    """A person takes those that are not confirmed as they are; their ids."""
    rows = store.read(f"SELECT seq, id FROM tasks WHERE {NOT_CONFIRMED} ORDER BY seq")  # noqa: S608 - a constant
    for row in rows:
        store.execute(
            "UPDATE tasks SET verified = :verified, verify_at = NULL WHERE seq = :seq",
            {"verified": "accepted", "seq": row["seq"]},
        )
        history.add(store, row["seq"], now, "callback_accepted", f"by {who}")
    return [row["id"] for row in rows]
