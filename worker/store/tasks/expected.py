"""Answers of batches that are expected without an id."""

from worker.core.intake.intake import Expected
from worker.store.db.store import Store


def add(store: Store, expected: Expected, now: int) -> bool:
    """Keep what is expected, inside the caller's transaction; whether it is new.

    What an earlier one of the same trace number and ref lacked is filled in; no value is overwritten.
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
    new = store.execute(
        """
        INSERT INTO expected (
            ref, trace_number, originator_id, member_id, birth_date, correlation_id, subtenant, recorded_at
        ) VALUES (
            :ref, :trace_number, :originator_id, :member_id, :birth_date, :correlation_id, :subtenant, :now
        ) ON CONFLICT (trace_number, originator_id, ref) DO NOTHING
        """,
        params,
    )
    if not new:
        store.execute(
            """
            UPDATE expected SET
                member_id = coalesce(member_id, :member_id), birth_date = coalesce(birth_date, :birth_date),
                correlation_id = coalesce(correlation_id, :correlation_id), subtenant = coalesce(subtenant, :subtenant)
            WHERE trace_number = :trace_number AND originator_id = :originator_id AND ref = :ref
            """,
            params,
        )
    return bool(new)
