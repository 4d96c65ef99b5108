"""What was handed in and named no task that could be read: kept raw until a person drops it."""

from typing import Any

from worker.core.instant import iso
from worker.store.db.store import Store

PAGE_ROWS = 1000


def listed(store: Store) -> list[dict[str, Any]]:
    """The oldest thousand, each with its number, reason and raw text."""
    rows = store.read(
        "SELECT seq, raw, reason, ref, first_at, last_at FROM unreadable ORDER BY seq LIMIT :page", {"page": PAGE_ROWS}
    )
    return [
        {
            "number": row["seq"],
            "reason": row["reason"],
            "raw": row["raw"],
            "ref": row["ref"] or None,
            "first_at": iso(row["first_at"]),
            "last_at": iso(row["last_at"]),
        }
        for row in rows
    ]


def drop(store: Store, numbers: tuple[int, ...]) -> list[int]:
    """Forget these; the numbers that there were."""
    with store.write():
        return [n for n in numbers if store.execute("DELETE FROM unreadable WHERE seq = :seq", {"seq": n})]
