"""What a person must know: all threads put notices here, and the main thread writes them."""

from queue import Empty, SimpleQueue

from worker.store.db.store import Store
from worker.store.state import notices

DAY_MS = 86_400_000

# cdpoll cannot tell when these are dealt with, so their notices go away after this time.
LASTING_MS = {
    "clock_jumped": DAY_MS,
    "coverage_withdrawn": 7 * DAY_MS,
    "files_lost": 7 * DAY_MS,
    "files_recovered": 7 * DAY_MS,
}


class Notices:
    """Notices that are to be written with the next beat. Any thread may :meth:`put`."""

    def __init__(self) -> None:
        self._new: SimpleQueue[tuple[str, str | None]] = SimpleQueue()
        self._unwritten: dict[str, str | None] = {}

    def put(self, code: str, detail: str | None) -> None:
        """Have `status` show ``detail`` as soon as the database can be written; ``None`` takes the notice away."""
        self._new.put((code, detail))

    @property
    def waiting(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._unwritten) or not self._new.empty()

    def write(self, store: Store, now: int) -> None:
        """Write all of them, inside a transaction; they are kept until :meth:`written`."""
        while True:
            try:
                code, detail = self._new.get_nowait()
            except Empty:
                break
            self._unwritten[code] = detail
        for code, detail in self._unwritten.items():
            notices.put(store, code, detail, now, own=True)
        for code, lasting_ms in LASTING_MS.items():
            notices.clear_older(store, code, now - lasting_ms)

    def written(self) -> None:
        """The transaction is committed."""
        self._unwritten.clear()
