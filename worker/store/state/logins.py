"""Logins at the SFTP server that were refused: who goes on trying is locked out there.

Each wait is twice as long as the one before, up to an hour. It stands in the database: a daemon that is started again
and again tries no sooner.
"""

import json

from worker.store.db.damage import json_object
from worker.store.db.store import Store

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
    at = _noted(store).get("at", 0)
    return at if isinstance(at, int) and now < at <= now + LONGEST_WAIT_MS else 0


def at_once(store: Store) -> None:
    """Try the next login at once: a person may have mended what was wrong. Inside a transaction."""
    if times := _times(store):
        _put(store, times, 0)


def forget(store: Store) -> None:
    """A login went well, or is another one from now on; inside a transaction."""
    store.execute("DELETE FROM meta WHERE key = :key", {"key": _KEY})


def went_well(store: Store) -> None:
    """Forget what was refused before. Writes nothing where nothing was."""
    if _noted(store):
        with store.write():
            forget(store)


def _times(store: Store) -> int:
    times = _noted(store).get("times", 0)
    return times if isinstance(times, int) and times > 0 else 0


def _put(store: Store, times: int, at: int) -> None:
    store.execute(
        "INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = :value",
        {"key": _KEY, "value": json.dumps({"times": times, "at": at})},
    )


def _noted(store: Store) -> dict[str, object]:
    row = store.one("SELECT value FROM meta WHERE key = :key", {"key": _KEY})
    return {} if row is None else json_object(row["value"])
