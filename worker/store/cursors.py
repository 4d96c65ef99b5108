"""Readers that follow the numbers of the outbox by name: how far each has come."""

from worker.store.db.store import Store


def position(store: Store, name: str) -> int:
    """The number up to which everything was handed out; 0 for a name that was never used."""
    row = store.one("SELECT number FROM cursors WHERE name = :name", {"name": name})
    return 0 if row is None else int(row["number"])


def move(store: Store, name: str, number: int, now: int) -> None:
    """Put the cursor at ``number``, in a transaction of its own. It never moves back."""
    with store.write():
        store.execute(
            """
            INSERT INTO cursors (name, number, moved_at) VALUES (:name, :number, :now)
            ON CONFLICT (name) DO UPDATE SET number = :number, moved_at = :now WHERE cursors.number < :number
            """,
            {"name": name, "number": number, "now": now},
        )
