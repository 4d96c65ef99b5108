"""What the learned schedule knows: curves, the price, and the requests it has spared."""

from collections.abc import Iterable

from worker.core.schedule.hazard import Curve, packed, unpacked
from worker.core.schedule.learned import Knowledge
from worker.store.db.store import Store


def load(store: Store) -> Knowledge:
    """Everything learned so far."""
    row = store.one("SELECT delay_per_request_ms, credit FROM api WHERE id = 1")
    assert row is not None
    curves = {row["task_class"]: unpacked(row["curve"]) for row in store.read("SELECT task_class, curve FROM curves")}
    return Knowledge(curves, row["delay_per_request_ms"], row["credit"])


def keep(store: Store, known: Knowledge, kinds: Iterable[str], first_wait: int | None) -> None:
    """Write it, inside a transaction; ``kinds`` are the classes whose curves have changed."""
    store.execute(
        "UPDATE api SET delay_per_request_ms = :price, credit = :spared, first_wait_ms = :first_wait WHERE id = 1",
        {"price": known.price, "spared": known.spared, "first_wait": first_wait},
    )
    for kind in kinds:
        store.execute(
            "INSERT INTO curves (task_class, curve) VALUES (:kind, :curve)"
            " ON CONFLICT (task_class) DO UPDATE SET curve = excluded.curve",
            {"kind": kind, "curve": packed(known.curves[kind])},
        )


def forget_first_wait(store: Store) -> None:
    """The written schedule is in force: tasks are first looked at as the cadence says. Inside a transaction."""
    store.execute("UPDATE api SET first_wait_ms = NULL WHERE id = 1")


def curve_of(store: Store, kind: str) -> Curve:
    """What was learned of one class; an empty curve where nothing was."""
    row = store.one("SELECT curve FROM curves WHERE task_class = :kind", {"kind": kind})
    return Curve() if row is None else unpacked(row["curve"])
