"""Sets and answers of a batch, collected to pages: a page is what one short transaction writes, or a dry run counts.

::

    Staging.add(set, its answers) ──► pages of at most PAGE_ROWS or PAGE_BYTES ──► target.put(sets, answers)

What is costly is done before a page is handed to its target, so that the lock for writing is not held meanwhile: the
identities of sets, and the columns, the JSON and the match keys of answers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from worker.core.x12.answer import Answer
from worker.core.x12.answer_columns import AnswerColumns, answer_columns
from worker.core.x12.answer_json import answer_json
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.issues import Issue
from worker.store.batch.matching import MatchKeys, match_keys
from worker.store.batch.rows import Counts, SetState, identity

# The most that one transaction stages or removes: some 40 ms of the lock for writing. Identities are spread over all of
# their index, so each transaction writes a page of it, and what that page was before, for nearly every set; the more
# sets, the more of them share a page.
PAGE_ROWS = 1000
PAGE_BYTES = 2560 * 1024

# Answers, and bytes that they came from, that are read before they are written as JSON: like the steps of the reader,
# that takes less time than answer by answer.
_STEP_ANSWERS = 100
_STEP_BYTES = 128 * 1024
_LEAST_BENEFIT_BYTES = 32


@dataclass(slots=True)
class StagedSet:
    """A set on its way in."""

    tset: TransactionSet
    state: SetState
    issues: tuple[Issue, ...]
    subscribers: int
    test: bool
    """It is held back as a test."""
    sha256: str | None = None
    """Its identity, once it was made."""
    seq: int = 0
    """Its row, once it has one."""
    stored_before: bool = False
    """A set of this identity was stored before, so this one is passed over."""


StagedAnswer = tuple[StagedSet, MatchKeys | None, AnswerColumns, bytes]
"""An answer ready to be written: its set; what it is matched by, ``None`` where it is held back as a test; its columns;
and its JSON. A plain tuple, because every answer needs one."""


class Target(Protocol):
    """Where the pages go."""

    def put(self, sets: list[StagedSet], answers: list[StagedAnswer]) -> Counts:
        """Take one page. The answers may be of sets of earlier pages. What is new in it is counted."""
        ...


class Staging:
    """Collects the sets and answers of one file, or of one set, to pages. Used by one thread."""

    def __init__(self, target: Target, *, hold_test: bool, page_rows: int | None = None) -> None:
        """``hold_test``: hold back what is marked as a test; ``page_rows``: sets and answers of a page, at
        most, instead of :data:`PAGE_ROWS`."""
        self.counts = Counts()
        self._target = target
        self._hold_test = hold_test
        self._page_rows = page_rows or PAGE_ROWS
        self._sets: list[StagedSet] = []  # of this page
        self._identified = 0  # how many of them have their identity
        self._heard: list[tuple[StagedSet, Answer]] = []  # of this step
        self._step_bytes = 0  # of the sets that these came from
        self._answers: list[StagedAnswer] = []  # of this page
        self._page_bytes = 0

    def add(
        self,
        tset: TransactionSet,
        state: SetState,
        issues: tuple[Issue, ...],
        subscribers: int = 0,
        answers: Iterable[Answer] = (),
    ) -> None:
        """Stage one set and its answers, which are taken one by one."""
        test = self._hold_test and tset.interchange.test
        if test and state == "accepted":
            state = "test"
        one = StagedSet(tset, state, issues, subscribers, test)
        self._sets.append(one)
        size = len(tset.raw)
        self._page_bytes += size
        size //= max(1, subscribers)
        for answer in answers:
            self._heard.append((one, answer))
            # One patient may have nearly all of the set.
            self._step_bytes += max(size, _LEAST_BENEFIT_BYTES * len(answer.benefits))
            if self._step_bytes >= _STEP_BYTES or len(self._heard) >= _STEP_ANSWERS:
                self._make()
                self._flush_if_full()
        self._flush_if_full()

    def flush(self) -> None:
        """Hand over what waits as one page."""
        self._make()
        if not (self._sets or self._answers):
            return
        self.counts.add(self._target.put(self._sets, self._answers))
        self._sets.clear()
        self._identified = 0
        self._answers.clear()
        self._page_bytes = 0

    def _make(self) -> None:
        """Make what was heard ready to be written, step by step."""
        for one in self._sets[self._identified :]:
            one.sha256 = identity(one.tset, test=one.test)
        self._identified = len(self._sets)
        heard, self._heard, self._step_bytes = self._heard, [], 0  # first: what breaks this must not break it again
        bodies = [answer_json(answer) for _, answer in heard]
        columns = [answer_columns(answer, one.issues) for one, answer in heard]
        keys = [None if one.test else match_keys(answer, one.sha256) for one, answer in heard]
        self._answers += zip([one for one, _ in heard], keys, columns, bodies, strict=True)
        self._page_bytes += sum(map(len, bodies))

    def _flush_if_full(self) -> None:
        rows = len(self._sets) + len(self._heard) + len(self._answers)
        if rows >= self._page_rows or self._page_bytes >= PAGE_BYTES:
            self.flush()


def count_sets(sets: Iterable[StagedSet], counts: Counts) -> None:
    """Count the sets of a page, once it is known which were stored before."""
    for one in sets:
        if one.state in ("accepted", "test"):
            counts.transaction_sets += 1
            counts.subscribers += one.subscribers
        if one.stored_before:
            counts.known_sets += one.state != "other"
        else:
            counts.quarantined_sets += one.state == "quarantined"
            counts.other_sets += one.state == "other"
