"""What became visible, in the order of the numbers that readers follow.

========= ===========================================================================================================
reason    what became visible
========= ===========================================================================================================
result    the first result of a task: one row for each ref of the task, or one without a ref
revision  a later, differing body: likewise
ref       a ref that was added, or an answer that was told to be expected, when the results were there: one row for
          each of them
file      the answers of a batch file: one row with a range of numbers for all of them, and one for each further ref
          of the task of one
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

from collections.abc import Iterable
from typing import Literal, NamedTuple

from worker.core.instant import FAR
from worker.store import counters
from worker.store.db.store import Row, Store
from worker.store.tasks import expected

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
    counters.take(store, "later_refs")
    for row in store.read("SELECT seq FROM kept_results WHERE task = :task ORDER BY seq", {"task": task}):
        _put(store, row["seq"], ref, "ref", now)


def publish_read(store: Store, results: Iterable[int], now: int) -> None:
    """Give results new numbers whose rows tell of coverage that they did not tell before, inside the transaction that
    writes these rows. What has no number, because it is provisional, staged or held back, gets none."""
    for one in of_results(store, results):
        _put(store, one.result, one.ref, "read", now)


class FileAnswers(NamedTuple):
    """``many`` answers of a batch file, from the ordinal ``first`` on."""

    file: int
    first: int
    many: int


class FurtherRefs(NamedTuple):
    """What :func:`further_refs` found when ``later_refs`` refs had been added to what was known."""

    later_refs: int
    found: list[tuple[int, str]]
    answered: list[int]
    """The rows of what was expected, and is among these answers."""


def further_refs(store: Store, shown: FileAnswers) -> FurtherRefs:
    """Results of these answers with every ref of their tasks but the first, and what they answer. It takes a while for
    a large file, so it is done before the transaction that shows the file."""
    later_refs = counters.value(store, "later_refs")
    rows = store.read(
        """
        SELECT answers.result, refs.ref FROM answers
        JOIN results ON results.seq = answers.result
        JOIN refs ON refs.task = results.task
        WHERE answers.file = :file AND answers.ordinal >= :first AND answers.ordinal < :first + :many AND EXISTS (
            SELECT 1 FROM refs AS earlier
            WHERE earlier.task = refs.task AND (earlier.added_at, earlier.ref) < (refs.added_at, refs.ref)
        )
        ORDER BY answers.ordinal, refs.added_at, refs.ref
        """,
        shown._asdict(),
    )
    return FurtherRefs(later_refs, [(row["result"], row["ref"]) for row in rows], _answered(store, shown))


def _answered(store: Store, shown: FileAnswers) -> list[int]:
    if store.one("SELECT 1 FROM expected LIMIT 1") is None:
        return []
    rows = store.read(
        """
        SELECT DISTINCT results.expected FROM answers JOIN results ON results.seq = answers.result
        WHERE answers.file = :file AND answers.ordinal >= :first AND answers.ordinal < :first + :many
            AND results.expected IS NOT NULL
        """,
        shown._asdict(),
    )
    return [row["expected"] for row in rows]


def publish_answers(
    store: Store, shown: FileAnswers, further: FurtherRefs, reason: Literal["file", "set"], now: int
) -> None:
    """Give numbers to answers of a batch file, in the transaction that shows them: a range, whose numbers are for the
    first ref of each answer's task, and one for each of the ``further`` refs. What was expected is answered then."""
    if not shown.many:
        return
    first = counters.take(store, "outbox", shown.many)
    store.execute(
        _INSERT,
        {
            "first": first,
            "last": first + shown.many - 1,
            "result": None,
            "ref": None,
            "reason": reason,
            "file": shown.file,
            "ordinal": shown.first,
            "at": now,
        },
    )
    if counters.value(store, "later_refs") != further.later_refs:
        further = further_refs(store, shown)  # a ref came meanwhile
    for result, ref in further.found:
        _put(store, result, ref, reason, now)
    expected.answered(store, further.answered, now)


def publish_joined(store: Store, result: int, refs: Iterable[str], now: int) -> bool:
    """Give numbers to an answer of a batch for the refs of what it was joined to just now, in the same transaction.
    An answer that no view shows yet gets them when it is shown (``False``)."""
    counters.take(store, "later_refs")
    if store.one("SELECT 1 FROM kept_results WHERE seq = :result", {"result": result}) is None:
        return False
    for ref in refs:
        _put(store, result, ref, "ref", now)
    return True


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


def last_number(store: Store) -> int:
    """The last number that something is still visible under; 0: there is nothing. What was purged has none."""
    row = store.one("SELECT max(last) AS last FROM outbox")
    return 0 if row is None or row["last"] is None else int(row["last"])


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


def _spelled_out(store: Store, row: Row, number: int, limit: int) -> list[Published]:
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
