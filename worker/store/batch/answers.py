"""What the 271 texts inside polled results say: rows of ``answers`` and ``texts``, derived from the body.

They are derived when a result is kept. A body whose texts are too many to read while others wait for the database, and
every result that an older reader derived, is left to :func:`derive_missing`. Nothing here decides anything about a
task.
"""

import json
from dataclasses import dataclass
from typing import Any

from worker.core.vendor.document import LISTS, read_paths
from worker.core.x12.reading import embedded
from worker.core.x12.summary import Summary, flat
from worker.store.db.store import Store

# Raised whenever the reader says something else of the same text: results of a lower number are derived anew.
DERIVATION = 2

# Bytes of a body whose texts are read inside the transaction that keeps it: at most some 20 ms of it.
AT_ONCE = 128 * 1024

# Answers kept of one text. The vendor's texts hold one; a text with more is a batch in the wrong place.
MOST = 200

REAL_TIME = "realTime"
"""Stands for the name of a list where the text is that of the real-time check which began the discovery."""

_INSERT = """
INSERT INTO answers (
    result, from_set, list, position, level, coverage, payer, payer_id, member_id, last_name, first_name, birth_date,
    plan, group_number, group_name, other_payers, rejections, reference, trace_number, originator_id, match, said
) VALUES (
    :result, NULL, :list, :position, :level, :coverage, :payer, :payer_id, :member_id, :last_name, :first_name,
    :birth_date, :plan, :group_number, :group_name, :other_payers, :rejections, :reference, :trace_number,
    :originator_id, NULL, :said
)
"""


@dataclass(frozen=True, slots=True)
class Derived:
    """Rows for one result: of ``answers``, and the identities for ``texts``."""

    answers: tuple[dict[str, Any], ...]
    texts: frozenset[str]


def x12_of(body: bytes) -> list[tuple[str, int, str]]:
    """(list, position, text) of every 271 in a task's body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(document, dict):
        return []
    found = [(path.list, path.position, path.x12) for path in read_paths(document) if path.x12 is not None]
    # The real-time answer has the form of a path, and is read as one.
    for path in read_paths({"discoveryPaths": {LISTS[0]: [document.get("realTime")]}}):
        if path.x12 is not None:
            found.append((REAL_TIME, 0, path.x12))
    return found


def derive(texts: list[tuple[str, int, str]]) -> Derived:
    """Read the texts of one body. Never raises: what cannot be read says nothing."""
    rows: list[dict[str, Any]] = []
    identities: set[str] = set()
    summary = Summary()
    for name, position, text in texts:
        try:
            found = embedded(text)
            said = [
                {"list": name, "position": position, **flat(answer)._asdict(), "said": summary.text(answer)}
                for answer in found.answers[:MOST]
            ]
        except Exception:  # noqa: S112 - a fault of the reader must never cost the result that is being kept
            continue
        identities.update(one.sha256 for one in found.sets if one.raw)
        rows += said
    return Derived(tuple(rows), frozenset(identities))


def keep(store: Store, result: int, body: bytes) -> None:
    """Derive the rows of a result just kept or replaced, inside its transaction; a large body's later."""
    if len(body) > AT_ONCE:
        _forget(store, result)
        store.execute("UPDATE results SET derived = NULL WHERE seq = :result", {"result": result})
    else:
        _put(store, result, derive(x12_of(body)))


def derive_missing(store: Store, limit: int = 100) -> int:
    """Derive up to ``limit`` results that have no rows yet, or an older reader's; how many there were.

    The reading is done outside of any transaction, and each result is written in one of its own.
    """
    rows = store.read(
        """
        SELECT seq FROM results WHERE source <> 'batch' AND derived IS NULL
        UNION ALL SELECT seq FROM results WHERE source <> 'batch' AND derived < :derivation
        ORDER BY seq LIMIT :limit
        """,
        {"derivation": DERIVATION, "limit": limit},
    )
    for row in rows:
        key = {"result": row["seq"]}
        before = store.one("SELECT body, body_sha256 FROM results WHERE seq = :result", key)
        if before is None:
            continue  # purged meanwhile
        derived = derive(x12_of(bytes(before["body"])))
        with store.write():
            after = store.one("SELECT body_sha256 FROM results WHERE seq = :result", key)
            if after is not None and after["body_sha256"] == before["body_sha256"]:
                _put(store, row["seq"], derived)
    return len(rows)


def _forget(store: Store, result: int) -> None:
    store.execute("DELETE FROM answers WHERE result = :result", {"result": result})
    store.execute("DELETE FROM texts WHERE result = :result", {"result": result})


def _put(store: Store, result: int, derived: Derived) -> None:
    _forget(store, result)
    for row in derived.answers:
        store.execute(_INSERT, {"result": result, **row})
    for sha256 in derived.texts:
        store.execute(
            "INSERT INTO texts (sha256, result) VALUES (:sha256, :result)", {"sha256": sha256, "result": result}
        )
    store.execute(
        "UPDATE results SET derived = :derivation WHERE seq = :result", {"derivation": DERIVATION, "result": result}
    )
