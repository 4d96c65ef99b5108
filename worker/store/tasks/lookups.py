"""Discoveries that are looked for by the correlation id of their request."""

from collections.abc import Iterable, Sequence

from worker.core.intake.intake import Lookup
from worker.core.lookups import FIRST_SEARCH_MS, FoundTask, RequestDetails, Sought, of_one_request, refs_to_give
from worker.store.db.store import Row, Store
from worker.store.state import acts
from worker.store.tasks.refs import add_ref

# Rows that are read of one correlation id; more say no more.
MOST_ROWS = 200

# In last_error of a lookup whose discoveries are recorded without its ref.
DOUBTFUL = "doubtful_ref"

_ABOUT = ", ".join(RequestDetails._fields)


def add(store: Store, lookup: Lookup, now: int) -> bool:
    """Keep a lookup, inside the caller's transaction; whether it is new. One that had expired is searched again."""
    params = {
        "correlation_id": lookup.correlation_id,
        "ref": lookup.ref or "",
        "trace_number": lookup.trace_number,
        "originator_id": lookup.originator_id,
        "member_id": lookup.member_id,
        "birth_date": lookup.birth_date,
        "subtenant": lookup.subtenant,
        "now": now,
        "due_at": now + FIRST_SEARCH_MS,
    }
    return bool(
        store.execute(
            """
            INSERT INTO lookups (
                correlation_id, ref, trace_number, originator_id, member_id, birth_date, subtenant, recorded_at, state,
                due_at
            ) VALUES (
                :correlation_id, :ref, :trace_number, :originator_id, :member_id, :birth_date, :subtenant, :now,
                'searching', :due_at
            ) ON CONFLICT (correlation_id, ref) DO UPDATE SET state = 'searching', recorded_at = :now,
                due_at = :due_at, leased_until = NULL, searches = 0, failures = 0, last_error = NULL, ended_at = NULL
                WHERE lookups.state = 'expired'
            """,
            params,
        )
    )


def satisfy(store: Store, correlation_ids: Iterable[str], now: int) -> None:
    """Tasks of these requests are recorded now: what is looked for by one of the ids is found, and its refs go to the
    tasks where that is sure. Inside the transaction that records them.

    A search that is due stays so: the vendor's list may know of more discoveries of the request.
    """
    for correlation_id in dict.fromkeys(correlation_ids):
        params = {"correlation_id": correlation_id, "most": MOST_ROWS}
        # Who may record need not be let read what either tells of a patient, where there are not both.
        both = store.one(
            """
            SELECT lookups.seq FROM lookups JOIN tasks ON tasks.correlation_id = lookups.correlation_id
            WHERE lookups.correlation_id = :correlation_id LIMIT 1
            """,
            params,
        )
        if both is None:
            continue
        rows = store.read(
            f"SELECT seq, ref, recorded_at, {_ABOUT} FROM lookups WHERE correlation_id = :correlation_id",  # noqa: S608
            params,
        )
        tasks = store.read(
            f"SELECT seq, started_at, recorded_at, {_ABOUT} FROM tasks"  # noqa: S608 - constants
            " WHERE correlation_id = :correlation_id AND length(correlation_id) <= 500 ORDER BY seq LIMIT :most",
            params,
        )
        if not tasks:
            continue
        sought = [Sought(row["ref"], row["recorded_at"], _about(row)) for row in rows]
        found = [
            FoundTask(row["started_at"], row["recorded_at"], _refs(store, row["seq"]), _about(row)) for row in tasks
        ]
        refs = refs_to_give(sought, found)
        for row, task in zip(tasks, found, strict=True):
            for ref in sorted((refs or frozenset()) - task.refs):
                add_ref(store, row["seq"], ref, correlation_id, now)
        if of_one_request(sought, found):
            for row in tasks:
                for lookup in rows:
                    _complete(store, row["seq"], lookup["seq"])
        store.execute(
            """
            UPDATE lookups SET state = 'found', ended_at = coalesce(ended_at, :now), last_error = :error
            WHERE correlation_id = :correlation_id
            """,
            {"correlation_id": correlation_id, "now": now, "error": DOUBTFUL if refs is None else None},
        )


# Dropped in one transaction.
DROPPED_ROWS = 500


def drop(store: Store, numbers: Sequence[int] | None, now: int, who: str) -> list[int]:
    """Forget these, or with ``None`` all that were found or have expired; the numbers that there were."""
    if numbers is None:
        rows = store.read("SELECT seq FROM lookups WHERE state <> 'searching' ORDER BY seq")
        numbers = [row["seq"] for row in rows]
    gone: list[int] = []
    for start in range(0, len(numbers), DROPPED_ROWS):
        with store.write():
            part = [
                number
                for number in numbers[start : start + DROPPED_ROWS]
                if 0 < number < 1 << 63 and store.execute("DELETE FROM lookups WHERE seq = :seq", {"seq": number})
            ]
            if part:
                acts.note(store, who, "dropped lookups", acts.runs(part), now)
        gone += part
    return gone


def _refs(store: Store, task: int) -> frozenset[str]:
    rows = store.read("SELECT ref FROM refs WHERE task = :task LIMIT :most", {"task": task, "most": MOST_ROWS})
    return frozenset(row["ref"] for row in rows)


def _about(row: Row) -> RequestDetails:
    return RequestDetails(**{name: row[name] for name in RequestDetails._fields})


def _complete(store: Store, task: int, lookup: int) -> None:
    """Fill in what the lookup knows of the request, and the task does not. No value is overwritten."""
    store.execute(
        """
        UPDATE tasks SET
            trace_number = coalesce(tasks.trace_number, known.trace_number),
            originator_id = coalesce(tasks.originator_id, known.originator_id),
            member_id = coalesce(tasks.member_id, known.member_id),
            birth_date = coalesce(tasks.birth_date, known.birth_date),
            subtenant = coalesce(tasks.subtenant, known.subtenant)
        FROM (
            SELECT trace_number, originator_id, member_id, birth_date, subtenant FROM lookups WHERE seq = :lookup
        ) AS known
        WHERE tasks.seq = :task
        """,
        {"task": task, "lookup": lookup},
    )
