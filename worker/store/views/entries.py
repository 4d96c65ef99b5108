"""What is told of a result, once for each of the caller's keys: the outbox has a number for each."""

from collections.abc import Iterable
from typing import NamedTuple

from worker.store import outbox
from worker.store.db.store import Row, Store


class Entry(NamedTuple):
    """A result for one of the caller's keys. ``seq`` is its number in the outbox; none: it is provisional.

    ``at`` (ms) is when it became visible. ``ref`` may be patient data.
    """

    seq: int | None
    result: int
    ref: str | None
    at: int | None


def each_ref(store: Store, published: Iterable[outbox.Published]) -> list[Entry]:
    """What was published, with its ref. The number of an answer of a batch is for the first ref of its task that has no
    number of its own; where each has one, nothing is told under it."""
    published = list(published)
    refs = _refs(store, [one.result for one in published if one.ref is None])
    found = []
    for one in published:
        if one.ref is not None or one.result not in refs:
            found.append(Entry(one.number, one.result, one.ref, one.at))
        else:
            unnumbered = [ref for ref, numbered in refs[one.result] if not numbered]
            found += [Entry(one.number, one.result, ref, one.at) for ref in unnumbered[:1]]
    return found


def provisional(store: Store, rows: Iterable[Row]) -> list[Entry]:
    """Provisional results, of rows of ``results``, once for each ref."""
    rows = list(rows)
    refs = _refs(store, [row["seq"] for row in rows])
    return [
        Entry(None, row["seq"], ref, row["received_at"])
        for row in rows
        for ref, _ in refs.get(row["seq"], [(None, False)])
    ]


def _refs(store: Store, results: Iterable[int]) -> dict[int, list[tuple[str | None, bool]]]:
    """By result, the refs of its task, or that of what it answers; and whether each has a number of its own."""
    found: dict[int, list[tuple[str | None, bool]]] = {}
    listed = ",".join(map(str, results))
    if not listed:
        return found
    for row in store.read(
        f"""
        SELECT keys.seq, keys.ref, EXISTS (
            SELECT 1 FROM outbox WHERE outbox.result = keys.seq AND outbox.ref = keys.ref
        ) AS numbered
        FROM (
            SELECT results.seq, refs.ref, refs.added_at
            FROM results JOIN refs ON refs.task = results.task WHERE results.seq IN ({listed})
            UNION ALL
            SELECT results.seq, expected.ref, expected.recorded_at
            FROM results JOIN expected ON expected.seq = results.expected
            WHERE results.seq IN ({listed}) AND results.task IS NULL
        ) AS keys
        ORDER BY keys.added_at, keys.ref
        """  # noqa: S608 - numbers
    ):
        found.setdefault(row["seq"], []).append((row["ref"], bool(row["numbered"])))
    return found
