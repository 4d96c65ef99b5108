"""Logins that the SFTP server refused: it locks the account of a client that goes on trying.

Each wait is twice as long as the one before, up to an hour. It stands in the database, so that a daemon that is started
again and again tries no sooner.
"""

from worker.store.db.store import Store
from worker.store.state import meta

_KEY = "sftp_login"

FIRST_WAIT_MS = 60_000
LONGEST_WAIT_MS = 3_600_000


def refused(store: Store, now: int) -> int:
    """A login was refused just now; when to try the next one (ms). Inside a transaction."""
    times = _times(store)
    at = now + min(FIRST_WAIT_MS << min(times, 20), LONGEST_WAIT_MS)
    _put(store, times + 1, at)
    return at


def next_at(store: Store, now: int) -> int:
    """When to try the next login (ms); 0: at once. A clock that was set back keeps nothing waiting."""
    at = meta.get(store, _KEY).get("at", 0)
    return at if isinstance(at, int) and now < at <= now + LONGEST_WAIT_MS else 0


def at_once(store: Store) -> None:
    """Try the next login at once: a person may have mended what was wrong. Inside a transaction."""
    if times := _times(store):
        _put(store, times, 0)


def forget(store: Store) -> None:
    """A login went well, or is another one from now on; inside a transaction."""
    meta.forget(store, _KEY)


def went_well(store: Store) -> None:
    """Forget what was refused before. Writes nothing where nothing was."""
    if meta.get(store, _KEY):
        with store.write():
            forget(store)


def _times(store: Store) -> int:
    times = meta.get(store, _KEY).get("times", 0)
    return times if isinstance(times, int) and times > 0 else 0


def _put(store: Store, times: int, at: int) -> None:
    meta.put(store, _KEY, {"times": times, "at": at})
