"""The one way in which a task is concluded: by a poll, a callback, a replay or a backfill.

Everything is written in the caller's transaction: the task's state, its result or a revision, the paths, the history,
the numbers that readers follow and the tallies. What the 271 texts in the body say was read before, outside
transactions, or is read later; until then ``results.derived`` is NULL.

What paths have found of a task that is still pending is provisional: a result of revision 0, without an outcome, with
its paths, texts and answers like any other. It gets no number, and is gone when the task concludes.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from worker.core.task import Task
from worker.core.vendor.document import Document, Fingerprint, Path, read_paths
from worker.core.x12.embedded import Derived
from worker.store import counters, outbox
from worker.store.batch import answers
from worker.store.db.store import Store
from worker.store.tasks import history
from worker.store.tasks.polling import portions

Source = Literal["poll", "callback", "replay", "backfill"]

Kept = Literal["first", "same", "fuller", "revision"]
"""What became of a body. ``same``: an equal one was there, or was there before it was purged, and nothing was written.
``fuller``: an equal one that lacked ``realTime`` was there, and the new bytes replace its bytes. ``revision``: it
differs, and is kept beside it."""


def conclude(
    store: Store, task: Task, document: Document, source: Source, now: int, derived: Derived | None = None
) -> Kept:
    """Conclude ``task`` by a document that has an outcome, inside the caller's transaction; what became of the body.

    ``task`` is the task as the caller knows it; if a poll brought the document, with that poll counted. One that is
    abandoned is concluded, too. Where the row is concluded already it stays as it is, and the body alone is kept.
    ``derived`` is what the 271 texts in the body say, where they were read already.
    """
    _conclude_row(store, task, document, source, now)
    _forget_provisional(store, task.seq)
    return _keep(store, task.seq, document, source, now, derived)


def keep_provisional(store: Store, finished: Mapping[int, bytes], source: Source, now: int) -> None:
    """Keep what has finished of tasks that are still pending, in place of what was kept of them before, inside the
    caller's transaction. What is kept already, and what is of a concluded task, costs no write.

    ``finished``: by the row of the task, as :func:`~worker.core.vendor.document.finished_paths` says it.
    """
    for marks, params in portions([task for task, body in finished.items() if not body]):
        # Few have any: a body that no longer has the path has withdrawn it.
        rows = store.read(
            f"SELECT task FROM results WHERE task IN ({marks}) AND revision = 0 AND source <> 'batch'",  # noqa: S608
            params,
        )
        for row in rows:
            _forget_provisional(store, row["task"])
    for marks, params in portions([task for task, body in finished.items() if body]):
        rows = store.read(
            f"""
            SELECT tasks.seq, results.body_sha256 FROM tasks
            LEFT JOIN results ON results.task = tasks.seq AND results.revision = 0 AND results.source <> 'batch'
            WHERE tasks.seq IN ({marks}) AND tasks.state <> 'concluded'
            """,  # noqa: S608 - names of parameters
            params,
        )
        for row in rows:
            body = finished[row["seq"]]
            if hashlib.sha256(body).hexdigest() != row["body_sha256"]:
                _forget_provisional(store, row["seq"])
                document = Document("pending", body, paths=read_paths(json.loads(body)))
                _add(store, row["seq"], document, source, 0, now)


def _forget_provisional(store: Store, task: int) -> None:
    store.execute("DELETE FROM results WHERE task = :task AND revision = 0 AND source <> 'batch'", {"task": task})


def _conclude_row(store: Store, task: Task, document: Document, source: Source, now: int) -> None:
    won = store.execute(
        """
        UPDATE tasks SET
            state = 'concluded', outcome = :outcome, due_at = NULL, leased_until = NULL, polls = :polls, failures = 0,
            not_found_since = NULL, last_error = NULL, last_poll_at = :last_poll_at,
            name = coalesce(:name, name), started_at = coalesce(:started_at, started_at),
            correlation_id = coalesce(correlation_id, :correlation_id), trace_id = coalesce(trace_id, :trace_id),
            last_status = :last_status, last_trace_id = :last_trace_id,
            concluded_at = :now, concluded_by = :source, abandoned_at = NULL
        WHERE seq = :seq AND state <> 'concluded'
        """,
        {
            "seq": task.seq,
            "outcome": document.outcome,
            "polls": task.polls,
            "last_poll_at": task.last_poll_at,
            "last_status": task.last_status,
            "last_trace_id": task.last_trace_id,
            "name": document.name,
            "started_at": document.started_at,
            "correlation_id": document.correlation_id,
            "trace_id": document.trace_id,
            "now": now,
            "source": source,
        },
    )
    if won:
        history.add(store, task.seq, now, "concluded", document.outcome)


def _keep(store: Store, task: int, document: Document, source: Source, now: int, derived: Derived | None) -> Kept:
    """Keep the body, unless an equal one is there. Bodies that differ only by one lacking ``realTime`` are the same."""
    kept = store.read(
        "SELECT seq, revision, canonical_sha256, real_time_sha256, purged_at FROM results"
        " WHERE task = :task AND source <> 'batch' ORDER BY revision",
        {"task": task},
    )
    mine = document.fingerprint
    for other in kept:
        theirs = Fingerprint(other["canonical_sha256"], other["real_time_sha256"])
        if mine.same_as(theirs):
            if mine.real_time is None or theirs.real_time is not None or other["purged_at"] is not None:
                return "same"
            _replace_bytes(store, other["seq"], document)
            if derived is not None:
                answers.put(store, other["seq"], derived, now)
            return "fuller"
    seq = _add(store, task, document, source, kept[-1]["revision"] + 1 if kept else 1, now)
    if derived is not None:
        answers.put(store, seq, derived, now)
    outbox.publish(store, task, seq, "revision" if kept else "result", now)
    if not kept:
        return "first"
    history.add(store, task, now, "revision", f"a differing body came by {source}; it is kept beside the first")
    return "revision"


def _add(store: Store, task: int, document: Document, source: Source, revision: int, now: int) -> int:
    seq = counters.take(store, "results")
    store.execute(
        """
        INSERT INTO results (
            seq, task, source, revision, outcome, received_at, ended_at, body, body_sha256, canonical_sha256,
            real_time_sha256
        ) VALUES (
            :seq, :task, :source, :revision, :outcome, :now, :ended_at, :body, :body_sha256, :canonical, :real_time
        )
        """,
        {
            "seq": seq,
            "task": task,
            "source": source,
            "revision": revision,
            "outcome": document.outcome,
            "now": now,
            "ended_at": document.ended_at,
            "body": document.body,
            "body_sha256": hashlib.sha256(document.body).hexdigest(),
            "canonical": document.fingerprint.body,
            "real_time": document.fingerprint.real_time,
        },
    )
    _add_paths(store, seq, document.paths)
    return seq


def _replace_bytes(store: Store, seq: int, document: Document) -> None:
    """The rows of answers that the old bytes had stay until those of the new ones are read."""
    store.execute(
        """
        UPDATE results SET body = :body, body_sha256 = :body_sha256, real_time_sha256 = :real_time, derived = NULL
        WHERE seq = :seq
        """,
        {
            "seq": seq,
            "body": document.body,
            "body_sha256": hashlib.sha256(document.body).hexdigest(),
            "real_time": document.fingerprint.real_time,
        },
    )


def _add_paths(store: Store, result: int, paths: tuple[Path, ...]) -> None:
    store.many(
        """
        INSERT INTO paths (
            result, list, position, path_id, name, status, payer_id, transaction_id, reason, timestamp
        ) VALUES (
            :result, :list, :position, :path_id, :name, :status, :payer_id, :transaction_id, :reason, :timestamp
        )
        """,
        [
            {
                "result": result,
                "list": path.list,
                "position": path.position,
                "path_id": path.path_id,
                "name": path.name,
                "status": path.status,
                "payer_id": path.payer_id,
                "transaction_id": path.transaction_id,
                "reason": path.reason,
                "timestamp": path.timestamp,
            }
            for path in paths
        ],
    )
