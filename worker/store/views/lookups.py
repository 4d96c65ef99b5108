"""Discoveries that are looked for by a correlation id, as people and scripts see them."""

from collections.abc import Iterator
from typing import Any

from worker.core.instant import iso, iso_or_none
from worker.core.problems import Problem, counted, problem
from worker.store.db.store import Store
from worker.store.tasks.lookups import DOUBTFUL

Json = dict[str, Any]

PAGE_ROWS = 500
STATES = ("searching", "found", "expired")


def pages(store: Store) -> Iterator[list[Json]]:
    """All of them, the oldest first."""
    last = 0
    while rows := store.read(
        """
        SELECT seq, correlation_id, ref, state, recorded_at, due_at, searches, last_error, ended_at
        FROM lookups WHERE seq > :last ORDER BY seq LIMIT :page
        """,
        {"last": last, "page": PAGE_ROWS},
    ):
        yield [
            {
                "number": row["seq"],
                "correlation_id": row["correlation_id"],
                "ref": row["ref"] or None,
                "state": row["state"],
                "recorded_at": iso(row["recorded_at"]),
                "due_at": iso_or_none(row["due_at"]),
                "searches": row["searches"],
                "last_error": row["last_error"],
                "ended_at": iso_or_none(row["ended_at"]),
            }
            for row in rows
        ]
        last = rows[-1]["seq"]


def picture(store: Store) -> Json:
    """How many there are of each state; ``doubtful``: found, and recorded without the ref."""
    counts = {row["state"]: row["n"] for row in store.read("SELECT state, count(*) AS n FROM lookups GROUP BY state")}
    return {**{state: counts.get(state, 0) for state in STATES}, "doubtful": _doubtful(store)}


def fact(told: Json) -> str:
    """The same in a line; empty where nothing is to be seen."""
    parts = [f"{told[state]} {state}" for state in ("searching", "expired") if told[state]]
    parts += [f"{told['doubtful']} found WITHOUT A SURE REF"] if told["doubtful"] else []
    return ", ".join(parts)


def lookup_problems(store: Store) -> list[Problem]:
    """What a person must see of them."""
    told = picture(store)
    found = {"lookup_expired": told["expired"], "lookup_doubtful": told["doubtful"]}
    return [problem(code, n, lookups=counted(n, "request")) for code, n in found.items() if n]


def _doubtful(store: Store) -> int:
    row = store.one(
        "SELECT count(*) AS n FROM lookups WHERE state = 'found' AND last_error = :doubtful", {"doubtful": DOUBTFUL}
    )
    return 0 if row is None else int(row["n"])
