"""What a batch file would come to, with nothing written: a dry run asks the database, and remembers the rest."""

from collections.abc import Iterable

from worker.core.x12.issues import Issue
from worker.store.batch.batches import FileState
from worker.store.batch.matching import match_all
from worker.store.batch.patients import JoinedPatients
from worker.store.batch.rows import Counts, stored_sets
from worker.store.batch.staging import StagedAnswer, StagedSet, count_sets
from worker.store.db.store import Store


class DryRun:
    """Counts what :class:`~worker.store.batch.batches.FileRows` would write. It remembers every set's identity in
    brief, and which patient it would have joined to a task."""

    number: int | None = None

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: set[int] = set()
        self._joined: JoinedPatients = {}

    def begin(self) -> None:
        pass

    def put(self, sets: list[StagedSet], answers: list[StagedAnswer]) -> Counts:
        counts = Counts()
        stored = stored_sets(self._store, [one.sha256 for one in sets if one.sha256])
        for one in sets:
            if one.sha256 is not None:
                brief = int(one.sha256[:16], 16)
                one.stored_before = brief in self._seen or one.sha256 in stored
                self._seen.add(brief)
        count_sets(sets, counts)
        keys = [keys for one, keys, *_ in answers if not one.stored_before]
        counts.count(match_all(self._store, [one for one in keys if one is not None], self._joined))
        counts.test_answers += keys.count(None)
        return counts

    def finish(self, counts: Counts, warnings: Iterable[Issue], incomplete: str | None = None) -> None:
        pass

    def discard(self) -> None:
        pass

    def note(self, state: FileState, reason: str, interchanges: int, warnings: Iterable[Issue]) -> None:
        pass
