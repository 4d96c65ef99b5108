"""How many tasks there are of a sort, mostly read from the counts that the triggers in schema.sql keep."""

from worker.store.db.store import Store


def by_state(store: Store) -> dict[str, int]:
    """Of every state, how many tasks."""
    return _counted(store, "state")


def by_outcome(store: Store) -> dict[str, int]:
    """Of every outcome, how many concluded tasks."""
    return _counted(store, "outcome")


def by_error(store: Store) -> dict[str, int]:
    """Of every code, how many pending tasks whose last poll failed so; the most frequent first."""
    return _counted(store, "error")


def by_lasting_error(store: Store) -> dict[str, int]:
    """As :func:`by_error`, but only tasks with three failures in a row."""
    return _counted(store, "failing")


def failed_again(store: Store, after: int) -> dict[str, int]:
    """As :func:`by_lasting_error`, but only tasks that were polled after that instant (ms). It reads all pending
    tasks."""
    rows = store.read(
        """
        SELECT last_error AS code, count(*) AS n FROM tasks
        WHERE state = 'pending' AND failures >= 3 AND last_error IS NOT NULL AND last_poll_at > :after
        GROUP BY last_error
        """,
        {"after": after},
    )
    return {row["code"]: row["n"] for row in rows}


def due(store: Store, by: int) -> int:
    """How many tasks are due by then (ms), and not being polled; read from indexes, and from the few leased rows."""
    row = store.one(
        """
        SELECT (SELECT count(*) FROM tasks WHERE state = 'pending' AND due_at <= :by)
            - (SELECT count(*) FROM tasks WHERE leased_until > :by AND due_at <= :by) AS n
        """,
        {"by": by},
    )
    assert row is not None
    return int(row["n"])


def due_unfailed(store: Store, by: int) -> int:
    """As :func:`due`, less all those whose last poll failed, due or not: to look at each would take long."""
    return max(0, due(store, by) - sum(by_error(store).values()))


def _counted(store: Store, name: str) -> dict[str, int]:
    rows = store.read(
        """
        SELECT key, n FROM tallies WHERE name = :name AND (n > 0 OR name = 'state' OR name = 'outcome')
        ORDER BY n DESC, key
        """,
        {"name": name},
    )
    return {row["key"]: row["n"] for row in rows}
