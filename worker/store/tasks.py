"""Tasks, their refs and their history: every statement that writes them. All but the reads run inside `Store.write`."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from worker.core.instant import iso
from worker.core.intake import Recording
from worker.core.link import Unreadable
from worker.core.schedule import Schedule
from worker.core.task import Task
from worker.store import lanes
from worker.store.db import Store

# One commit per so many ids: a commit costs as much as a hundred inserts, and nobody should wait long for the lock.
CHUNK = 500

_COLUMNS = """
    seq, id, state, recorded_at, life_from, :paused_total - paused_base AS paused, outcome, name, started_at, due_at,
    polls, failures, not_found_since, last_error, last_poll_at, correlation_id, trace_id
"""


@dataclass(slots=True)
class Recorded:
    """What :func:`record` did, each id once, in the order it came in."""

    new: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)  # the part of ``known`` that nobody polls


def record(
    store: Store,
    recordings: Sequence[Recording],
    unreadable: Iterable[Unreadable],
    *,
    origin: str,
    now: int,
    schedule: Schedule,
) -> Recorded:
    """Make ids durable; harmless to repeat. When this returns, they are on the disk."""
    done: dict[str, str] = {}
    broken = list(unreadable)
    for start in range(0, max(len(recordings), 1), CHUNK):
        with store.write():
            # Whoever records may know nothing of the API; the database does, from its first use with one.
            origin = origin or lanes.origin_of(store) or ""
            paused_total = lanes.get(store).paused_until_now(now)
            for recording in recordings[start : start + CHUNK]:
                state = _record_one(store, recording, origin, now, schedule, paused_total)
                done.setdefault(recording.id, state)
            for item in broken:
                _keep_unreadable(store, item, now)
            broken = []
    return Recorded(
        new=[i for i, state in done.items() if state == "new"],
        known=[i for i, state in done.items() if state != "new"],
        abandoned=[i for i, state in done.items() if state == "abandoned"],
    )


def _record_one(
    store: Store, recording: Recording, origin: str, now: int, schedule: Schedule, paused_total: int
) -> str:
    """Record one id; ``new``, or the state of the task that was known already."""
    sent_at = recording.sent_at if recording.sent_at is not None and recording.sent_at <= now else None
    row = store.one(
        """
        INSERT INTO tasks (
            id, origin, state, name, source, correlation_id, trace_id, trace_number, originator_id, member_id,
            birth_date, recorded_at, started_at, life_from, paused_base, due_at
        ) VALUES (
            :id, :origin, 'pending', NULL, :source, :correlation_id, :trace_id, :trace_number, :originator_id,
            :member_id, :birth_date, :now, :started_at, :now, :paused_base, :due_at
        ) ON CONFLICT (id) DO NOTHING RETURNING seq
        """,
        {
            "id": recording.id,
            "origin": origin,
            "source": recording.source,
            "correlation_id": recording.correlation_id,
            "trace_id": recording.trace_id,
            "trace_number": recording.trace_number,
            "originator_id": recording.originator_id,
            "member_id": recording.member_id,
            "birth_date": recording.birth_date,
            "now": now,
            "started_at": sent_at,
            "paused_base": paused_total,
            "due_at": now + schedule.first_look(recording.id),
        },
    )
    if row is not None:
        seq, state = row["seq"], "new"
        if origin and recording.host is not None and recording.host.lower() != origin.partition("://")[2]:
            _event(
                store, seq, now, "foreign_host", f"the link named {recording.host}; only the configured API is asked"
            )
    else:
        known = store.one("SELECT seq, state FROM tasks WHERE id = :id", {"id": recording.id})
        assert known is not None
        seq, state = known["seq"], known["state"]
        _complete(store, seq, recording)
    if recording.ref is not None:
        added = store.execute(
            """
            INSERT INTO refs (task, ref, correlation_id, added_at) VALUES (:task, :ref, :correlation_id, :now)
            ON CONFLICT (task, ref) DO NOTHING
            """,
            {"task": seq, "ref": recording.ref, "correlation_id": recording.correlation_id, "now": now},
        )
        if added and state != "new":
            _event(store, seq, now, "ref_added", None)
    return str(state)


def _complete(store: Store, seq: int, recording: Recording) -> None:
    """Fill in what an earlier recording of the same id did not know. What is known is never overwritten."""
    store.execute(
        """
        UPDATE tasks SET
            correlation_id = coalesce(correlation_id, :correlation_id), trace_id = coalesce(trace_id, :trace_id),
            trace_number = coalesce(trace_number, :trace_number),
            originator_id = coalesce(originator_id, :originator_id),
            member_id = coalesce(member_id, :member_id), birth_date = coalesce(birth_date, :birth_date)
        WHERE seq = :seq
        """,
        {
            "seq": seq,
            "correlation_id": recording.correlation_id,
            "trace_id": recording.trace_id,
            "trace_number": recording.trace_number,
            "originator_id": recording.originator_id,
            "member_id": recording.member_id,
            "birth_date": recording.birth_date,
        },
    )


def _keep_unreadable(store: Store, item: Unreadable, now: int) -> None:
    store.execute(
        """
        INSERT INTO unreadable (raw, reason, first_at, last_at) VALUES (:raw, :reason, :now, :now)
        ON CONFLICT (raw) DO UPDATE SET last_at = :now
        """,
        {"raw": item.raw, "reason": item.reason, "now": now},
    )


def _event(store: Store, seq: int, now: int, event: str, detail: str | None) -> None:
    store.execute(
        "INSERT INTO history (task, at, event, detail) VALUES (:task, :at, :event, :detail)",
        {"task": seq, "at": now, "event": event, "detail": detail},
    )


def claim(
    store: Store,
    *,
    due_by: int,
    leased_until: int,
    limit: int,
    not_seqs: Iterable[int] = (),
    calm: bool = False,
) -> list[tuple[int, str]]:
    """Take up to ``limit`` tasks (seq, id) that are due, the longest due first, and push their due time ahead.

    The lease is the due time itself: if this process dies, the rows fall due again and nobody has to rescue them.
    ``calm``: tasks without a failure first (for probes: a task that is itself the trouble proves nothing).
    """
    order = "failures > 0, due_at" if calm else "due_at"
    rows = store.read(
        f"""
        UPDATE tasks SET due_at = :leased_until WHERE seq IN (
            SELECT seq FROM tasks WHERE state = 'pending' AND due_at <= :due_by AND seq NOT IN ({_listed(not_seqs)})
            ORDER BY {order} LIMIT :limit
        ) RETURNING seq, id
        """,  # noqa: S608 - integers, and one of two literals
        {"due_by": due_by, "leased_until": leased_until, "limit": limit},
    )
    return [(row["seq"], row["id"]) for row in rows]


def next_due(store: Store, not_seqs: Iterable[int] = ()) -> int | None:
    """When the next look at any task is due, ms; those of ``not_seqs`` apart."""
    row = store.one(
        f"SELECT min(due_at) AS due_at FROM tasks WHERE state = 'pending' AND seq NOT IN ({_listed(not_seqs)})"  # noqa: S608
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
            state = :state, outcome = :outcome, name = :name, started_at = :started_at, due_at = :due_at,
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
            _event(store, new.seq, now, event, detail)
    return bool(won)


def edges(old: Task, new: Task) -> list[tuple[str, str | None]]:
    """What is worth a line in the history: changes, not every look."""
    found: list[tuple[str, str | None]] = []
    if new.last_error != old.last_error and new.last_error is not None:
        found.append(("failing", new.last_error))
    if old.failures and not new.failures and new.state == "pending":
        found.append(("recovered", f"after {old.failures} unusable looks"))
    if old.state != new.state:
        found.append((new.state, new.outcome))
    if old.started_at != new.started_at and new.started_at is not None and new.state == "pending":
        found.append(("seen", f"the vendor started it at {iso(new.started_at)}"))
    return found


def _task(row: sqlite3.Row) -> Task:
    return Task(**{key: row[key] for key in row.keys()})  # noqa: SIM118 - iterating a Row yields its values
