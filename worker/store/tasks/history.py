"""The history of a task: its changes, not every poll. A trigger of the table bounds the rows of each task."""

from collections.abc import Sequence

from worker.store.db.store import Store


def add(store: Store, task: int, now: int, event: str, detail: str | None) -> None:
    """One line, inside a transaction. ``task`` is the row, ``detail`` a few words without patient data."""
    store.execute(
        "INSERT INTO history (task, at, event, detail) VALUES (:task, :at, :event, :detail)",
        {"task": task, "at": now, "event": event, "detail": detail},
    )


def add_all(store: Store, lines: Sequence[tuple[int, int | None, str, str | None]]) -> None:
    """Several lines of several tasks: (task, at, event, detail)."""
    for start in range(0, len(lines), 64):
        part = lines[start : start + 64]
        values = ",".join(["(?,?,?,?)"] * len(part))
        store.execute(
            f"INSERT INTO history (task, at, event, detail) VALUES {values}",  # noqa: S608 - question marks
            [value for line in part for value in line],
        )
