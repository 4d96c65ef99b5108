"""The daemon's beat: when it last finished a pass, and since when it runs."""

from dataclasses import replace

from worker.store.db.store import Store
from worker.store.state import beat_file
from worker.store.state.beat_file import Beat as Beat

# It restarts again and again: so many starts, each within this time after the one before.
RESTARTS_WITHIN_MS = 300_000
MOST_STARTS = 3


def beat(store: Store, *, pid: int, version: str, started_at: int, now: int, token_expires_at: int | None) -> None:
    """Say that a pass was made."""
    store.execute(
        """
        INSERT INTO daemon (id, pid, version, started_at, beat_at, stopped_at, token_expires_at, starts)
        VALUES (1, :pid, :version, :started_at, :now, NULL, :token_expires_at, 1)
        ON CONFLICT (id) DO UPDATE SET pid = :pid, version = :version, started_at = :started_at, beat_at = :now,
            stopped_at = NULL, token_expires_at = :token_expires_at,
            starts = CASE WHEN daemon.started_at = :started_at THEN daemon.starts
                WHEN daemon.stopped_at IS NULL AND daemon.started_at > :recent AND daemon.started_at < :started_at
                    THEN daemon.starts + 1
                ELSE 1 END
        """,
        {
            "pid": pid,
            "version": version,
            "started_at": started_at,
            "now": now,
            "token_expires_at": token_expires_at,
            "recent": started_at - RESTARTS_WITHIN_MS,
        },
    )


def stopped(store: Store, now: int) -> None:
    """Say that the daemon ended as it should."""
    store.execute("UPDATE daemon SET stopped_at = :now WHERE id = 1", {"now": now})


def last_beat(store: Store) -> Beat | None:
    """What the daemon last said of itself: the row, or the file beside it where that is younger.

    ``None`` where no daemon ever ran. A file that another daemon than that of the row has left counts for nothing.
    """
    row = store.one("SELECT pid, version, started_at, beat_at, stopped_at, token_expires_at FROM daemon WHERE id = 1")
    if row is None:
        return None
    noted = Beat(**{key: row[key] for key in row.keys()})  # noqa: SIM118
    if noted.stopped_at is not None:
        # The row was last written up to 15 s before that, and it worked until it ended.
        return replace(noted, beat_at=max(noted.beat_at, noted.stopped_at))
    shown = beat_file.read(store)
    if shown is None or (shown.pid, shown.started_at) != (noted.pid, noted.started_at):
        return noted
    return shown if shown.beat_at >= noted.beat_at else noted


def restarts(store: Store, now: int) -> int:
    """How many times in a row the daemon was started within minutes, each time after an end in the middle of its work;
    0 where that is no loop, or is over."""
    row = store.one("SELECT started_at, stopped_at, starts FROM daemon WHERE id = 1")
    if row is None or row["stopped_at"] is not None or row["starts"] < MOST_STARTS:
        return 0
    return int(row["starts"]) if 0 <= now - row["started_at"] < RESTARTS_WITHIN_MS else 0
