"""What was handed in and named no task that could be read: kept raw until a person drops it.

There may be a few hundred thousand of them, of up to 64 KiB each: they are read in short pages, and dropped in short
transactions, between which others can write.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from worker.core.instant import iso
from worker.store.db.store import Store

PAGE_ROWS = 200


def pages(store: Store) -> Iterator[list[dict[str, Any]]]:
    """All of them, the oldest first, each with its number, reason and raw text."""
    last = 0
    while rows := store.read(
        "SELECT seq, raw, reason, ref, first_at, last_at FROM unreadable WHERE seq > :last ORDER BY seq LIMIT :page",
        {"last": last, "page": PAGE_ROWS},
    ):
        yield [
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
        last = rows[-1]["seq"]


def drop(store: Store, numbers: Sequence[int]) -> list[int]:
    """Forget these; the numbers that there were."""
    gone: list[int] = []
    for start in range(0, len(numbers), PAGE_ROWS):
        with store.write():
            for number in numbers[start : start + PAGE_ROWS]:
                if 0 < number < 1 << 63 and store.execute("DELETE FROM unreadable WHERE seq = :seq", {"seq": number}):
                    gone.append(number)
    return gone


def drop_all(store: Store) -> int:
    """Forget all that there are now, and none that comes meanwhile; how many they were."""
    latest = store.one("SELECT seq FROM unreadable ORDER BY seq DESC LIMIT 1")
    if latest is None:
        return 0
    gone, part = 0, PAGE_ROWS
    while part == PAGE_ROWS:
        with store.write():
            part = store.execute(
                "DELETE FROM unreadable WHERE seq IN"
                " (SELECT seq FROM unreadable WHERE seq <= :latest ORDER BY seq LIMIT :page)",
                {"latest": latest["seq"], "page": PAGE_ROWS},
            )
        gone += part
    return gone
