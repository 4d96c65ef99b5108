"""Batch files: staged in small transactions under a row that no view sees, and made visible by one short one.

The order of things, under :class:`~worker.store.batch.lock.IngestLock`: :func:`remove_leftovers` of a crash,
:func:`finished_file` by the file's SHA-256, :meth:`FileRows.begin`, a :meth:`FileRows.put` for every page of
:class:`~worker.store.batch.staging.Staging`, then :meth:`FileRows.finish`, which shows the file and everything in it at
one moment, or :meth:`FileRows.discard`.

Each answer is matched in the transaction that stages it, with what the database holds at that moment.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from worker.core.x12.envelope import TransactionSet
from worker.core.x12.issues import Issue
from worker.store import counters, outbox
from worker.store.batch.rows import INSERT_SET, Counts, put_answers, set_values
from worker.store.batch.staging import PAGE_ROWS, StagedAnswer, StagedSet, count_sets
from worker.store.db.store import Store

# KiB of pages that the connection keeps while a file is staged. In the usual 2,000 a transaction would not find room:
# it would write its first pages, and keep readers out, before it is done.
_CACHE_KIB = 12288

FileState = Literal["ingested", "quarantined", "incomplete", "skipped"]
FileSource = Literal["path", "sftp"]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a file before it is read. ``size`` is in bytes, ``now`` (ms) is when the reading began."""

    name: str
    source: FileSource
    sha256: str
    size: int
    now: int
    replaces: int | None = None
    """The row that the file has already, because it was in quarantine."""
    was_incomplete: bool = False
    """It, or an earlier one of its name, once was incomplete."""


def finished_file(store: Store, sha256: str) -> dict[str, Any] | None:
    """The row of a file with these bytes that is done with; ``None`` if there is none."""
    row = store.one(
        "SELECT * FROM files WHERE sha256 = :sha256 AND state IN ('ingested', 'quarantined', 'skipped')",
        {"sha256": sha256},
    )
    return None if row is None else dict(row)


def was_incomplete(store: Store, name: str, sha256: str) -> bool:
    """Whether a file of this name, or one of these bytes, once was incomplete."""
    row = store.one(
        "SELECT 1 FROM files WHERE was_incomplete = 1 AND (name = :name OR sha256 = :sha256) LIMIT 1",
        {"name": name, "sha256": sha256},
    )
    return row is not None


def come_whole(store: Store, facts: FileFacts, seq: int) -> None:
    """A file that was incomplete is, by now, one that is known: its own row goes, and that of the other remembers."""
    with store.write():
        store.execute("UPDATE files SET was_incomplete = 1 WHERE seq = :seq", {"seq": seq})
        store.execute(
            "DELETE FROM files WHERE name = :name AND state = 'incomplete' AND was_incomplete = 1", {"name": facts.name}
        )


class FileRows:
    """The rows of one file. Nothing of it is seen before :meth:`finish` or :meth:`note`."""

    def __init__(self, store: Store, facts: FileFacts) -> None:
        self.number: int | None = None
        """The file's row, once it has one."""
        self._store = store
        self._facts = facts
        self._envelope: tuple[object, object] = (None, None)
        self._envelope_seq = 0
        self._delivered = 0  # answers that are new and not held back, so far

    def begin(self) -> None:
        """A row for the file, which is about to be read."""
        facts = self._facts
        self._store.use_cache(_CACHE_KIB)
        with self._store.write():
            row = self._store.one(
                """
                INSERT INTO files (name, source, sha256, size, state, was_incomplete, first_at, done_at)
                VALUES (:name, :source, :sha256, :size, 'staging', :was_incomplete, :now, :now) RETURNING seq
                """,
                {
                    "name": facts.name,
                    "source": facts.source,
                    "sha256": facts.sha256,
                    "size": facts.size,
                    "was_incomplete": int(facts.was_incomplete),
                    "now": facts.now,
                },
            )
        assert row is not None
        self.number = row["seq"]

    def put(self, sets: list[StagedSet], answers: list[StagedAnswer]) -> Counts:
        """Write one page in one transaction; what of it is new."""
        assert self.number is not None
        counts = Counts()
        with self._store.write():
            if sets:
                self._put_sets(sets)
            count_sets(sets, counts)
            fresh = [(one.seq, keys, columns, body) for one, keys, columns, body in answers if not one.stored_before]
            counts.count(put_answers(self._store, fresh, self.number, self._delivered + 1, self._facts.now))
        self._delivered += counts.delivered
        return counts

    def _put_sets(self, sets: list[StagedSet]) -> None:
        first = counters.take(self._store, "sets", len(sets))
        rows = []
        for seq, one in enumerate(sets, first):
            one.seq = seq
            rows.append(
                (
                    seq,
                    self.number,
                    self._envelope_of(one.tset),
                    one.state,
                    one.sha256,
                    *set_values(one.tset, one.issues),
                )
            )
        if self._store.many(INSERT_SET, rows) < len(rows):
            # Some are there already; asking before would cost as much for every file as for the few that bring such.
            rows_there = self._store.read("SELECT seq FROM sets WHERE seq >= :first", {"first": first})
            fresh = {row["seq"] for row in rows_there}
            for one in sets:
                one.stored_before = one.seq not in fresh

    def _envelope_of(self, tset: TransactionSet) -> int:
        """The row of the interchange and group that the set stands in."""
        if self._envelope[0] is not tset.interchange or self._envelope[1] is not tset.group:
            self._envelope = (tset.interchange, tset.group)
            row = self._store.one(
                "INSERT INTO envelopes (file, interchange, grouped, test)"
                " VALUES (:file, :interchange, :grouped, :test) RETURNING seq",
                {
                    "file": self.number,
                    "interchange": json.dumps(asdict(tset.interchange), ensure_ascii=False),
                    "test": int(tset.interchange.test),
                    "grouped": None if tset.group is None else json.dumps(asdict(tset.group), ensure_ascii=False),
                },
            )
            assert row is not None
            self._envelope_seq = row["seq"]
        return self._envelope_seq

    def finish(self, counts: Counts, warnings: Iterable[Issue], incomplete: str | None = None) -> None:
        """Show the file, and with it all of its sets and answers, at one moment. ``incomplete`` is what was missing of
        one that a person takes as it is."""
        assert self.number is not None
        facts = self._facts
        shown = outbox.FileAnswers(self.number, 1, counts.delivered)
        further = outbox.further_refs(self._store, shown)
        with self._store.write():
            # An incomplete file of the same name was this one on its way here; one of the same bytes is this one.
            self._store.execute(
                "DELETE FROM files WHERE seq = :replaces OR (state = 'incomplete' AND was_incomplete = 1"
                " AND seq <> :file AND (name = :name OR sha256 = :sha256))",
                {"file": self.number, "replaces": facts.replaces, "name": facts.name, "sha256": facts.sha256},
            )
            # An answer that was expected only when it was staged already is counted there.
            names = ", ".join(f"{name} = {name} + :{name}" for name in asdict(counts))
            taken = incomplete is not None
            self._store.execute(
                f"UPDATE files SET state = 'ingested', warnings = :warnings, {names}, reason = :reason,"  # noqa: S608
                " as_is = :as_is, was_incomplete = :was WHERE seq = :file",
                {
                    "reason": incomplete,
                    "as_is": int(taken),
                    "was": int(taken or facts.was_incomplete),
                    "warnings": _as_json(warnings),
                    "file": self.number,
                    **asdict(counts),
                },
            )
            outbox.publish_answers(self._store, shown, further, "file", facts.now)

    def discard(self) -> None:
        """Take back everything that was staged; the file's row goes too."""
        assert self.number is not None
        _remove(self._store, self.number)
        self.number = None

    def note(self, state: FileState, reason: str, interchanges: int, warnings: Iterable[Issue]) -> None:
        """A row for a file of which no set is kept: incomplete, skipped, or quarantined whole.

        An incomplete file has one row by its name, and keeps the time of its first.
        """
        facts = self._facts
        was = facts.was_incomplete or state == "incomplete"
        daemon = None if state == "skipped" else self._store.daemon
        if facts.replaces is not None:
            with self._store.write():
                self._store.execute(
                    "UPDATE files SET state = :state, reason = :reason, was_incomplete = :was, done_at = :now,"
                    " daemon = :daemon WHERE seq = :seq",
                    {
                        "state": state,
                        "reason": reason,
                        "was": int(was),
                        "now": facts.now,
                        "daemon": daemon,
                        "seq": facts.replaces,
                    },
                )
            self.number = facts.replaces
            return
        with self._store.write():
            before = self._store.one(
                "SELECT min(first_at) AS at FROM files"
                " WHERE name = :name AND state = 'incomplete' AND was_incomplete = 1",
                {"name": facts.name},
            )
            self._store.execute(
                "DELETE FROM files WHERE name = :name AND state = 'incomplete' AND was_incomplete = 1",
                {"name": facts.name},
            )
            row = self._store.one(
                """
                INSERT INTO files (
                    name, source, sha256, size, state, reason, interchanges, warnings, was_incomplete, first_at,
                    done_at, daemon
                ) VALUES (
                    :name, :source, :sha256, :size, :state, :reason, :interchanges, :warnings, :was, :first_at, :now,
                    :daemon
                ) RETURNING seq
                """,
                {
                    "name": facts.name,
                    "source": facts.source,
                    "sha256": facts.sha256,
                    "size": facts.size,
                    "state": state,
                    "reason": reason,
                    "warnings": _as_json(warnings),
                    "was": int(was),
                    "first_at": before["at"] if before is not None and before["at"] is not None else facts.now,
                    "now": facts.now,
                    "interchanges": interchanges,
                    "daemon": daemon,
                },
            )
        assert row is not None
        self.number = int(row["seq"])


def _as_json(warnings: Iterable[Issue]) -> str:
    return json.dumps([asdict(one) for one in warnings])


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
    gone = PAGE_ROWS
    while gone == PAGE_ROWS:
        with store.write():
            gone = store.execute(statement, {**params, "rows": PAGE_ROWS})
