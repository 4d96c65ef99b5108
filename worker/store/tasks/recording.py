"""Making ids durable: the one way in for every kind of intake."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from worker.core.intake.intake import Intake, Recording
from worker.core.intake.link import Unreadable
from worker.core.pacing.shared import Shared
from worker.core.schedule.cadence import Schedule
from worker.core.task import DueReason
from worker.store.batch.earlier import join_earlier
from worker.store.db.store import Store
from worker.store.state import api, callback_lane
from worker.store.tasks import expected, history, lookups
from worker.store.tasks.refs import add_ref

# An id takes about as much room in the database; a long ref, or a long text that is kept, counts as several.
ROW_BYTES = 1024

# Ids in one commit. A commit costs as much as a hundred inserts; other processes wait for the lock meanwhile.
COMMIT_ROWS = 500


@dataclass(slots=True)
class Recorded:
    """What was done with what was handed in, each id once, in the order it came in."""

    new: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)  # the part of ``known`` that is abandoned
    purged: list[str] = field(default_factory=list)  # the part of ``known`` whose result was here, and was removed
    lookups: list[str] = field(default_factory=list)  # correlation ids that are looked for
    expected: int = 0  # answers of batches that are expected, known ones too
    awaited_anew: int = 0  # of the lookups and the expected answers, those that were not known

    def add(self, other: "Recorded") -> None:
        """What was done in a later transaction; an id that was new stays so."""
        seen = {*self.new, *self.known}
        self.new += [one for one in other.new if one not in seen]
        self.known += [one for one in other.known if one not in seen]
        self.abandoned += [one for one in other.abandoned if one not in seen]
        self.purged += [one for one in other.purged if one not in seen]
        self.lookups += [one for one in other.lookups if one not in self.lookups]
        self.expected += other.expected
        self.awaited_anew += other.awaited_anew


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
    intake = Intake(tuple(recordings), tuple(unreadable))
    return record_all(store, intake, origin=origin, now=now, schedule=schedule)


def record_all(store: Store, intake: Intake, *, origin: str, now: int, schedule: Schedule) -> Recorded:
    """Make all that was handed in durable, in as many transactions as it takes; harmless to repeat."""
    done = Recorded()
    for portion in portions(intake):
        with store.write():
            done.add(record_within(store, portion, origin=origin, now=now, schedule=schedule))
    return done


def portions(intake: Intake) -> Iterator[Intake]:
    """What is recorded in one transaction each; at least one."""
    most = max(len(part) for part in (intake.recordings, intake.lookups, intake.expected, intake.unreadable, "1"))
    for start in range(0, most, COMMIT_ROWS):
        these = slice(start, start + COMMIT_ROWS)
        yield Intake(
            intake.recordings[these],
            intake.unreadable[these],
            lookups=intake.lookups[these],
            expected=intake.expected[these],
        )


def growth(store: Store, recordings: Iterable[Recording]) -> int:
    """How many ids, and refs of known ids, are not in the database yet; with one more for each KiB of their texts."""
    seen: set[tuple[str, str | None]] = set()
    count = 0
    for recording in recordings:
        row = store.one(
            """
            SELECT tasks.seq, refs.ref FROM tasks LEFT JOIN refs ON refs.task = tasks.seq AND refs.ref = :ref
            WHERE tasks.id = :id
            """,
            {"id": recording.id, "ref": recording.ref},
        )
        new = (recording.id, None) if row is None else (recording.id, recording.ref)
        if new not in seen and (row is None or (recording.ref is not None and row["ref"] is None)):
            seen.add(new)
            texts = (recording.ref, recording.title, recording.correlation_id, recording.trace_id, recording.subtenant)
            count += 1 + sum(len(text) for text in texts if text) // ROW_BYTES
    return count


def record_within(store: Store, intake: Intake, *, origin: str, now: int, schedule: Schedule) -> Recorded:
    """The same inside the caller's transaction, which holds the write lock for some 0.1 ms for each id."""
    # The caller may have no [api] configured. The database knows the API since its first use with one.
    origin = origin or api.origin_of(store) or ""
    shared = api.get(store)
    done: dict[str, str] = {}
    for recording in intake.recordings:
        _, state = record_one(store, recording, origin, now, schedule, shared)
        done.setdefault(recording.id, state)
    awaited_anew = sum(lookups.add(store, lookup, now) for lookup in intake.lookups)
    awaited_anew += sum(expected.add(store, one, now) for one in intake.expected)
    join_earlier(store, [one.trace_number for one in intake.expected], now)
    for item in intake.unreadable:
        _keep_unreadable(store, item, now)
    told = [*(one.correlation_id for one in intake.recordings), *(one.correlation_id for one in intake.lookups)]
    lookups.satisfy(store, [one for one in told if one], now)
    return Recorded(
        new=[i for i, state in done.items() if state == "new"],
        known=[i for i, state in done.items() if state != "new"],
        abandoned=[i for i, state in done.items() if state == "abandoned"],
        purged=[i for i, state in done.items() if state == "purged"],
        lookups=list(dict.fromkeys(one.correlation_id for one in intake.lookups)),
        expected=len(intake.expected),
        awaited_anew=awaited_anew,
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
        add_ref(store, seq, recording.ref, recording.correlation_id, now, new_task=state == "new")
    return int(seq), str(state)


_OF_PATIENTS = ("trace_number", "originator_id", "member_id", "birth_date")


def _complete(store: Store, seq: int, details: dict[str, str | None]) -> None:
    """Fill in the ``details`` that earlier recordings of the same id lacked. No value is overwritten.

    A column is read only where there is something for it: who may record need not be let read what tells of patients.
    """
    given = {name: value for name, value in details.items() if value is not None}
    if not given:
        return
    values = [f"{name} = coalesce({name}, :{name})" for name in given]
    if any(name in given for name in _OF_PATIENTS):
        values.append("purged_at = NULL")
    store.execute(f"UPDATE tasks SET {', '.join(values)} WHERE seq = :seq", {"seq": seq, **given})  # noqa: S608


def _keep_unreadable(store: Store, item: Unreadable, now: int) -> None:
    store.execute(
        "INSERT INTO unreadable (raw, reason, ref, first_at, last_at) VALUES (:raw, :reason, :ref, :now, :now)",
        {"raw": item.raw, "reason": item.reason, "ref": item.ref or "", "now": now},
    )
