"""What a round over the drop tells people: problems for `status`, and lines in the log."""

from collections.abc import Sequence

from worker.rounds.drop.work import DropOutcome
from worker.rounds.ingest.file_report import FileReport
from worker.rounds.log_lines import Log
from worker.store.db.store import Store
from worker.store.state import drop as rounds
from worker.store.state import notices


def came_in(log: Log, report: FileReport) -> None:
    """Log what became of a file."""
    counts = report.counts
    say = log.info if report.state in ("ingested", "known", "skipped") else log.warning
    say(
        "a batch file came in",
        state=report.state,
        number=None if report.number is None else f"f{report.number}",
        transaction_sets=counts.transaction_sets,
        quarantined_sets=counts.quarantined_sets,
    )


def lost(store: Store, log: Log, names: Sequence[str], where: str, now: int) -> None:
    """Files are gone that we had begun to fetch; ``where`` a person finds them."""
    named = ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
    with store.write():
        notices.put(store, "files_lost", f"gone from the drop before they came whole: {named}; {where}", now)
    log.warning("files are gone from the drop before they came whole", count=len(names))


def over(store: Store, log: Log, outcome: DropOutcome, now: int, *, always: bool) -> None:
    """The round has ended, with a ``failure`` if something hindered it. That is a problem, which the daemon logs as any
    other; ``always``: it is logged here, for a person who waits for the round."""
    failure = outcome.failure
    if failure is not None and failure.code in ("stopped", "login_waits"):
        # The refusal of the login stands in `status` already.
        if failure.code == "login_waits" and always:
            log.warning("the drop is not asked yet", code=failure.code, hint=failure.message)
        return
    standing = {code for code, _ in notices.listed(store) if code.startswith("sftp_")}
    wanted = None if failure is None else f"sftp_{failure.code}"
    with store.write():
        rounds.note(store, None if failure is None else failure.code, now, absent=outcome.absent)
        for code in standing - {wanted}:
            notices.clear(store, code)
        if wanted is not None and failure is not None:
            detail = f"{failure.message}: {failure.hint}" if failure.hint else failure.message
            notices.put(store, wanted, detail, now)
    if failure is not None and always:
        log.warning("the drop cannot be read", code=failure.code, hint=failure.hint)
