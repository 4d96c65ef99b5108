"""Work that one host does at a time, of all that share a database: the lease of each such work is a row.

A lease is a host's. Among the processes of one host a lock on a file decides, which the kernel releases when its holder
dies: what a command that was killed held, the next one of its host takes at once. Another host waits until the lease
has expired.

Who holds a lease renews it with each transaction of the work. A process may be frozen, or cut off, for longer than its
lease, and go on: so the same transaction sees that the lease is still its own, and is rolled back with
:class:`LeaseLost` where it is not. All writers of a database take turns, so what was seen stays true until the commit.
"""

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from worker.core.errors import StorageFailed, TryLater
from worker.files import FileLock
from worker.ownership import cure
from worker.store.db.store import Store

DROP = "drop"
BATCH = "batch"
"""To read one batch file, and what else sees to the rows of batches."""
BACKFILL = "backfill"
RETENTION = "retention"
DELIVER = "deliver"
PROBLEMS = "problems"
"""To look for what the shared rows show."""


class LeaseHolder(NamedTuple):
    """``daemon``: the name of the one whose host holds a lease. It expires at ``until_at`` (ms)."""

    daemon: str
    until_at: int


class LeaseLost(TryLater):
    """Another host has the lease now: this process was away for longer than its lease."""


def mine(store: Store) -> str:
    """The name of the holder that this host is: that of its daemon, and a word of the folder that its files lie in.

    Raises StorageFailed where the word cannot be noted there.
    """
    return f"{store.daemon}/{_word_of(store.file)}"


@lru_cache(maxsize=8)
def _word_of(database: Path) -> str:
    path = database.with_name(f"{database.name}.host")
    try:
        # With a database on a server, nothing may have made this host's folder yet.
        path.parent.mkdir(mode=0o770, exist_ok=True)
        lock = FileLock(path, wait=True)
        try:
            return lock.word()
        finally:
            lock.release()
    except OSError as error:
        cause = cure(path) or "cdpoll must be able to write beside its database"
        raise StorageFailed(f"{path}: {error.strerror}", cause) from error


def take(store: Store, name: str, holder: str, now: int, ms: int) -> bool:
    """Take a lease that is free or has expired, or renew one's own, for ``ms``; inside a transaction.

    ``False``: another holds it.
    """
    taken = store.execute(
        """
        INSERT INTO leases (name, holder, until_at) VALUES (:name, :holder, :until)
        ON CONFLICT (name) DO UPDATE SET holder = :holder, until_at = :until
            WHERE leases.holder = :holder OR leases.until_at <= :now
        """,
        {"name": name, "holder": holder, "now": now, "until": now + ms},
    )
    return taken == 1


def renew(store: Store, name: str, holder: str, until: int) -> None:
    """Hold the lease until then (ms), inside a transaction; raise :class:`LeaseLost` where it is another's by now.

    One that has expired and that none has taken is still the holder's.
    """
    about = {"name": name, "holder": holder, "until": until}
    if not store.execute("UPDATE leases SET until_at = :until WHERE name = :name AND holder = :holder", about):
        row = store.one("SELECT holder FROM leases WHERE name = :name", {"name": name})
        where = "" if row is None else f" of {_daemon_of(row['holder'])}"
        raise LeaseLost(f"another cdpoll{where} does this work by now ({name})", "nothing is to do: it goes on there")


def let_go(store: Store, name: str, holder: str) -> None:
    """Free the lease for the next one; inside a transaction. One that is another's stays."""
    store.execute("DELETE FROM leases WHERE name = :name AND holder = :holder", {"name": name, "holder": holder})


def shift(store: Store, by: int) -> None:
    """The clock was set back by ``-by`` ms: no lease lasts longer for that. Inside a transaction."""
    store.execute("UPDATE leases SET until_at = until_at + :by", {"by": by})


def holder_of(store: Store, name: str, now: int) -> LeaseHolder | None:
    """Who holds a lease; ``None`` where it is free, or has expired."""
    row = store.one(
        "SELECT holder, until_at FROM leases WHERE name = :name AND until_at > :now", {"name": name, "now": now}
    )
    return None if row is None else LeaseHolder(_daemon_of(row["holder"]), int(row["until_at"]))


def _daemon_of(holder: str) -> str:
    return holder.rpartition("/")[0]


class Lease:
    """The lease of one work. While it is held here, each transaction of the store renews it for ``ms``."""

    def __init__(self, store: Store, name: str, ms: int, *, alone: bool = True) -> None:
        """Not ``alone``: it is taken without the lock of all writers, by a user that may have no right to that. Its row
        is locked by the statement itself."""
        self.name = name
        self._alone = alone
        self._store = store
        self._holder = mine(store)
        self._ms = ms
        self._now = 0  # where the store has no clock: when it was last taken

    def take(self, now: int, ms: int | None = None) -> bool:
        """Take it, or renew it, in a transaction of its own; for ``ms``, where the next step needs longer.

        ``False``: another holds it.
        """
        self._now = self._instant(now)
        other = self._store.one("SELECT until_at FROM leases WHERE name = :name AND holder <> :holder", self._about())
        if other is not None and other["until_at"] > self._now:  # so that waiting takes no lock for writing
            self.forget()
            return False
        self.forget()
        with self._store.write(alone=self._alone):
            taken = take(self._store, self.name, self._holder, self._now, ms or self._ms)
        if taken:
            self.guard()
        return taken

    def guard(self) -> None:
        """Have each transaction of the store renew it from now on, or raise :class:`LeaseLost`."""
        self._store.guards += (self._renew,)

    def holder(self, now: int) -> LeaseHolder | None:
        """Who holds it, of all hosts."""
        return holder_of(self._store, self.name, self._instant(now))

    def let_go(self) -> None:
        """Free it. Never raises: a lease that cannot be freed expires."""
        if not self.forget():
            return
        with suppress(StorageFailed, TryLater), self._store.write(alone=self._alone):
            let_go(self._store, self.name, self._holder)

    def forget(self) -> bool:
        """Stop renewing it; whether it was held here."""
        held = self._renew in self._store.guards
        self._store.guards = tuple([one for one in self._store.guards if one != self._renew])
        return held

    def _renew(self) -> None:
        renew(self._store, self.name, self._holder, self._instant(self._now) + self._ms)

    def _instant(self, now: int) -> int:
        return now if self._store.clock is None else self._store.now(self._store.clock)

    def _about(self) -> dict[str, str]:
        return {"name": self.name, "holder": self._holder}
