"""Deriving what 271s say, for results that have no such rows or an older reader's: the texts inside polled results, and
the sets of batches.

Read what is stored, read the X12 in it without any transaction, and write the rows in a short transaction that passes
over what was changed or removed meanwhile.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from worker.core.errors import NotAllowed
from worker.core.x12.answer_columns import answer_columns
from worker.core.x12.answer_json import answer_json
from worker.core.x12.batch import judged
from worker.core.x12.embedded import derive
from worker.core.x12.issues import OF_ENVELOPE, Issue
from worker.store.batch import answers, rereading
from worker.store.batch.rereading import NewRow, OldRow
from worker.store.db.store import Store

STEP_RESULTS = 20
"""Results of one transaction: each has some answers, and the write lock is held while their rows are written."""

STEP_ANSWERS = 200
"""Answers of batches of one transaction, at most; and of one step, but for a set that has more."""

STEP_BYTES = 512 * 1024
"""Of what these answers say as JSON, at most, but for one answer that says more."""


def derive_fresh(store: Store, now: int) -> int:
    """Derive some results that have no rows yet; how many. None for a user that may only read: the daemon does it.

    Raises StorageFailed and TryLater.
    """
    try:
        return _derive(store, answers.fresh(store, STEP_RESULTS), now)
    except NotAllowed:
        return 0


def derive_missing(store: Store, now: int) -> int:
    """Derive some results that have no rows yet, or where there are none, some of an older reader's; how many.

    One whose body changed meanwhile is left to the next call. Raises StorageFailed and TryLater.
    """
    return (
        derive_fresh(store, now) or _derive(store, answers.outdated(store, STEP_RESULTS), now) or _read_anew(store, now)
    )


def _derive(store: Store, results: list[int], now: int) -> int:
    derived = []
    for result in results:
        found = answers.stored_body(store, result)
        if found is not None:  # else it was removed meanwhile
            derived.append((result, derive(found.body), found.sha256))
    if derived:
        answers.put_unchanged(store, derived, now)
    return len(results)


def _read_anew(store: Store, now: int) -> int:
    """Read some sets of batches anew that an older reader read, a set as a whole; how many answers they have.

    Each is read once. Where it cannot be read, its answers stay as they are.
    """
    told: list[tuple[OldRow, NewRow]] = []
    size = done = 0
    for seq in rereading.outdated(store, STEP_ANSWERS):
        if seq is None:
            rereading.leave_without_set(store, STEP_ANSWERS)
            done += 1
            continue
        old = rereading.rows_of(store, seq)
        done += len(old)
        read = _reading(store, seq)
        if read is None:
            for rows in _pieces(old):
                rereading.leave(store, rows)
            continue
        new, issues = read
        if len(old) == len(new) and all(a.is_of(b.hl, b.columns) for a, b in zip(old, new, strict=True)):
            told += zip(old, new, strict=True)
            size += sum(len(one.body) for one in new)
        else:
            for rows in _pieces(old):
                rereading.say_nothing(store, rows, issues, now)
        if len(told) >= STEP_ANSWERS or size >= STEP_BYTES:
            break
    for pairs in _in_transactions(told):
        rereading.say_anew(store, pairs, now)
    return done


def _reading(store: Store, seq: int) -> tuple[list[NewRow], tuple[Issue, ...]] | None:
    """The answers of a set as the present reader has them, none where it would hold the set, and the set's issues;
    ``None`` where the set is gone, or cannot be read."""
    try:
        tset = rereading.stored_set(store, seq)
        if tset is None:
            return None
        # What only the file could tell stays; what the reader finds in the set it finds again, or does not.
        again = judged(replace(tset, issues=tuple([one for one in tset.issues if one.code in OF_ENVELOPE])))
        issues = tuple(dict.fromkeys(again.issues))
        if again.parsed is None or again.verdict == "hold":
            return [], issues
        return [NewRow(one.hl, answer_columns(one, issues), answer_json(one)) for one in again.parsed.answers()], issues
    except Exception:  # a damaged envelope or a fault of the reader must not keep the other sets from being read
        return None


def _pieces(rows: Sequence[OldRow]) -> Iterator[Sequence[OldRow]]:
    for start in range(0, len(rows), STEP_ANSWERS):
        yield rows[start : start + STEP_ANSWERS]


def _in_transactions(told: list[tuple[OldRow, NewRow]]) -> Iterator[list[tuple[OldRow, NewRow]]]:
    piece: list[tuple[OldRow, NewRow]] = []
    size = 0
    for old, new in told:
        if piece and (len(piece) >= STEP_ANSWERS or size + len(new.body) > STEP_BYTES):
            yield piece
            piece, size = [], 0
        piece.append((old, new))
        size += len(new.body)
    if piece:
        yield piece
