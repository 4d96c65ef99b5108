"""Answers of batches that are expected without an id."""

from collections.abc import Sequence

from worker.core.intake.intake import Expected
from worker.store.db.store import Store
from worker.store.state import acts

_PORTION_ROWS = 500


def add(store: Store, expected: Expected, now: int) -> bool:
    """Keep what is expected, inside the caller's transaction; whether it is new.

    One of the same trace number and ref is the same, also where only one of the two tells the originator. What it
    lacked is filled in; no value is overwritten.
    """
    params = {
        "ref": expected.ref,
        "trace_number": expected.trace_number,
        "originator_id": (expected.originator_id or "").strip(),
        "member_id": expected.member_id,
        "birth_date": expected.birth_date,
        "correlation_id": expected.correlation_id,
        "subtenant": expected.subtenant,
        "now": now,
    }
    there = store.one(
        """
        SELECT seq FROM expected
        WHERE trace_number = :trace_number AND ref = :ref
            AND (originator_id = :originator_id OR originator_id = '' OR CAST(:originator_id AS TEXT) = '')
        ORDER BY CASE WHEN originator_id = :originator_id THEN 0 ELSE 1 END, seq LIMIT 1
        """,
        params,
    )
    if there is None:
        store.execute(
            """
            INSERT INTO expected (
                ref, trace_number, originator_id, member_id, birth_date, correlation_id, subtenant, recorded_at
            ) VALUES (
                :ref, :trace_number, :originator_id, :member_id, :birth_date, :correlation_id, :subtenant, :now
            )
            """,
            params,
        )
        return True
    store.execute(
        """
        UPDATE expected SET
            originator_id = CASE WHEN originator_id = '' THEN :originator_id ELSE originator_id END,
            member_id = coalesce(member_id, :member_id), birth_date = coalesce(birth_date, :birth_date),
            correlation_id = coalesce(correlation_id, :correlation_id), subtenant = coalesce(subtenant, :subtenant)
        WHERE seq = :seq
        """,
        {**params, "seq": there["seq"]},
    )
    return False


def answered(store: Store, seqs: Sequence[int], now: int) -> None:
    """Answers to these are visible from now on; inside the transaction that shows them."""
    for start in range(0, len(seqs), _PORTION_ROWS):
        listed = ",".join(map(str, seqs[start : start + _PORTION_ROWS]))
        store.execute(
            f"UPDATE expected SET answered_at = :now WHERE seq IN ({listed}) AND answered_at IS NULL",  # noqa: S608
            {"now": now},
        )


def drop(store: Store, numbers: Sequence[int] | None, now: int, who: str) -> list[int]:
    """Stop waiting for these, or with ``None`` for all that there are now; the numbers that were waited for.

    What was answered stays: the answer goes out under its ref.
    """
    if numbers is None:
        rows = store.read("SELECT seq FROM expected WHERE answered_at IS NULL ORDER BY seq")
        numbers = [row["seq"] for row in rows]
    gone: list[int] = []
    for start in range(0, len(numbers), _PORTION_ROWS):
        listed = ",".join(str(one) for one in numbers[start : start + _PORTION_ROWS] if 0 < one < 1 << 63)
        with store.write():
            part = store.read(
                f"DELETE FROM expected WHERE seq IN ({listed or -1}) AND answered_at IS NULL RETURNING seq"  # noqa: S608
            )
            if part:
                acts.note(store, who, "dropped expected answers", acts.runs([row["seq"] for row in part]), now)
        gone += [row["seq"] for row in part]
    return sorted(gone)
