"""What became visible, in the order of the numbers that readers follow.

========= ===========================================================================================================
reason    what became visible
========= ===========================================================================================================
result    the first result of a task: one row for each ref of the task, or one without a ref
revision  a later, differing body: likewise
ref       a ref that was added when the results were there: one row for each of them
file      the answers of a batch file: one row with a range of numbers for all of them
set       the answers of a set that was accepted out of quarantine: likewise
read      coverage that a published result did not tell before its 271s were read, for the first time or by a newer
          reader: one row for each ref that the result has a number for, and one without if it has such a number
========= ===========================================================================================================

A number is given in the transaction that makes something visible, from a counter row that stays locked until that
transaction ends (:mod:`worker.store.counters`). So a reader who has seen a number never sees a smaller one appear.

A result may have several numbers for one ref: the last one stands, and what the result tells now replaces what it told
under the earlier ones. :func:`after` has all of them, because who follows may have passed the earlier ones;
:func:`of_results` and :func:`standing` have the last. Who keeps what is delivered keeps it by result and ref.

The answers of a file have their ordinals, 1 to n, since they were staged. The row of a range says which ordinal its
first number belongs to, so nothing is written for each answer when the file is shown.
"""

import sqlite3
from collections.abc import Iterable
from typing import Literal, NamedTuple

from worker.core.instant import FAR
from worker.store import counters
from worker.store.db.store import Store

PublishReason = Literal["result", "revision", "ref", "file", "set", "read"]

_INSERT = """
INSERT INTO outbox (first, last, result, ref, reason, file, ordinal, at)
VALUES (:first, :last, :result, :ref, :reason, :file, :ordinal, :at)
"""


class Published(NamedTuple):
    """One result, or one answer of a batch, as a reader follows it. ``ref`` may be patient data.

    ``at`` (ms) is when it became visible, as the clock of its writer said; ``None`` where an earlier release wrote it.
    """

    number: int
    result: int
    ref: str | None
    reason: PublishReason
    at: int | None


def publish(store: Store, task: int, result: int, reason: Literal["result", "revision"], now: int) -> None:
    """Give numbers to a result of ``task``, inside the transaction that keeps it."""
    refs = store.read("SELECT ref FROM refs WHERE task = :task ORDER BY added_at, ref", {"task": task})
    for ref in [row["ref"] for row in refs] or [None]:
        _put(store, result, ref, reason, now)


def publish_ref(store: Store, task: int, ref: str, now: int) -> None:
    """Give numbers to what is visible of ``task`` for a ref that was added just now, in the same transaction."""
    for row in store.read("SELECT seq FROM kept_results WHERE task = :task ORDER BY seq", {"task": task}):
        _put(store, row["seq"], ref, "ref", now)


def publish_read(store: Store, results: Iterable[int], now: int) -> None:
    """Give results new numbers whose rows tell of coverage that they did not tell before, inside the transaction that
    writes these rows. What has no number, because it is provisional, staged or held back, gets none."""
    for one in of_results(store, results):
        _put(store, one.result, one.ref, "read", now)


def publish_answers(store: Store, file: int, ordinal: int, many: int, reason: Literal["file", "set"], now: int) -> None:
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
                "at": now,
            },
        )


def _put(store: Store, result: int, ref: str | None, reason: PublishReason, now: int) -> None:
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
            "at": now,
        },
    )


def after(store: Store, number: int, limit: int) -> list[Published]:
    """Up to ``limit`` of what follows ``number``, in order, with ranges spelled out; empty where nothing follows yet.

    What was removed since is left out, so numbers may be missing; none of them appears later.
    """
    found: list[Published] = []
    while len(found) < limit:
        rows = store.read(
            "SELECT first, last, result, ref, reason, file, ordinal, at FROM outbox WHERE last > :number"
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


def before(store: Store, at: int) -> int:
    """The number before the first one that became visible ``at`` this instant (ms) or later; ``FAR``: there is none."""
    row = store.one("SELECT min(first) AS first FROM outbox WHERE at >= :at", {"at": at})
    return FAR if row is None or row["first"] is None else int(row["first"]) - 1


def of_results(store: Store, results: Iterable[int]) -> list[Published]:
    """What was published of these results, each once for each ref, under its last number, in the order of these."""
    listed = ",".join(map(str, results))
    if not listed:
        return []
    rows = store.read(
        f"""
        SELECT last AS number, result, ref, reason, at FROM outbox WHERE result IN ({listed})
        UNION ALL
        SELECT outbox.first + answers.ordinal - outbox.ordinal, answers.result, NULL, outbox.reason, outbox.at
        FROM answers JOIN outbox ON outbox.file = answers.file
            AND answers.ordinal BETWEEN outbox.ordinal AND outbox.ordinal + outbox.last - outbox.first
        WHERE answers.result IN ({listed})
        ORDER BY 1
        """,  # noqa: S608 - numbers
    )
    found = [Published(row["number"], row["result"], row["ref"], row["reason"], row["at"]) for row in rows]
    return sorted({(one.result, one.ref): one for one in found}.values())


def standing(store: Store, published: Iterable[Published]) -> list[Published]:
    """Those that no later number of the same result and ref replaces."""
    published = list(published)
    listed = ",".join(str(one.result) for one in published)
    if not listed:
        return []
    rows = store.read(
        f"SELECT result, ref, max(last) AS last FROM outbox WHERE result IN ({listed}) GROUP BY result, ref"  # noqa: S608
    )
    last = {(row["result"], row["ref"]): row["last"] for row in rows}
    return [one for one in published if last.get((one.result, one.ref), 0) <= one.number]


def _spelled_out(store: Store, row: sqlite3.Row, number: int, limit: int) -> list[Published]:
    """Up to ``limit`` of what one row stands for and follows ``number``."""
    if row["file"] is None:
        return [Published(row["last"], row["result"], row["ref"], row["reason"], row["at"])]
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
    return [Published(before + one["ordinal"], one["result"], None, row["reason"], row["at"]) for one in answers]
