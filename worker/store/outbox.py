"""What became visible, in the order of the numbers that readers follow.

========= ===========================================================================================================
reason    what became visible
========= ===========================================================================================================
result    the first result of a task: one row for each ref of the task, or one without a ref
revision  a later, differing body: likewise
ref       a ref that was added when the results were there: one row for each of them
file      the answers of a batch file: one row with a range of numbers for all of them
set       the answers of a set that was accepted out of quarantine: likewise
========= ===========================================================================================================

A number is given in the transaction that makes something visible, from a counter row that stays locked until that
transaction ends (:mod:`worker.store.counters`). So a reader who has seen a number never sees a smaller one appear.

The answers of a file have their ordinals, 1 to n, since they were staged. The row of a range says which ordinal its
first number belongs to, so nothing is written for each answer when the file is shown.
"""

import sqlite3
from typing import Literal, NamedTuple

from worker.store import counters
from worker.store.db.store import Store

PublishReason = Literal["result", "revision", "ref", "file", "set"]

_INSERT = """
INSERT INTO outbox (first, last, result, ref, reason, file, ordinal)
VALUES (:first, :last, :result, :ref, :reason, :file, :ordinal)
"""


class Published(NamedTuple):
    """One result, or one answer of a batch, as a reader follows it. ``ref`` may be patient data."""

    number: int
    result: int
    ref: str | None
    reason: PublishReason


def publish(store: Store, task: int, result: int, reason: Literal["result", "revision"]) -> None:
    """Give numbers to a result of ``task``, inside the transaction that keeps it."""
    refs = store.read("SELECT ref FROM refs WHERE task = :task ORDER BY added_at, ref", {"task": task})
    for ref in [row["ref"] for row in refs] or [None]:
        _put(store, result, ref, reason)


def publish_ref(store: Store, task: int, ref: str) -> None:
    """Give numbers to what is visible of ``task`` for a ref that was added just now, in the same transaction."""
    for row in store.read("SELECT seq FROM kept_results WHERE task = :task ORDER BY seq", {"task": task}):
        _put(store, row["seq"], ref, "ref")


def publish_answers(store: Store, file: int, ordinal: int, many: int, reason: Literal["file", "set"]) -> None:
    """Give numbers to ``many`` answers of a batch file, from this ordinal on, in the transaction that shows them."""
    if many:
        first = counters.take(store, "outbox", many)
        store.execute(
            _INSERT,
            {
                "first": first,
                "last": first + many - 1,
                "result": None,
                "ref": None,
                "reason": reason,
                "file": file,
                "ordinal": ordinal,
            },
        )


def _put(store: Store, result: int, ref: str | None, reason: PublishReason) -> None:
    number = counters.take(store, "outbox")
    store.execute(
        _INSERT,
        {
            "first": number,
            "last": number,
            "result": result,
            "ref": ref,
            "reason": reason,
            "file": None,
            "ordinal": None,
        },
    )


def after(store: Store, number: int, limit: int) -> list[Published]:
    """Up to ``limit`` of what follows ``number``, in order, with ranges spelled out; empty where nothing follows yet.

    What was removed since is left out, so numbers may be missing; none of them appears later.
    """
    found: list[Published] = []
    while len(found) < limit:
        rows = store.read(
            "SELECT first, last, result, ref, reason, file, ordinal FROM outbox WHERE last > :number"
            " ORDER BY last LIMIT :limit",
            {"number": number, "limit": limit - len(found)},
        )
        if not rows:
            break
        for row in rows:
            found += _spelled_out(store, row, number, limit - len(found))
            if len(found) == limit:
                break
            number = row["last"]
    return found


def _spelled_out(store: Store, row: sqlite3.Row, number: int, limit: int) -> list[Published]:
    """Up to ``limit`` of what one row stands for and follows ``number``."""
    if row["file"] is None:
        return [Published(row["last"], row["result"], row["ref"], row["reason"])]
    before = row["first"] - row["ordinal"]  # the number of an answer, less its ordinal
    answers = store.read(
        "SELECT ordinal, result FROM answers WHERE file = :file AND ordinal > :after AND ordinal <= :last"
        " ORDER BY ordinal LIMIT :limit",
        {
            "file": row["file"],
            "after": max(number, row["first"] - 1) - before,
            "last": row["last"] - before,
            "limit": limit,
        },
    )
    return [Published(before + one["ordinal"], one["result"], None, row["reason"]) for one in answers]
