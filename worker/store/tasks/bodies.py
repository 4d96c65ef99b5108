"""Bodies that were kept and are not results: what the vendor sent about a task in a form that cdpoll cannot use yet."""

import hashlib
from contextlib import suppress
from typing import Literal

from worker.core.vendor.callback import Delivery
from worker.core.vendor.document import fingerprint, parse_json
from worker.store.db.store import Store

BodySource = Literal["poll", "callback"]

# Polled bodies kept of one task: it is polled again and again, and what it says first and how that changes is enough.
TASK_BODIES_ROWS = 5

# Polled bodies kept of all tasks. If the vendor begins to use another status, every task may come to have it; a
# thousand bodies show a person what it means, take some 20 MB, and the tasks are polled again in any case.
POLLED_BODIES_ROWS = 1000

# Larger ones are kept once as long as they are equal byte by byte: to read one takes long, and much memory.
COMPARED_BYTES = 1024 * 1024


def keep_polled(store: Store, task: int, reason: str, body: bytes, now: int) -> bool:
    """Keep the body of a poll, inside the caller's transaction; ``False`` where an equal one of the task is there, or
    as many as are kept."""
    row = store.one(
        """
        SELECT count(*) AS polled, sum(CASE WHEN task = :task THEN 1 ELSE 0 END) AS of_task
        FROM bodies WHERE source = 'poll'
        """,
        {"task": task},
    )
    assert row is not None
    if row["polled"] >= POLLED_BODIES_ROWS or (row["of_task"] or 0) >= TASK_BODIES_ROWS:
        return False
    return keep(store, task, "poll", reason, body, now)


def keep_callback(store: Store, reason: str, delivery: Delivery, now: int) -> bool:
    """Keep a callback that cannot be used, inside the caller's transaction; ``False`` where an equal one is there.

    It belongs to no task, whichever it names: what it says is not believed.
    """
    return _keep(store, (None, "callback", reason), delivery, now)


def forget_callback(store: Store, seq: int) -> bool:
    """Delete a callback that is kept, inside the caller's transaction; ``False`` where none of this number is."""
    return bool(store.execute("DELETE FROM bodies WHERE source = 'callback' AND seq = :seq", {"seq": seq}))


def keep(store: Store, task: int | None, source: BodySource, reason: str, body: bytes, now: int) -> bool:
    """Keep a body as received, inside the caller's transaction; ``False`` where an equal one of the task is there.

    ``task`` is the task's row, ``None`` where the body names no task; ``reason`` is a word for why it is no result.
    """
    return _keep(store, (task, source, reason), Delivery(body), now)


def _keep(store: Store, told: tuple[int | None, BodySource, str], delivery: Delivery, now: int) -> bool:
    task, source, reason = told
    body, tenant, correlation_id, trace_id = delivery
    kept = store.execute(
        """
        INSERT INTO bodies (task, source, received_at, reason, identity, body, tenant, correlation_id, trace_id)
        VALUES (:task, :source, :now, :reason, :identity, :body, :tenant, :correlation_id, :trace_id)
        ON CONFLICT (identity) DO NOTHING
        """,
        {
            "task": task,
            "source": source,
            "now": now,
            "reason": reason,
            "identity": _identity(f"{task}" if tenant is None else f"{task} {tenant}", body),
            "body": body,
            "tenant": tenant,
            "correlation_id": correlation_id,
            "trace_id": trace_id,
        },
    )
    return bool(kept)


def _identity(of: str, body: bytes) -> str:
    """The SHA-256 of whose it is and of what the body says: the vendor's trace id and the order of paths may differ."""
    said = hashlib.sha256(body).hexdigest()
    with suppress(RecursionError):
        document = parse_json(body) if len(body) <= COMPARED_BYTES else None
        if isinstance(document, dict):
            mine = fingerprint(document)
            said = f"{mine.body} {mine.real_time}"
    return hashlib.sha256(f"{of} {said}".encode()).hexdigest()
