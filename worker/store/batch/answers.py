"""What the 271 texts inside polled results say: rows of ``answers`` and ``texts``, derived from the body.

ParsedSet the texts is the work of :func:`~worker.core.x12.embedded.derive`, and is done outside transactions; here are
the rows. ``results.derived`` says which version of the reader made them: NULL where none has yet.
"""

from typing import NamedTuple

from worker.core.x12.embedded import READER_VERSION, Derived
from worker.store import counters
from worker.store.db.store import Store

_INSERT = """
INSERT INTO answers (
    seq, result, from_set, list, position, level, coverage, payer, payer_id, member_id, last_name, first_name,
    birth_date, plan, group_number, group_name, other_payers, rejections, reference, trace_number, originator_id,
    match, said
) VALUES (
    :seq, :result, NULL, :list, :position, :level, :coverage, :payer, :payer_id, :member_id, :last_name, :first_name,
    :birth_date, :plan, :group_number, :group_name, :other_payers, :rejections, :reference, :trace_number,
    :originator_id, NULL, :said
)
"""


class StoredBody(NamedTuple):
    """The body of a result, and its SHA-256 as stored, by which a later replacement is noticed."""

    body: bytes
    sha256: str


def behind(store: Store, limit: int) -> list[int]:
    """Numbers of up to ``limit`` polled results that have no rows yet, or those of an older reader; oldest first."""
    rows = store.read(
        """
        SELECT seq FROM results WHERE source <> 'batch' AND derived IS NULL
        UNION ALL SELECT seq FROM results WHERE source <> 'batch' AND derived < :version
        ORDER BY seq LIMIT :limit
        """,
        {"version": READER_VERSION, "limit": limit},
    )
    return [row["seq"] for row in rows]


def stored_body(store: Store, result: int) -> StoredBody | None:
    """The body of a result; ``None`` where there is no such result any more."""
    row = store.one("SELECT body, body_sha256 FROM results WHERE seq = :result", {"result": result})
    return None if row is None else StoredBody(bytes(row["body"]), row["body_sha256"])


def put(store: Store, result: int, derived: Derived) -> None:
    """Write the rows of a result in place of those it has, inside a transaction."""
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


def put_unless_changed(store: Store, result: int, derived: Derived, sha256: str) -> bool:
    """Write the rows of a result in a transaction of their own, if its body still has this SHA-256; whether it had."""
    with store.write():
        row = store.one("SELECT body_sha256 FROM results WHERE seq = :result", {"result": result})
        unchanged = row is not None and row["body_sha256"] == sha256
        if unchanged:
            put(store, result, derived)
    return unchanged


def remove(store: Store, result: int) -> None:
    """Remove the rows of a result whose body was replaced, inside a transaction. From now on it is :func:`behind`."""
    store.execute("DELETE FROM answers WHERE result = :result", {"result": result})
    store.execute("DELETE FROM texts WHERE result = :result", {"result": result})
    store.execute("UPDATE results SET derived = NULL WHERE seq = :result", {"result": result})
