"""The daemon's row: whether it lives, and since when."""

import os
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

    # Passes come at least once a minute; twice that and a bit is no daemon, whatever its pid says.
    STALE = 150_000

    def alive(self, now: int) -> bool:
        """Whether passes are being made."""
        return now - self.beat_at < self.STALE and self.exists()

    def exists(self) -> bool:
        """Whether the process is there and has not said that it ends."""
        if self.stopped_at is not None:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


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
    row = store.one("SELECT pid, version, started_at, beat_at, stopped_at, token_expires_at FROM daemon WHERE id = 1")
    return None if row is None else Beat(**{key: row[key] for key in row.keys()})  # noqa: SIM118
