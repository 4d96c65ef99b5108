"""The curves of the learned schedule, one for each class of task."""

from collections.abc import Mapping

from worker.core.schedule.hazard import EndCounts, packed, together, unpacked
from worker.store.db.store import Store


def load(store: Store) -> dict[str, EndCounts]:
    """All of them, by class."""
    rows = store.read("SELECT task_class, curve FROM curves")
    return {row["task_class"]: unpacked(row["curve"]) for row in rows}


def add(store: Store, since: Mapping[str, EndCounts]) -> dict[str, EndCounts]:
    """Add what was learned since to what others have stored, inside a transaction; all that stands there then."""
    stored = load(store)
    for task_class, learned in since.items():
        curve = packed(together(stored.get(task_class, EndCounts()), learned))
        stored[task_class] = unpacked(curve)
        store.execute(
            "INSERT INTO curves (task_class, curve) VALUES (:task_class, :curve)"
            " ON CONFLICT (task_class) DO UPDATE SET curve = excluded.curve",
            {"task_class": task_class, "curve": curve},
        )
    return stored


def of_class(store: Store, task_class: str) -> EndCounts:
    """What was learned of one class; an empty curve where nothing was."""
    row = store.one("SELECT curve FROM curves WHERE task_class = :task_class", {"task_class": task_class})
    return EndCounts() if row is None else unpacked(row["curve"])
