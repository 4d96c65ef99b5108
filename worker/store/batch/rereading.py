"""Answers of batches that an older reader made: which they are, and what takes the place of what they say.

A row keeps its key, its result, its place in the file, and the tasks that it was joined to. What it says is replaced by
what the present reader makes of the same patient. Where the present reader would hold the set, or finds other patients
in it, the row keeps the patient that it had and tells no coverage any more: it might be another's.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.json import encode

from worker.core.vendor.document import parse_json
from worker.core.x12.answer_columns import AnswerColumns
from worker.core.x12.embedded import READER_VERSION
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.issues import Issue, issue
from worker.store import outbox
from worker.store.batch.answers import TOLD, coverages
from worker.store.batch.quarantine import restored
from worker.store.db.store import Store
from worker.store.state import notices

WITHDRAWN = (
    "this cdpoll holds sets of batches that an older one took, or finds other patients in them: their coverage is no "
    "longer told. In `batch_answers` their warnings have read_otherwise"
)
_TOLD_AS_NONE = {"coverage": "undetermined", "other_payers": [], "managed_care": [], "to_ask": []}
_HL = re.compile(rb'"hl":(\d+)')
_HEAD_BYTES = 200  # `hl` is the third key of what an answer says


class OldRow(NamedTuple):
    """An answer as an older reader made it."""

    seq: int
    result: int
    hl: int | None
    """The number of its patient's HL; early readers did not say it."""
    last_name: str
    birth_date: str

    def is_of(self, hl: int, columns: AnswerColumns) -> bool:
        """Whether an answer of the present reader is about the same patient, when it stands in the same place."""
        if self.hl is not None:
            return self.hl == hl
        mine, theirs = (self.last_name, self.birth_date), (columns.last_name, columns.birth_date)
        return all(
            not old or not new or old.casefold() == new.casefold() for old, new in zip(mine, theirs, strict=True)
        )


class NewRow(NamedTuple):
    """What the present reader makes of an answer."""

    hl: int
    columns: AnswerColumns
    body: bytes


def outdated(store: Store, most_rows: int) -> list[int | None]:
    """The sets of up to ``most_rows`` answers of an older reader, oldest first; ``None``: rows without a set."""
    rows = store.read(
        """
        SELECT answers.from_set FROM results LEFT JOIN answers ON answers.result = results.seq
        WHERE results.source = 'batch' AND results.derived < :version
        ORDER BY results.derived, results.seq LIMIT :most
        """,
        {"version": READER_VERSION, "most": most_rows},
    )
    return list(dict.fromkeys(row["from_set"] for row in rows))


def how_many(store: Store) -> int:
    """How many answers of batches an older reader made."""
    row = store.one(
        "SELECT count(*) AS n FROM results WHERE source = 'batch' AND derived < :version", {"version": READER_VERSION}
    )
    return 0 if row is None else row["n"]


def stored_set(store: Store, seq: int) -> TransactionSet | None:
    """The set as it stood in its file, with what only its file can tell; ``None``: its bytes are gone.

    Raises StorageFailed where its envelope is damaged.
    """
    row = store.one(
        "SELECT sets.*, envelopes.interchange, envelopes.grouped FROM sets"
        " JOIN envelopes ON envelopes.seq = sets.envelope WHERE sets.seq = :seq",
        {"seq": seq},
    )
    return None if row is None or not row["raw"] else restored(row)


def rows_of(store: Store, seq: int) -> list[OldRow]:
    """All answers of a set, in the order in which they were read."""
    rows = store.read(
        f"""
        SELECT answers.seq, answers.result, answers.last_name, answers.birth_date,
            substr(results.body, 1, {_HEAD_BYTES}) AS head
        FROM answers JOIN results ON results.seq = answers.result
        WHERE answers.from_set = :seq ORDER BY answers.seq
        """,  # noqa: S608 - a number
        {"seq": seq},
    )
    found = []
    for row in rows:
        hl = _HL.search(bytes(row["head"]))
        found.append(OldRow(row["seq"], row["result"], int(hl[1]) if hl else None, row["last_name"], row["birth_date"]))
    return found


_SAY = f"""
UPDATE answers SET {", ".join(f"{name} = :{name}" for name in AnswerColumns._fields)}
WHERE seq = :seq AND result = :result
"""  # noqa: S608 - the names are those of a class
_READ = "UPDATE results SET body = :body, derived = :version WHERE seq = :result AND source = 'batch'"


def say_anew(store: Store, rows: Sequence[tuple[OldRow, NewRow]], now: int) -> None:
    """Replace what answers say, in a short transaction; those that tell of coverage that they did not get new numbers.

    Rows that were removed meanwhile stay removed, and no number of a row is ever given again.
    """
    listed = ",".join([str(old.seq) for old, _ in rows])
    with store.write():
        before = {
            row["seq"]: coverages(dict(row))
            for row in store.read(f"SELECT seq, {TOLD} FROM answers WHERE seq IN ({listed})")  # noqa: S608
        }
        more = []
        for old, new in rows:
            columns = new.columns._asdict()
            if store.execute(_SAY, {**columns, "seq": old.seq, "result": old.result}):
                store.execute(_READ, {"body": new.body, "version": READER_VERSION, "result": old.result})
                if coverages(columns) - before[old.seq]:
                    more.append(old.result)
        outbox.publish_read(store, more, now)


def say_nothing(store: Store, rows: Sequence[OldRow], issues: tuple[Issue, ...], now: int) -> None:
    """Let answers keep the patient that they have and tell no coverage, in a short transaction."""
    issues += (issue("read_otherwise", "ST"),)
    codes = [one.code for one in issues]
    with store.write():
        for old in rows:
            row = store.one(
                "SELECT answers.warnings, answers.found, results.body FROM answers"
                " JOIN results ON results.seq = answers.result WHERE answers.seq = :seq AND results.seq = :result",
                {"seq": old.seq, "result": old.result},
            )
            if row is None:
                continue
            said = parse_json(row["body"])
            said = said if isinstance(said, dict) else {}
            body = encode({**said, **_TOLD_AS_NONE, "issues": [*issues, *said.get("issues", [])]})
            warnings = " ".join(dict.fromkeys([*codes, *row["warnings"].split()]))
            store.execute(
                "UPDATE answers SET coverage = 'undetermined', other_payers = '', managed_care = '', to_ask = '',"
                " warnings = :warnings WHERE seq = :seq",
                {"warnings": warnings, "seq": old.seq},
            )
            store.execute(_READ, {"body": body, "version": READER_VERSION, "result": old.result})
            if row["found"]:
                notices.put(store, "coverage_withdrawn", WITHDRAWN, now)


def leave(store: Store, rows: Iterable[OldRow]) -> None:
    """Count answers whose set is gone as read, as they are, in a short transaction."""
    with store.write():
        for old in rows:
            _count_as_read(store, old.result)


def leave_without_set(store: Store, most_rows: int) -> None:
    """The same for results without an answer or a set, in a short transaction."""
    with store.write():
        rows = store.read(
            """
            SELECT results.seq FROM results LEFT JOIN answers ON answers.result = results.seq
            WHERE results.source = 'batch' AND results.derived < :version AND answers.from_set IS NULL
            ORDER BY results.derived, results.seq LIMIT :most
            """,
            {"version": READER_VERSION, "most": most_rows},
        )
        for row in rows:
            _count_as_read(store, row["seq"])


def _count_as_read(store: Store, result: int) -> None:
    store.execute(
        "UPDATE results SET derived = :version WHERE seq = :result", {"version": READER_VERSION, "result": result}
    )
