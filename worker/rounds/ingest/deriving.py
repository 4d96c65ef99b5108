"""Deriving what the 271 texts inside polled results say, for results that have no such rows or an older reader's.

Read the bodies, read their texts without any transaction, and write the rows in a short transaction that checks that
each body is still the same.
"""

from worker.core.x12.embedded import derive
from worker.store.batch import answers
from worker.store.db.store import Store

STEP_RESULTS = 20
"""Results of one transaction: each has some answers, and the write lock is held while their rows are written."""


def derive_fresh(store: Store) -> int:
    """Derive some results that have no rows yet; how many. Raises StorageFailed and TryLater."""
    return _derive(store, answers.fresh(store, STEP_RESULTS))


def derive_missing(store: Store) -> int:
    """Derive some results that have no rows yet, or where there are none, some of an older reader's; how many.

    One whose body changed meanwhile is left to the next call. Raises StorageFailed and TryLater.
    """
    return derive_fresh(store) or _derive(store, answers.outdated(store, STEP_RESULTS))


def _derive(store: Store, results: list[int]) -> int:
    derived = []
    for result in results:
        found = answers.stored_body(store, result)
        if found is not None:  # else it was removed meanwhile
            derived.append((result, derive(found.body), found.sha256))
    if derived:
        answers.put_unchanged(store, derived)
    return len(results)
