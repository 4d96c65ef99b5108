"""What the learned schedule knows, with its part of the schema: curves, the price, and the requests it has spared."""

from collections.abc import Iterable

from worker.core.schedule.hazard import Curve, packed, unpacked
from worker.core.schedule.learned import Knowledge
from worker.store.db.store import Store

STATEMENTS = (
    "ALTER TABLE tasks ADD COLUMN kind TEXT NOT NULL DEFAULT 'unseen'",  # the class; see worker/core/schedule/hazard.py
    "ALTER TABLE tasks ADD COLUMN seen_at INTEGER",  # when the vendor last showed it as pending
    "ALTER TABLE tasks ADD COLUMN price INTEGER",  # of a request when the next look was planned, in ms of waiting
    # Neighbours in time, for the pages of the vendor's list.
    "CREATE INDEX tasks_pending ON tasks (seq) WHERE state = 'pending'",
    """
    CREATE TABLE curves (
        kind TEXT PRIMARY KEY,
        curve TEXT NOT NULL                 -- JSON; see worker/core/schedule/hazard.py
    ) STRICT
    """,
    """
    CREATE TABLE schedule (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        price REAL NOT NULL,                -- of a request, in ms of waiting
        spared INTEGER NOT NULL,            -- requests; see worker/core/schedule/credit.py
        first_wait INTEGER                  -- from recording to the first look, ms; none: as the cadence says
    ) STRICT
    """,
    "INSERT INTO schedule (id, price, spared) VALUES (1, 0, 0)",
)


def load(store: Store) -> Knowledge:
    """Everything learned so far."""
    row = store.one("SELECT price, spared FROM schedule WHERE id = 1")
    assert row is not None
    curves = {row["kind"]: unpacked(row["curve"]) for row in store.read("SELECT kind, curve FROM curves")}
    return Knowledge(curves, row["price"], row["spared"])


def keep(store: Store, known: Knowledge, kinds: Iterable[str], first_wait: int | None) -> None:
    """Write it, inside a transaction; ``kinds`` are the classes whose curves have changed."""
    store.execute(
        "UPDATE schedule SET price = :price, spared = :spared, first_wait = :first_wait WHERE id = 1",
        {"price": known.price, "spared": known.spared, "first_wait": first_wait},
    )
    for kind in kinds:
        store.execute(
            "INSERT INTO curves (kind, curve) VALUES (:kind, :curve)"
            " ON CONFLICT (kind) DO UPDATE SET curve = excluded.curve",
            {"kind": kind, "curve": packed(known.curves[kind])},
        )


def forget_first_wait(store: Store) -> None:
    """The written schedule is in force: tasks are first looked at as the cadence says. Inside a transaction."""
    store.execute("UPDATE schedule SET first_wait = NULL WHERE id = 1")


def curve_of(store: Store, kind: str) -> Curve:
    """What was learned of one class; an empty curve where nothing was."""
    row = store.one("SELECT curve FROM curves WHERE kind = :kind", {"kind": kind})
    return Curve() if row is None else unpacked(row["curve"])
