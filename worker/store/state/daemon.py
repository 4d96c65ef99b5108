"""The beats of the daemons: when each last finished a pass, and since when it runs. One row for each name."""

import os
from dataclasses import replace
from typing import NamedTuple

from worker.core.errors import TryLater
from worker.store.db.store import Row, Store
from worker.store.state import beat_file
from worker.store.state.beat_file import Beat as Beat

# It restarts again and again: so many starts, each within this time after the one before.
RESTARTS_WITHIN_MS = 300_000
MOST_STARTS = 3

# The row of a daemon that is gone, or was stopped, stays for so long beside one that lives.
KEPT_MS = 7 * 86_400_000

_COLUMNS = "name, host, pid, version, started_at, beat_at, stopped_at, token_expires_at, starts"


class NamedDaemon(NamedTuple):
    """A daemon by its row. ``starts``: in a row within minutes, each after an end in the middle of its work."""

    name: str
    host: str
    beat: Beat
    starts: int

    def lives(self, now: int) -> bool:
        """By its beat alone: whether its process exists is seen on its own host only."""
        return self.beat.alive(now, exists=True)

    def restarts(self, now: int) -> int:
        """How often it was started in a row, where that is a loop, and is not over; else 0."""
        beat = self.beat
        if beat.stopped_at is not None or self.starts < MOST_STARTS:
            return 0
        return self.starts if 0 <= now - beat.started_at < RESTARTS_WITHIN_MS else 0


def is_here(store: Store, known: NamedDaemon) -> bool:
    """Whether it runs on this host, so that its process can be looked for. With a file it does."""
    return not store.shared or known.host == this_host()


def this_host() -> str:
    """The name of this machine."""
    return os.uname().nodename


def beat(
    store: Store, *, pid: int, version: str, started_at: int, now: int, token_expires_at: int | None
) -> NamedDaemon | None:
    """Say that a pass was made, inside a transaction. What the row said, where that was of another process."""
    about = {"name": store.daemon, "host": this_host(), "pid": pid, "started_at": started_at}
    found = _row(store)
    store.execute(
        """
        INSERT INTO daemons (name, host, pid, version, started_at, beat_at, stopped_at, token_expires_at, starts)
        VALUES (:name, :host, :pid, :version, :started_at, :now, NULL, :token_expires_at, 1)
        ON CONFLICT (name) DO UPDATE SET host = :host, pid = :pid, version = :version, started_at = :started_at,
            beat_at = :now, stopped_at = NULL, token_expires_at = :token_expires_at,
            starts = CASE WHEN daemons.started_at = :started_at THEN daemons.starts
                WHEN daemons.stopped_at IS NULL AND daemons.started_at > :recent AND daemons.started_at < :started_at
                    THEN daemons.starts + 1
                ELSE 1 END
        """,
        {
            **about,
            "version": version,
            "now": now,
            "token_expires_at": token_expires_at,
            "recent": started_at - RESTARTS_WITHIN_MS,
        },
    )
    if found is None or all(found[name] == value for name, value in about.items()):
        return None
    return _known(found)


def stopped(store: Store, *, pid: int, started_at: int, now: int) -> None:
    """Say that the daemon ended as it should, unless the row is another process's by now."""
    store.execute(
        """
        UPDATE daemons SET stopped_at = :now
        WHERE name = :name AND host = :host AND pid = :pid AND started_at = :started_at
        """,
        {"name": store.daemon, "host": this_host(), "pid": pid, "started_at": started_at, "now": now},
    )


def refuse_second(store: Store, now: int, exists: bool) -> None:
    """Raise :class:`TryLater` where another process beats under this daemon's name: on another host, or on this one
    beside other files of its own. ``exists``: whether there is a process of the pid in the row.

    With a file there is nothing to refuse: its lock lets one daemon work on it.
    """
    row = _row(store)
    if row is None or not store.shared or not _known(row).lives(now):
        return
    here = row["host"] == this_host()
    if here and (row["pid"] == os.getpid() or not exists):
        return  # what a daemon that was killed has left
    where = f"by process {row['pid']} of this host, beside other files" if here else f"on {row['host']}"
    raise TryLater(
        f"a daemon of the name {store.daemon} already works on {store.name}, {where}",
        "each daemon needs a name of its own: set [store] daemon; a daemon that was killed frees its name after 90 s",
    )


def remove_gone(store: Store, now: int) -> None:
    """Forget the others that were last seen more than a week ago, with what they had to say; inside a transaction."""
    rows = store.read(
        "SELECT name FROM daemons WHERE name <> :own AND beat_at < :since AND coalesce(stopped_at, 0) < :since",
        {"own": store.daemon, "since": now - KEPT_MS},
    )
    for row in rows:
        store.execute("DELETE FROM daemons WHERE name = :name", {"name": row["name"]})
        for table in ("notices", "problems", "spool"):
            store.execute(f"DELETE FROM {table} WHERE daemon = :name", {"name": row["name"]})  # noqa: S608 - constants


def shift(store: Store, by: int, now: int) -> None:
    """The clock was set back by ``-by`` ms, to ``now``: beats of before are not of the future. Inside a transaction."""
    store.execute(
        "UPDATE daemons SET beat_at = beat_at + :by, stopped_at = stopped_at + :by WHERE beat_at > :now",
        {"by": by, "now": now},
    )


def last_beat(store: Store) -> Beat | None:
    """What this host's daemon last said of itself: the row, or the file beside it where that is younger.

    ``None`` where it never ran. A file that another daemon than that of the row has left counts for nothing.
    """
    known = own(store)
    return None if known is None else known.beat


def own(store: Store) -> NamedDaemon | None:
    """This host's daemon; see :func:`last_beat`."""
    row = _row(store)
    return None if row is None else _own(store, row)


def listed(store: Store) -> list[NamedDaemon]:
    """All daemons by name. Of this host's own, what its file says counts too."""
    rows = store.read(f"SELECT {_COLUMNS} FROM daemons ORDER BY name")  # noqa: S608 - constants
    return [_own(store, row) if row["name"] == store.daemon else _known(row) for row in rows]


def others_live(store: Store, now: int) -> bool:
    """Whether a daemon of another name lives."""
    return any(one.name != store.daemon and one.lives(now) for one in listed(store))


def _row(store: Store) -> Row | None:
    return store.one(f"SELECT {_COLUMNS} FROM daemons WHERE name = :name", {"name": store.daemon})  # noqa: S608


def _known(row: Row) -> NamedDaemon:
    noted = Beat(
        row["pid"], row["version"], row["started_at"], row["beat_at"], row["stopped_at"], row["token_expires_at"]
    )
    if noted.stopped_at is not None:
        # The row was last written up to 15 s before that, and it worked until it ended.
        noted = replace(noted, beat_at=max(noted.beat_at, noted.stopped_at))
    return NamedDaemon(row["name"], row["host"], noted, int(row["starts"]))


def _own(store: Store, row: Row) -> NamedDaemon:
    known = _known(row)
    noted = known.beat
    shown = None if noted.stopped_at is not None else beat_file.read(store)
    if shown is None or (shown.pid, shown.started_at) != (noted.pid, noted.started_at):
        return known
    return known._replace(beat=shown) if shown.beat_at >= noted.beat_at else known
