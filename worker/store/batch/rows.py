"""Sets and answers of a batch as rows. See :mod:`worker.store.batch.batches` for when they are written."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

from worker.core.x12.answer_columns import AnswerColumns
from worker.core.x12.embedded import READER_VERSION
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.issues import Issue
from worker.store import counters
from worker.store.batch.matching import Match, MatchKeys, match_all
from worker.store.db.store import Store

SetState = Literal["accepted", "test", "quarantined", "other"]
"""``test``: a 271 that is held back."""


@dataclass(slots=True)
class Counts:
    """What a file holds. ``matched``, ``candidates`` and ``unmatched`` count the answers that are new;
    ``test_answers`` those that are held back as tests."""

    interchanges: int = 0
    transaction_sets: int = 0
    known_sets: int = 0
    subscribers: int = 0
    matched: int = 0
    candidates: int = 0
    unmatched: int = 0
    test_answers: int = 0
    quarantined_sets: int = 0
    other_sets: int = 0

    @property
    def delivered(self) -> int:
        """The answers that are new and not held back as tests."""
        return self.matched + self.candidates + self.unmatched

    def count(self, matches: list[Match]) -> None:
        """Count answers."""
        found = Counter([match.state for match in matches])
        self.matched += found["matched"]
        self.candidates += found["candidate"]
        self.unmatched += found["unmatched"]
        self.test_answers += found["test"]

    def add(self, other: "Counts") -> None:
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


def identity(tset: TransactionSet, *, test: bool) -> str | None:
    """What a set is known by, if its bytes are there. One that is held back as a test has another identity than the
    same text in earnest, which must not be passed over when it comes."""
    if not tset.raw:
        return None
    return hashlib.sha256(f"test {tset.sha256}".encode()).hexdigest() if test else tset.sha256


def stored_sets(store: Store, identities: list[str]) -> set[str]:
    """Those of the identities that there is a set of."""
    found: set[str] = set()
    for start in range(0, len(identities), 500):
        params = {f"v{n}": one for n, one in enumerate(identities[start : start + 500])}
        names = ",".join(f":{name}" for name in params)
        rows = store.read(f"SELECT sha256 FROM sets WHERE sha256 IN ({names})", params)  # noqa: S608
        found.update(row["sha256"] for row in rows)
    return found


# Values by their place: binding forty names for each set would take longer than making its identity.
INSERT_SET = """
INSERT INTO sets (
    seq, file, envelope, state, sha256, code, control, version, byte_offset, byte_length, segments, issues, raw
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sha256) DO NOTHING
"""


def set_values(tset: TransactionSet, issues: tuple[Issue, ...]) -> tuple[Any, ...]:
    """The values of :data:`INSERT_SET` from ``code`` on."""
    return (
        tset.code,
        tset.control,
        tset.version,
        tset.offset,
        tset.length,
        tset.segments,
        json.dumps([asdict(one) for one in issues]) if issues else "[]",
        tset.raw,
    )


# Each value that is bound takes as long as a column that is stored, so what is the same for all stands in the text.
_INSERT_RESULT = f"""
INSERT INTO results (seq, task, expected, source, revision, received_at, body, derived)
VALUES (?, ?, ?, 'batch', 1, ?, ?, {READER_VERSION})
"""  # noqa: S608 - a number of ours
_INSERT_ANSWER = f"""
INSERT INTO answers (seq, result, from_set, file, ordinal, match, {", ".join(AnswerColumns._fields)})
VALUES (?, ?, ?, ?, ?, ?, {", ".join("?" * len(AnswerColumns._fields))})
"""  # noqa: S608 - the names are those of a class


def put_answers(
    store: Store,
    fresh: list[tuple[int, MatchKeys | None, AnswerColumns, bytes]],
    file: int,
    ordinal: int,
    now: int,
) -> list[Match]:
    """Write answers, each with the row of its set before what a staged answer has, inside a transaction; how each
    matched.

    ``ordinal`` is the place of the first among the answers of ``file`` that are delivered, from 1.
    """
    if not fresh:
        return []
    found = iter(match_all(store, [keys for _, keys, *_ in fresh if keys is not None]))
    matches = [Match("test") if keys is None else next(found) for _, keys, *_ in fresh]
    result = counters.take(store, "results", len(fresh))
    seq = counters.take(store, "answers", len(fresh))
    results, answers, candidates = [], [], []
    for (tset, _, columns, body), one in zip(fresh, matches, strict=True):
        results.append((result, one.task, one.expected, now, body))
        delivered = one.state != "test"
        place = ordinal if delivered else None
        answers.append((seq, result, tset, file, place, one.state) + columns)  # noqa: RUF005 - half of the time
        ordinal += delivered
        if one.candidates:
            candidates += [{"answer": seq, "task": task, "reason": why} for task, why in one.candidates]
        result += 1
        seq += 1
    store.many(_INSERT_RESULT, results)
    store.many(_INSERT_ANSWER, answers)
    if candidates:
        store.many("INSERT INTO candidates (answer, task, reason) VALUES (:answer, :task, :reason)", candidates)
    return matches
