"""The daemon's row: when it last finished a pass, and since when it runs."""

from dataclasses import dataclass

from worker.store.db.store import Store


@dataclass(frozen=True, slots=True)
class Beat:
    """The daemon's row."""

    pid: int
    version: str
    started_at: int
    beat_at: int
    stopped_at: int | None
    token_expires_at: int | None

    # Passes come at least once a minute. After a longer gap no daemon works, even if its pid exists.
    STALE_MS = 150_000

    def alive(self, now: int, exists: bool) -> bool:
        """Whether passes are being made; ``exists``: whether there is a process of this pid."""
        return exists and self.stopped_at is None and now - self.beat_at < self.STALE_MS


def beat(store: Store, *, pid: int, version: str, started_at: int, now: int, token_expires_at: int | None) -> None:
    """Say that a pass was made."""
    store.execute(
        """
        INSERT INTO daemon (id, pid, version, started_at, beat_at, stopped_at, token_expires_at)
        VALUES (1, :pid, :version, :started_at, :now, NULL, :token_expires_at)
        ON CONFLICT (id) DO UPDATE SET pid = :pid, version = :version, started_at = :started_at, beat_at = :now,
            stopped_at = NULL, token_expires_at = :token_expires_at
        """,
        {
            "pid": pid,
            "version": version,
            "started_at": started_at,
            "now": now,
            "token_expires_at": token_expires_at,
        },
    )


def stopped(store: Store, now: int) -> None:
    """Say that the daemon ended as it should."""
    store.execute("UPDATE daemon SET stopped_at = :now WHERE id = 1", {"now": now})


def last_beat(store: Store) -> Beat | None:
    """The row; ``None`` where no daemon ever ran."""
    row = store.one("SELECT pid, version, started_at, beat_at, stopped_at, token_expires_at FROM daemon WHERE id = 1")
    return None if row is None else Beat(**{key: row[key] for key in row.keys()})  # noqa: SIM118
