"""Deriving what the 271 texts inside polled results say, for results that have no such rows or an older reader's.

For each result: read the body, read its texts without any transaction, and write the rows in a short transaction that
checks that the body is still the same.
"""

from worker.core.x12.embedded import derive
from worker.store.batch import answers
from worker.store.db.store import Store


def derive_missing(store: Store, limit: int = 100) -> int:
    """Derive up to ``limit`` results; how many there were. One whose body changed meanwhile is left to the next call.

    Raises StorageFailed and TryLater; each result that was done stays done.
    """
    results = answers.behind(store, limit)
    for result in results:
        found = answers.stored_body(store, result)
        if found is not None:  # else it was removed meanwhile
            answers.put_unless_changed(store, result, derive(found.body), found.sha256)
    return len(results)
