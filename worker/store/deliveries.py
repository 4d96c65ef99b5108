"""The ways out and what is under way on them: how far each way has come in the outbox, and a row for each letter that
was taken from there and not delivered yet.

A way has looked at every number up to its position. What it is to deliver of them has a row, until it is delivered. The
position and the rows move in one transaction, so no number is passed over. A row goes after its letter went out: a
process that dies in between sends the letter again. With it go the dead letters that it replaces.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from worker.core.way import Failed, Undone, WayState
from worker.store import counters
from worker.store.db.store import Row, Store

# At most this many rows change in one transaction: the write lock is held meanwhile.
STEP_ROWS = 500

# A row that was tried, or taken, later than now was written before the clock was set back: its instants mean nothing.
_DUE = "(next_at <= :now OR coalesce(last_at, first_at) > :now)"


class Position(NamedTuple):
    """Where a way stands: it has looked at all numbers up to ``number``."""

    number: int
    way: WayState


class Fresh(NamedTuple):
    """A number that a way is to deliver, and the rows of its result and task."""

    number: int
    result: int
    task: int | None


class About(NamedTuple):
    """Of a result, what ways choose by. ``outcome``: success or failure, or ``batch`` for an answer of a batch."""

    task: int | None
    subtenant: str | None
    outcome: str


class Settlement(NamedTuple):
    """What some attempts have changed. ``gone``: letters whose result is not there any more.

    ``revived_after``: the letters that were tried after this instant are due at once.
    """

    way: WayState
    delivered: Sequence[int]
    failed: Sequence[Failed]
    gone: Sequence[int]
    revived_after: int | None


def position(store: Store, name: str) -> Position | None:
    """``None``: the way was never used."""
    row = store.one(
        "SELECT position, failures, rests_until, stopped_at, reason, last_at FROM ways WHERE name = :name",
        {"name": name},
    )
    if row is None:
        return None
    state = WayState(row["failures"], row["rests_until"], row["stopped_at"], row["reason"], row["last_at"])
    return Position(row["position"], state)


def begin(store: Store, name: str, start: Literal["all", "new"], now: int) -> None:
    """Note a way at its first use. It delivers all that is there, or only what becomes visible from now on."""
    with store.write():
        store.execute(
            "INSERT INTO ways (name, position, began_at) VALUES (:name, :position, :now) ON CONFLICT (name) DO NOTHING",
            {"name": name, "position": counters.value(store, "outbox") if start == "new" else 0, "now": now},
        )


def take(store: Store, name: str, between: tuple[int, int], fresh: Iterable[Fresh], now: int) -> None:
    """Move the position of a way from the first of two numbers to the second, with rows for what it is to deliver.

    Nothing happens where the position is another one by now, and no row is made for a result that was removed.
    """
    before, up_to = between
    with store.write():
        moved = store.execute(
            "UPDATE ways SET position = :up_to WHERE name = :name AND position = :before",
            {"name": name, "before": before, "up_to": up_to},
        )
        if moved:
            add(store, name, fresh, now)


def add(store: Store, name: str, fresh: Iterable[Fresh], now: int) -> int:
    """Rows for letters that wait, inside a transaction; how many. What has a row begins anew."""
    return sum(
        store.execute(
            """
            INSERT INTO deliveries (way, number, result, task, state, next_at, first_at)
            SELECT :way, :number, seq, :task, 'waiting', :now, :now FROM results WHERE seq = :result
            ON CONFLICT (way, number) DO UPDATE SET state = 'waiting', attempts = 0, next_at = :now, error = NULL,
                detail = NULL, first_at = :now, last_at = NULL
            """,
            {"way": name, **one._asdict(), "now": now},
        )
        for one in fresh
    )


def about(store: Store, results: Iterable[int]) -> dict[int, About]:
    """By result what ways choose by; nothing of those that are gone."""
    listed = ",".join(map(str, results))
    if not listed:
        return {}
    rows = store.read(
        f"""
        SELECT results.seq, results.task, results.source, results.outcome,
            coalesce(tasks.subtenant, expected.subtenant) AS subtenant
        FROM results LEFT JOIN tasks ON tasks.seq = results.task
        LEFT JOIN expected ON expected.seq = results.expected AND results.task IS NULL
        WHERE results.seq IN ({listed})
        """  # noqa: S608 - numbers
    )
    return {
        row["seq"]: About(
            row["task"], row["subtenant"], "batch" if row["source"] == "batch" else row["outcome"] or "failure"
        )
        for row in rows
    }


def due(store: Store, name: str, now: int, most: int, behind: int = 0) -> list[Undone]:
    """Up to ``most`` letters that are to be sent now, in the order of their numbers, behind the number ``behind``.

    Of one task there is none behind a letter that waits for its own instant; the dead are passed over.
    """
    # "+ 0", so that the others of the task are found by the task, and not among all with a smaller number.
    rows = store.read(
        f"""
        SELECT number, result, task, attempts, last_at FROM deliveries AS own
        WHERE way = :way AND number > :behind AND state <> 'dead' AND {_DUE} AND NOT EXISTS (
            SELECT 1 FROM deliveries WHERE way = :way AND task = own.task AND number + 0 < own.number
            AND state <> 'dead' AND NOT {_DUE}
        )
        ORDER BY number LIMIT :most
        """,  # noqa: S608 - constants
        {"way": name, "now": now, "behind": behind, "most": most},
    )
    return [_undone(row) for row in rows]


def probe(store: Store, name: str, now: int) -> Undone | None:
    """The letter to test a receiver with, of those that are to be sent now: the one that was not tried for the longest
    time. It is the first of its task."""
    row = store.one(
        f"""
        SELECT number, result, task, attempts, last_at FROM deliveries AS own
        WHERE way = :way AND state <> 'dead' AND {_DUE} AND NOT EXISTS (
            SELECT 1 FROM deliveries WHERE way = :way AND task = own.task AND number + 0 < own.number
            AND state <> 'dead'
        )
        ORDER BY coalesce(last_at, 0), number LIMIT 1
        """,  # noqa: S608 - constants
        {"way": name, "now": now},
    )
    return None if row is None else _undone(row)


def _undone(row: Row) -> Undone:
    return Undone(row["number"], row["result"], row["task"], row["attempts"], row["last_at"])


def next_at(store: Store, name: str, now: int) -> int | None:
    """When the next letter of a way is due that is not due now (ms)."""
    row = store.one(
        "SELECT min(next_at) AS at FROM deliveries WHERE way = :way AND state = 'failed' AND next_at > :now",
        {"way": name, "now": now},
    )
    return None if row is None else row["at"]


def settle(store: Store, name: str, done: Settlement) -> int:
    """Write what some attempts have changed, in one transaction; how many dead letters the delivered ones replace.

    A letter that a person gave a fresh schedule meanwhile keeps it.
    """
    with store.write():
        replaced = _remove_replaced(store, name, done.delivered)
        _remove(store, name, [*done.delivered, *done.gone])
        for letter in done.failed:
            store.execute(
                """
                UPDATE deliveries SET state = :state, attempts = :attempts, next_at = :next_at, error = :error,
                    detail = :detail, last_at = :last_at
                WHERE way = :way AND number = :number AND attempts = :attempts - 1
                """,
                {"way": name, **letter._asdict()},
            )
        if done.revived_after is not None:
            store.execute(
                "UPDATE deliveries SET next_at = last_at"
                " WHERE way = :way AND state = 'failed' AND last_at >= :after AND next_at > last_at",
                {"way": name, "after": done.revived_after},
            )
        put(store, name, done.way, len(done.delivered))
    return replaced


def put(store: Store, name: str, way: WayState, delivered: int = 0) -> None:
    """Write how a way fares, and how many letters more it has delivered; inside a transaction."""
    store.execute(
        """
        UPDATE ways SET failures = :failures, rests_until = :rests_until, stopped_at = :stopped_at, reason = :reason,
            last_at = coalesce(:last_at, last_at), delivered = delivered + :delivered
        WHERE name = :name
        """,
        {**way._asdict(), "name": name, "delivered": delivered},
    )


def _remove(store: Store, name: str, numbers: Sequence[int]) -> None:
    for start in range(0, len(numbers), STEP_ROWS):
        listed = ",".join(map(str, numbers[start : start + STEP_ROWS]))
        store.execute(f"DELETE FROM deliveries WHERE way = :way AND number IN ({listed})", {"way": name})  # noqa: S608


def _remove_replaced(store: Store, name: str, delivered: Sequence[int]) -> int:
    """Remove the dead letters with a smaller number and the same task and ref, of the same result or, as the polled
    bodies of a task replace each other, of an earlier one; how many."""
    removed = 0
    for start in range(0, len(delivered), STEP_ROWS):
        listed = ",".join(map(str, delivered[start : start + STEP_ROWS]))
        # "+ 0", so that the others of the task are found by the task, and not among all with a smaller number.
        rows = store.read(
            f"""
            DELETE FROM deliveries WHERE way = :way AND number IN (
                SELECT old.number FROM deliveries AS sent
                JOIN results AS newer ON newer.seq = sent.result
                JOIN deliveries AS old ON old.way = sent.way AND old.task = sent.task
                    AND old.number + 0 < sent.number AND old.state = 'dead'
                JOIN results AS older ON older.seq = old.result
                WHERE sent.way = :way AND sent.number IN ({listed})
                    AND (older.seq = newer.seq OR (older.source <> 'batch' AND newer.source <> 'batch'))
                    AND coalesce((SELECT ref FROM outbox WHERE last = old.number AND result = old.result), '')
                    = coalesce((SELECT ref FROM outbox WHERE last = sent.number AND result = sent.result), '')
            )
            RETURNING number
            """,  # noqa: S608 - numbers
            {"way": name},
        )
        removed += len(rows)
    return removed
