"""Batch files: staged in small transactions under a row that no view sees, and made visible by one short one.

The order of things, under :class:`~worker.store.batch.lock.IngestLock`: :func:`remove_leftovers` of a crash,
:func:`known` by the file's SHA-256, :func:`begin`, :meth:`Staging.add` for every set, then :meth:`Staging.finish`,
which shows the file and everything in it at one moment, or :meth:`Staging.discard`.

The lock for writing is held for at most :data:`ROWS` rows or :data:`BYTES` bytes at a time, whatever the file's size.
Each answer is matched in the transaction that stages it, with what the database holds at that moment.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from worker.core.x12.answer import Answer
from worker.core.x12.answer_columns import AnswerColumns, answer_columns
from worker.core.x12.answer_json import AnswerJson
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.issues import Issue
from worker.store import counters, outbox
from worker.store.batch.matching import Wanted, wanted
from worker.store.batch.rows import (
    INSERT_SET,
    Counts,
    SetState,
    identity,
    put_answers,
    set_row,
    storable,
)
from worker.store.db.store import Store

# The most that one transaction stages or removes: some 40 ms of the lock for writing. Identities are spread over all of
# their index, so each transaction writes a page of it, and what that page was before, for nearly every set; the more
# sets, the more of them share a page.
ROWS = 1000
BYTES = 2560 * 1024

# So many answers, or answers from so many bytes, are read before they are written as JSON: like the steps of the
# reader, that takes less time than answer by answer.
MADE = 100
HELD = 128 * 1024
LEAST = 32  # bytes of a benefit

# KiB of pages that the connection keeps meanwhile. In the usual 2,000 a transaction would not find room: it would write
# its first pages, and keep readers out, before it is done.
CACHE = 12288

State = Literal["ingested", "quarantined", "incomplete", "skipped"]
Source = Literal["path", "sftp"]


@dataclass(slots=True)
class _Pending:
    """A set on its way in. ``sha256``, and ``seq``, its row, come later; ``known``: it was stored before, and is passed
    over; ``test``: it is held back."""

    tset: TransactionSet
    state: SetState
    issues: tuple[Issue, ...]
    subscribers: int
    test: bool
    sha256: str | None = None
    seq: int = 0
    known: bool = False


def known(store: Store, sha256: str) -> dict[str, Any] | None:
    """The row of a file with these bytes that is done with; ``None`` if there is none."""
    row = store.one(
        "SELECT * FROM files WHERE sha256 = :sha256 AND state IN ('ingested', 'quarantined', 'skipped')",
        {"sha256": sha256},
    )
    return None if row is None else dict(row)


def begin(store: Store, name: str, source: Source, sha256: str, size: int, now: int, *, hold_test: bool) -> "Staging":
    """A row for a file that is about to be read; ``hold_test``: hold back what is marked as a test in it."""
    store.execute(f"PRAGMA cache_size = -{CACHE}")
    with store.write():
        row = store.one(
            """
            INSERT INTO files (name, source, sha256, size, state, first_at, done_at)
            VALUES (:name, :source, :sha256, :size, 'staging', :now, :now) RETURNING seq
            """,
            {"name": name, "source": source, "sha256": sha256, "size": size, "now": now},
        )
    assert row is not None
    return Staging(store, row["seq"], now, hold_test=hold_test)


class Staging:
    """One file on its way in. Used by one thread; nothing of it is seen before :meth:`finish`."""

    def __init__(self, store: Store, file: int, now: int, *, hold_test: bool) -> None:
        self.file = file
        self.counts = Counts()
        self._store = store
        self._now = now
        self._hold_test = hold_test
        self._sets: list[_Pending] = []  # without a row yet
        self._identified = 0  # so many of them
        self._heard: list[tuple[_Pending, Answer]] = []
        self._held = 0  # bytes of the sets that these came from
        self._made: list[tuple[_Pending, Wanted | None, AnswerColumns, str | bytes]] = []
        self._bytes = 0
        self._summary = AnswerJson()
        self._envelope: tuple[object, object] = (None, None)
        self._envelope_seq = 0

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
        one = _Pending(tset, state, issues, subscribers, test)
        self._sets.append(one)
        size = len(tset.raw)
        self._bytes += size
        size //= max(1, subscribers)
        for answer in answers:
            self._heard.append((one, answer))
            self._held += max(size, LEAST * len(answer.benefits))  # one patient may have nearly all of the set
            if self._held >= HELD or len(self._heard) >= MADE:
                self._make()
                self._flush_if_full()
        self._flush_if_full()

    def _make(self) -> None:
        """Write down what was heard, step by step, before the lock is taken."""
        for one in self._sets[self._identified :]:
            one.sha256 = identity(one.tset, test=one.test)
        self._identified = len(self._sets)
        write = self._summary.text
        heard, self._heard, self._held = self._heard, [], 0  # first: what breaks this must not break it again
        bodies = [storable(write(answer)) for _, answer in heard]
        flats = [answer_columns(answer) for _, answer in heard]
        wants = [None if one.test else wanted(answer, one.sha256) for one, answer in heard]
        self._made += zip([one for one, _ in heard], wants, flats, bodies, strict=True)
        self._bytes += sum(map(len, bodies))

    def _flush_if_full(self) -> None:
        if len(self._sets) + len(self._heard) + len(self._made) >= ROWS or self._bytes >= BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in one transaction."""
        self._make()
        if not (self._sets or self._made):
            return
        counts = Counts()
        with self._store.write():
            self._put_sets(counts)
            fresh = [(one.seq, want, said, body) for one, want, said, body in self._made if not one.known]
            counts.count(put_answers(self._store, fresh, self.file, self.counts.delivered + 1, self._now))
        self.counts.add(counts)
        self._sets.clear()
        self._identified = 0
        self._made.clear()
        self._bytes = 0

    def _put_sets(self, counts: Counts) -> None:
        begun = self._sets
        if not begun:
            return
        first = counters.take(self._store, "sets", len(begun))
        rows = []
        for seq, one in enumerate(begun, first):
            one.seq = seq
            envelope = self._envelope_of(one.tset)
            rows.append(set_row(one.tset, one.state, one.sha256, one.issues, seq, self.file, envelope))
        if self._store.conn.executemany(INSERT_SET, rows).rowcount < len(rows):
            # Some are there already; asking before would cost as much for every file as for the few that bring such.
            fresh = {
                row["seq"] for row in self._store.read("SELECT seq FROM sets WHERE seq >= :first", {"first": first})
            }
            for one in begun:
                one.known = one.seq not in fresh
        for one in begun:
            if one.state in ("accepted", "test"):
                counts.transaction_sets += 1
                counts.subscribers += one.subscribers
            if one.known:
                counts.known_sets += one.state != "other"
            else:
                counts.quarantined_sets += one.state == "quarantined"
                counts.other_sets += one.state == "other"

    def _envelope_of(self, tset: TransactionSet) -> int:
        """The row of the interchange and group that the set stands in."""
        if self._envelope[0] is not tset.interchange or self._envelope[1] is not tset.group:
            self._envelope = (tset.interchange, tset.group)
            row = self._store.one(
                "INSERT INTO envelopes (file, interchange, grouped)"
                " VALUES (:file, :interchange, :grouped) RETURNING seq",
                {
                    "file": self.file,
                    "interchange": json.dumps(asdict(tset.interchange), ensure_ascii=False),
                    "grouped": None if tset.group is None else json.dumps(asdict(tset.group), ensure_ascii=False),
                },
            )
            assert row is not None
            self._envelope_seq = row["seq"]
        return self._envelope_seq

    def finish(self, warnings: Iterable[Issue], replaces: int | None = None) -> None:
        """Show the file, and with it all of its sets and answers, at one moment.

        ``replaces``: the row of a file in quarantine that turned out to be readable.
        """
        self.flush()
        with self._store.write():
            # An incomplete file of the same name was this one on its way here.
            self._store.execute(
                "DELETE FROM files WHERE seq = :replaces OR (state = 'incomplete' AND seq <> :file"
                " AND name = (SELECT name FROM files WHERE seq = :file))",
                {"file": self.file, "replaces": replaces},
            )
            names = ", ".join(f"{name} = :{name}" for name in asdict(self.counts))
            self._store.execute(
                f"UPDATE files SET state = 'ingested', warnings = :warnings, {names} WHERE seq = :file",  # noqa: S608
                {"warnings": json.dumps([asdict(one) for one in warnings]), "file": self.file, **asdict(self.counts)},
            )
            outbox.publish_answers(self._store, self.file, 1, self.counts.delivered, "file")

    def discard(self) -> None:
        """Take back everything that was staged; the file's row goes too."""
        _remove(self._store, self.file)


def note_file(
    store: Store,
    name: str,
    source: Source,
    sha256: str,
    size: int,
    state: State,
    reason: str,
    interchanges: int,
    warnings: Iterable[Issue],
    now: int,
    replaces: int | None = None,
) -> int:
    """A row for a file of which no set is kept: incomplete, skipped, or quarantined whole. The row's number.

    An incomplete file has one row by its name, and keeps the time of its first. ``replaces``: the row that the file
    has already, because it was in quarantine.
    """
    if replaces is not None:
        with store.write():
            store.execute(
                "UPDATE files SET state = :state, reason = :reason, done_at = :now WHERE seq = :seq",
                {"state": state, "reason": reason, "now": now, "seq": replaces},
            )
        return replaces
    with store.write():
        before = store.one(
            "SELECT min(first_at) AS at FROM files WHERE name = :name AND state = 'incomplete'", {"name": name}
        )
        store.execute("DELETE FROM files WHERE name = :name AND state = 'incomplete'", {"name": name})
        row = store.one(
            """
            INSERT INTO files (name, source, sha256, size, state, reason, interchanges, warnings, first_at, done_at)
            VALUES (:name, :source, :sha256, :size, :state, :reason, :interchanges, :warnings, :first_at, :now)
            RETURNING seq
            """,
            {
                "name": name,
                "source": source,
                "sha256": sha256,
                "size": size,
                "state": state,
                "reason": reason,
                "warnings": json.dumps([asdict(one) for one in warnings]),
                "first_at": before["at"] if before is not None and before["at"] is not None else now,
                "now": now,
                "interchanges": interchanges,
            },
        )
    assert row is not None
    return int(row["seq"])


def remove_leftovers(store: Store) -> int:
    """Remove what a crash left staged, of files and of sets tried again, in small transactions; the number of files.

    The caller holds :class:`~worker.store.batch.lock.IngestLock`: without it the rows may be those of a reading under
    way.
    """
    rows = store.read("SELECT seq FROM files WHERE state = 'staging'")
    for row in rows:
        _remove(store, row["seq"])
    if store.one(_STAGED + " LIMIT 1") is not None:
        _emptied(store, f"DELETE FROM results WHERE seq IN ({_STAGED} LIMIT :rows)", {})  # noqa: S608 - a constant
    return len(rows)


# Answers of sets that were being tried again.
_STAGED = "SELECT answers.result FROM sets JOIN answers ON answers.from_set = sets.seq WHERE sets.state = 'quarantined'"
_REMOVALS = (
    "DELETE FROM results WHERE seq IN (SELECT answers.result FROM sets JOIN answers ON answers.from_set = sets.seq"
    " WHERE sets.file = :file LIMIT :rows)",
    "DELETE FROM sets WHERE seq IN (SELECT seq FROM sets WHERE file = :file LIMIT :rows)",
    "DELETE FROM envelopes WHERE seq IN (SELECT seq FROM envelopes WHERE file = :file LIMIT :rows)",
)


def _remove(store: Store, file: int) -> None:
    """Remove a file and everything in it, its row last, so that a crash leaves something to find."""
    for statement in _REMOVALS:
        _emptied(store, statement, {"file": file})
    with store.write():
        store.execute("DELETE FROM files WHERE seq = :file", {"file": file})


def _emptied(store: Store, statement: str, params: dict[str, Any]) -> None:
    """Delete until there is no more, in small transactions."""
    gone = ROWS
    while gone == ROWS:
        with store.write():
            gone = store.execute(statement, {**params, "rows": ROWS})
