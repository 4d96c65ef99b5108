"""Which ids are recorded already."""

from collections.abc import Sequence

from worker.store.db.store import Store

MOST_ROWS = 100  # of one statement


def known(store: Store, ids: Sequence[str]) -> dict[str, str | None]:
    """Of these ids those that are recorded, each with the correlation id that is known of it."""
    found: dict[str, str | None] = {}
    for start in range(0, len(ids), MOST_ROWS):
        named = {f"id_{n}": one for n, one in enumerate(ids[start : start + MOST_ROWS])}
        marks = ", ".join(f":{name}" for name in named)
        rows = store.read(f"SELECT id, correlation_id FROM tasks WHERE id IN ({marks})", named)  # noqa: S608
        found |= {row["id"]: row["correlation_id"] for row in rows}
    return found
