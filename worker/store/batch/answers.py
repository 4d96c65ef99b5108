"""What the 271 texts inside polled results say: rows of ``answers`` and ``texts``, derived from the body.

:func:`~worker.core.x12.embedded.derive` reads the texts, outside transactions; here are the rows. ``results.derived``
says which version of the reader made them: NULL where none has yet.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from worker.core.x12.answer_columns import AnswerColumns
from worker.core.x12.embedded import READER_VERSION, Derived
from worker.store import counters, outbox
from worker.store.db.store import Store

_INSERT = f"""
INSERT INTO answers (seq, result, list, position, said, {", ".join(AnswerColumns._fields)})
VALUES (:seq, :result, :list, :position, :said, {", ".join(f":{name}" for name in AnswerColumns._fields)})
"""  # noqa: S608 - the names are those of a class


class StoredBody(NamedTuple):
    """The body of a result, and its SHA-256 as stored, by which a later replacement is noticed."""

    body: bytes
    sha256: str


def fresh(store: Store, limit: int) -> list[int]:
    """Numbers of up to ``limit`` polled results that have no rows yet, oldest first."""
    return _numbers(store, "derived IS NULL", limit)


def outdated(store: Store, limit: int) -> list[int]:
    """Numbers of up to ``limit`` polled results whose rows an older reader made, oldest first."""
    return _numbers(store, "derived < :version", limit)


def _numbers(store: Store, which: str, limit: int) -> list[int]:
    rows = store.read(
        f"SELECT seq FROM results WHERE source <> 'batch' AND {which} ORDER BY derived, seq LIMIT :limit",  # noqa: S608
        {"version": READER_VERSION, "limit": limit},
    )
    return [row["seq"] for row in rows]


def stored_body(store: Store, result: int) -> StoredBody | None:
    """The body of a result; ``None`` where there is no such result any more."""
    row = store.one("SELECT body, body_sha256 FROM results WHERE seq = :result", {"result": result})
    return None if row is None else StoredBody(bytes(row["body"]), row["body_sha256"])


TOLD = "last_name, first_name, birth_date, coverage, payer, payer_id, member_id, other_payers, managed_care"


def coverages(row: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """What an answer with these columns (:data:`TOLD`) tells of coverage to bill: whom, of whom. Neither dates nor the
    plan: the same coverage that is described better is none that was not told before."""
    patient = (row["last_name"], row["first_name"], row["birth_date"])
    found: set[tuple[str, ...]] = {
        (*patient, column, row[column]) for column in ("other_payers", "managed_care") if row[column]
    }
    if row["coverage"] == "active":
        found.add((*patient, row["payer"], row["payer_id"], row["member_id"]))
    return found


def _told(rows: Iterable[Mapping[str, Any]]) -> set[tuple[str, ...]]:
    return set[tuple[str, ...]]().union(*map(coverages, rows))


def put(store: Store, result: int, derived: Derived, now: int) -> None:
    """Write the rows of a result in place of those it has, inside a transaction. If it is published, and they tell of
    coverage that those did not, it gets new numbers."""
    before = store.read(f"SELECT {TOLD} FROM answers WHERE result = :result", {"result": result})  # noqa: S608
    remove(store, result)
    first = counters.take(store, "answers", len(derived.answers))
    for seq, row in enumerate(derived.answers, first):
        store.execute(_INSERT, {"seq": seq, "result": result, **row})
    for sha256 in derived.texts:
        store.execute(
            "INSERT INTO texts (sha256, result) VALUES (:sha256, :result)", {"sha256": sha256, "result": result}
        )
    store.execute(
        "UPDATE results SET derived = :version WHERE seq = :result", {"version": READER_VERSION, "result": result}
    )
    if _told(derived.answers) - _told(map(dict, before)):
        outbox.publish_read(store, [result], now)


def put_unchanged(store: Store, results: Iterable[tuple[int, Derived, str]], now: int) -> None:
    """Write the rows of results, (number, rows, SHA-256 of the body), in one transaction of their own.

    A result whose body has another SHA-256 by now is left as it is.
    """
    with store.write():
        for result, derived, sha256 in results:
            row = store.one("SELECT body_sha256 FROM results WHERE seq = :result", {"result": result})
            if row is not None and row["body_sha256"] == sha256:
                put(store, result, derived, now)


def remove(store: Store, result: int) -> None:
    """Remove the rows of a result whose body was replaced, inside a transaction. From now on it is :func:`fresh`."""
    store.execute("DELETE FROM answers WHERE result = :result", {"result": result})
    store.execute("DELETE FROM texts WHERE result = :result", {"result": result})
    store.execute("UPDATE results SET derived = NULL WHERE seq = :result", {"result": result})
