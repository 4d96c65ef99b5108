"""Answers of batches that are expected without an id, as people and scripts see them. Reads only."""

from collections.abc import Iterator
from typing import Any

from worker.core.instant import FAR, iso, words
from worker.core.problems import counted
from worker.store.db.store import Store

Json = dict[str, Any]

PAGE_ROWS = 500

# Answers that are counted for one; more say no more.
MOST_CANDIDATES = 100


def pages(store: Store, before: int | None = None) -> Iterator[list[Json]]:
    """What is still waited for, the oldest first; with ``before`` (ms), what was recorded before it.

    ``candidates``: how many answers of batches, up to 100, have its trace number, and are joined to nothing.
    """
    last = 0
    while rows := store.read(
        """
        SELECT seq, ref, trace_number, originator_id, member_id, birth_date, correlation_id, subtenant, recorded_at, (
            SELECT count(*) FROM (
                SELECT 1 FROM answers WHERE answers.trace_number = expected.trace_number
                    AND length(answers.trace_number) <= 500
                    AND (answers.match = 'candidate' OR answers.match = 'unmatched') LIMIT :most
            ) AS alike
        ) AS candidates
        FROM expected WHERE seq > :last AND answered_at IS NULL AND recorded_at < :before ORDER BY seq LIMIT :page
        """,
        {"last": last, "before": FAR if before is None else before, "page": PAGE_ROWS, "most": MOST_CANDIDATES},
    ):
        yield [
            {
                "number": row["seq"],
                "recorded_at": iso(row["recorded_at"]),
                **{key: row[key] for key in ("ref", "trace_number", "member_id", "birth_date")},
                **{key: row[key] or None for key in ("originator_id", "correlation_id", "subtenant")},
                "candidates": row["candidates"],
            }
            for row in rows
        ]
        last = rows[-1]["seq"]


def picture(store: Store, now: int) -> Json:
    """How many are waited for, how many were answered, and since when the oldest is waited for."""
    row = store.one("SELECT count(*) AS n, min(recorded_at) AS oldest FROM expected WHERE answered_at IS NULL")
    answered = store.one("SELECT count(*) AS n FROM expected WHERE answered_at IS NOT NULL")
    assert row is not None
    assert answered is not None
    return {
        "waiting": row["n"],
        "answered": answered["n"],
        "oldest_age_s": None if row["oldest"] is None else max(0, now - row["oldest"]) // 1000,
    }


def fact(told: Json) -> str:
    """The same in a line; empty where nothing is waited for."""
    if not told["waiting"]:
        return ""
    oldest = words(told["oldest_age_s"] * 1000)
    return f"{counted(told['waiting'], 'answer')} of batches waited for, the oldest for {oldest}"
