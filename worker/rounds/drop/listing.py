"""What the drop holds: list it, note the listing, and plan the fetch of each file that is settled."""

from functools import partial

from worker.gateways.sftp.drop import SftpFailed
from worker.rounds.drop.archive import search, tell_hidden
from worker.rounds.drop.one_file import fetch
from worker.rounds.drop.work import DropWork, Step
from worker.store.batch import remote


def list_drop(work: DropWork, _now: int) -> None:
    """List the drop; the listing is noted by a later step.

    Where another file hides one that was begun, the archive is searched before that: the note forgets the hidden one.
    """
    try:
        files, links = work.ask(lambda drop: (drop.list(), drop.links))
        work.outcome.absent = False
        work.listed, work.links = {one.name: one for one in files}, [one.text for one in links]
    except SftpFailed as failure:
        if failure.code != "drop_missing" or not remote.emptied(work.store):
            raise
        # An object store shows a folder only as long as something lies in it.
        work.listed, work.links = {}, []
        work.outcome.absent = True
        if remote.any_noted(work.store):
            work.log.info("the drop's folder went with its last file: it counts as empty")
    hidden = remote.hidden(work.store, _rows(work))
    searching = [Step(partial(search, wanted=hidden, tell=tell_hidden))] if hidden else []
    work.first(*searching, Step(_note))


def _note(work: DropWork, now: int) -> None:
    # A step of its own, so that `now` is after the listing: a file counts as seen when it was, or later.
    remote.note_listing(work.store, _rows(work), now, work.links)


def _rows(work: DropWork) -> list[tuple[bytes, str, int, int]]:
    return [(one.name, one.text, one.size, one.mtime) for one in work.listed.values()]


def settle(work: DropWork, now: int) -> None:
    """After the first listing. A patient round waits for new files, and lists once more."""
    if work.patient and remote.unsettled(work.store, now - work.rules.settle):
        work.wait_until = now + work.rules.settle
        work.first(Step(list_drop), Step(_plan_fetches))
    else:
        _plan_fetches(work, now)


def _plan_fetches(work: DropWork, now: int) -> None:
    since = now - work.rules.settle
    work.outcome.unsettled = [one.shown for one in remote.unsettled(work.store, since)]
    files = remote.settled(work.store, since, now, at_once=work.patient)
    work.first(*(Step(partial(fetch, one=one, file=work.listed[one.name])) for one in files))
