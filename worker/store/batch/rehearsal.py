"""What a batch file would come to, with nothing written: a dry run asks the database, and remembers the rest."""

from collections.abc import Iterable

from worker.core.x12.answer import Answer
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.issues import Issue
from worker.store.batch.batches import ROWS
from worker.store.batch.matching import Joined, Wanted, match_all, wanted
from worker.store.batch.rows import Counts, SetState, identity, stored_sets
from worker.store.db.store import Store


class Rehearsal:
    """What :class:`~worker.store.batch.batches.Staging` would count. It remembers every set's identity in brief,
    and which patient it would have joined to a task."""

    def __init__(self, store: Store, *, hold_test: bool) -> None:
        self.counts = Counts()
        self._store = store
        self._hold_test = hold_test
        self._seen: set[int] = set()
        self._joined: Joined = {}
        self._waiting: list[tuple[SetState, str | None, int, list[Wanted | None]]] = []
        self._rows = 0

    def add(
        self,
        tset: TransactionSet,
        state: SetState,
        issues: tuple[Issue, ...],  # noqa: ARG002 - as Staging.add has it
        subscribers: int = 0,
        answers: Iterable[Answer] = (),
    ) -> None:
        """Take one set and its answers, to be counted with others: what the database is asked takes longest."""
        test = self._hold_test and tset.interchange.test
        sha256 = identity(tset, test=test)
        wants: list[Wanted | None] = []
        self._waiting.append((state, sha256, subscribers, wants))
        self._rows += 1
        for answer in answers:
            wants.append(None if test else wanted(answer, sha256))
            self._rows += 1
        if self._rows >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Count what waits."""
        counts = self.counts
        stored = stored_sets(self._store, [sha256 for _, sha256, _, _ in self._waiting if sha256])
        fresh: list[Wanted | None] = []
        for state, sha256, subscribers, wants in self._waiting:
            known = False
            if sha256 is not None:
                brief = int(sha256[:16], 16)
                known = brief in self._seen or sha256 in stored
                self._seen.add(brief)
            counts.known_sets += known and state != "other"
            if state == "accepted":
                counts.transaction_sets += 1
                counts.subscribers += subscribers
            if not known:
                counts.quarantined_sets += state == "quarantined"
                counts.other_sets += state == "other"
                fresh += wants
        counts.count(match_all(self._store, [want for want in fresh if want is not None], self._joined))
        counts.test_answers += fresh.count(None)
        self._waiting.clear()
        self._rows = 0
