"""Whether the vendor's callbacks arrive: one row, which the process that takes them and the daemon both write.

The first says what it heard, in the transaction of each callback. The daemon says since when callbacks are configured,
and that they have ceased to come.
"""

from typing import NamedTuple

from worker.store.db.store import Store


class CallbackLane(NamedTuple):
    """Instants in ms. ``on_since``: callbacks are configured since then; ``down_since``: they do not arrive since then.
    A fresh callback is one that comes soon after the end of its discovery: what is replayed later says nothing."""

    on_since: int | None = None
    last_at: int | None = None  # of any callback
    last_fresh_at: int | None = None
    down_since: int | None = None


def get(store: Store) -> CallbackLane:
    """The row as it stands in the database."""
    row = store.one("SELECT on_since, last_at, last_fresh_at, down_since FROM callback_lane WHERE id = 1")
    return CallbackLane() if row is None else CallbackLane(**{name: row[name] for name in CallbackLane._fields})


def heard(store: Store, *, fresh: bool, now: int) -> None:
    """A callback has come, inside the transaction that keeps it. A fresh one shows that callbacks arrive."""
    store.execute(
        """
        UPDATE callback_lane SET
            last_at = CASE WHEN last_at > :now THEN last_at ELSE :now END,
            last_fresh_at = CASE WHEN :fresh = 0 OR last_fresh_at > :now THEN last_fresh_at ELSE :now END,
            down_since = CASE WHEN :fresh = 0 THEN down_since END
        WHERE id = 1
        """,
        {"now": now, "fresh": int(fresh)},
    )


def shift(store: Store, by: int) -> None:
    """The clock was set back by ``-by`` ms; inside a transaction."""
    store.execute(
        """
        UPDATE callback_lane SET on_since = on_since + :by, last_at = last_at + :by,
            last_fresh_at = last_fresh_at + :by, down_since = down_since + :by
        """,
        {"by": by},
    )
