"""ParsedSet a file or a single set in quarantine again, with the present reader."""

from worker.core.x12.answer import ParsedSet
from worker.core.x12.answer_columns import AnswerColumns
from worker.core.x12.answer_json import AnswerJson
from worker.core.x12.batch import judged
from worker.rounds.ingest.batch_file import Given, ingest
from worker.store.batch import batches, keeping, quarantine
from worker.store.batch.lock import IngestLock
from worker.store.batch.matching import Wanted
from worker.store.batch.quarantine import HeldSet
from worker.store.batch.rows import Counts, put_answers, ready
from worker.store.db.store import Store


def retry_file(store: Store, seq: int, now: int, *, hold_test: bool) -> str | None:
    """Read a file in quarantine again; ``None`` if it has left the quarantine, else why it has not."""
    found = quarantine.one_file(store, seq)
    if found is None:
        return "is not in quarantine"
    path = keeping.kept_path(store.path, found["sha256"])
    try:
        with path.open("rb") as file:
            report = ingest(store, Given(file, found["name"], found["source"], seq, hold_test), now)
    except FileNotFoundError:
        return f"is no longer at {path}"
    if report.state in ("ingested", "skipped"):
        keeping.drop_whole(store.path, found["sha256"])
        return None
    return report.reason or report.state


def retry_set(store: Store, seq: int, now: int) -> str | None:
    """Read a set in quarantine again; ``None`` if it has left the quarantine, else why it has not.

    Its answers are staged in small transactions like those of a file: no view shows those of a set in quarantine. The
    last, short one takes the set out of it.
    """
    with IngestLock(store.path, "file", wait=True):
        batches.remove_leftovers(store)
        held = quarantine.held_set(store, seq)
        if held is None:
            return "is not in quarantine"
        again = judged(held.tset)
        issues = tuple(dict.fromkeys(again.issues))
        if again.parsed is None or again.verdict == "hold":
            return " ".join(each.message for each in issues)
        counts = _stage(store, held, again.parsed, now)
        counts.subscribers = again.parsed.subscribers
        quarantine.release_set(store, held, issues, counts)
    return None


def _stage(store: Store, held: HeldSet, reading: ParsedSet, now: int) -> Counts:
    """Write the answers of a set that is still in quarantine."""
    summary, counts = AnswerJson(), Counts()
    page: list[tuple[int, Wanted | None, AnswerColumns, str | bytes]] = []
    size = 0

    def flush() -> None:
        with store.write():
            counts.count(put_answers(store, page, held.file, held.delivered + counts.delivered + 1, now))
        page.clear()

    for answer in reading.answers():
        made = ready(answer, held.sha256, summary, test=held.test)
        page.append((held.seq, *made))
        size += len(made.body)
        if len(page) >= batches.ROWS // 2 or size >= batches.BYTES:
            flush()
            size = 0
    flush()
    return counts
