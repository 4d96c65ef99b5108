"""The spool of each host, as its daemon last saw it: a row for each. The files themselves are in the folder."""

from typing import Any, NamedTuple

from worker.core.instant import iso_or_none
from worker.store.db.store import Store


class SpoolSeen(NamedTuple):
    """``waiting``: files that are still to be taken, the oldest since ``oldest_at`` (ms). ``bad``: files that were put
    aside, since ``bad_since``. ``last_error``: why the folder cannot be used."""

    looked_at: int | None = None
    waiting: int = 0
    oldest_at: int | None = None
    taken: int = 0
    bad: int = 0
    bad_since: int | None = None
    last_error: str | None = None


def get(store: Store) -> SpoolSeen:
    """That of this host."""
    return seen_by(store).get(store.daemon, SpoolSeen())


def seen_by(store: Store) -> dict[str, SpoolSeen]:
    """All of them, by the name of the daemon."""
    rows = store.read(
        "SELECT daemon, looked_at, waiting, oldest_at, taken, bad, bad_since, last_error FROM spool ORDER BY daemon"
    )
    return {row["daemon"]: SpoolSeen(**{name: row[name] for name in SpoolSeen._fields}) for row in rows}


def put(store: Store, seen: SpoolSeen) -> None:
    """Write the row of this host, inside a transaction."""
    store.execute(
        """
        INSERT INTO spool (daemon, looked_at, waiting, oldest_at, taken, bad, bad_since, last_error)
        VALUES (:daemon, :looked_at, :waiting, :oldest_at, :taken, :bad, :bad_since, :last_error)
        ON CONFLICT (daemon) DO UPDATE SET looked_at = :looked_at, waiting = :waiting, oldest_at = :oldest_at,
            taken = :taken, bad = :bad, bad_since = :bad_since, last_error = :last_error
        """,
        seen._asdict() | {"daemon": store.daemon},
    )


def picture(store: Store, now: int) -> dict[str, Any]:
    """As `status` tells it."""
    seen = get(store)
    return {
        "waiting": seen.waiting,
        "oldest_age_s": None if seen.oldest_at is None else max(0, now - seen.oldest_at) // 1000,
        "taken": seen.taken,
        "bad": seen.bad,
        "bad_since": iso_or_none(seen.bad_since),
        "looked_at": iso_or_none(seen.looked_at),
        "error": seen.last_error,
    }
