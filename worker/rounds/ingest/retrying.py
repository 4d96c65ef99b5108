"""Reads a file or a single set in quarantine again, with the present reader."""

from worker.core.x12.batch import TAKE_ALL, HoldRules, judged
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.store.batch import batches, keeping, quarantine
from worker.store.batch.lock import IngestLock
from worker.store.batch.quarantine import SetRows
from worker.store.batch.staging import PAGE_ROWS, Staging
from worker.store.db.store import Store


def retry_file(store: Store, seq: int, now: int, rules: HoldRules) -> str | None:
    """Read a file in quarantine again; ``None`` if it has left the quarantine, else why it has not."""
    found = quarantine.one_file(store, seq)
    if found is None:
        return "is not in quarantine"
    path = keeping.kept_path(store.path, found["sha256"])
    try:
        with path.open("rb") as file:
            name, source = found["name"], found["source"]
            report = ingest(store, BatchFile(file, name, source, seq, rules), now)
    except FileNotFoundError:
        return found_elsewhere(store, found["daemon"]) or f"is no longer at {path}"
    if report.state in ("ingested", "skipped"):
        keeping.drop_whole(store.path, found["sha256"])
        return None
    return report.reason or report.state


def found_elsewhere(store: Store, daemon: str | None) -> str | None:
    """What to do where the bytes of a file are on the host of another daemon; ``None``: they are not."""
    if daemon is None or daemon == store.daemon:
        return None
    return f"is on the host of {daemon}: run the same command there"


def retry_set(store: Store, seq: int, now: int, rules: HoldRules = TAKE_ALL) -> str | None:
    """Read a set in quarantine again; ``None`` if it has left the quarantine, else why it has not.

    Its answers are staged in small transactions like those of a file: no view shows those of a set in quarantine. The
    last, short one takes the set out of it.
    """
    with IngestLock(store, "file", now, wait=True):
        batches.remove_leftovers(store)
        held = quarantine.held_set(store, seq)
        if held is None:
            return "is not in quarantine"
        again = judged(held.tset, rules)
        issues = tuple(dict.fromkeys(again.issues))
        if again.parsed is None or again.verdict == "hold":
            return " ".join(each.message for each in issues)
        staging = Staging(SetRows(store, held, now), hold_test=held.test, page_rows=PAGE_ROWS // 2)
        staging.add(held.tset, "accepted", issues, again.parsed.subscribers, again.parsed.answers())
        staging.flush()
        quarantine.release_set(store, held, issues, staging.counts, now)
    return None
