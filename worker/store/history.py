"""The history of a task: edges, not every look."""

from worker.store.db import Store


def add(store: Store, task: int, now: int, event: str, detail: str | None) -> None:
    """One line, inside a transaction. ``task`` is the row, ``detail`` a few words without patient data."""
    store.execute(
        "INSERT INTO history (task, at, event, detail) VALUES (:task, :at, :event, :detail)",
        {"task": task, "at": now, "event": event, "detail": detail},
    )
