"""Answers of batches that came before they were expected: they are joined when that is recorded, by the same rules.

An answer is found by the trace number that its row has: the first of the inquiry's own. (A task that is recorded after
its answer came gets nothing of it; docs/batch.md says so.)
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from worker.store import outbox
from worker.store.db.store import Row, Store
from worker.store.tasks import expected

if TYPE_CHECKING:
    from worker.store.batch.matching import Match

# Answers with one trace number that are looked at. Where there are more it tells nothing, and none of them is joined.
MOST_ANSWERS_ROWS = 10

# Trace numbers whose answers are in memory together.
_PORTION_ROWS = 100


def join_earlier(store: Store, trace_numbers: Iterable[str], now: int) -> int:
    """Join answers that are there to what was recorded as expected just now, in the same transaction; how many."""
    numbers = list(dict.fromkeys(trace_numbers))
    joined = 0
    for start in range(0, len(numbers), _PORTION_ROWS):
        rows = _unjoined(store, numbers[start : start + _PORTION_ROWS])
        if rows:
            joined += _join(store, rows, now)
    return joined


def _unjoined(store: Store, numbers: list[str]) -> list[Row]:
    """The answers with these trace numbers that are joined to nothing, those of a file that is being read too."""
    found: list[int] = []
    for number in numbers:
        rows = store.read(
            """
            SELECT seq FROM answers
            WHERE trace_number = :number AND length(trace_number) <= 500
                AND (match = 'candidate' OR match = 'unmatched') LIMIT :most
            """,
            {"number": number, "most": MOST_ANSWERS_ROWS + 1},
        )
        if len(rows) <= MOST_ANSWERS_ROWS:
            found += [row["seq"] for row in rows]
    if not found:
        return []
    return store.read(
        f"""
        SELECT answers.seq, answers.result, answers.file, answers.match, sets.sha256, results.body
        FROM answers JOIN results ON results.seq = answers.result JOIN sets ON sets.seq = answers.from_set
        WHERE answers.seq IN ({",".join(map(str, found))}) ORDER BY answers.seq
        """  # noqa: S608 - numbers
    )


def _join(store: Store, rows: list[Row], now: int) -> int:
    # What reads JSON takes long to load, and a `record` mostly finds no answer.
    from worker.store.batch.matching import match_all, match_keys_said

    said = [(row, keys) for row in rows if (keys := match_keys_said(row["body"], row["sha256"])) is not None]
    matches = match_all(store, [keys for _, keys in said])
    pairs = [(row, match) for (row, _), match in zip(said, matches, strict=True) if match.expected is not None]
    for row, match in pairs:
        _put(store, row, match, now)
    return len(pairs)


def _put(store: Store, row: Row, match: "Match", now: int) -> None:
    about = {"seq": row["seq"], "result": row["result"], "task": match.task, "expected": match.expected}
    store.execute("UPDATE results SET task = :task, expected = :expected WHERE seq = :result", about)
    store.execute("UPDATE answers SET match = 'matched' WHERE seq = :seq", about)
    store.execute("DELETE FROM candidates WHERE answer = :seq", about)
    was = {"candidate": "candidates", "unmatched": "unmatched"}[row["match"]]
    # Of a file that is being read the counts are added to these when it is shown.
    store.execute(
        f"UPDATE files SET matched = matched + 1, {was} = {was} - 1 WHERE seq = :file",  # noqa: S608 - constants
        {"file": row["file"]},
    )
    refs = store.read(
        """
        SELECT ref, added_at FROM refs WHERE task = :task
        UNION SELECT ref, recorded_at FROM expected WHERE seq = :expected AND CAST(:task AS BIGINT) IS NULL
        ORDER BY 2, 1
        """,
        about,
    )
    assert match.expected is not None
    if outbox.publish_joined(store, row["result"], [one["ref"] for one in refs], now):
        expected.answered(store, [match.expected], now)
