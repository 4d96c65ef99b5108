"""Callbacks in quarantine, with numbers such as ``c7``: for a person to see, to read again, or to drop.

What is listed holds no patient data; the bodies themselves do.
"""

from typing import Any

from worker.core.instant import iso
from worker.core.vendor.callback import Delivery
from worker.store.db.store import Store
from worker.store.state import acts
from worker.store.tasks import bodies

Json = dict[str, Any]

_HELD = "SELECT seq, received_at, reason, tenant, length(body) AS size FROM bodies WHERE source = 'callback'"


def listed(store: Store) -> list[Json]:
    """The oldest thousand."""
    return [_shown(row) for row in store.read(f"{_HELD} ORDER BY seq LIMIT 1000")]


def count(store: Store) -> int:
    """How many there are."""
    (row,) = store.read("SELECT count(*) AS n FROM bodies WHERE source = 'callback'")
    return int(row["n"])


def one(store: Store, seq: int) -> Json | None:
    """``None`` where it is not in quarantine."""
    row = store.one(f"{_HELD} AND seq = :seq", {"seq": seq})
    return None if row is None else _shown(row)


def delivery(store: Store, seq: int) -> Delivery | None:
    """As it came; ``None`` where it is not in quarantine."""
    row = store.one(
        "SELECT body, tenant, correlation_id, trace_id FROM bodies WHERE source = 'callback' AND seq = :seq",
        {"seq": seq},
    )
    if row is None:
        return None
    return Delivery(bytes(row["body"]), row["tenant"], row["correlation_id"], row["trace_id"])


def drop(store: Store, seq: int, now: int, who: str) -> bool:
    """Delete it for good."""
    with store.write():
        dropped = bodies.forget_callback(store, seq)
        if dropped:
            acts.note(store, who, "dropped from quarantine", f"c{seq}", now)
    return dropped


def _shown(row: Any) -> Json:
    return {
        "number": f"c{row['seq']}",
        "reason": row["reason"],
        "since": iso(row["received_at"]),
        "size": row["size"],
        "tenant": row["tenant"],
    }
