"""What was handed in and named no task that could be read: kept raw until a person drops it.

There may be a few hundred thousand of them, of up to 64 KiB each: they are read in short pages, and dropped in short
transactions, between which others can write.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from worker.core.instant import iso
from worker.store.db.store import Store
from worker.store.state import acts

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


def drop(store: Store, numbers: Sequence[int], now: int, who: str) -> list[int]:
    """Forget these; the numbers that there were."""
    gone: list[int] = []
    for start in range(0, len(numbers), PAGE_ROWS):
        with store.write():
            part = [
                number
                for number in numbers[start : start + PAGE_ROWS]
                if 0 < number < 1 << 63 and store.execute("DELETE FROM unreadable WHERE seq = :seq", {"seq": number})
            ]
            _note(store, part, now, who)
        gone += part
    return gone


def drop_all(store: Store, now: int, who: str) -> int:
    """Forget all that there are now, and none that comes meanwhile; how many they were."""
    latest = store.one("SELECT seq FROM unreadable ORDER BY seq DESC LIMIT 1")
    if latest is None:
        return 0
    gone, part = 0, PAGE_ROWS
    while part == PAGE_ROWS:
        with store.write():
            rows = store.read(
                "DELETE FROM unreadable WHERE seq IN"
                " (SELECT seq FROM unreadable WHERE seq <= :latest ORDER BY seq LIMIT :page) RETURNING seq",
                {"latest": latest["seq"], "page": PAGE_ROWS},
            )
            _note(store, [row["seq"] for row in rows], now, who)
        part = len(rows)
        gone += part
    return gone


def _note(store: Store, gone: list[int], now: int, who: str) -> None:
    if gone:
        acts.note(store, who, "dropped unreadable", acts.runs(gone), now)
