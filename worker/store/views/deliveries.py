"""The ways out and their deliveries, as people and scripts see them. Reads only."""

from collections.abc import Iterator
from typing import Any

from worker.core.instant import iso, iso_or_none
from worker.core.status_rules import ConfiguredWay
from worker.core.way import WayState
from worker.store import outbox
from worker.store.db.store import Store
from worker.store.deliveries import position

Json = dict[str, Any]

PAGE_ROWS = 500


def picture(store: Store, now: int, ways: tuple[ConfiguredWay, ...]) -> list[Json]:
    """How each of the configured ways fares.

    ``behind``: how many numbers it has not looked at, and letters that wait; some of these numbers may not be for it.
    """
    last, counted = outbox.last_number(store), by_state(store)
    return [_way(store, now, one, last, counted.get(one.name, {})) for one in ways]


def by_state(store: Store) -> dict[str, dict[str, int]]:
    """How many deliveries each way has in each state."""
    found: dict[str, dict[str, int]] = {}
    for row in store.read("SELECT way, state, count(*) AS n FROM deliveries GROUP BY way, state"):
        found.setdefault(row["way"], {})[row["state"]] = row["n"]
    return found


def _way(store: Store, now: int, way: ConfiguredWay, last: int, counted: dict[str, int]) -> Json:
    place = position(store, way.name)
    number = 0 if place is None else place.number
    state = WayState() if place is None else place.way
    row = store.one("SELECT delivered FROM ways WHERE name = :name", {"name": way.name})
    waiting = counted.get("waiting", 0)
    # A way that was never used, and is to begin with what is new, has nothing to do with what is there.
    unseen = 0 if place is None and way.start == "new" else last - number
    return {
        "name": way.name,
        "kind": way.kind,
        "position": number,
        "behind": max(0, unseen) + waiting,
        "failed": counted.get("failed", 0),
        "dead": counted.get("dead", 0),
        "delivered": 0 if row is None else row["delivered"],
        "resting_until": iso_or_none(state.rest_over_at(now)),
        "stopped": state.stopped_at is not None,
        "reason": state.reason,
        "last_at": iso_or_none(state.last_at),
    }


def pages(
    store: Store, way: str | None = None, state: str | None = None, subtenant: str | None = None
) -> Iterator[list[Json]]:
    """What is under way, has failed or is dead, by way and number, page by page; each ``None`` leaves none out.

    ``subtenant``: only results of what was recorded with this tag.
    """
    after: tuple[str, int] = ("", -1)
    while True:
        rows = store.read(
            """
            SELECT deliveries.way, deliveries.number, tasks.id, deliveries.state, deliveries.attempts,
                deliveries.next_at, deliveries.error, deliveries.detail, deliveries.first_at, deliveries.last_at,
                coalesce(tasks.subtenant, expected.subtenant) AS subtenant
            FROM deliveries LEFT JOIN tasks ON tasks.seq = deliveries.task
            LEFT JOIN results ON results.seq = deliveries.result AND deliveries.task IS NULL
            LEFT JOIN expected ON expected.seq = results.expected
            WHERE (deliveries.way, deliveries.number) > (:after_way, :after_number)
            AND deliveries.way = coalesce(CAST(:way AS TEXT), deliveries.way)
            AND deliveries.state = coalesce(CAST(:state AS TEXT), deliveries.state)
            AND (CAST(:subtenant AS TEXT) IS NULL OR coalesce(tasks.subtenant, expected.subtenant) = :subtenant)
            ORDER BY deliveries.way, deliveries.number LIMIT :most
            """,
            {
                "after_way": after[0],
                "after_number": after[1],
                "way": way,
                "state": state,
                "subtenant": subtenant,
                "most": PAGE_ROWS,
            },
        )
        if not rows:
            return
        after = (rows[-1]["way"], rows[-1]["number"])
        yield [
            {
                "way": row["way"],
                "seq": row["number"],
                "id": row["id"],
                "subtenant": row["subtenant"],
                "state": row["state"],
                "attempts": row["attempts"],
                "next_at": None if row["state"] == "dead" else iso(row["next_at"]),
                "error": row["error"],
                "detail": row["detail"],
                "first_at": iso(row["first_at"]),
                "last_at": iso_or_none(row["last_at"]),
            }
            for row in rows
        ]
