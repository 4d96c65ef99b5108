"""What could not be understood, and the list of files: for a person to see, to read again, or to drop.

A file has a number such as ``f12``, a single set one such as ``s340``. What is listed holds no patient data; the bytes
themselves do.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from worker.core.errors import StorageFailed
from worker.core.instant import iso, iso_or_none
from worker.core.x12.delimiters import Delimiters
from worker.core.x12.envelope import Group, Interchange, TransactionSet
from worker.core.x12.issues import Issue
from worker.store import outbox
from worker.store.batch import batches, keeping
from worker.store.batch.lock import IngestLock
from worker.store.batch.rows import Counts, identity, put_answers
from worker.store.batch.staging import StagedAnswer, StagedSet, count_sets
from worker.store.db.damage import json_issues
from worker.store.db.store import Store
from worker.store.state import acts

Json = dict[str, Any]

_COUNTS = (
    "interchanges, transaction_sets, known_sets, subscribers, matched, candidates, unmatched, test_answers, "
    "quarantined_sets, other_sets"
)

# Issues that the reading of a set alone brings to light: trying again finds them again, or does not.
_FOUND_BY_READING = frozenset(
    {
        "bht_repeated",
        "hl_lost",
        "hl_orphan",
        "no_hierarchy",
        "no_patient",
        "nul_bytes",
        "other_receiver",
        "patient_too_large",
        "set_spliced",
        "set_unreadable",
        "st_code",
        "terminator_lost",
        "too_many_hl",
    }
)


def files(store: Store) -> Iterator[list[Json]]:
    """Every file that came in, oldest first, in short pages."""
    last = 0
    while rows := store.read(
        "SELECT seq, name, source, sha256, size, state, reason, as_is, warnings, first_at, done_at, purged_at,"  # noqa: S608
        f" {_COUNTS} FROM files WHERE seq > :last AND state <> 'staging' ORDER BY seq LIMIT 200",
        {"last": last},
    ):
        yield [
            {
                "number": f"f{row['seq']}",
                "name": row["name"],
                "source": row["source"],
                "sha256": row["sha256"],
                "size": row["size"],
                "state": row["state"],
                "first_at": iso(row["first_at"]),
                "done_at": iso(row["done_at"]),
                "purged_at": iso_or_none(row["purged_at"]),
                **{name: row[name] for name in _COUNTS.split(", ")},
                "warnings": json_issues(row["warnings"]),
                "reason": row["reason"],
                "as_is": bool(row["as_is"]),
            }
            for row in rows
        ]
        last = rows[-1]["seq"]


_SETS = """
SELECT sets.seq, sets.code, sets.control, sets.byte_offset, sets.byte_length, sets.issues, files.name, files.done_at,
    files.seq AS file
FROM sets JOIN files ON files.seq = sets.file
WHERE sets.state = 'quarantined' AND files.state = 'ingested'
"""


def listed(store: Store) -> Json:
    """``{"files": [...], "sets": [...]}``: what waits for a person, the oldest thousand of each."""
    rows = store.read(
        "SELECT seq, name, sha256, size, reason, done_at, daemon FROM files WHERE state = 'quarantined'"
        " ORDER BY seq LIMIT 1000"
    )
    return {
        "files": [_file(row) for row in rows],
        "sets": [_set(row) for row in store.read(_SETS + " ORDER BY sets.seq LIMIT 1000")],
    }


def _file(row: Any) -> Json:
    return {
        "number": f"f{row['seq']}",
        "name": row["name"],
        "sha256": row["sha256"],
        "size": row["size"],
        "reason": row["reason"],
        "since": iso(row["done_at"]),
        "daemon": row["daemon"],
    }


def _set(row: Any) -> Json:
    issues = json_issues(row["issues"])
    return {
        "number": f"s{row['seq']}",
        "file": row["name"],
        "file_number": f"f{row['file']}",
        "code": row["code"],
        "control": row["control"],
        "offset": row["byte_offset"],
        "length": row["byte_length"],
        "reason": " ".join(one["message"] for one in issues),
        "issues": issues,
        "since": iso(row["done_at"]),
    }


def one_file(store: Store, seq: int) -> Json | None:
    """A file in quarantine, as :func:`listed` has it, with where it came from and where its bytes are."""
    row = store.one(
        "SELECT seq, name, source, sha256, size, reason, done_at, daemon FROM files"
        " WHERE seq = :seq AND state = 'quarantined'",
        {"seq": seq},
    )
    if row is None:
        return None
    return {**_file(row), "source": row["source"], "kept_at": str(keeping.kept_path(store.path, row["sha256"]))}


def one_set(store: Store, seq: int) -> Json | None:
    """A set in quarantine, as :func:`listed` has it."""
    row = store.one(_SETS + " AND sets.seq = :seq", {"seq": seq})
    return None if row is None else _set(row)


def set_bytes(store: Store, seq: int) -> bytes:
    """The bytes of a set: patient data."""
    row = store.one("SELECT raw FROM sets WHERE seq = :seq", {"seq": seq})
    return b"" if row is None else bytes(row["raw"])


def drop_file(store: Store, seq: int, now: int, who: str) -> bool:
    """Forget a file that is in quarantine, or incomplete, and delete what was kept of it."""
    with store.write():
        row = store.one(
            "DELETE FROM files WHERE seq = :seq AND state IN ('quarantined', 'incomplete') RETURNING sha256",
            {"seq": seq},
        )
        if row is not None:
            acts.note(store, who, "dropped from quarantine", f"f{seq}", now)
    if row is not None:
        keeping.drop_whole(store.path, row["sha256"])
    return row is not None


def drop_set(store: Store, seq: int, now: int, who: str) -> bool:
    """Drop a set from quarantine. Its identity stays, so that it does not come back with the next file."""
    with IngestLock(store, "file", now, wait=True):
        batches.remove_leftovers(store)
        with store.write():
            row = store.one(
                "UPDATE sets SET state = 'dropped', raw = :nothing"
                " WHERE seq = :seq AND state = 'quarantined' RETURNING file",
                {"nothing": b"", "seq": seq},
            )
            if row is not None:
                acts.note(store, who, "dropped from quarantine", f"s{seq}", now)
                store.execute(
                    "UPDATE files SET quarantined_sets = quarantined_sets - 1 WHERE seq = :file", {"file": row["file"]}
                )
    return row is not None


@dataclass(frozen=True, slots=True)
class HeldSet:
    """A set in quarantine, as it stood in its file, without what only reading it again can tell."""

    seq: int
    file: int
    """The row of its file."""
    sha256: str | None
    """Its identity; ``None`` where its bytes were too many to keep."""
    delivered: int
    """How many answers of its file are delivered already: those of the set have the ordinals that follow."""
    tset: TransactionSet
    room: int
    """Characters of its state and its issues as they are stored."""

    @property
    def test(self) -> bool:
        """Whether it was held back as a test when it came: then its identity is that of one."""
        return self.sha256 != identity(self.tset, test=False)


def held_set(store: Store, seq: int) -> HeldSet | None:
    """A set in quarantine, to be read again."""
    row = store.one(
        """
        SELECT sets.*, envelopes.interchange, envelopes.grouped,
            files.matched + files.candidates + files.unmatched AS delivered
        FROM sets JOIN envelopes ON envelopes.seq = sets.envelope JOIN files ON files.seq = sets.file
        WHERE sets.seq = :seq AND sets.state = 'quarantined'
        """,
        {"seq": seq},
    )
    if row is None:
        return None
    room = len(row["state"]) + len(row["issues"])
    return HeldSet(row["seq"], row["file"], row["sha256"], row["delivered"], restored(row), room)


class SetRows:
    """Writes the answers of a set that is still in quarantine, so that no view shows them."""

    def __init__(self, store: Store, held: HeldSet, now: int) -> None:
        self._store, self._held, self._now = store, held, now
        self._delivered = held.delivered

    def put(self, sets: list[StagedSet], answers: list[StagedAnswer]) -> Counts:
        counts = Counts()
        count_sets(sets, counts)
        with self._store.write():
            fresh = [(self._held.seq, keys, columns, body) for _, keys, columns, body in answers]
            counts.count(put_answers(self._store, fresh, self._held.file, self._delivered + 1, self._now))
        self._delivered += counts.delivered
        return counts


def release_set(store: Store, held: HeldSet, issues: tuple[Issue, ...], counts: Counts, now: int) -> None:
    """Take a set out of quarantine, and with it show its answers, which are staged. ``counts`` are those of the set."""
    state = "test" if held.test else "accepted"
    # With blanks the row keeps its length, so that SQLite writes one page and not all of a large set anew.
    stored = json.dumps([asdict(each) for each in issues]).ljust(held.room - len(state))
    shown = outbox.FileAnswers(held.file, held.delivered + 1, counts.delivered)
    further = outbox.further_refs(store, shown)
    with store.write():
        store.execute(
            "UPDATE sets SET state = :state, issues = :issues WHERE seq = :seq",
            {"state": state, "issues": stored, "seq": held.seq},
        )
        store.execute(
            """
            UPDATE files SET quarantined_sets = quarantined_sets - 1, transaction_sets = transaction_sets + 1,
                subscribers = subscribers + :subscribers, matched = matched + :matched,
                candidates = candidates + :candidates, unmatched = unmatched + :unmatched,
                test_answers = test_answers + :test_answers
            WHERE seq = :file
            """,
            {**asdict(counts), "file": held.file},
        )
        outbox.publish_answers(store, shown, further, "set", now)


def restored(row: Any) -> TransactionSet:
    """A set as it stood in its file, of its row and the ``interchange`` and ``grouped`` of its envelope."""
    try:
        values = json.loads(row["interchange"])
        interchange = Interchange(**{**values, "delimiters": Delimiters(*values["delimiters"])})
        group = None if row["grouped"] is None else Group(**json.loads(row["grouped"]))
    except (ValueError, TypeError, LookupError):
        raise StorageFailed(
            f"the envelope of set s{row['seq']} is damaged in the database", "`cdpoll db integrity` says what else is"
        ) from None
    issues = [Issue(**one) for one in json_issues(row["issues"]) if one["code"] not in _FOUND_BY_READING]
    return TransactionSet(
        row["code"],
        row["control"],
        row["version"],
        interchange,
        group,
        row["byte_offset"],
        row["byte_length"],
        row["segments"],
        bytes(row["raw"]),
        tuple(issues),
    )
