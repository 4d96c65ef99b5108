"""Move or delete on the server what is stored here, as ``[sftp] after`` says."""

from functools import partial

from worker.core.instant import FAR
from worker.gateways.sftp.drop import RemoteFile, SftpFailed
from worker.rounds.drop.listing import list_drop
from worker.rounds.drop.work import DropWork, Step
from worker.store.batch import remote
from worker.store.batch.remote import DropFile


def tidy(work: DropWork, now: int) -> None:
    """List the drop again, then plan. A server may have archived the files that were read; they need nothing more."""
    if work.rules.after != "leave" and remote.untidy(work.store, FAR if work.patient else now):
        work.first(Step(list_drop), Step(_plan))


def _plan(work: DropWork, now: int) -> None:
    untidy = remote.untidy(work.store, FAR if work.patient else now)
    work.first(*(Step(partial(_tidy_one, one=one)) for one in untidy))


def _tidy_one(work: DropWork, now: int, *, one: DropFile) -> None:
    file = work.told.get(one.name, RemoteFile(one.name, one.size, one.mtime))
    to = work.rules.move_to or ""
    work.renew()  # what follows is not in the database
    try:
        work.ask(lambda drop: drop.move(file, to) if work.rules.after == "move" else drop.remove(file))
    except SftpFailed as failure:
        if not work.of_one_file(failure):
            raise
        if failure.code == "vanished":
            return  # there is nothing left to do; the next listing shows it
        remote.still_untidy(work.store, one, failure.code, work.rules.every, now)
        work.outcome.failed.append((one.shown, failure))
    else:
        remote.forget(work.store, one)
