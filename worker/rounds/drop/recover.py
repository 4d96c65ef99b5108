"""What an earlier round left when its process ended: bytes that were fetched are read in before anything else."""

from functools import partial
from pathlib import Path

from worker.gateways.sftp.landing import make_whole, with_temporary_names
from worker.rounds.drop.one_file import read_in, read_orphan
from worker.rounds.drop.work import DropWork, Step
from worker.rounds.ingest import found_again
from worker.rounds.ingest.batch_file import BatchFile, ingest_dry_run
from worker.store.batch import batches, remote
from worker.store.batch.remote import DropFile


def recover(work: DropWork, _now: int) -> None:
    """Clean up, and plan one step for each file that was fetched before, or while that process died."""
    server, folder = work.rules.drop.server, work.rules.drop.folder
    remote.bind(work.store, f"{server.username}@{server.host}:{server.port} {folder}")
    halves = with_temporary_names(work.incoming)
    work.first(*(Step(partial(_adopt, path=path), path.stat().st_size) for path in halves), Step(_read_left))


def _adopt(work: DropWork, now: int, *, path: Path) -> None:
    """A file that has a temporary name still: it is whole if it reads so, or has the size that was announced. Else it
    is half of a file that is fetched again."""
    size = path.stat().st_size
    whole = size > 0 and any(one.size == size for one in remote.on_its_way(work.store))
    if not whole:
        with path.open("rb") as file:
            whole = ingest_dry_run(work.store, BatchFile(file, path.name, "sftp"), now).state == "ingested"
    if whole:
        make_whole(path)
    else:
        path.unlink(missing_ok=True)


def _read_left(work: DropWork, now: int) -> None:
    kept = found_again.unknown_kept(work.store, now, wait=work.patient)
    fetched = remote.in_state(work.store, "fetched")
    work.first(
        *(Step(partial(read_orphan, path=path, kept=True), path.stat().st_size) for path in kept),
        *(Step(partial(_read_fetched, one=one), _size(work, one)) for one in fetched),
        *_unnoted(work, fetched, now),
    )


def _read_fetched(work: DropWork, now: int, *, one: DropFile) -> None:
    # Two files of the same bytes have one copy here, which goes when the first of them is read in.
    path = work.incoming / (one.local or "")
    if one.local and path.is_file():
        read_in(work, now, one=one, path=path)
    elif one.local and batches.finished_file(work.store, one.local) is None:
        # They are on the host of another daemon, which has died. If the server has moved it away, that is told.
        remote.again(work.store, one, "interrupted", 0, now)
    else:
        remote.move_on(work.store, one, "seen")


def _size(work: DropWork, one: DropFile) -> int:
    path = work.incoming / (one.local or "")
    return path.stat().st_size if path.is_file() else 0


def _unnoted(work: DropWork, fetched: list[DropFile], now: int) -> list[Step]:
    """The steps for files in the private folder that the database does not know to be there."""
    steps: list[Step] = []
    halfway = remote.on_its_way(work.store)
    elsewhere = [one for one in remote.in_state(work.store, "fetching") if one not in halfway]
    noted = {one.local for one in fetched}
    for path in sorted(work.incoming.iterdir()):
        if path.name.startswith(".") or path.name in noted or not path.is_file():
            continue
        if batches.finished_file(work.store, path.name) is not None:
            path.unlink(missing_ok=True)  # another host has fetched it again, and read it in
            continue
        size = path.stat().st_size
        # Files are fetched one at a time, so there is hardly ever more than one that this can be. One of another size
        # may be another file, left behind by a database that was restored: then the server's is fetched again.
        whose = next((one for one in halfway if one.size == size), None)
        if whose is None:
            steps.append(Step(partial(read_orphan, path=path), size))
        else:
            halfway.remove(whose)
            remote.move_on(work.store, whose, "fetched", path.name)
            steps.append(Step(partial(read_in, one=whose, path=path), size))
    for one in [*halfway, *elsewhere]:
        remote.again(work.store, one, "interrupted", 0, now)
    return steps
