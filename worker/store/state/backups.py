"""When snapshots of the database were taken, and when one was last restored aside and found to be good."""

from worker.store.db.store import Store
from worker.store.state import meta

_KEY = "backup"


def note(store: Store, **facts: int | None) -> None:
    """Note ``snapshot_at``, or ``verified_at`` and ``verified_snapshot_at`` (all ms); inside a transaction."""
    meta.put(store, _KEY, {**meta.get(store, _KEY), **facts})


def last(store: Store) -> dict[str, int | None]:
    """When the last snapshot was taken, when one was last found to be good, and when that one was taken."""
    found = meta.get(store, _KEY)
    return {key: found.get(key) for key in ("snapshot_at", "verified_at", "verified_snapshot_at")}
