"""What no way out has delivered yet: it is never purged."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from worker.store.db.store import Store


class Limit(NamedTuple):
    """Remove what is older than ``before`` (ms), but for what one of the ``ways`` out has not delivered yet."""

    before: int
    ways: tuple[str, ...] = ()


def _least_position(store: Store, ways: Sequence[str]) -> int | None:
    """Every way has come beyond this number of the outbox; ``None``: there is no way out."""
    if not ways:
        return None
    rows = {row["name"]: row["position"] for row in store.read("SELECT name, position FROM ways")}
    return min(int(rows.get(name, 0)) for name in ways)


def _under_way(store: Store, ways: Sequence[str]) -> set[int]:
    """The results that a way has under way, or tries again. They are few."""
    rows = store.read("SELECT way, result FROM deliveries WHERE state <> 'dead'") if ways else []
    return {row["result"] for row in rows if row["way"] in ways}


def tasks(store: Store, seqs: Sequence[int], limit: Limit) -> set[int]:
    """Those of the tasks that have a result which is not delivered yet."""
    least = _least_position(store, limit.ways)
    if least is None or not seqs:
        return set()
    these = listed(seqs)
    under_way = _under_way(store, limit.ways)
    rows = store.read(
        f"""
        SELECT results.task FROM results JOIN outbox ON outbox.result = results.seq
        WHERE results.task IN ({these}) AND results.source <> 'batch' AND outbox.last > :least
        UNION SELECT task FROM results
        WHERE task IN ({these}) AND source <> 'batch' AND seq IN ({listed(under_way) or "-1"})
        """,  # noqa: S608 - numbers
        {"least": least},
    )
    return {row["task"] for row in rows}


def in_file(store: Store, file: int, limit: Limit) -> bool:
    """Whether an answer of the file is not delivered yet."""
    least = _least_position(store, limit.ways)
    if least is None:
        return False
    row = store.one(
        """
        SELECT EXISTS (SELECT 1 FROM outbox WHERE file = :file AND last > :least) OR EXISTS (
            SELECT 1 FROM answers JOIN outbox ON outbox.result = answers.result
            WHERE answers.file = :file AND answers.ordinal IS NOT NULL AND outbox.last > :least
        ) AS behind
        """,
        {"file": file, "least": least},
    )
    these = listed(_under_way(store, limit.ways)) or "-1"
    under_way = store.one(
        f"SELECT 1 FROM answers WHERE result IN ({these}) AND file = :file LIMIT 1",  # noqa: S608 - numbers
        {"file": file},
    )
    return bool(row is not None and row["behind"]) or under_way is not None


def among(store: Store, file: int, results: Sequence[int], limit: Limit) -> bool:
    """The same of some of its answers; it takes no longer in a large file."""
    least = _least_position(store, limit.ways)
    if least is None:
        return False
    row = store.one(
        f"""
        SELECT EXISTS (SELECT 1 FROM outbox WHERE file = :file AND last > :least)
            OR EXISTS (SELECT 1 FROM outbox WHERE result IN ({listed(results)}) AND last > :least) AS behind
        """,  # noqa: S608 - numbers
        {"file": file, "least": least},
    )
    under_way = _under_way(store, limit.ways)
    return bool(row is not None and row["behind"]) or not under_way.isdisjoint(results)


def listed(numbers: Iterable[int]) -> str:
    """As SQL has them in a list."""
    return ",".join(map(str, numbers))
