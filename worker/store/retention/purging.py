"""Removing what is older than an instant, in short transactions; each looks once more at what it removes.

What has an undelivered result is never removed, and neither is a task that is still pending. The rows stay in the file
until it is rewritten (:meth:`Store.rewrite`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

from worker.store.db.store import Store
from worker.store.patient_data import Of, erasing
from worker.store.retention import noted, undelivered
from worker.store.retention.undelivered import Limit, listed
from worker.store.state import drop as rounds
from worker.store.state import meta
from worker.store.tasks import history

# Of one transaction: some 20 ms of the lock for writing.
TASKS_ROWS = 20
SETS_ROWS = 300
ROWS = 150
BODY_BYTES = 2560 * 1024

# Read between two looks at the clock of other writers: without a lock, and without a cursor that stays open.
PAGE_ROWS = 2_000

# In results.derived: no reader is newer, so a body that is gone is never read again.
NEVER_READ_VERSION = 2_147_483_647


@dataclass(slots=True)
class Removed:
    """How many were removed, or would be. ``undelivered``: the tasks and files that stay because of their results."""

    tasks: int = 0
    answers: int = 0
    files: int = 0
    quarantined: int = 0
    bodies: int = 0
    unreadable: int = 0
    lookups: int = 0
    expected: int = 0
    others: int = 0
    undelivered: int = 0

    @property
    def any(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self) if one.name != "undelivered")

    def add(self, other: "Removed") -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


# The newest of what there is of a task.
_OLD_TASK = """
state <> 'pending' AND purged_at IS NULL AND coalesce(concluded_at, abandoned_at, recorded_at) < :before
    AND NOT EXISTS (SELECT 1 FROM refs WHERE refs.task = tasks.seq AND refs.added_at >= :before)
    AND NOT EXISTS (SELECT 1 FROM results WHERE results.task = tasks.seq AND results.received_at >= :before)
    AND NOT EXISTS (SELECT 1 FROM bodies WHERE bodies.task = tasks.seq AND bodies.received_at >= :before)
"""


def old_tasks(store: Store, limit: Limit) -> Iterator[list[int]]:
    """The rows of the tasks that are old enough, in short pages."""
    top = store.one("SELECT seq FROM tasks ORDER BY seq DESC LIMIT 1")
    last, end = 0, 0 if top is None else int(top["seq"])
    while last < end:
        rows = store.read(
            f"SELECT seq FROM tasks WHERE seq > :last AND seq <= :last + :page AND {_OLD_TASK} ORDER BY seq",  # noqa: S608
            {"last": last, "page": PAGE_ROWS, "before": limit.before},
        )
        yield [row["seq"] for row in rows]
        last += PAGE_ROWS


def remove_tasks(store: Store, seqs: Sequence[int], limit: Limit, now: int) -> Removed:
    """Remove what these tasks are about, at most :data:`TASKS_ROWS` of them, in one transaction."""
    removed = Removed()
    with store.write():
        rows = store.read(
            f"SELECT seq FROM tasks WHERE seq IN ({listed(seqs)}) AND {_OLD_TASK}",  # noqa: S608 - numbers
            {"before": limit.before},
        )
        old = [row["seq"] for row in rows]
        kept = undelivered.tasks(store, old, limit)
        gone = [seq for seq in old if seq not in kept]
        removed.undelivered = len(kept)
        if gone:
            _erase(store, "task", gone)
            these = listed(gone)
            store.execute(
                f"UPDATE results SET purged_at = :now, derived = :never WHERE task IN ({these})"  # noqa: S608
                " AND source <> 'batch'",
                {"now": now, "never": NEVER_READ_VERSION},
            )
            store.execute(f"UPDATE tasks SET purged_at = :now WHERE seq IN ({these})", {"now": now})  # noqa: S608
            for seq in gone:
                history.add(store, seq, now, "purged", None)
            removed.tasks = len(gone)
            noted.removed(store, len(gone), now)
    return removed


def portions(store: Store, seqs: Sequence[int]) -> Iterator[list[int]]:
    """The tasks in portions for one transaction each: large bodies take long to free."""
    if not seqs:
        return
    sizes = {
        row["task"]: row["size"]
        for row in store.read(
            f"SELECT task, sum(length(body)) AS size FROM results WHERE task IN ({listed(seqs)})"  # noqa: S608
            " AND source <> 'batch' GROUP BY task"
        )
    }
    portion: list[int] = []
    size = 0
    for seq in seqs:
        if portion and (len(portion) >= TASKS_ROWS or size + sizes.get(seq, 0) > BODY_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(seq)
        size += sizes.get(seq, 0)
    if portion:
        yield portion


def old_files(store: Store, limit: Limit) -> list[int]:
    """The rows of batch files that are old enough, with all that is in them."""
    rows = store.read(
        """
        SELECT seq FROM files WHERE purged_at IS NULL AND state <> 'staging' AND done_at < :before AND NOT EXISTS (
            SELECT 1 FROM sets JOIN answers ON answers.from_set = sets.seq JOIN results ON results.seq = answers.result
            WHERE sets.file = files.seq AND results.received_at >= :before
        ) ORDER BY seq
        """,
        {"before": limit.before},
    )
    return [row["seq"] for row in rows]


def of_file(store: Store, file: int) -> Removed:
    """What there is in a file that would go."""
    row = store.one(
        """
        SELECT CASE WHEN state IN ('quarantined', 'incomplete') THEN 1 ELSE 0 END AS held, quarantined_sets AS sets
        FROM files WHERE seq = :file
        """,
        {"file": file},
    )
    answers = store.one("SELECT count(*) AS n FROM answers WHERE file = :file", {"file": file})
    assert row is not None
    assert answers is not None
    return Removed(answers=answers["n"], files=1, quarantined=row["held"] + row["sets"])


def remove_answers(store: Store, file: int, limit: Limit, now: int) -> Removed | None:
    """Remove some answers of a file in one transaction; ``None``: there are none any more, or they must stay."""
    with store.write():
        rows = store.read(
            """
            SELECT answers.result FROM sets JOIN answers ON answers.from_set = sets.seq
            WHERE sets.file = :file LIMIT :rows
            """,
            {"file": file, "rows": ROWS},
        )
        some = [row["result"] for row in rows]
        if not some or undelivered.among(store, file, some, limit) or not _erase(store, "file", some, only="results"):
            return None
        noted.removed(store, len(rows), now)
    return Removed(answers=len(rows))


def remove_sets(store: Store, file: int, last: int, now: int) -> int | None:
    """Empty some sets of a file behind the row ``last``, in one transaction; the last row; ``None``: none is left."""
    rows = store.read(
        "SELECT seq, byte_length AS size FROM sets WHERE file = :file AND seq > :last ORDER BY seq LIMIT :rows",
        {"file": file, "last": last, "rows": SETS_ROWS},
    )
    if not rows:
        return None
    some: list[int] = []
    size = 0
    for row in rows:
        if some and size + row["size"] > BODY_BYTES:
            break
        some.append(row["seq"])
        size += row["size"]
    with store.write():
        _erase(store, "file", some, only="sets")
        store.execute(
            f"UPDATE sets SET state = 'dropped' WHERE seq IN ({listed(some)}) AND state = 'quarantined'"  # noqa: S608
        )
        noted.removed(store, len(some), now)
    return some[-1]


def remove_envelopes(store: Store, file: int, last: int, now: int) -> int | None:
    """The same of its envelopes."""
    rows = store.read(
        "SELECT seq FROM envelopes WHERE file = :file AND seq > :last ORDER BY seq LIMIT :rows",
        {"file": file, "last": last, "rows": SETS_ROWS},
    )
    if not rows:
        return None
    with store.write():
        _erase(store, "file", [row["seq"] for row in rows], only="envelopes")
        noted.removed(store, len(rows), now)
    return int(rows[-1]["seq"])


def finish_file(store: Store, file: int, now: int) -> Removed:
    """The file's own row, once its sets and answers are gone. Of one that was in quarantine the hash stays, so that it
    is known when it comes again; of an incomplete one nothing, for a copy that is whole has another hash."""
    with store.write():
        row = store.one("SELECT state, quarantined_sets FROM files WHERE seq = :file", {"file": file})
        if row is None:
            return Removed()
        held = row["state"] in ("quarantined", "incomplete")
        if row["state"] == "incomplete":
            store.execute("DELETE FROM files WHERE seq = :file", {"file": file})
        else:
            _erase(store, "file", [file], only="files")
            store.execute(
                """
                UPDATE files SET purged_at = :now, quarantined_sets = 0,
                    state = CASE WHEN state = 'quarantined' THEN 'skipped' ELSE state END
                WHERE seq = :file
                """,
                {"now": now, "file": file},
            )
        noted.removed(store, 1, now)
    return Removed(files=1, quarantined=int(held) + row["quarantined_sets"])


_ALONE: dict[Of, str] = {
    "body": "SELECT seq FROM bodies WHERE task IS NULL AND received_at < :before",
    "text": "SELECT seq FROM unreadable WHERE last_at < :before",
    "lookup": "SELECT seq FROM lookups WHERE state <> 'searching' AND ended_at < :before",
    # With an answer of it that is there goes its ref, under which the answer is told: it waits until that is purged.
    "expected": "SELECT seq FROM expected WHERE recorded_at < :before"
    " AND NOT EXISTS (SELECT 1 FROM results WHERE results.expected = expected.seq)",
}
_NAMES: dict[Of, str] = {"body": "bodies", "text": "unreadable", "lookup": "lookups", "expected": "expected"}


def alone(store: Store, limit: Limit) -> Removed:
    """How many bodies and texts, of no task, are old enough; and what else would go."""
    found = {
        of: store.one(sql.replace("SELECT seq", "SELECT count(*) AS n"), {"before": limit.before})
        for of, sql in _ALONE.items()
    }
    counts = {_NAMES[of]: 0 if row is None else row["n"] for of, row in found.items()}
    return Removed(**counts, others=_lost_files(store, limit) + _stale_drop(store, limit))


def remove_alone(store: Store, limit: Limit, now: int) -> Removed | None:
    """Remove some of these in one transaction; ``None``: there are none any more."""
    for of, sql in _ALONE.items():
        with store.write():
            rows = store.read(f"{sql} ORDER BY seq LIMIT :rows", {"before": limit.before, "rows": ROWS})
            if rows and _erase(store, of, [row["seq"] for row in rows]):
                noted.removed(store, len(rows), now)
                return Removed(**{_NAMES[of]: len(rows)})
    removed = Removed(others=_lost_files(store, limit) + _stale_drop(store, limit))
    if not removed.others:
        return None
    with store.write():
        lost = _lost_files(store, limit) and _erase(store, "notice", [])
        stale = _stale_drop(store, limit) and _erase(store, "drop", [])
        if stale:
            rounds.forget(store)
        noted.removed(store, removed.others, now)
    return removed if lost or stale else None


def _lost_files(store: Store, limit: Limit) -> int:
    row = store.one("SELECT at FROM notices WHERE code = 'files_lost'")
    return int(row is not None and row["at"] < limit.before)


def _stale_drop(store: Store, limit: Limit) -> int:
    """How many names of files are kept of a drop that no round has read since."""
    last = meta.get(store, "sftp_rounds").get("at")
    if last is None or last >= limit.before:
        return 0
    row = store.one("SELECT count(*) AS n FROM remote_files")
    return 0 if row is None else int(row["n"])


def waiting(store: Store, limit: Limit) -> int:
    """How many tasks are older than that and still pending: they stay."""
    row = store.one(
        "SELECT count(*) AS n FROM tasks WHERE state = 'pending' AND recorded_at < :before", {"before": limit.before}
    )
    return 0 if row is None else int(row["n"])


def _erase(store: Store, of: Of, seqs: Iterable[int], only: str | None = None) -> bool:
    """Inside a transaction; whether there was anything."""
    these = listed(seqs) or "-1"
    changed = 0
    for table, sql, params in reversed(erasing(of)):  # what refers to a row before the row
        if only in (None, table):
            changed += store.execute(sql.format(these), params)
    return changed > 0
