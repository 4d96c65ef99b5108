"""What a ticket for the vendor says of a task: ids, times and codes, and nothing of the patient."""

from typing import Any

from worker.core.instant import iso, iso_or_none
from worker.core.vendor.document import parse_json, text
from worker.store.db.store import Store
from worker.store.tasks import failed_polls

Json = dict[str, Any]

# Of a body's ``meta``. Other keys may tell of the patient.
META = ("applicationMode", "traceId", "outboundTraceId", "senderId", "submitterId", "billerId")

MOST_META_LETTERS = 200


def ticket(store: Store, task_id: str) -> Json | None:
    """``None`` for an unknown id."""
    task = store.one("SELECT * FROM tasks WHERE id = :id", {"id": task_id})
    if task is None:
        return None
    body = store.one(
        """
        SELECT body, received_at, ended_at, revision FROM (
            SELECT 2 AS rank, body, received_at, ended_at, revision FROM results
            WHERE task = :task AND source <> 'batch' AND revision > 0
            UNION ALL SELECT 1, body, received_at, NULL, NULL FROM bodies WHERE task = :task
        ) AS known ORDER BY rank DESC, revision DESC, received_at DESC LIMIT 1
        """,
        {"task": task["seq"]},
    )
    content = None if body is None else parse_json(bytes(body["body"]))
    content = content if isinstance(content, dict) else {}
    seen = store.read(
        "SELECT DISTINCT outcome FROM results WHERE task = :task AND source <> 'batch'", {"task": task["seq"]}
    )
    statuses = ["pending"] if task["pending_at"] is not None else []
    statuses += sorted(row["outcome"] for row in seen if row["outcome"])
    return {
        "task_id": task["id"],
        "state": task["state"],
        "statuses_seen": statuses,
        "correlation_id": task["correlation_id"],
        "trace_id_first": task["trace_id"],
        "trace_id_last": task["last_trace_id"],
        "trace_id_body": text(content.get("traceId")),
        "status_last": task["last_status"],
        "error_last": task["last_error"],
        "polls": task["polls"],
        "failures": task["failures"],
        "recorded_at": iso(task["recorded_at"]),
        "started_at": iso_or_none(task["started_at"]),
        "pending_at": iso_or_none(task["pending_at"]),
        "last_poll_at": iso_or_none(task["last_poll_at"]),
        "concluded_at": iso_or_none(task["concluded_at"]),
        "ended_at": None if body is None else iso_or_none(body["ended_at"]),
        "failed_polls": [
            {"at": iso(row["at"]), "error": row["error"], "status": row["status"], "trace_id": row["trace_id"]}
            for row in failed_polls.of_task(store, task["seq"])
        ],
        "meta": _meta(content.get("meta")),
    }


def _meta(told: object) -> Json:
    if not isinstance(told, dict):
        return {}
    found = {key: text(told.get(key)) for key in META}
    return {key: value[:MOST_META_LETTERS] for key, value in found.items() if value is not None}
