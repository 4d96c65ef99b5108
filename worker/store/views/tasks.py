"""Tasks as people read them: the list, and one task's life. Reads only, in short statements."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from worker.core.instant import iso, iso_or_none, words
from worker.core.schedule.cadence import Schedule
from worker.core.task import PLANNED, DueReason
from worker.store.db.store import Store
from worker.store.state import api
from worker.store.views.overdue import OVERDUE

Json = dict[str, Any]

PAGE_ROWS = 500

DEFAULT_SCHEDULE = Schedule()


class Wanted(NamedTuple):
    """Which tasks a list shows; each ``None`` leaves none out.

    ``overdue_after``: those pending for longer than that many ms. ``failing``: pending ones whose last poll brought
    nothing usable, ``''`` for whatever reason, else for this one. ``ref``: those that have this key of the caller's.
    """

    state: str | None = None
    overdue_after: int | None = None
    failing: str | None = None
    ref: str | None = None

    def conditions(self) -> str:
        wanted = {
            "state = :state": self.state,
            OVERDUE: self.overdue_after,
            "state = 'pending' AND last_error IS NOT NULL AND (:failing = '' OR last_error = :failing)": self.failing,
            "seq IN (SELECT task FROM refs WHERE ref = :ref)": self.ref,
        }
        return "".join(f" AND ({condition})" for condition, value in wanted.items() if value is not None)


def task_pages(store: Store, now: int, wanted: Wanted, limit: int | None = None) -> Iterator[list[Json]]:
    """Tasks, oldest first, in short pages: no cursor is held while they are printed. At most ``limit`` of them."""
    paused = api.get(store).breaker.paused_until_now(now)
    last, left = 0, limit
    while left is None or left > 0:
        rows = store.read(
            f"""
            SELECT seq, id, state, outcome, recorded_at, due_at, polls, last_error FROM tasks
            WHERE seq > :last{wanted.conditions()} ORDER BY seq LIMIT :page
            """,  # noqa: S608 - constants
            {
                "last": last,
                "state": wanted.state,
                "after": wanted.overdue_after,
                "failing": wanted.failing,
                "ref": wanted.ref,
                "now": now,
                "paused": paused,
                "page": PAGE_ROWS if left is None else min(left, PAGE_ROWS),
            },
        )
        if not rows:
            return
        refs = refs_of(store, [row["seq"] for row in rows])
        yield [
            {
                "id": row["id"],
                "state": row["state"],
                "outcome": row["outcome"],
                "refs": refs.get(row["seq"], []),
                "recorded_at": iso(row["recorded_at"]),
                "due_at": iso_or_none(row["due_at"]),
                "polls": row["polls"],
                "last_error": row["last_error"],
            }
            for row in rows
        ]
        last = rows[-1]["seq"]
        left = None if left is None else left - len(rows)


def refs_of(store: Store, seqs: Iterable[int]) -> dict[int, list[str]]:
    """By row, the caller's keys of these tasks."""
    refs: dict[int, list[str]] = {}
    listed = ",".join(map(str, seqs))
    for row in store.read(f"SELECT task, ref FROM refs WHERE task IN ({listed}) ORDER BY added_at, ref"):  # noqa: S608
        refs.setdefault(row["task"], []).append(row["ref"])
    return refs


def states(store: Store, ids: Iterable[str]) -> list[Json]:
    """Where these tasks stand."""
    found = []
    for task_id in ids:
        row = store.one("SELECT id, state, outcome, last_error FROM tasks WHERE id = :id", {"id": task_id})
        found += [] if row is None else [dict(row)]
    return found


def ids_with_ref(store: Store, ref: str) -> list[str]:
    """The ids of the tasks that have this key of the caller's, in the order of recording."""
    rows = store.read(
        "SELECT id FROM tasks WHERE seq IN (SELECT task FROM refs WHERE ref = :ref) ORDER BY seq", {"ref": ref}
    )
    return [row["id"] for row in rows]


def ids_named(store: Store, name: str) -> list[str]:
    """The one id that is ``name``; else up to fifty that begin so."""
    exact = store.one("SELECT id FROM tasks WHERE id = :id", {"id": name})
    return ids_beginning(store, name) if exact is None else [exact["id"]]


def ids_beginning(store: Store, prefix: str) -> list[str]:
    """Up to fifty ids that begin so."""
    rows = store.read(
        "SELECT id FROM tasks WHERE id >= :low AND id < :high ORDER BY id LIMIT 50",
        {"low": prefix, "high": prefix + "\U0010ffff"},
    )
    return [row["id"] for row in rows]


def show(
    store: Store,
    task_id: str,
    *,
    body: bool = False,
    schedule: Schedule = DEFAULT_SCHEDULE,
    least_delay_ms: int | None = None,
) -> Json | None:
    """One task's story as the interface promises it; ``None`` for an unknown id.

    ``least_delay_ms``: the least delay per request of the learned schedule; ``None`` with the fixed schedule.
    """
    task = store.one("SELECT * FROM tasks WHERE id = :id", {"id": task_id})
    if task is None:
        return None
    seq = {"task": task["seq"]}
    refs = store.read("SELECT ref FROM refs WHERE task = :task ORDER BY added_at, ref", seq)
    kept = store.read("SELECT seq FROM results WHERE task = :task AND source <> 'batch' ORDER BY revision", seq)
    story = {
        "id": task["id"],
        "state": task["state"],
        "outcome": task["outcome"],
        "name": task["name"],
        "class": task["task_class"],
        "source": task["source"],
        "refs": [row["ref"] for row in refs],
        "correlation_id": task["correlation_id"],
        "trace_id": task["trace_id"],
        "recorded_at": iso(task["recorded_at"]),
        "due_at": iso_or_none(task["due_at"]),
        "why": _why(store, task, schedule, least_delay_ms),
        "concluded_at": iso_or_none(task["concluded_at"]),
        "concluded_by": task["concluded_by"],
        "polls": task["polls"],
        "failures": task["failures"],
        "last_error": task["last_error"],
        "revisions": max(0, len(kept) - 1),
        "paths": [_path(row) for row in _paths(store, kept[0]["seq"])] if kept else [],
        "batch_answers": _batch_answers(store, task["seq"]),
        "history": _history(store, task),
    }
    if body:
        raw = body_of(store, task_id)
        story["body"] = None if raw is None else raw.decode("utf-8", "replace")
    return story


_WHY = {
    DueReason.FIRST: "the first poll",
    DueReason.CADENCE: "it was pending: the cadence goes by its age",
    DueReason.LEARNED: "it was pending: planned from what was learned of tasks of its class",
    DueReason.BACKOFF: "the last poll brought nothing usable: backoff",
    DueReason.GRACE: "the vendor did not know it: backoff for a while, then the cadence",
    DueReason.SLOW: "nothing can be made of it without a person: the longest interval",
    DueReason.AGAIN: "the last answer told nothing of it: again when the API is ready",
    DueReason.HAND: "asked for by hand",
    DueReason.RETRY: "a fresh start by hand",
}


def _why(store: Store, row: sqlite3.Row, schedule: Schedule, least_delay_ms: int | None) -> str | None:
    """Why the next poll is when it is; ``None`` where there is none."""
    if row["due_at"] is None:
        return None
    breaker = api.get(store).breaker
    if breaker.resumes_at is not None and breaker.resumes_at > row["due_at"]:
        return f"the API is paused ({breaker.reason}, {breaker.code}); the next probe is at {iso(breaker.resumes_at)}"
    if row["leased_until"] is not None:
        return f"a poll is under way; if it is lost, the task falls due again at {iso(row['leased_until'])}"
    learned = least_delay_ms is not None and row["delay_per_request_ms"] is not None
    if least_delay_ms is not None and learned and row["reason"] in PLANNED:
        # Imported here: the list of tasks and their states can do without.
        from worker.core.schedule.hazard import hazard_curve
        from worker.core.schedule.learned import explain
        from worker.core.schedule.prior import prior
        from worker.store.state import curves
        from worker.store.tasks import polling as tasks

        task = tasks.by_seq(store, [row["seq"]], breaker.paused_until_now(row["due_at"]))[row["seq"]]
        curve = hazard_curve(curves.of_class(store, task.task_class), prior(schedule, least_delay_ms))
        return explain(task, curve, schedule)
    waited = row["last_poll_at"] if row["reason"] not in (DueReason.FIRST, DueReason.HAND, DueReason.RETRY) else None
    wait = f", {words(row['due_at'] - waited)} after the last poll" if waited and waited < row["due_at"] else ""
    return _WHY.get(row["reason"], str(row["reason"])) + wait


def body_of(store: Store, task_id: str) -> bytes | None:
    """The body that concluded the task, byte for byte; before that, the latest that was kept and is no result.

    Of several results the first concluded it; later ones are revisions of it.
    """
    row = store.one(
        """
        SELECT body FROM (
            SELECT 1 AS rank, revision AS place, task, body FROM results WHERE source <> 'batch'
            UNION ALL SELECT 2, -seq, task, body FROM bodies
        ) AS known
        WHERE task = (SELECT seq FROM tasks WHERE id = :id)
        ORDER BY rank, place LIMIT 1
        """,
        {"id": task_id},
    )
    return None if row is None else bytes(row["body"])


def _paths(store: Store, result: int) -> list[sqlite3.Row]:
    return store.read(
        "SELECT list, name, status, payer_id, transaction_id, reason FROM paths WHERE result = :result"
        " ORDER BY list DESC, position",
        {"result": result},
    )


def _path(row: sqlite3.Row) -> Json:
    return {key: row[key] for key in ("list", "name", "status", "payer_id", "transaction_id", "reason")}


def _batch_answers(store: Store, task: int) -> list[Json]:
    """What batches said of this task's patient."""
    rows = store.read(
        """
        SELECT files.name AS file, answers.coverage, answers.payer, answers.payer_id, answers.plan, results.received_at,
            envelopes.test
        FROM results JOIN answers ON answers.result = results.seq
        JOIN sets ON sets.seq = answers.from_set AND sets.state = 'accepted'
        JOIN files ON files.seq = sets.file AND files.state = 'ingested'
        JOIN envelopes ON envelopes.seq = sets.envelope
        WHERE results.task = :task AND results.source = 'batch' ORDER BY results.seq
        """,
        {"task": task},
    )
    return [_batch_answer(dict(row)) for row in rows]


def _batch_answer(row: Json) -> Json:
    return {**row, "received_at": iso(row["received_at"]), "test": bool(row["test"])}


def _history(store: Store, task: sqlite3.Row) -> list[Json]:
    rows = store.read("SELECT at, event, detail FROM history WHERE task = :task ORDER BY seq", {"task": task["seq"]})
    recorded = {"at": iso(task["recorded_at"]), "event": "recorded", "detail": f"from {task['source']}"}
    return [recorded, *({"at": iso(r["at"]), "event": r["event"], "detail": r["detail"]} for r in rows)]
