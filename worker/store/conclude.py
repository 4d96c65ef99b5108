"""Results: the body of a concluded task, byte for byte, once; a later one that differs is kept beside it."""

import hashlib
from typing import Literal

from worker.core.vendor.document import Document, Fingerprint, Path
from worker.core.x12.embedded import derive
from worker.store.batch import answers
from worker.store.db.store import Store
from worker.store.tasks import history

# Bytes of a body whose texts are read when it is kept: at most some 20 ms of it.
DERIVED_AT_ONCE_BYTES = 128 * 1024

Source = Literal["poll", "callback"]
Kept = Literal["first", "same", "fuller", "revision"]


def add(store: Store, task: int, document: Document, source: Source, now: int) -> Kept:
    """Keep ``document``'s body as a result of ``task``, unless an equal one is there.

    Bodies that differ only by one lacking ``realTime`` are the same; the fuller one's bytes are kept.
    """
    known = store.read(
        "SELECT seq, revision, canonical_sha256, real_time_sha256 FROM results"
        " WHERE task = :task AND source <> 'batch' ORDER BY revision",
        {"task": task},
    )
    mine = document.fingerprint
    for other in known:
        theirs = Fingerprint(other["canonical_sha256"], other["real_time_sha256"])
        if mine.same_as(theirs):
            if mine.real_time is None or theirs.real_time is not None:
                return "same"
            _replace_bytes(store, other["seq"], document)
            return "fuller"
    revision = known[-1]["revision"] + 1 if known else 1
    row = store.one(
        """
        INSERT INTO results (
            task, source, revision, outcome, received_at, ended_at, body, body_sha256, canonical_sha256,
            real_time_sha256
        ) VALUES (
            :task, :source, :revision, :outcome, :now, :ended_at, :body, :body_sha256, :canonical, :real_time
        ) RETURNING seq
        """,
        {
            "task": task,
            "source": source,
            "revision": revision,
            "outcome": document.outcome,
            "now": now,
            "ended_at": document.ended_at,
            "body": document.body,
            "body_sha256": hashlib.sha256(document.body).hexdigest(),
            "canonical": mine.body,
            "real_time": mine.real_time,
        },
    )
    assert row is not None
    _add_paths(store, row["seq"], document.paths)
    _derive(store, row["seq"], document.body)
    if known:
        history.add(store, task, now, "revision", f"a differing body came by {source}; it is kept beside the first")
    return "revision" if known else "first"


def _derive(store: Store, result: int, body: bytes) -> None:
    """Write what the 271 texts of a body say; the rows of a large body are derived later."""
    if len(body) > DERIVED_AT_ONCE_BYTES:
        answers.remove(store, result)
    else:
        answers.put(store, result, derive(body))


def _replace_bytes(store: Store, seq: int, document: Document) -> None:
    store.execute(
        """
        UPDATE results SET body = :body, body_sha256 = :body_sha256, real_time_sha256 = :real_time WHERE seq = :seq
        """,
        {
            "seq": seq,
            "body": document.body,
            "body_sha256": hashlib.sha256(document.body).hexdigest(),
            "real_time": document.fingerprint.real_time,
        },
    )
    _derive(store, seq, document.body)


def _add_paths(store: Store, result: int, paths: tuple[Path, ...]) -> None:
    for path in paths:
        store.execute(
            """
            INSERT INTO paths (
                result, list, position, path_id, name, status, payer_id, transaction_id, reason, timestamp
            ) VALUES (
                :result, :list, :position, :path_id, :name, :status, :payer_id, :transaction_id, :reason, :timestamp
            )
            """,
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
            },
        )
