"""Move or delete on the server what is stored here, as ``[sftp] after`` says."""

from functools import partial

from worker.gateways.sftp.drop import RemoteFile, SftpFailed
from worker.rounds.drop.listing import list_drop
from worker.rounds.drop.work import OF_ONE_FILE, DropWork, Step
from worker.store.batch import remote
from worker.store.batch.remote import DropFile


def tidy(work: DropWork, _now: int) -> None:
    """List the drop again, then plan. A server may have archived the files that were read; they need nothing more."""
    if work.rules.after != "leave" and remote.untidy(work.store):
        work.first(Step(list_drop), Step(_plan))


def _plan(work: DropWork, _now: int) -> None:
    work.first(*(Step(partial(_tidy_one, one=one)) for one in remote.untidy(work.store)))


def _tidy_one(work: DropWork, _now: int, *, one: DropFile) -> None:
    file = RemoteFile(one.name, one.size, one.mtime)
    try:
        if work.rules.after == "move":
            work.drop.move(file, work.rules.move_to or "")
        else:
            work.drop.remove(file)
    except SftpFailed as failure:
        if failure.code not in OF_ONE_FILE:
            raise
        # A changed file is listed again by the next round. A missing or forbidden folder is for a person to mend.
        if failure.code != "changing":
            work.outcome.failure = failure
    else:
        remote.forget(work.store, one)
