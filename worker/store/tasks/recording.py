"""Making ids durable: the one way in for every kind of intake."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from worker.core.intake.link import Unreadable
from worker.core.intake.recording import Recording
from worker.core.pacing.shared import Shared
from worker.core.schedule.cadence import Schedule
from worker.core.task import DueReason
from worker.store import outbox
from worker.store.db.store import Store
from worker.store.state import api, callback_lane
from worker.store.tasks import history

# Ids in one commit. A commit costs as much as a hundred inserts; other processes wait for the lock meanwhile.
COMMIT_ROWS = 500


@dataclass(slots=True)
class Recorded:
    """What :func:`record` did, each id once, in the order it came in."""

    new: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)  # the part of ``known`` that is abandoned
    purged: list[str] = field(default_factory=list)  # the part of ``known`` whose result was here, and was removed


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
    for start in range(0, max(len(recordings), len(broken), 1), COMMIT_ROWS):
        with store.write():
            # The caller may have no [api] configured. The database knows the API since its first use with one.
            origin = origin or api.origin_of(store) or ""
            shared = api.get(store)
            for recording in recordings[start : start + COMMIT_ROWS]:
                _, state = record_one(store, recording, origin, now, schedule, shared)
                done.setdefault(recording.id, state)
            for item in broken[start : start + COMMIT_ROWS]:
                _keep_unreadable(store, item, now)
    return Recorded(
        new=[i for i, state in done.items() if state == "new"],
        known=[i for i, state in done.items() if state != "new"],
        abandoned=[i for i, state in done.items() if state == "abandoned"],
        purged=[i for i, state in done.items() if state == "purged"],
    )


def record_one(
    store: Store,
    recording: Recording,
    origin: str,
    now: int,
    schedule: Schedule,
    shared: Shared,
) -> tuple[int, str]:
    """Record one id inside the caller's transaction: its row, and ``new``, or the state of the task that was known
    already; ``purged``: concluded, and purged."""
    first_wait = shared.schedule.first_wait_ms
    waits = schedule.callback_grace > 0 and callback_lane.get(store).down_since is None
    due_at = now + schedule.first_poll(recording.id, first_wait) + (schedule.callback_grace if waits else 0)
    details = {
        "correlation_id": recording.correlation_id,
        "trace_id": recording.trace_id,
        "trace_number": recording.trace_number,
        "originator_id": recording.originator_id,
        "member_id": recording.member_id,
        "birth_date": recording.birth_date,
        "subtenant": recording.subtenant,
    }
    sent_at = recording.sent_at if recording.sent_at is not None and recording.sent_at <= now else None
    row = store.one(
        """
        INSERT INTO tasks (
            id, origin, state, name, source, correlation_id, trace_id, trace_number, originator_id, member_id,
            birth_date, subtenant, recorded_at, started_at, life_from, paused_base, due_at, reason, delay_per_request_ms
        ) VALUES (
            :id, :origin, 'pending', :name, :source, :correlation_id, :trace_id, :trace_number, :originator_id,
            :member_id, :birth_date, :subtenant, :now, :started_at, :now, :paused_base, :due_at, :reason,
            :delay_per_request_ms
        ) ON CONFLICT (id) DO NOTHING RETURNING seq
        """,
        {
            "id": recording.id,
            "origin": origin,
            "name": recording.title,
            "source": recording.source,
            **details,
            "now": now,
            "started_at": sent_at,
            "paused_base": shared.breaker.paused_until_now(now),
            "due_at": due_at,
            "reason": DueReason.CALLBACK if waits else DueReason.FIRST,
            "delay_per_request_ms": None if first_wait is None else round(shared.schedule.delay_per_request_ms),
        },
    )
    if row is not None:
        seq, state = row["seq"], "new"
        if origin and recording.host is not None and recording.host.lower() != origin.partition("://")[2]:
            history.add(
                store, seq, now, "foreign_host", f"the link named {recording.host}; only the configured API is asked"
            )
    else:
        known = store.one("SELECT seq, state, purged_at FROM tasks WHERE id = :id", {"id": recording.id})
        assert known is not None
        purged = known["state"] == "concluded" and known["purged_at"] is not None
        seq, state = known["seq"], "purged" if purged else known["state"]
        _complete(store, seq, details)
    if recording.ref is not None:
        added = store.execute(
            """
            INSERT INTO refs (task, ref, correlation_id, added_at) VALUES (:task, :ref, :correlation_id, :now)
            ON CONFLICT (task, ref) DO NOTHING
            """,
            {"task": seq, "ref": recording.ref, "correlation_id": recording.correlation_id, "now": now},
        )
        if added and state != "new":
            history.add(store, seq, now, "ref_added", None)
            outbox.publish_ref(store, seq, recording.ref, now)
    return int(seq), str(state)


def _complete(store: Store, seq: int, details: dict[str, str | None]) -> None:
    """Fill in the ``details`` that earlier recordings of the same id lacked. No value is overwritten."""
    store.execute(
        """
        UPDATE tasks SET
            correlation_id = coalesce(correlation_id, :correlation_id), trace_id = coalesce(trace_id, :trace_id),
            trace_number = coalesce(trace_number, :trace_number),
            originator_id = coalesce(originator_id, :originator_id),
            member_id = coalesce(member_id, :member_id), birth_date = coalesce(birth_date, :birth_date),
            subtenant = coalesce(subtenant, :subtenant),
            purged_at = CASE WHEN coalesce(:trace_number, :originator_id, :member_id, :birth_date) IS NULL
                THEN purged_at END
        WHERE seq = :seq
        """,
        {"seq": seq, **details},
    )


def _keep_unreadable(store: Store, item: Unreadable, now: int) -> None:
    store.execute(
        """
        INSERT INTO unreadable (raw, reason, ref, first_at, last_at) VALUES (:raw, :reason, :ref, :now, :now)
        ON CONFLICT (raw, ref) DO UPDATE SET last_at = :now
        """,
        {"raw": item.raw, "reason": item.reason, "ref": item.ref or "", "now": now},
    )
