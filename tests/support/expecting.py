"""What callers expect of batches without an id, and what comes of it."""

import json
from typing import Any

from tests.support.batch_files import read as read_in
from tests.support.database import NOW
from tests.support.x12_samples import ACTIVE, Segment, a_file, a_set, subscriber
from worker.core.intake.json_lines import from_jsonl_line
from worker.core.schedule.cadence import Schedule
from worker.rounds.ingest.file_report import FileReport
from worker.store.db.store import Store
from worker.store.tasks.recording import record_all
from worker.store.views.exported import entries_after, objects

OURS = {"trace_number": "OURS-1", "originator_id": "9000000001"}
ALONE = {"trace_number": "OURS-1"}
BORN = "1970-02-03"


def tell(store: Store, ref: str | None, now: int = NOW, /, **about: str) -> None:
    """What a caller tells of one request in a line of JSON, with an id or without."""
    line = json.dumps({**about, **({} if ref is None else {"ref": ref})}).encode()
    intake = from_jsonl_line(line, place="line 1")
    assert not intake.unreadable
    record_all(store, intake, origin="", now=now, schedule=Schedule())


def read(store: Store, *bodies: list[Segment], name: str = "batch") -> FileReport:
    """Read a file with a set for each; what a rehearsal said of it before is the same."""
    sets = [a_set(body, control=f"{n:04}") for n, body in enumerate(bodies or [subscriber(ACTIVE)], 1)]
    dry = read_in(store, a_file(*sets), name, dry=True)
    report = read_in(store, a_file(*sets), name)
    assert dry.counts == report.counts
    return report


def joined(store: Store) -> list[tuple[Any, ...]]:
    """(match, id, refs) of every answer."""
    rows = store.read("SELECT match, id, refs FROM batch_answers ORDER BY answer")
    return [(row["match"], row["id"], row["refs"]) for row in rows]


def told(store: Store) -> list[tuple[int, str | None, str | None]]:
    """(seq, id, ref) of what goes out to a reader who begins now."""
    entries = entries_after(store, 0, 100).entries
    found = [objects(store, [one])[one.seq or 0] for one in entries]
    return [(one["seq"], one["id"], one["ref"]) for one in found]


def answered(store: Store) -> list[tuple[str, bool]]:
    rows = store.read("SELECT ref, answered_at FROM expected ORDER BY seq")
    return [(row["ref"], row["answered_at"] is not None) for row in rows]


def person(
    number: str = "OURS-1", *, originator: str = "9000000001", first: str = "ANN", **about: str
) -> list[Segment]:
    """A subscriber's answer to an inquiry with this trace number."""
    born = about.pop("born", "19700203")
    changed = {"TRN": ("TRN", "2", number, originator), "DMG": ("DMG", "D8", born, "F")}
    segments = [changed.get(one[0], one) for one in subscriber(ACTIVE, **about)]
    return [(*one[:4], first, *one[5:]) if one[:2] == ("NM1", "IL") else one for one in segments]


MATCHED, CANDIDATE, UNMATCHED = ("matched", None, "A"), ("candidate", None, None), ("unmatched", None, None)
