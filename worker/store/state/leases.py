"""Work that one process does at a time, over all hosts that share a database: the lease of each such work is a row.

Who holds a lease renews it while the work goes on, and lets it go when the work ends. The lease of a process that died
expires. A process may be frozen, or cut off, for longer than its lease, and go on: so each transaction that would do
harm twice calls :func:`hold`, which sees that the lease is still its own. All writers of a database take turns, so what
:func:`hold` has seen stays true until the commit.
"""

import secrets
from typing import Literal, NamedTuple

from worker.core.errors import TryLater
from worker.store.db.store import Store

Work = Literal["drop", "batch", "backfill", "retention", "deliver", "problems", "alert"]
"""What there are leases of. ``batch``: to read one batch file, and what else sees to rows of batches. ``problems``: to
look for what the shared rows show."""

# Of this process, in the name of every holder: a daemon that was started again does not take the old lease for its own.
_TOKEN = secrets.token_hex(4)


class Lease(NamedTuple):
    """``daemon``: the name of the one whose process holds it. It expires at ``until_at`` (ms)."""

    daemon: str
    until_at: int


class LeaseLost(TryLater):
    """Another process has the lease now: this one was away for longer than its lease."""


def mine(store: Store) -> str:
    """The name of the holder that this process is."""
    return f"{store.daemon}/{_TOKEN}"


def take(store: Store, name: Work, holder: str, now: int, ms: int) -> bool:
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


def hold(store: Store, name: Work, holder: str) -> None:
    """Raise :class:`LeaseLost` where the lease is another's by now; inside a transaction.

    One that has expired and that none has taken is still the holder's: none can take it before the commit.
    """
    row = store.one("SELECT holder FROM leases WHERE name = :name", {"name": name})
    if row is None or row["holder"] != holder:
        by = "" if row is None else f" {_daemon_of(row['holder'])}"
        raise LeaseLost(f"another cdpoll{by} does this work now ({name})", "nothing is to do: it goes on there")


def let_go(store: Store, name: Work, holder: str) -> None:
    """Free the lease for the next one; inside a transaction. One that is another's stays."""
    store.execute("DELETE FROM leases WHERE name = :name AND holder = :holder", {"name": name, "holder": holder})


def shift(store: Store, by: int) -> None:
    """The clock was set back by ``-by`` ms: no lease lasts longer for that. Inside a transaction."""
    store.execute("UPDATE leases SET until_at = until_at + :by", {"by": by})


def holder_of(store: Store, name: Work, now: int) -> Lease | None:
    """Who holds a lease; ``None`` where it is free, or has expired."""
    row = store.one(
        "SELECT holder, until_at FROM leases WHERE name = :name AND until_at > :now", {"name": name, "now": now}
    )
    return None if row is None else Lease(_daemon_of(row["holder"]), int(row["until_at"]))


def _daemon_of(holder: str) -> str:
    return holder.rpartition("/")[0]
