"""Values of the table ``meta`` that are JSON objects of ours, each under its key."""

import json
from typing import Any

from worker.store.db.damage import json_object
from worker.store.db.store import Store


def get(store: Store, key: str) -> dict[str, Any]:
    """The object; empty where there is none, or where it was damaged."""
    row = store.one("SELECT value FROM meta WHERE key = :key", {"key": key})
    return {} if row is None else json_object(row["value"])


def beginning(store: Store, start: str) -> list[dict[str, Any]]:
    """The objects under all keys that begin so."""
    rows = store.read(
        "SELECT value FROM meta WHERE key >= :start AND key < :behind ORDER BY key",
        {"start": start, "behind": start[:-1] + chr(ord(start[-1]) + 1)},
    )
    return [json_object(row["value"]) for row in rows]


def put(store: Store, key: str, value: dict[str, Any]) -> None:
    """Inside a transaction."""
    store.execute(
        "INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = :value",
        {"key": key, "value": json.dumps(value)},
    )


def forget(store: Store, key: str) -> None:
    """Inside a transaction."""
    store.execute("DELETE FROM meta WHERE key = :key", {"key": key})
